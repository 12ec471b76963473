"""Add Head."""

import bpy

from .. import api


class CTEG_OT_add_head(bpy.types.Operator):
    """Add a head that can perform lines of dialogue"""

    bl_idname = "cteg.add_head"
    bl_label = "Add Head"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            rig = api.add_head()
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Added “{rig.name}”.")
        return {"FINISHED"}
