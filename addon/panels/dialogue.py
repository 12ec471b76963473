"""Dialogue: the lines, in the order that they are read."""

from typing import Any, Final

import bpy

from .. import lines, performance
from ..line_status import status_of
from ..operators import (
    CTEG_OT_line_add,
    CTEG_OT_line_duplicate,
    CTEG_OT_line_move,
    CTEG_OT_line_remove,
    CTEG_OT_line_start_here,
    CTEG_OT_lines_import,
    CTEG_OT_lines_paste,
)
from .drawing import Sidebar, draw_sentences, letters_across, split_column

_WIDE: Final = 48
"""Letters across from which a row of the list has room for everything."""


class CTEG_UL_lines(bpy.types.UIList):
    """Lines, each with who says it, when, and how far it is."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0, flt_flag=0):  # type: ignore[no-untyped-def]
        status = status_of(context.scene, item)
        row = layout.row(align=True)
        row.alert = status.failed
        row.label(text="", icon=status.icon)
        wide = letters_across(context) > _WIDE
        # Where one character says everything, the name in every row would only take the text's room.
        says_who = bool(item.character) and (wide or not _is_only_speaker(context.scene, item.character))
        if says_who:
            who = row.row(align=True)
            who.ui_units_x = 4.0 if wide else 2.2
            who.label(text=item.character)
        row.prop(item, "text", text="", emboss=False)
        start = f"{item.start:g}"
        # The icon tells the rest; the active line's start stands below the list.
        brief = status.brief or ("" if says_who else start)
        words = f"{start} · {lines.seconds_of(item):.1f} s · {status.words}" if wide else brief
        if words:
            end = row.row(align=True)
            end.alignment = "RIGHT"
            end.ui_units_x = 7.0 if wide else max(1.0, 0.6 + 0.34 * len(words))
            end.label(text=words)

    def filter_items(self, context, data, property):  # type: ignore[no-untyped-def]
        items = getattr(data, property)
        wanted = self.filter_name.casefold()
        shown = [
            self.bitflag_filter_item if wanted in f"{item.character} {item.text}".casefold() else 0 for item in items
        ]
        return (shown if wanted else [], [])


def _is_only_speaker(scene: bpy.types.Scene, name: str) -> bool:
    return all(each.name == name for each in lines.settings_of(scene).characters)


class CTEG_MT_lines(bpy.types.Menu):
    """More that can be done to the list."""

    bl_idname = "CTEG_MT_lines"
    bl_label = "Lines"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator(CTEG_OT_lines_paste.bl_idname, icon="PASTEDOWN")
        layout.operator(CTEG_OT_lines_import.bl_idname, icon="IMPORT")
        layout.separator()
        layout.operator(CTEG_OT_line_duplicate.bl_idname, icon="DUPLICATE")


class CTEG_PT_dialogue(Sidebar):
    """The list of lines, and the active one."""

    bl_idname = "CTEG_PT_dialogue"
    bl_label = "Dialogue"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        settings = lines.settings_of(context.scene)
        row = layout.row()
        row.template_list("CTEG_UL_lines", "", settings, "lines", settings, "active_line", rows=6)
        side = row.column(align=True)
        side.operator(CTEG_OT_line_add.bl_idname, text="", icon="ADD")
        side.operator(CTEG_OT_line_remove.bl_idname, text="", icon="REMOVE")
        side.separator()
        side.menu(CTEG_MT_lines.bl_idname, text="", icon="DOWNARROW_HLT")
        side.separator()
        side.operator(CTEG_OT_line_move.bl_idname, text="", icon="TRIA_UP").steps = -1
        side.operator(CTEG_OT_line_move.bl_idname, text="", icon="TRIA_DOWN").steps = 1
        line = lines.active_line(context.scene)
        if line is None:
            row = layout.row(align=True)
            row.operator(CTEG_OT_line_add.bl_idname, icon="ADD")
            row.operator(CTEG_OT_lines_paste.bl_idname, text="Paste", icon="PASTEDOWN")
            row.operator(CTEG_OT_lines_import.bl_idname, text="Import", icon="IMPORT")
            return
        layout.prop(line, "text", text="", placeholder="What the character says")
        column = split_column(layout.column())
        column.prop_search(line, "character", settings, "characters", icon="USER", results_are_suggestions=True)
        row = column.row(align=True)
        row.prop(line, "start")
        row.operator(CTEG_OT_line_start_here.bl_idname, text="", icon="TIME")
        column.prop(line, "duration")
        if line.notes:
            draw_sentences(layout.column(align=True), context, (line.notes,), "INFO")
        failure = performance.failure_of(line.line_id)
        if failure is not None:
            alert = layout.column(align=True)
            alert.alert = True
            draw_sentences(alert, context, (failure,), "ERROR")


CLASSES = (CTEG_UL_lines, CTEG_MT_lines, CTEG_PT_dialogue)
