"""SubRip subtitles (SRT): cues with a time row, ``00:00:01,000 --> 00:00:02,500``, and rows of text below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cteg_core.dialogue import MAX_DURATION_SECONDS
from cteg_core.scripts.decoding import rows_of
from cteg_core.scripts.lines import Broken, Findings
from cteg_core.scripts.records import SHORTEST_SECONDS
from cteg_core.scripts.speakers import leading_directions, name_every_row, spoken
from cteg_core.scripts.times import seconds_of

_ARROW: Final = re.compile(r"\s*(?P<start>[-+]?[0-9:.,;]{3,20})\s*-{1,2}>\s*(?P<end>[-+]?[0-9:.,;]{0,20})(?:\s.*)?")
_HEAD: Final = re.compile(r"\s*(?:[0-9]{1,9}|WEBVTT.*)\s*")
"""What may stand above the first cue's time: its number, and the mark of subtitles of the web."""
_NUMBER: Final = re.compile(r"\s*[0-9]{1,9}\s*")
_TAG: Final = re.compile(
    r"</?(?:b|i|u|s|em|strong|font|span|c|v|lang|ruby|rt|rp)(?:[\s.=][^<>]*)?/?>|\{\\[^{}]*\}|\{/?[ibus]\}", re.I
)
_BREAK: Final = re.compile(r"<br\s{0,9}/?>|\\[Nn]", re.I)
_ENTITY: Final = re.compile(r"&(amp|lt|gt|quot|apos|nbsp|lrm|rlm|#[0-9]{1,5});", re.I)
_MEANT: Final = {
    "amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "nbsp": " ", "lrm": "", "rlm": "",
}  # fmt: skip
MARKS: Final = "&<>{}\\"
"""What tags and names of characters are made of."""
_DASH: Final = re.compile(r"\s*[-‐‑–—]\s*(?=\S)")
_ONLY_NOTES: Final = re.compile(r"[\s♪♫#*]*")


@dataclass(frozen=True)
class Cue:
    """A cue: number of its time row, start and duration in seconds where known, and its rows of text."""

    row: int
    start: float | None
    duration: float | None
    texts: tuple[str, ...]


def read_subtitles(text: str, fps: float | None, found: Findings) -> None:
    """Add the lines of subtitles; two speakers of one cue become two lines. Raises Broken without any cue."""
    rows = rows_of(text, found)
    cues = list(_cues(rows, fps, found))
    if not cues:
        raise Broken("it holds no times such as 00:00:01,000 --> 00:00:02,500: this is no SRT file")
    any_case = name_every_row(_DASH.sub("", row, count=1) for cue in cues for row in cue.texts)
    sounds = 0
    latest = 0.0
    for cue in cues:
        place = f"Row {cue.row}"
        speeches = [speech for speech in _speeches(cue.texts, any_case) if speech[1] or speech[2]]
        if not speeches:
            found.leave_out(place, "its cue holds no text.")
        if cue.start is not None and cue.start < latest:
            found.note(f"{place}: the cue starts before the one above it; the order of the file is kept.")
        latest = cue.start if cue.start is not None else latest
        said = [speech for speech in speeches if not _ONLY_NOTES.fullmatch(speech[1])]
        sounds += len(speeches) - len(said)
        for (name, words, hints), (start, duration) in zip(said, _shares(cue, said), strict=True):
            found.add(place, cue.row, name, words, start=start, duration=duration, hints=hints)
    if sounds:
        found.note(f"Cues that only name sounds in brackets are no dialogue and were passed over: {sounds}.")


def has_times(rows: Sequence[str]) -> bool:
    """Return whether rows start like subtitles: a time row among the first that are not blank."""
    first = [row for row in rows[:50] if row.strip()][:4]
    return any(_is_time_row(row) for row in first)


def without_tags(text: str) -> str:
    """Return a text without tags of style and with characters for their names.

    >>> without_tags("{\\\\an8}<i>You &amp; me</i> <3")
    'You & me <3'
    """
    return _ENTITY.sub(_meant, _TAG.sub("", _BREAK.sub(" ", text)))


def _meant(entity: re.Match[str]) -> str:
    name = entity[1].lower()
    return chr(int(name[1:])) if name[0] == "#" else _MEANT[name]


def _cues(rows: Sequence[str], fps: float | None, found: Findings) -> Iterator[Cue]:
    times = [index for index, row in enumerate(rows) if _is_time_row(row)]
    above = next((i for i in range(times[0]) if rows[i].strip() and not _HEAD.fullmatch(rows[i])), -1) if times else -1
    if above >= 0:
        found.leave_out(f"Row {above + 1}", "it stands above the first time; write a time row above it.")
    for place, index in enumerate(times):
        after = times[place + 1] if place + 1 < len(times) else len(rows)
        last = after if place + 1 == len(times) else _before_number(rows, index + 1, after)
        kept, stray = _split_stray(rows, index + 1, last)
        if stray:
            found.leave_out(f"Row {stray + 1}", "it belongs to a cue without a time; write the time row above it.")
        start, duration = _times(rows[index], f"Row {index + 1}", fps, found)
        yield Cue(index + 1, start, duration, tuple(without_tags(row) for row in kept if row.strip()))


def _before_number(rows: Sequence[str], first: int, time_row: int) -> int:
    """Return where the rows of a cue end: before the number of the next cue, if that has one."""
    above = time_row - 1
    while above > first and not rows[above].strip():
        above -= 1
    directly = above == time_row - 1
    # A number is text where it stands right below its own time row and not right above the next.
    if above >= first and _NUMBER.fullmatch(rows[above]) and (directly or above > first):
        return above
    return time_row


def _split_stray(rows: Sequence[str], first: int, last: int) -> tuple[Sequence[str], int]:
    """Return a cue's rows, and the index of the number of a cue without a time row below them (0: none)."""
    text = next((index for index in range(first, last) if rows[index].strip()), last)
    for index in range(text + 2, last - 1):
        if not rows[index - 1].strip() and _NUMBER.fullmatch(rows[index]) and rows[index + 1].strip():
            return rows[first:index], index
    return rows[first:last], 0


def _is_time_row(row: str) -> bool:
    match = _ARROW.fullmatch(row) if "->" in row else None
    return match is not None and ":" in match["start"]


def _times(row: str, place: str, fps: float | None, found: Findings) -> tuple[float | None, float | None]:
    match = _ARROW.fullmatch(row)
    assert match is not None, "only time rows come here"
    try:
        start = seconds_of(match["start"], fps)
        end = seconds_of(match["end"], fps)
    except ValueError as error:
        found.note(f"{place}: the cue's text is read without its time: {error}.")
        return None, None
    # Milliseconds are no floats: 0.04 s is not to become 0.0399….
    seconds = round(end - start, 6)
    if not SHORTEST_SECONDS <= seconds <= MAX_DURATION_SECONDS:
        found.note(f"{place}: the cue lasts {seconds:g} seconds, so its length is left open.")
        return start, None
    return start, seconds


def _speeches(rows: Sequence[str], any_case: bool) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return who says what in the rows of a cue, with directions: a name or a dash starts another speech."""
    speeches: list[tuple[str, list[str], tuple[str, ...]]] = []
    dashes = sum(_DASH.match(row) is not None for row in rows)
    for row in rows:
        bare = _DASH.sub("", row, count=1) if dashes > 1 or _named_after_dash(row, any_case) else row
        named = spoken(bare, any_case)
        if named is not None:
            speeches.append((named[0], [named[1]], named[2]))
        elif not speeches or (dashes > 1 and bare is not row and bare != row):
            speeches.append(("", [bare], ()))
        else:
            speeches[-1][1].append(bare)
    result = []
    for name, texts, hints in speeches:
        words, directions = leading_directions(" ".join(" ".join(texts).split()))
        result.append((name, words, (*hints, *directions)))
    return result


def _named_after_dash(row: str, any_case: bool) -> bool:
    match = _DASH.match(row)
    return match is not None and spoken(row[match.end() :], any_case) is not None


def _shares(cue: Cue, said: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[tuple[float | None, float | None]]:
    """Return start and duration of each speech of a cue: one after another, by their letters."""
    if cue.start is None or cue.duration is None or len(said) < 2:
        return [(cue.start, cue.duration)] * len(said)
    letters = sum(len(words) for _, words, _ in said)
    start = cue.start
    shares: list[tuple[float | None, float | None]] = []
    for _, words, _ in said:
        seconds = cue.duration * len(words) / letters
        shares.append((start, seconds if seconds >= SHORTEST_SECONDS else None))
        start += seconds
    return shares
