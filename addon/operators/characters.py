"""Characters of others: registering them, making linked ones animatable, and Live Link files in and out."""

from pathlib import Path
from typing import Any

import bpy

from .. import api
from ..actions import is_ours
from ..characters import needs_override
from ..rig import active_rig


class CTEG_OT_register_character(bpy.types.Operator):
    """Let the selected meshes with ARKit shape keys (head, teeth, lashes, brows) perform as one character"""

    bl_idname = "cteg.register_character"
    bl_label = "Register Selected as Character"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not any(thing.type == "MESH" for thing in context.selected_objects):
            cls.poll_message_set("Select the meshes of a character first")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            rig = api.register_character(context.selected_objects)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        sentence, *_ = api.report_of(rig).sentences()
        self.report({"INFO"}, f"“{rig.name}”: {sentence}")
        return {"FINISHED"}


class CTEG_OT_make_animatable(bpy.types.Operator):
    """Give a linked and overridden character shape keys of its own, which can be animated"""

    bl_idname = "cteg.make_animatable"
    bl_label = "Make Animatable"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        rig = active_rig(context)
        if rig is None or not needs_override(rig):
            cls.poll_message_set("Only an overridden character whose shape keys are still linked needs this")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        rig: Any = active_rig(context)
        try:
            count = api.make_animatable(rig)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Overrode {count} meshes of “{rig.name}”.")
        return {"FINISHED"}


class _OnCsvFile(bpy.types.Operator):
    """What the operators on files share: Blender asks for the file."""

    filepath: bpy.props.StringProperty(subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class CTEG_OT_import_livelink(_OnCsvFile):
    """Bake a Live Link Face recording on the active head or character, from the current frame on"""

    bl_idname = "cteg.import_livelink"
    bl_label = "Import Live Link CSV"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_rig(context) is None:
            cls.poll_message_set("Select a head or a character first")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            take = api.import_livelink(self.filepath, to_nla=context.scene.cteg.bake.to_nla)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for note in take.notes:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, f"Frames {take.frame_start} to {take.frame_end}: “{take.actions[0].name}”.")
        return {"FINISHED"}


class CTEG_OT_export_livelink(_OnCsvFile):
    """Write the take that the active head plays at the current frame as a Live Link Face CSV, for other engines"""

    bl_idname = "cteg.export_livelink"
    bl_label = "Export Live Link CSV"

    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})  # type: ignore[valid-type]
    fps: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Frame Rate",
        description="Frames a second of the file; importers that do not ask assume 60",
        default=60.0,
        min=1.0,
        max=240.0,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if _playing(context) is None:
            cls.poll_message_set("The active head plays no take of CTEG: bake one first")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        action: Any = _playing(context)
        try:
            clip = api.clip_of(action)
            if clip is None:
                raise api.CtegError(f"The action “{action.name}” holds no clip; only takes of CTEG can be exported.")
            path = Path(self.filepath).with_suffix(".csv")
            api.export_livelink(clip, path, self.fps)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path}.")
        return {"FINISHED"}


def _playing(context: bpy.types.Context) -> bpy.types.Action | None:
    """Return what the active head's keys play: the active Action, else the top strip of ours at the current frame."""
    rig = active_rig(context)
    keys = rig.mesh.data.shape_keys if rig is not None else None
    animation = keys.animation_data if keys is not None else None
    if animation is None or animation.action is not None:
        return animation.action if animation is not None else None
    frame = context.scene.frame_current
    strips = [strip for track in animation.nla_tracks if not track.mute for strip in track.strips]
    ours = [strip for strip in strips if strip.action is not None and is_ours(strip.action)]
    here = [strip for strip in ours if strip.frame_start <= frame <= strip.frame_end]
    playing = here or ours
    return playing[-1].action if playing else None
