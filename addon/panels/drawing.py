"""What the panels share: sentences that fit the sidebar, and buttons that say why they are off."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any, Final, Literal

import bpy

_LETTER_WIDTH: Final = 7.0
"""Pixels that a letter of Blender's interface font takes at scale 1, about."""
_BEHIND_SLASHES: Final = re.compile(r"(?<=[/\\])(?=.)")
_MOST_LINES: Final = 6
"""Lines of one sentence; a list of all the keys of a character would push everything else out of sight."""


class Sidebar(bpy.types.Panel):
    """What the panels share: where they are."""

    bl_category = "CTEG"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"


def draw_sentences(
    column: bpy.types.UILayout,
    context: bpy.types.Context,
    sentences: Iterable[str],
    icon: Literal["ERROR", "INFO", "BLANK1", "NONE"],
    most: int = _MOST_LINES,
) -> None:
    """Show sentences, each behind an icon, broken into lines as wide as the sidebar: ``most`` at most, then dots."""
    letters = letters_across(context)
    for sentence in sentences:
        wrapper = _AtSlashes(max(20, letters - 4), max_lines=most, placeholder=" …")
        lines = wrapper.wrap(sentence)
        for number, line in enumerate(lines):
            column.label(text=line, icon="BLANK1" if number and icon != "NONE" else icon)


class _AtSlashes(textwrap.TextWrapper):
    """Breaks paths behind their slashes, so that the names in them stay whole."""

    def _split(self, text: str) -> list[str]:
        return [part for chunk in super()._split(text) for part in _BEHIND_SLASHES.split(chunk)]


def letters_across(context: bpy.types.Context) -> int:
    """Return about how many letters the sidebar is wide."""
    return int(context.region.width / (_LETTER_WIDTH * context.preferences.system.ui_scale))


def draw_reason(layout: bpy.types.UILayout, context: bpy.types.Context, reason: str | None) -> None:
    """Say greyed below a button why it cannot be pressed; nothing where it can."""
    if reason is not None:
        column = layout.column(align=True)
        column.active = False
        draw_sentences(column, context, (f"{reason}.",), "INFO")


def split_column(layout: Any) -> Any:
    """Return a column with labels on the left, as in Blender's own panels."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout.column(align=True)
