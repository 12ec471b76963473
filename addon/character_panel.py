"""The sidebar's panel for characters of others: what is driven, and what is not."""

from typing import Any

import bpy

from . import characters
from .errors import CtegError
from .operators import (
    CTEG_OT_export_livelink,
    CTEG_OT_import_livelink,
    CTEG_OT_make_animatable,
    CTEG_OT_register_character,
)
from .panels import draw_sentences
from .rig import active_rig


class CTEG_PT_character(bpy.types.Panel):
    """The active character: its matched and unmatched shapes, and files of its performances."""

    bl_idname = "CTEG_PT_character"
    bl_label = "Character"
    bl_category = "CTEG"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads the set

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator(CTEG_OT_register_character.bl_idname, icon="ADD")
        rig = active_rig(context)
        if rig is not None and characters.is_character(rig):
            box = layout.box()
            box.label(text=rig.name, icon="USER")
            try:
                sentences = characters.report_of(rig).sentences()
            except CtegError as error:
                sentences = (str(error),)
            draw_sentences(box.column(align=True), context, sentences, "INFO")
            if characters.needs_override(rig):
                layout.operator(CTEG_OT_make_animatable.bl_idname, icon="LIBRARY_DATA_OVERRIDE")
        column = layout.column(align=True)
        column.operator(CTEG_OT_import_livelink.bl_idname, icon="IMPORT")
        column.operator(CTEG_OT_export_livelink.bl_idname, icon="EXPORT")
