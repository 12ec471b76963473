"""Who speaks in a row such as ``ANNA: (quietly) Well!``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cteg_core.scripts.lines import MAX_HINT_CHARACTERS, MAX_HINTS

MAX_SPOKEN_NAME: Final = 40
_PREFIX: Final = re.compile(rf"(?P<name>[^\W\d_][^:：\n]{{0,{MAX_SPOKEN_NAME - 1}}})(?P<colon>[:：])(?P<text>.*)", re.S)
_DIRECTION: Final = re.compile(r"\s*(?:\((?P<round>[^()]*)\)|\[(?P<square>[^\[\]]*)\])\s*")
_NAME_WORDS: Final = 4
_EXTENSION: Final = re.compile(r"\((?P<inside>[^()]*)\)$")
_VOICES: Final = re.compile(r"V\.?\s?O\.?|O\.?\s?[SC]\.?|CONT['’]?D\.?|CONTINUED|CONTINUING|MORE", re.I)


def prefix_of(row: str) -> tuple[str, str] | None:
    """Return what stands before and after the first colon of a row, if the former could be a name at all."""
    match = _PREFIX.fullmatch(row.strip())
    # Full-width colons need no blank behind them; “http://” has none either.
    if match is None or (match["colon"] == ":" and match["text"] and not match["text"][0].isspace()):
        return None
    return match["name"].strip(), match["text"].strip()


def is_in_capitals(name: str) -> bool:
    """Return whether a name is written in capitals, which says that it is one."""
    bare = _EXTENSION.sub("", name)
    return bare == bare.upper() and bare != bare.lower()


def name_every_row(rows: Iterable[str]) -> bool:
    """Return whether at least half of the rows have a name before a colon, most of them not in capitals.

    Names need no capitals then; a script that writes its names in capitals may say “Note: …” in its text.
    """
    count = named = in_capitals = 0
    for row in rows:
        count += 1
        prefix = prefix_of(row)
        if prefix is not None and _looks_like_a_name(prefix[0]):
            named += 1
            in_capitals += is_in_capitals(prefix[0])
    return named * 2 >= count and in_capitals * 2 < named


def spoken(row: str, any_case: bool) -> tuple[str, str, tuple[str, ...]] | None:
    """Return who says what in a row, and directions beside the name; None where nobody is named."""
    prefix = prefix_of(row)
    if prefix is None:
        return None
    name, text = prefix
    if not (is_in_capitals(name) or (any_case and _looks_like_a_name(name))):
        return None
    bare, hints = without_extensions(name)
    return bare, text, hints


def without_extensions(name: str) -> tuple[str, tuple[str, ...]]:
    """Return a cue's name without what stands in brackets behind it, and what of that says how it is said.

    >>> without_extensions("ANNA (V.O.) (whispering)")
    ('ANNA', ('whispering',))
    """
    hints: list[str] = []
    while match := _EXTENSION.search(name := name.rstrip()):
        name = name[: match.start()]
        hints.insert(0, match["inside"])
    return name.strip(), tidy_hints(hints)


def leading_directions(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text without the directions in brackets that it starts with, and those.

    >>> leading_directions("(quietly) [sighs] Well!")
    ('Well!', ('quietly', 'sighs'))
    """
    hints: list[str] = []
    position = 0
    while match := _DIRECTION.match(text, position):
        hints.append(match["round"] or match["square"] or "")
        position = match.end()
    return text[position:].strip(), tidy_hints(hints)


def tidy_hints(hints: Iterable[str]) -> tuple[str, ...]:
    """Return directions without blank ones, marks of voices (V.O., CONT'D) and what is beyond a line's bounds."""
    tidy = (" ".join(hint.split())[:MAX_HINT_CHARACTERS].strip() for hint in hints)
    return tuple(hint for hint in tidy if hint and not _VOICES.fullmatch(hint))[:MAX_HINTS]


def _looks_like_a_name(name: str) -> bool:
    words = _EXTENSION.sub("", name).split()
    return 0 < len(words) <= _NAME_WORDS and all(word[0] == word[0].upper() for word in words)
