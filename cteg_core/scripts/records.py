"""Records of CSV and JSON: which field a name means, and a record's values into a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cteg_core.dialogue import MAX_DURATION_SECONDS, SEED_COUNT
from cteg_core.emotion import EmotionRead
from cteg_core.scripts.emotions import emotion_of
from cteg_core.scripts.lines import Findings
from cteg_core.scripts.times import seconds_of

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "text": ("text", "dialogue", "dialog", "dialogue text", "utterance", "subtitle", "says", "speech", "line"),
    "character": ("character", "speaker", "name", "character name", "speaker name", "role", "who", "actor"),
    "start": ("start", "start time", "begin", "from", "in", "tc in", "timecode in", "timecode", "time"),
    "end": ("end", "end time", "stop", "until", "to", "out", "tc out", "timecode out"),
    "duration": ("duration", "length", "dur"),
    "start_frame": ("start frame", "frame start", "first frame", "frame in", "frame"),
    "end_frame": ("end frame", "frame end", "last frame", "frame out"),
    "duration_frames": ("duration frames", "frames", "frame count"),
    "seed": ("seed",),
    "emotion": ("emotion", "emotions", "mood", "feeling"),
    "intensity": ("intensity", "strength"),
    "hints": ("hints", "hint", "parenthetical", "direction", "directions"),
    "context": ("context", "before"),
}
"""Spellings of each field's name, folded as :func:`folded` does, the first one that is there being read."""

SHORTEST_SECONDS: Final = 0.04
_SEPARATORS: Final = re.compile(r"[\s_\-./]+")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]{1,12}(?:[.,][0-9]{0,12})?|[.,][0-9]{1,12})")
_UNIT: Final = re.compile(r"[(\[]\s*(?P<unit>s|sec|secs|seconds|f|frames?)\s*[)\]]$")


def folded(name: str) -> str:
    """Return a field's name without case, separators and brackets.

    >>> folded(" Start_Time (s)"), folded("Start (frames)")
    ('start time', 'start frame')
    """
    tidy = _SEPARATORS.sub(" ", name.strip().casefold()[:100]).strip()
    match = _UNIT.search(tidy)
    if match is None:
        return tidy
    bare = tidy[: match.start()].strip()
    if match["unit"].startswith("s"):
        return bare
    return f"{bare} frames" if bare in FIELDS["duration"] else f"{bare} frame"


def fields_of(names: Iterable[str]) -> dict[str, str]:
    """Return which of the names holds each field: ``{"text": "Dialogue", …}``."""
    by_spelling: dict[str, str] = {}
    for name in names:
        by_spelling.setdefault(folded(name), name)
    chosen = {}
    for field, spellings in FIELDS.items():
        present = next((by_spelling[spelling] for spelling in spellings if spelling in by_spelling), None)
        if present is not None:
            chosen[field] = present
    return chosen


def add_record(record: Mapping[str, Any], place: str, row: int, fps: float | None, found: Findings) -> None:
    """Add the line of a record of fields; a value that cannot be read costs itself, a text the record.

    Args:
        record: values by the keys of ``FIELDS``; what is missing, None or blank is not said.
        place, row: where it stands, for notes.
        fps: what timecodes and frames count; may be None.
        found: gets the line.
    """
    said = {field: value for field, value in record.items() if not _is_blank(value)}
    if not said:
        return
    text, character = said.get("text", ""), said.get("character", "")
    if not isinstance(text, str) or not isinstance(character, str):
        which, value = ("text", text) if not isinstance(text, str) else ("character", character)
        found.leave_out(place, f"its {which} is {_kind(value)}; write it in quotation marks.")
        return
    reader = _Values(said, place, fps, found)
    emotion, hints = reader.emotion(reader.hints())
    found.add(
        place, row, character, text, reader.context(),
        start=reader.time("start"), duration=reader.duration(), hints=hints, emotion=emotion,
        intensity=reader.intensity(), seed=reader.seed(),
    )  # fmt: skip


class _Values:
    def __init__(self, said: Mapping[str, Any], place: str, fps: float | None, found: Findings) -> None:
        self._said, self._place, self._fps, self._found = said, place, fps, found

    def time(self, field: str, of_frames: str = "") -> float | None:
        for name in (field, of_frames or f"{field}_frame"):
            if name in self._said:
                try:
                    return seconds_of(self._said[name], self._fps, frames=name != field)
                except ValueError as error:
                    self._refuse(field, f"{error}")
                    return None
        return None

    def duration(self) -> float | None:
        seconds = self.time("duration", "duration_frames")
        if seconds is None:
            seconds = self._until_end()
        if seconds is not None and not SHORTEST_SECONDS <= seconds <= MAX_DURATION_SECONDS:
            self._refuse(
                "duration", f"a line lasts {SHORTEST_SECONDS:g} to {MAX_DURATION_SECONDS:g} seconds, not {seconds:g}"
            )
            return None
        return seconds

    def _until_end(self) -> float | None:
        if not {"end", "end_frame"} & self._said.keys():
            return None
        end = self.time("end")
        # A start that cannot be read is said once, by the start itself.
        quiet = _Values(self._said, self._place, self._fps, Findings())
        start = quiet.time("start")
        if end is None or start is None:
            return None
        if end <= start:
            self._refuse("end", f"the line ends at {end:g} s and starts at {start:g} s")
            return None
        return end - start

    def emotion(self, hints: tuple[str, ...]) -> tuple[EmotionRead | None, tuple[str, ...]]:
        value = self._said.get("emotion")
        if value is None:
            return None, hints
        try:
            if isinstance(value, str | Mapping):
                return emotion_of(value), hints
            raise ValueError(f"{_kind(value)} names no emotion")
        except ValueError as error:
            if isinstance(value, str):
                self._refuse("emotion", f"{error}; “{value[:40]}” is kept as a direction")
                return None, (*hints, value)
            self._refuse("emotion", f"{error}")
            return None, hints

    def hints(self) -> tuple[str, ...]:
        value = self._said.get("hints", "")
        pieces = value.split(";") if isinstance(value, str) else value
        if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
            self._refuse("directions", "give a text")
            return ()
        return tuple(piece for piece in pieces if not _is_blank(piece))

    def context(self) -> str:
        value = self._said.get("context", "")
        if isinstance(value, str):
            return value
        self._refuse("context", "give a text")
        return ""

    def intensity(self) -> float | None:
        number = self._number("intensity")
        if number is not None and not 0.0 <= number <= 2.0:
            self._refuse("intensity", f"it lies between 0 and 2, not {number:g}")
            return None
        return number

    def seed(self) -> int | None:
        number = self._number("seed")
        if number is not None and not (0 <= number < SEED_COUNT and number.is_integer()):
            self._refuse("seed", f"a seed is a whole number from 0 to {SEED_COUNT - 1}, not {number:g}")
            return None
        return None if number is None else int(number)

    def _number(self, field: str) -> float | None:
        value = self._said.get(field)
        if value is None:
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            return float(value.strip().replace(",", "."))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        self._refuse(field, f"“{str(value)[:40]}” is no number")
        return None

    def _refuse(self, field: str, sentence: str) -> None:
        self._found.note(f"{self._place}: the {field.replace('_', ' ')} was not read: {sentence}.")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value == [] or value == {}


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "no text")
