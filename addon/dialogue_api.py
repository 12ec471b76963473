"""A scene's dialogue as functions, for scripts: what the panels do, without pressing them. Part of ``api``.

Lines are the scene's own property groups: set what they show (``line.intensity = 1.3``), and hold them by their
``line_id`` where undo may come between. Every function raises :class:`CtegError` with a sentence for the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bpy

from . import dialogue_text, history, line_bake, lines, performance, presets
from .actions import BakedTake
from .errors import CtegError
from .history import Take
from .jobs import JobProgress
from .presets import FacePreset
from .rig import Rig
from .wishes import wish_for


def add_character(name: str, rig: Rig | None = None, *, scene: bpy.types.Scene | None = None) -> None:
    """Add a character to a scene, or give one that is there another head."""
    if not name:
        raise CtegError("A character has a name.")
    lines.add_character(_scene(scene), name, rig.mesh if rig is not None else None)


def add_line(
    text: str,
    character: str = "",
    *,
    start_frame: float | None = None,
    duration: float = 0.0,
    scene: bpy.types.Scene | None = None,
) -> Any:
    """Add a line to a scene's dialogue and return it.

    Args:
        text: what is said.
        character: who says it; "" is the active head.
        start_frame: None is shortly after the last line, or the current frame.
        duration: seconds; 0 is as long as the words need.
        scene: None is the active one.
    """
    return lines.add(_scene(scene), text, character, start=start_frame, duration=duration)


def import_script(path: str | Path, *, scene: bpy.types.Scene | None = None) -> tuple[int, tuple[str, ...]]:
    """Add the lines of a script (text, CSV, JSON, SRT, Fountain); return how many, and what there is to say."""
    return dialogue_text.import_script(_scene(scene), Path(path))


def lines_of(scene: bpy.types.Scene | None = None) -> list[Any]:
    """Return a scene's lines in the order of the list."""
    return list(lines.lines_of(_scene(scene)))


def perform_lines(
    some_lines: Sequence[Any] | None = None, *, on_progress: Callable[[JobProgress], None] | None = None
) -> tuple[str, ...]:
    """Perform lines and wait for them: takes go into the history, and the first of each is chosen and baked.

    Args:
        some_lines: of the active scene or another; None is all lines of the active scene.
        on_progress: told how far the work is.

    Returns:
        Sentences about what came of it. A line that fails does not cost the others: they are done when it raises.
    """
    chosen = lines_of() if some_lines is None else list(some_lines)
    performance.start([wish_for(line.id_data, line) for line in chosen])
    return performance.finish(on_progress).sentences


def more_like(take: Take, *, on_progress: Callable[[JobProgress], None] | None = None) -> tuple[Take, ...]:
    """Make takes near one (as near as the scene's ``likeness``, as many as the line's ``takes``), and return them."""
    scene, line = _line_of(take)
    before = {each.take_id for each in history.takes_of(take.line_id)}
    performance.start([wish_for(scene, line, near=take)])
    performance.finish(on_progress)
    return tuple(each for each in history.takes_of(take.line_id) if each.take_id not in before)


def takes_of(line: Any) -> tuple[Take, ...]:
    """Return a line's takes, oldest first."""
    return lines.takes_of(line)


def choose_take(take: Take) -> None:
    """Let a take's line play it."""
    lines.choose_take(_line_of(take)[1], take.take_id)


def keep_take(take: Take, kept: bool = True) -> None:
    """Say whether a take is to stay when the history gets too long."""
    history.keep(take.take_id, kept)


def discard_take(take: Take) -> None:
    """Take a take off its line's list."""
    lines.discard_take(_line_of(take)[1], take.take_id)


def bake_line(line: Any) -> BakedTake:
    """Bake the chosen take of a line as its scene's bake settings say; no sidecar is needed."""
    return line_bake.bake_line(line.id_data, line)


def face_presets() -> tuple[FacePreset, ...]:
    """Return the preset faces: those that come with the add-on, then the user's own."""
    return (*presets.BUILT_IN, *presets.own())


def apply_preset(line: Any, name: str) -> None:
    """Set a line's emotion, intensity and weights to those of a preset face."""
    presets.apply(presets.find(name), line)


def save_preset(line: Any, name: str) -> FacePreset:
    """Save a line's emotion, intensity and weights as a preset face of the user's."""
    preset = presets.of_line(name, line.id_data, line)
    presets.save(preset)
    return preset


def _line_of(take: Take) -> tuple[bpy.types.Scene, Any]:
    found = lines.find(take.line_id)
    if found is None:
        raise CtegError("The line of this take is no longer in any scene.")
    return found


def _scene(scene: bpy.types.Scene | None) -> bpy.types.Scene:
    scene = scene or bpy.context.scene
    if scene is None:
        raise CtegError("Blender has no scene open.")
    return scene
