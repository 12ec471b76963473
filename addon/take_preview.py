"""Playing a take of a line before it is baked."""

from __future__ import annotations

from types import ModuleType

import bpy

from . import lines
from .errors import CtegError
from .history import Take


def _preview() -> ModuleType | None:
    try:
        from . import preview
    except ImportError:  # Until it has landed.
        return None
    return preview


def is_shown(take_id: str) -> bool:
    """Return whether a take is being previewed."""
    preview = _preview()
    return preview is not None and bool(preview.is_shown(take_id))


def toggle(scene: bpy.types.Scene, line: lines.Line, take: Take) -> None:
    """Show a take on its line's head, or stop where it is shown already; raises CtegError."""
    preview = _preview()
    if preview is None:
        raise CtegError("Previews are not part of this version.")
    if preview.is_shown(take.take_id):
        preview.stop()
    else:
        rig = lines.rig_of(scene, line)
        preview.show(take.clip, rig, scene, line.start, lines.shaping_of(line), take_id=take.take_id)


def stop() -> None:
    """End a preview."""
    preview = _preview()
    if preview is not None:
        preview.stop()
