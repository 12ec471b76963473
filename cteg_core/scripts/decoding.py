"""Bytes of a script file into text and rows; refuses what is no text."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from cteg_core.scripts.lines import Broken, Findings

MAX_FILE_BYTES: Final = 4 << 20
"""A script of 10,000 lines has about 1 MB."""
MAX_ROWS: Final = 100_000
MAX_ROW_CHARACTERS: Final = 30_000
"""A line's text has at most 20,000; a row of a table holds other cells too."""
_BOMS: Final[tuple[tuple[bytes, str], ...]] = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16's, which it starts with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ROW_END: Final = re.compile(r"\r\n|\r|\n")


def file_bytes(path: Path) -> bytes:
    """Return what a file holds; raises Broken with a sentence where it cannot be read or is too big."""
    try:
        if not path.exists():
            raise Broken("there is no such file: choose the script again")
        # A pipe or a device could be endless, or never answer.
        if not path.is_file():
            raise Broken("this is no file: choose the script's file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Broken(f"the file cannot be opened ({reason}): check its name and who may read it") from None
    if len(data) > MAX_FILE_BYTES:
        raise Broken(f"a script has at most {MAX_FILE_BYTES >> 20} MiB: split it")
    return data


def text_of(data: bytes, found: Findings) -> str:
    """Decode a script: UTF-8, what a byte order mark says, else Windows-1252 with a note. Raises Broken."""
    text = _decoded(data, found)
    position = text.find("\0")
    if position >= 0:
        raise Broken(
            "a NUL character stands here, which text never holds: this is another kind of file, or UTF-16 without its "
            "mark; save it as UTF-8",
            f"row {row_at(text, position)}",
        )
    return text


def rows_of(text: str, found: Findings) -> list[str]:
    """Return the rows of a text, those that are too long empty and noted; raises Broken for too many."""
    if len(text) > MAX_ROWS:
        ends = text.count("\n") + text.count("\r")
        if ends > 2 * MAX_ROWS:
            raise Broken(f"a script has at most {MAX_ROWS} rows: split it")
    rows = _ROW_END.split(text)
    if len(rows) > MAX_ROWS:
        raise Broken(f"a script has at most {MAX_ROWS} rows: split it")
    for index, row in enumerate(rows):
        if len(row) > MAX_ROW_CHARACTERS:
            found.leave_out(f"Row {index + 1}", f"it has more than {MAX_ROW_CHARACTERS} characters; split it.")
            rows[index] = ""
    return rows


def row_at(text: str, position: int) -> int:
    """Return the number of the row, from 1, that a position of the text lies in."""
    return 1 + sum(1 for _ in _ROW_END.finditer(text, 0, position))


def _decoded(data: bytes, found: Findings) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                raise Broken(f"it is marked as {encoding.upper()} and is not: save it as UTF-8") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        row = row_at(data[: error.start].decode("utf-8", "replace"), error.start)
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise Broken("this is no text in UTF-8: save the script as UTF-8", f"row {row}") from None
    found.note(f"Row {row} is not UTF-8, so the file was read as Windows-1252: check accents and quotation marks.")
    return text
