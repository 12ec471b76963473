"""Playing a take of a line before it is baked."""

from __future__ import annotations

import bpy

from . import lines, preview
from .history import Take


def toggle(scene: bpy.types.Scene, line: lines.Line, take: Take) -> None:
    """Show a take on its line's head, or stop where it is shown already; raises CtegError."""
    if preview.is_shown(take.take_id):
        preview.stop()
    else:
        rig = lines.rig_of(scene, line)
        preview.show(take.clip, rig, scene, line.start, lines.shaping_of(line), take_id=take.take_id)
