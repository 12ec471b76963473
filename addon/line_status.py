"""What to say about a line in the list: worked out from the queue and the history each time, never stored."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from . import lines, performance


@dataclass(frozen=True)
class Status:
    """A line's state in a word or two, with one of Blender's icons.

    Attributes:
        failed: the user has to do something.
        brief: what changes from moment to moment while the line is performed, else empty.
    """

    words: str
    icon: str
    failed: bool = False
    brief: str = ""


def status_of(scene: bpy.types.Scene, line: lines.Line) -> Status:
    """Return a line's state."""
    under_way = performance.state_of(line.line_id)
    if under_way is not None:
        state, share = under_way
        if state is performance.LineState.RUNNING:
            return Status(f"{100 * share:.0f} %", "RENDER_ANIMATION", brief=f"{100 * share:.0f} %")
        return Status(state.value, "SORTTIME" if state is performance.LineState.WAITING else "ACTION_TWEAK")
    if performance.failure_of(line.line_id) is not None:
        return Status("Failed", "ERROR", failed=True)
    takes = lines.takes_of(line)
    if not takes:
        return Status("To do" if line.text.strip() else "Empty", "RADIOBUT_OFF")
    if lines.is_stale(scene, line):
        return Status("Changed", "FILE_REFRESH")
    return Status("1 take" if len(takes) == 1 else f"{len(takes)} takes", "CHECKMARK")
