"""Fountain screenplays: only dialogue becomes lines; headings and action before a line are its context."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cteg_core.dialogue import MAX_CONTEXT_CHARACTERS
from cteg_core.scripts.decoding import rows_of
from cteg_core.scripts.fountain_text import CUT, without_cuts, without_style
from cteg_core.scripts.lines import Findings
from cteg_core.scripts.speakers import tidy_hints, without_extensions

_TITLE_KEYS: Final = frozenset((
    "title", "credit", "author", "authors", "source", "notes", "date", "draft date", "copyright", "contact",
    "contact info", "revision", "format", "font", "episode", "series", "language",
))  # fmt: skip
_KEY: Final = re.compile(r"(?P<key>[A-Za-z][A-Za-z ]{0,30}):.*")
_HEADING: Final = re.compile(r"(?:INT|EXT|EST|INT\.?/EXT|EXT\.?/INT|I\.?/E)[. ].*", re.I)
_FORCED_HEADING: Final = re.compile(r"\.(?=[^\W_]).*")
_SCENE_NUMBER: Final = re.compile(r"#[^#]{1,20}#$")
_TRANSITION: Final = re.compile(
    r"[^a-z]*TO:|(?:FADE|(?:SMASH |MATCH )?CUT|DISSOLVE|WIPE|IRIS) (?:IN|OUT|TO|BACK)\b[^a-z]*"
)
_MAX_CUE: Final = 250
_MOST_CONTEXT_ROWS: Final = 40
"""More than the bound of a context ever keeps."""


def looks_like_fountain(rows: Sequence[str]) -> bool:
    """Return whether rows hold a scene's heading and a cue with something said below it."""
    first = [row.strip() for row in rows[:2000]]
    heading = any(_HEADING.fullmatch(row) and row == row.upper() for row in first)
    return heading and any(_is_cue(first, index) for index in range(len(first)))


def read_fountain(text: str, found: Findings) -> None:
    """Add the speeches of a screenplay: one line for each cue, its parentheticals as directions."""
    plain = without_cuts(text.replace("\r\n", "\n").replace("\r", "\n"))
    numbered = [(number, row.replace(CUT, "")) for number, row in enumerate(rows_of(plain, found), 1)
                if CUT not in row or row.replace(CUT, "").strip()]  # fmt: skip
    rows = [row.rstrip("\t") for _, row in numbered]
    stripped = [row.strip() for row in rows]
    context: list[str] = []
    index = _after_title_page(stripped)
    while index < len(rows):
        if _is_cue(stripped, index):
            speech, index = _speech(rows, stripped, index)
            place = f"Row {numbered[speech.index][0]}"
            if speech.text:
                found.add(
                    place, numbered[speech.index][0], speech.character, speech.text, " ".join(context),
                    hints=speech.hints,
                )  # fmt: skip
                context = []
            else:
                found.leave_out(place, f"nothing is said below “{stripped[speech.index][:40]}”.")
            continue
        if said := _told(stripped, index):
            context = [*context[-_MOST_CONTEXT_ROWS:], said[-MAX_CONTEXT_CHARACTERS:]]
        index += 1


@dataclass(frozen=True)
class _Speech:
    """What follows a cue: where the cue stands, who speaks, what they say and the directions."""

    index: int
    character: str
    text: str
    hints: tuple[str, ...]


def _after_title_page(rows: Sequence[str]) -> int:
    """Return where the script starts: behind the first blank row, if the first row is a title page's."""
    first = next((index for index, row in enumerate(rows) if row), 0)
    match = _KEY.fullmatch(rows[first]) if rows else None
    if match is None or match["key"].strip().casefold() not in _TITLE_KEYS:
        return first
    return next((index for index in range(first, len(rows)) if not rows[index]), len(rows))


def _is_cue(rows: Sequence[str], index: int) -> bool:
    row = rows[index]
    below = rows[index + 1] if index + 1 < len(rows) else ""
    if not row or len(row) > _MAX_CUE or (index > 0 and rows[index - 1]) or not below:
        return False
    if row[0] == "@":
        return len(row) > 1
    if row[0] in "!>~.#=(" or _HEADING.fullmatch(row) or _TRANSITION.fullmatch(row):
        return False
    name = without_extensions(row.removesuffix("^"))[0]
    return name == name.upper() and name != name.lower()


def _speech(rows: Sequence[str], stripped: Sequence[str], index: int) -> tuple[_Speech, int]:
    """Return the speech of the cue at ``index``, and the index of the row behind it."""
    cue = without_style(stripped[index].removeprefix("@").removesuffix("^").strip())
    name, hints = without_extensions(cue)
    said: list[str] = []
    directions = list(hints)
    at = index + 1
    while at < len(rows):
        row = stripped[at]
        if not row:
            # Two spaces keep a speech together across a blank row.
            if len(rows[at]) < 2 or at + 1 >= len(rows):
                break
        elif row[0] == "(" and (closing := _closing(stripped, at)) is not None:
            directions.append(without_style(" ".join(stripped[at : closing + 1])).strip()[1:-1])
            at = closing
        else:
            said.append(without_style(row.removeprefix("~").strip()))
        at += 1
    return _Speech(index, name.removesuffix(":").strip(), " ".join(filter(None, said)), tidy_hints(directions)), at


def _closing(rows: Sequence[str], index: int) -> int | None:
    """Return the row that ends the parenthetical that begins at ``index``; None where it is speech."""
    for at in range(index, min(index + 5, len(rows))):
        if not rows[at]:
            return None
        if rows[at].endswith(")"):
            return at
        if ")" in rows[at]:
            return None
    return None


def _told(rows: Sequence[str], index: int) -> str:
    """Return what a row tells of the scene: its heading, or action; empty for the rest."""
    row = rows[index]
    alone = (index == 0 or not rows[index - 1]) and (index + 1 == len(rows) or not rows[index + 1])
    if not row or row[0] in "#=~>" or (alone and _TRANSITION.fullmatch(row)):
        return ""
    if _HEADING.fullmatch(row) or _FORCED_HEADING.fullmatch(row):
        heading = without_style(_SCENE_NUMBER.sub("", row.removeprefix("."))).rstrip()
        return heading if heading.endswith((".", "!", "?")) else f"{heading}."
    return without_style(row.removeprefix("!"))
