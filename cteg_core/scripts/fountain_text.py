"""Fountain's marks within text: what is cut out (notes, boneyard) and what is only style (emphasis, escapes)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

CUT: Final = "\0"
"""Stands where something was cut out, so that a row that held nothing else is told from a blank one."""
_BLANK_ROW: Final = re.compile(r"\n[ \t]?\n")
_EMPHASIS: Final = re.compile(r"(?<!\\)(\*{1,3}|_)(?=[^\s*_])([^*_]*?[^\s*_\\])\1")
_ESCAPED: Final = re.compile(r"\\([^\w\s])")


def without_cuts(text: str) -> str:
    """Return a script without its boneyard ``/* … */`` and its notes ``[[ … ]]``; rows keep their numbers.

    One that never closes is text, and so is a note across a blank row, unless that holds two spaces.
    """
    text = _cut(text, "/*", "*/", lambda _: True)
    return _cut(text, "[[", "]]", lambda inside: not _BLANK_ROW.search(inside))


def without_style(text: str) -> str:
    r"""Return a row without emphasis and escapes.

    >>> without_style(r"It is **not** _yours_, \*sir\*. 2 * 3 * 4")
    'It is not yours, *sir*. 2 * 3 * 4'
    """
    for _ in range(4):
        lighter = _EMPHASIS.sub(r"\2", text)
        if lighter == text:
            break
        text = lighter
    return _ESCAPED.sub(r"\1", text)


def _cut(text: str, opening: str, closing: str, may: Callable[[str], bool]) -> str:
    pieces: list[str] = []
    position = 0
    while (start := text.find(opening, position)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        # The innermost: an opening that never closes must not reach over other marks.
        start = text.rfind(opening, start, end)
        inside = text[start + len(opening) : end]
        pieces.append(text[position:start])
        if may(inside):
            pieces.append("\n".join([CUT] * (inside.count("\n") + 1)))
        else:
            pieces.append(text[start : end + len(closing)])
        position = end + len(closing)
    return "".join((*pieces, text[position:]))
