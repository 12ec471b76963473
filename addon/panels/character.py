"""Character: who performs. Heads are added, loaded or registered here; rigs and recordings are looked after below."""

from typing import Any

import bpy

from .. import characters, corrective_bake, lines, space_maps
from ..errors import CtegError
from ..operators import (
    CTEG_OT_add_flame_head,
    CTEG_OT_add_head,
    CTEG_OT_bake_correctives,
    CTEG_OT_character_add,
    CTEG_OT_character_remove,
    CTEG_OT_export_livelink,
    CTEG_OT_fit_bones,
    CTEG_OT_import_livelink,
    CTEG_OT_make_animatable,
    CTEG_OT_register_character,
    CTEG_OT_restore_correctives,
    CTEG_OT_use_flame_file,
)
from ..rig import MODEL, Rig, active_rig
from .drawing import Sidebar, draw_sentences


class CTEG_UL_characters(bpy.types.UIList):
    """Characters, each with the head that performs their lines."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0):  # type: ignore[no-untyped-def]
        # Heads have the longer names, and the field has an icon and a cross of its own.
        row = layout.split(factor=0.36, align=True)
        row.prop(item, "name", text="", emboss=False)
        row.prop(item, "head", text="")


class CTEG_PT_character(Sidebar):
    """Heads and characters: add them, and see what drives them."""

    bl_idname = "CTEG_PT_character"
    bl_label = "Character"
    bl_order = 0

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        column = layout.column(align=True)
        column.operator(CTEG_OT_add_head.bl_idname, icon="MESH_MONKEY")
        column.operator(CTEG_OT_add_flame_head.bl_idname, icon="FILE_FOLDER")
        column.operator(CTEG_OT_register_character.bl_idname, icon="ADD")
        settings = lines.settings_of(context.scene)
        if settings.characters:
            layout.label(text="Who speaks, and their heads:")
        row = layout.row()
        row.template_list(
            "CTEG_UL_characters", "", settings, "characters", settings, "active_character",
            rows=2 if settings.characters else 1,
        )  # fmt: skip
        side = row.column(align=True)
        side.operator(CTEG_OT_character_add.bl_idname, text="", icon="ADD")
        side.operator(CTEG_OT_character_remove.bl_idname, text="", icon="REMOVE")
        rig = active_rig(context)
        if rig is None:
            draw_sentences(layout.column(align=True), context, ("No head is active: select one, or add one.",), "INFO")
        else:
            _draw_rig(layout.box().column(align=True), context, rig)


class CTEG_PT_rig(Sidebar):
    """What is done to the active head's rig."""

    bl_idname = "CTEG_PT_rig"
    bl_label = "Rig"
    bl_parent_id = "CTEG_PT_character"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads the set

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator(CTEG_OT_use_flame_file.bl_idname, icon="FILE_REFRESH")
        layout.operator(CTEG_OT_fit_bones.bl_idname, icon="BONE_DATA")
        row = layout.row(align=True)
        row.operator(CTEG_OT_bake_correctives.bl_idname)
        row.operator(CTEG_OT_restore_correctives.bl_idname, text="Restore")
        rig = active_rig(context)
        if rig is not None and not characters.is_character(rig) and corrective_bake.is_baked(rig):
            draw_sentences(
                layout.column(align=True), context, ("Correctives are baked: Restore drives them again.",), "INFO"
            )


class CTEG_PT_livelink(Sidebar):
    """Recordings of Live Link Face, in and out."""

    bl_idname = "CTEG_PT_livelink"
    bl_label = "Live Link Face"
    bl_parent_id = "CTEG_PT_character"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads the set

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        column = layout.column(align=True)
        column.operator(CTEG_OT_import_livelink.bl_idname, icon="IMPORT")
        column.operator(CTEG_OT_export_livelink.bl_idname, icon="EXPORT")


def _draw_rig(column: Any, context: bpy.types.Context, rig: Rig) -> None:
    model = str(rig.mesh.get(MODEL, ""))
    says_more = model.casefold() not in rig.name.casefold()
    column.label(text=f"{rig.name}: {model}" if says_more else rig.name, icon="USER")
    draw_sentences(column, context, space_maps.sentences_of(rig), "INFO")
    if not characters.is_character(rig):
        return
    try:
        sentences = characters.report_of(rig).sentences()
    except CtegError as error:
        sentences = (str(error),)
    draw_sentences(column, context, sentences, "INFO")
    if characters.needs_override(rig):
        column.operator(CTEG_OT_make_animatable.bl_idname, icon="LIBRARY_DATA_OVERRIDE")


CLASSES = (CTEG_UL_characters, CTEG_PT_character, CTEG_PT_rig, CTEG_PT_livelink)
