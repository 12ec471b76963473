"""Undo steps for what a timer has changed: it runs outside operators, so nothing else makes one."""

from __future__ import annotations

import bpy


def push_undo(message: str) -> None:
    """Make one undo step of all that has changed since the last; without a window there is no undo to step."""
    window = next(iter(bpy.context.window_manager.windows), None)
    if window is not None:
        with bpy.context.temp_override(window=window):  # type: ignore[attr-defined]
            bpy.ops.ed.undo_push(message=message)
