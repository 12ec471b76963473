"""The door to the readers: which of them a file is for, and what every one of them has in common."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cteg_core.scripts.decoding import file_bytes, rows_of, text_of
from cteg_core.scripts.fountain import looks_like_fountain, read_fountain
from cteg_core.scripts.json_script import holds_lines, read_json
from cteg_core.scripts.lines import Broken, Findings, Script, ScriptError
from cteg_core.scripts.plain_text import read_text
from cteg_core.scripts.subtitles import has_times, read_subtitles
from cteg_core.scripts.tables import has_header, read_table
from cteg_core.scripts.times import MAX_FPS

_READERS: Final[dict[str, Callable[[str, float | None, Findings], None]]] = {
    "text": lambda text, _, found: read_text(text, found),
    "csv": read_table,
    "json": read_json,
    "srt": read_subtitles,
    "fountain": lambda text, _, found: read_fountain(text, found),
}
KINDS: Final[tuple[str, ...]] = tuple(_READERS)
KIND_OF_SUFFIX: Final[dict[str, str]] = {
    ".txt": "text", ".text": "text", ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".json": "json", ".srt": "srt",
    ".fountain": "fountain", ".spmd": "fountain",
}  # fmt: skip
_SAMPLE_CHARACTERS: Final = 100_000
"""Enough to see what a text is."""
_TITLES: Final = {
    "text": "plain text", "csv": "a table", "json": "JSON", "srt": "SRT subtitles", "fountain": "Fountain",
}  # fmt: skip


def read_script(path: str | os.PathLike[str], fps: float | None = None, kind: str | None = None) -> Script:
    """Read the lines of dialogue of a script file.

    Args:
        path: the file.
        fps: frames a second that timecodes and frame numbers in it count; None reads times in seconds only.
        kind: one of ``KINDS``; None goes by the suffix, and by the content where that says otherwise.

    Raises ScriptError where the file as a whole cannot be read.
    """
    file = Path(path)
    try:
        found = Findings()
        text = text_of(file_bytes(file), found)
        return _script(text, fps, kind, KIND_OF_SUFFIX.get(file.suffix.lower()), found)
    except Broken as broken:
        where = f", {broken.where}" if broken.where else ""
        raise ScriptError(f"{file.name}{where}: {broken.sentence}.") from None


def script_of(text: str, fps: float | None = None, kind: str | None = None) -> Script:
    """Read the lines of a script that is in memory (the clipboard, say); see :func:`read_script`."""
    try:
        return _script(text, fps, kind, None, Findings())
    except Broken as broken:
        sentence = f"{broken.where}: {broken.sentence}." if broken.where else f"{broken.sentence}."
        raise ScriptError(sentence[0].upper() + sentence[1:]) from None


def _script(text: str, fps: float | None, kind: str | None, expected: str | None, found: Findings) -> Script:
    if fps is not None and not (math.isfinite(fps) and 1.0 <= fps <= MAX_FPS):
        raise Broken(f"a frame rate is 1 to {MAX_FPS:g} frames a second; got {fps}")
    if kind is not None and kind not in KINDS:
        raise Broken(f"“{kind}” is no kind of script: choose one of {', '.join(KINDS)}")
    if kind is None:
        kind = _kind_of(text, expected)
        if expected is not None and kind != expected:
            found.note(f"Its name says {_TITLES[expected]}; it was read as {_TITLES[kind]}, which it holds.")
    _READERS[kind](text, fps, found)
    return found.script()


def _kind_of(text: str, expected: str | None) -> str:
    """Return what a text is: what its suffix says unless its content is plainly something else."""
    rows = rows_of(text[:_SAMPLE_CHARACTERS], Findings())
    content = _content_kind(text, rows, expected)
    # These three say what they are; a table or a screenplay under another name is only believed where that says little.
    if content in ("json", "srt") or (content is not None and expected in (None, "text", "srt", "json")):
        return content
    return expected or "text"


def _content_kind(text: str, rows: list[str], expected: str | None) -> str | None:
    start = text.lstrip()[:1]
    if start in ("{", "[") and (expected == "json" or holds_lines(text)):
        return "json"
    if has_times(rows):
        return "srt"
    if expected == "json":
        return None
    if looks_like_fountain(rows):
        return "fountain"
    return "csv" if has_header(rows) else None
