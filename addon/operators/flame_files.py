"""Heads from FLAME files, and takes of a FLAME model on other heads."""

from pathlib import Path
from typing import Any

import bpy

from flame_rig.flame_file import EDITIONS
from flame_rig.spaces import CTEG_HEAD_1

from .. import api
from ..rig import NOTES, READ_FROM, SPACE, active_rig

_BY_CONTENT = "CONTENT"


def _edition_property() -> Any:
    return bpy.props.EnumProperty(
        name="Edition",
        description="Which FLAME it is, where the file's content does not tell",
        items=[
            (_BY_CONTENT, "By content", "Told by what the file holds"),
            *((edition.id, edition.name, edition.licence) for edition in EDITIONS.values()),
        ],
    )


def _chosen(edition: str) -> str | None:
    return None if edition == _BY_CONTENT else edition


class CTEG_OT_add_flame_head(bpy.types.Operator):
    """Add a head from a FLAME model that you have (2019 to 2023, .pkl or .npz); nothing in the file is executed"""

    bl_idname = "cteg.add_flame_head"
    bl_label = "Add Head from FLAME File"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: bpy.props.StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})  # type: ignore[valid-type]
    edition: _edition_property()  # type: ignore[valid-type]
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
                edition=_chosen(self.edition),
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


class CTEG_OT_use_flame_file(bpy.types.Operator):
    """Let the active head or character perform takes that were made for a FLAME model (EmoAva's checkpoint, say)"""

    bl_idname = "cteg.use_flame_file"
    bl_label = "Read FLAME Takes Through File"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender reads the set

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH")  # type: ignore[valid-type]
    filter_glob: bpy.props.StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})  # type: ignore[valid-type]
    edition: _edition_property()  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context):  # type: ignore[no-untyped-def]
        rig = active_rig(context)
        if rig is None or rig.mesh.get(SPACE, CTEG_HEAD_1.id) != CTEG_HEAD_1.id:
            cls.poll_message_set("Select a head or character that is not made of a FLAME file")
            return False
        return True

    def invoke(self, context, event):  # type: ignore[no-untyped-def]
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):  # type: ignore[no-untyped-def]
        try:
            said = api.use_flame_file(active_rig(context), bpy.path.abspath(self.filepath), _chosen(self.edition))
        except api.CtegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, " ".join(said))
        return {"FINISHED"}
