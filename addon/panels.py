"""The sidebar tab. It shows and asks; what happens is elsewhere."""

import textwrap
from collections.abc import Iterable
from typing import Any, Final, Literal

import bpy

from . import performance, space_maps
from .operators import (
    CTEG_OT_add_flame_head,
    CTEG_OT_add_head,
    CTEG_OT_bake_correctives,
    CTEG_OT_cancel,
    CTEG_OT_fit_bones,
    CTEG_OT_generate,
    CTEG_OT_restore_correctives,
    CTEG_OT_use_flame_file,
)
from .rig import MODEL, active_rig

_LETTER_WIDTH: Final = 7.0
"""Pixels that a letter of Blender's interface font takes at scale 1, about."""
_MOST_LINES: Final = 6
"""Lines of one sentence; a list of all the keys of a character would push everything else out of sight."""


class CTEG_PT_line(bpy.types.Panel):
    """One line of dialogue for the active head."""

    bl_idname = "CTEG_PT_line"
    bl_label = "Performance"
    bl_category = "CTEG"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        settings = context.scene.cteg
        layout.operator(CTEG_OT_add_head.bl_idname, icon="MESH_MONKEY")
        layout.prop(settings, "text", text="", placeholder="What the character says")
        row = layout.row(align=True)
        row.prop(settings, "seed")
        row.prop(settings, "takes")
        layout.prop(settings, "to_nla")
        running = performance.current()
        if running is None:
            layout.operator(CTEG_OT_generate.bl_idname, icon="PLAY")
        else:
            progress = running.job.progress
            words = f"{progress.message} ({progress.frames} frames)" if progress.frames else progress.message
            layout.progress(factor=progress.fraction, text=words)
            layout.operator(CTEG_OT_cancel.bl_idname, icon="CANCEL")
        _draw_outcome(layout, context)


class CTEG_PT_head(bpy.types.Panel):
    """The active head: what it was built from, and what is done to its rig."""

    bl_idname = "CTEG_PT_head"
    bl_label = "Head"
    bl_category = "CTEG"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads the set

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.operator(CTEG_OT_add_flame_head.bl_idname, icon="FILE_FOLDER")
        rig = active_rig(context)
        if rig is not None:
            model = str(rig.mesh.get(MODEL, ""))
            says_more = model.casefold() not in rig.name.casefold()
            layout.label(text=f"{rig.name}: {model}" if says_more else rig.name, icon="USER")
            draw_sentences(layout.column(align=True), context, space_maps.sentences_of(rig), "INFO")
        layout.operator(CTEG_OT_use_flame_file.bl_idname, icon="FILE_REFRESH")
        layout.operator(CTEG_OT_fit_bones.bl_idname, icon="BONE_DATA")
        row = layout.row(align=True)
        row.operator(CTEG_OT_bake_correctives.bl_idname)
        row.operator(CTEG_OT_restore_correctives.bl_idname, text="Restore")


def _draw_outcome(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    outcome = performance.outcome()
    if outcome is None:
        return
    column = layout.column(align=True)
    column.alert = outcome.failed
    draw_sentences(column, context, outcome.sentences, "ERROR" if outcome.failed else "INFO")


def draw_sentences(
    column: bpy.types.UILayout, context: bpy.types.Context, sentences: Iterable[str], icon: Literal["ERROR", "INFO"]
) -> None:
    """Show sentences broken into lines as wide as the sidebar, each behind an icon; a long one ends in dots."""
    letters = int(context.region.width / (_LETTER_WIDTH * context.preferences.system.ui_scale))
    for sentence in sentences:
        lines = textwrap.wrap(sentence, max(20, letters - 4), max_lines=_MOST_LINES, placeholder=" …")
        for number, line in enumerate(lines):
            column.label(text=line, icon="BLANK1" if number else icon)
