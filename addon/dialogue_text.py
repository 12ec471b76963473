"""Text into lines: rows that were pasted, and script files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import bpy

from . import lines
from .errors import CtegError

_MOST_ROWS: Final = 2000
_MAX_SPOKEN_NAME: Final = 40
_NAMED: Final = re.compile(rf"\s*(?P<name>[^\W\d_][^:：\n]{{0,{_MAX_SPOKEN_NAME}}}?)\s*[:：]\s+(?P<text>\S.*)")


def add_rows(scene: bpy.types.Scene, text: str) -> int:
    """Add a line for every row that is not empty, after the active one; return how many.

    ``NAME: text`` sets the character, where the name is in capitals or one that the scene knows. Rows without a name
    are said by the one who spoke last.
    """
    rows = [row for row in text.splitlines() if row.strip()][:_MOST_ROWS]
    settings = lines.settings_of(scene)
    place = settings.active_line if lines.active_line(scene) is not None else None
    speaker = ""
    for row in rows:
        known = {character.name.casefold(): character.name for character in settings.characters}
        speaker, said = spoken(row, known) or (speaker, row.strip())
        lines.add(scene, said, speaker, after=place)
        place = settings.active_line
    return len(rows)


def spoken(row: str, known: dict[str, str]) -> tuple[str, str] | None:
    """Return who says what in a row such as ``ANNA: Well!``; None where nobody is named.

    Args:
        known: names of characters, by their folded case.
    """
    match = _NAMED.fullmatch(row)
    if match is None:
        return None
    name, said = match["name"].strip(), match["text"].strip()
    if name.casefold() in known:
        return known[name.casefold()], said
    return (name, said) if name == name.upper() and name != name.lower() else None


def import_script(scene: bpy.types.Scene, path: Path) -> tuple[int, tuple[str, ...]]:
    """Add the lines of a script file; return how many, and sentences about what was left out. Raises CtegError."""
    from cteg_core.scripts import ScriptError, read_script

    fps = lines.fps_of(scene)
    try:
        script = read_script(path, fps)
    except (ScriptError, OSError) as error:
        raise CtegError(f"The script {path.name} cannot be read. {error}") from None
    for each in script.lines:
        start = None if each.start is None else scene.frame_start + each.start * fps
        line = lines.add(scene, each.text, each.character, start=start, duration=each.duration or 0.0)
        line.notes, line.context = " · ".join((*each.hints, *each.notes)), each.context
        if each.emotion is not None:
            lines.set_emotion(line, each.emotion)
            line.affect_override = any((each.emotion.valence, each.emotion.arousal, each.emotion.dominance))
        line.intensity = line.intensity if each.intensity is None else each.intensity
        if each.seed is not None:
            line.seed, line.seed_locked = each.seed, True
    return len(script.lines), script.notes
