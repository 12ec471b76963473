"""Preset faces: put one on the active line, save the line's settings as one, delete one."""

import bpy

from .. import lines, presets
from ..errors import CtegError


class _OnActiveLine(bpy.types.Operator):
    """What the operators share: they need a line."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if lines.active_line(context.scene) is None:
            cls.poll_message_set("Add a line of dialogue first")
            return False
        return True


class CTEG_OT_preset_apply(_OnActiveLine):
    """Set the active line's emotion, intensity and weights to this face"""

    bl_idname = "cteg.preset_apply"
    bl_label = "Preset Face"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    name: bpy.props.StringProperty(name="Preset", description="Which face")  # type: ignore[valid-type]

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            presets.apply(presets.find(self.name), lines.active_line(context.scene))
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CTEG_OT_preset_save(_OnActiveLine):
    """Save the active line's emotion, intensity and weights as a face of your own, for any file"""

    bl_idname = "cteg.preset_save"
    bl_label = "Save Face as Preset"

    name: bpy.props.StringProperty(name="Name", description="What to call the face", maxlen=60)  # type: ignore[valid-type]

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            preset = presets.of_line(self.name, context.scene, lines.active_line(context.scene))
            presets.save(preset)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Saved “{preset.name}”.")
        return {"FINISHED"}


class CTEG_OT_preset_remove(bpy.types.Operator):
    """Delete this face of yours"""

    bl_idname = "cteg.preset_remove"
    bl_label = "Delete Preset"

    name: bpy.props.StringProperty(name="Preset", description="Which face")  # type: ignore[valid-type]

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            presets.remove(self.name)
        except CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}
