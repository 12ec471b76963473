"""Add Head from FLAME File."""

from pathlib import Path

import bpy

from flame_rig.flame_file import EDITIONS

from .. import api
from ..rig import NOTES, READ_FROM

_BY_CONTENT = "CONTENT"


class CTEG_OT_add_flame_head(bpy.types.Operator):
    """Add a head from a FLAME model that you have (2019 to 2023, .pkl or .npz); nothing in the file is executed"""

    bl_idname = "cteg.add_flame_head"
    bl_label = "Add Head from FLAME File"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: bpy.props.StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})  # type: ignore[valid-type]
    edition: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Edition",
        description="Which FLAME it is, where the file's content does not tell",
        items=[
            (_BY_CONTENT, "By content", "Told by what the file holds"),
            *((edition.id, edition.name, edition.licence) for edition in EDITIONS.values()),
        ],
    )
    expressions: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Expression Keys", description="How many components become shape keys; clips drive 50",
        default=100, min=1, soft_max=100,
    )  # fmt: skip
    identities: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Identity Keys", description="How many components become sliders for who the face is",
        default=10, min=0, soft_max=300,
    )  # fmt: skip

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            rig = api.add_head(
                name=f"{Path(self.filepath).stem} Head",
                model_file=bpy.path.abspath(self.filepath),
                edition=None if self.edition == _BY_CONTENT else self.edition,
                expressions=self.expressions,
                identities=self.identities,
            )
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        notes = rig.mesh.get(NOTES)
        if notes:
            self.report({"WARNING"}, str(notes))
        self.report({"INFO"}, f"Added “{rig.name}” from {rig.mesh[READ_FROM]}")
        return {"FINISHED"}
