"""What is done to a head's rig: bones fitted to who it is, correctives baked for export and driven again."""

from typing import Any

import bpy

from .. import api, corrective_bake
from ..characters import is_character
from ..rig import active_rig


class _OnActiveHead(bpy.types.Operator):
    """What the operators share: they need a head that CTEG built, and say so."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        rig = active_rig(context)
        if rig is None:
            cls.poll_message_set("Select a head first, or one of its parts")
        elif is_character(rig):
            cls.poll_message_set("Only heads that CTEG built have correctives, and bones that follow their identity")
        return rig is not None and not is_character(rig)


class CTEG_OT_fit_bones(_OnActiveHead):
    """Move the bones of the head to where the joints of its present identity are; animation stays as it is"""

    bl_idname = "cteg.fit_bones"
    bl_label = "Fit Bones to Identity"

    def execute(self, context):  # type: ignore[no-untyped-def]
        rig: Any = active_rig(context)
        try:
            moved = api.fit_bones(rig)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Fitted the bones of “{rig.name}”; the farthest moved {1000 * moved:.1f} mm.")
        return {"FINISHED"}


class CTEG_OT_bake_correctives(_OnActiveHead):
    """Turn the drivers of the head's correctives into keyframes over the scene's frames, for export"""

    bl_idname = "cteg.bake_correctives"
    bl_label = "Bake Correctives"

    def execute(self, context):  # type: ignore[no-untyped-def]
        scene = context.scene
        try:
            take = api.bake_correctives(active_rig(context), frame_start=scene.frame_start, frame_end=scene.frame_end)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        for note in take.notes:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, f"Frames {take.frame_start} to {take.frame_end}: “{take.actions[0].name}”.")
        return {"FINISHED"}


class CTEG_OT_restore_correctives(_OnActiveHead):
    """Let the bones drive the head's correctives again, after they were baked"""

    bl_idname = "cteg.restore_correctives"
    bl_label = "Restore Correctives"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        rig: Any = active_rig(context)
        if not corrective_bake.is_baked(rig):
            cls.poll_message_set("The correctives are not baked: the bones drive them")
            return False
        return True

    def execute(self, context):  # type: ignore[no-untyped-def]
        rig: Any = active_rig(context)
        try:
            count = api.restore_correctives(rig)
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{count} correctives of “{rig.name}” follow the bones again.")
        return {"FINISHED"}
