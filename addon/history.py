"""The history of takes, and its one writer: in this module's memory, and in the file when it is saved.

Memory is the truth while Blender runs, so that undo, which brings back older scenes, never loses a take. In the file it
is a text data-block, which nothing runs: a line that names the format, then a line per take.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import bpy

from cteg_core.clip import ExpressionClip

from . import properties
from .errors import CtegError
from .take_records import Take, packed_clip, take_line, take_of_line

__all__ = ["Take", "add", "discard", "find", "keep", "takes_of"]

TEXT_NAME: Final = ".cteg takes"
"""The dot keeps it out of sight."""
FORMAT: Final = 1
MAX_TAKES_A_LINE: Final = 32
MAX_BYTES: Final = 48 * 1024 * 1024
"""Of frames in all, about two thousand takes of four seconds."""

_MIGRATIONS: Final[dict[int, Callable[[list[str]], list[str]]]] = {}
"""From a format to the next: the lines of takes, rewritten. Before format 1 takes lay with their Actions alone, and
``migration`` takes them from there."""

_takes: dict[str, Take] | None = None
_packed: dict[str, str] = {}
_notes: tuple[str, ...] = ()
_unread = False
"""Whether the file's history is not ours to replace."""


def takes_of(line_id: str) -> tuple[Take, ...]:
    """Return the takes of a line, oldest first."""
    return tuple(take for take in _all().values() if take.line_id == line_id)


def find(take_id: str) -> Take | None:
    """Return a take by its id."""
    return _all().get(take_id)


def add(line_id: str, clip: ExpressionClip, *, kept: bool = False, made_at: float | None = None) -> Take:
    """Add a take to a line; older ones that nobody kept or chose make room where there are too many."""
    take = Take(uuid.uuid4().hex, line_id, clip, kept, time.time() if made_at is None else made_at)
    takes = _all()
    takes[take.take_id] = take
    protected = {take.take_id, *_chosen()}
    _make_room(protected, [each for each in takes.values() if each.line_id == line_id], MAX_TAKES_A_LINE, _one)
    _make_room(protected, list(takes.values()), MAX_BYTES, _bytes)
    return take


def keep(take_id: str, kept: bool = True) -> Take:
    """Say whether a take is to stay when the history gets too long; raises CtegError if it is gone."""
    take = _all().get(take_id)
    if take is None:
        raise CtegError("This take is no longer in the history; generate the line again.")
    _all()[take_id] = replace(take, kept=kept)
    return _all()[take_id]


def discard(take_id: str) -> None:
    """Forget a take for good, if it is there; for a discard that undo brings back, see ``lines.discard_take``."""
    _all().pop(take_id, None)
    _packed.pop(take_id, None)


def notes() -> tuple[str, ...]:
    """Return sentences about what of the file's history could not be read."""
    _all()
    return _notes


def read() -> None:
    """Read the file's history now, rather than when it is first looked at."""
    _all()


def forget() -> None:
    """Let go of everything: the next look reads the file that is open then."""
    global _takes, _notes, _unread
    _takes, _notes, _unread = None, (), False
    _packed.clear()


def write() -> None:
    """Put the takes of the file's lines into the file, for saving; those of lines that are gone stay behind."""
    global _unread
    if _takes is None:
        return
    takes = list(_written())
    text = _text()
    if text is not None and _unread:
        text.name, text, _unread = f"{TEXT_NAME} (unread)", None, False
    if not takes:
        if text is not None:
            bpy.data.texts.remove(text)
        return
    lines = [json.dumps({"cteg": "takes", "format": FORMAT})]
    for take in takes:
        if take.take_id not in _packed:
            _packed[take.take_id] = packed_clip(take.clip)
        lines.append(take_line(take, _packed[take.take_id]))
    content = "\n".join(lines)
    if text is None:
        text = bpy.data.texts.new(TEXT_NAME)
        text.use_fake_user = True
    if text.as_string() != content:
        text.from_string(content)


def pack_some(seconds: float) -> bool:
    """Pack takes for saving, for about ``seconds`` at most; return whether some are left."""
    end = time.monotonic() + seconds
    unpacked = [take for take in _all().values() if take.take_id not in _packed]
    for done, take in enumerate(unpacked, 1):
        _packed[take.take_id] = packed_clip(take.clip)
        if time.monotonic() >= end:
            return done < len(unpacked)
    return False


def _all() -> dict[str, Take]:
    global _takes
    if _takes is None:
        _takes = {take.take_id: take for take in _read()}
    return _takes


def _read() -> Iterator[Take]:
    global _notes, _unread
    text = _text()
    if text is None:
        return
    first, *lines = text.as_string().splitlines() or [""]
    stored = _format_of(first)
    if stored is None or stored > FORMAT:
        _unread = True
        by = "a newer version of CTEG" if stored is not None else "something else than CTEG"
        _notes = (f"The takes in this file were written by {by}; they are left in the file as they are.",)
        return
    for step in range(stored, FORMAT):
        lines = _MIGRATIONS[step](lines)
    damaged = 0
    for line in filter(None, lines):
        try:
            yield take_of_line(line)
        except ValueError:
            damaged += 1
    if damaged:
        _notes = (f"{damaged} takes stored in this file are damaged and were left out.",)


def _format_of(line: str) -> int | None:
    try:
        header = json.loads(line)
        stored = header["format"] if header["cteg"] == "takes" else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return stored if isinstance(stored, int) and stored >= 1 else None


def _text() -> bpy.types.Text | None:
    # Blender shows add-ons no data while it starts.
    texts = getattr(bpy.data, "texts", None)
    return next((each for each in texts if each.name == TEXT_NAME and each.library is None), None) if texts else None


def _written() -> Iterator[Take]:
    # A copied scene has lines of the same ids, and may have discarded other takes of them.
    hidden_by: dict[str, list[set[str]]] = {}
    for scene in bpy.data.scenes:
        for line in _lines(scene):
            hidden_by.setdefault(line.line_id, []).append(set(line.discarded.split()))
    return (
        take
        for take in _all().values()
        if any(take.take_id not in hidden for hidden in hidden_by.get(take.line_id, ()))
    )


def _chosen() -> set[str]:
    return {line.chosen_take for scene in bpy.data.scenes for line in _lines(scene)}


def _lines(scene: bpy.types.Scene):  # type: ignore[no-untyped-def]
    settings = getattr(scene, properties.ON_SCENE, None)
    return settings.lines if settings is not None else ()


def _make_room(protected: set[str], takes: list[Take], most: int, size: Callable[[Take], int]) -> None:
    total = sum(size(take) for take in takes)
    for take in takes:
        if total <= most:
            return
        if not take.kept and take.take_id not in protected:
            discard(take.take_id)
            total -= size(take)


def _one(_: Take) -> int:
    return 1


def _bytes(take: Take) -> int:
    return int(take.clip.frames.nbytes)
