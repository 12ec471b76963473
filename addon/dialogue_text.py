"""Text into lines: rows that were pasted, and script files."""

from __future__ import annotations

from pathlib import Path

import bpy

from cteg_core.scripts import Script, ScriptError, read_script, script_of
from cteg_core.scripts.speakers import prefix_of

from . import lines
from .errors import CtegError


def add_rows(scene: bpy.types.Scene, text: str) -> tuple[int, tuple[str, ...]]:
    """Add a line for every row that is not empty, after the active one.

    ``NAME: text`` sets the character, where the name is in capitals, or one that the scene knows in any case. Rows
    without a name are said by the one who spoke last.

    Returns:
        How many lines, and sentences about what was left out. Raises CtegError where there is no text.
    """
    settings = lines.settings_of(scene)
    known = {character.name.casefold(): character.name for character in settings.characters}
    rows = [_with_capitals(row, known) for row in text.splitlines()]
    if not any(row.strip() for row in rows):
        raise CtegError("The clipboard holds no text: copy some lines of dialogue first.")
    try:
        script = script_of("\n".join(rows), lines.fps_of(scene), "text")
    except ScriptError as error:
        raise CtegError(str(error)) from None
    place = settings.active_line if lines.active_line(scene) is not None else None
    return _add(scene, script, place, known), script.notes


def import_script(scene: bpy.types.Scene, path: Path) -> tuple[int, tuple[str, ...]]:
    """Add the lines of a script file after all others; return how many, and sentences about what was left out.

    Raises CtegError where the file cannot be read. A script's time starts at the scene's first frame.
    """
    try:
        script = read_script(path, lines.fps_of(scene))
    except ScriptError as error:
        raise CtegError(str(error)) from None
    known = {character.name.casefold(): character.name for character in lines.settings_of(scene).characters}
    return _add(scene, script, None, known), script.notes


def _add(scene: bpy.types.Scene, script: Script, place: int | None, known: dict[str, str]) -> int:
    """Add a script's lines behind ``place``, under the names that the scene has for its characters."""
    fps = lines.fps_of(scene)
    for each in script.lines:
        start = None if each.start is None else scene.frame_start + each.start * fps
        name = known.get(each.character.casefold(), each.character)
        line = lines.add(scene, each.text, name, start=start, duration=each.duration or 0.0, after=place)
        place = None if place is None else place + 1
        line.notes, line.context = " · ".join((*each.hints, *each.notes)), each.context
        if each.emotion is not None:
            lines.set_emotion(line, each.emotion)
            line.affect_override = any((each.emotion.valence, each.emotion.arousal, each.emotion.dominance))
        if each.intensity is not None:
            line.intensity = each.intensity
        if each.seed is not None:
            line.seed, line.seed_locked = each.seed, True
    return len(script.lines)


def _with_capitals(row: str, known: dict[str, str]) -> str:
    """Return a row with the name of a known character in capitals, by which readers know it."""
    prefix = prefix_of(row)
    if prefix is None or prefix[0].casefold() not in known:
        return row
    return f"{prefix[0].upper()}: {prefix[1]}"
