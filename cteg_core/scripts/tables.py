"""CSV and its kin: a row of names, then a line of dialogue a row, between commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Final

from cteg_core.scripts.decoding import rows_of
from cteg_core.scripts.lines import Broken, Findings
from cteg_core.scripts.records import FIELDS, add_record, fields_of

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_COLUMNS: Final = 200
_MAX_CELL_ROWS: Final = 50
"""Rows of the file that one cell in quotation marks may span; a mark that never closes must not swallow the file."""


class _RowError(Exception):
    """A row is no record; the message is a sentence."""


def read_table(text: str, fps: float | None, found: Findings) -> None:
    """Add the lines of a table. Raises Broken where it has no row of names."""
    rows = rows_of(text, found)
    first, delimiter, names = _header(rows)
    fields = fields_of(names)
    columns = {field: names.index(name) for field, name in fields.items()}
    unread = [name for name in names if name and name not in fields.values()]
    if unread:
        found.note(f"Columns that are not read: {', '.join(name[:40] for name in unread[:10])}.")
    for number, cells in _records(rows, first + 1, delimiter, found):
        if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
            found.leave_out(
                f"Row {number}",
                f"it has {len(cells)} cells and the first row names {len(names)}; put quotation marks around a text "
                "that holds the separator.",
            )
            continue
        values = {field: cells[column] for field, column in columns.items() if column < len(cells)}
        add_record(values, f"Row {number}", number, fps, found)


def has_header(rows: Sequence[str]) -> bool:
    """Return whether rows start like a table whose names include a text, and something besides."""
    try:
        _, _, names = _header(rows)
    except Broken:
        return False
    return len(fields_of(names)) > 1


def _header(rows: Sequence[str]) -> tuple[int, str, list[str]]:
    """Return the index of the row of names, the delimiter and the names."""
    for index, row in enumerate(rows):
        if not row.strip() or row.startswith("#") or row.strip().casefold().startswith("sep="):
            continue
        best: tuple[int, str, list[str]] | None = None
        for delimiter in DELIMITERS:
            try:
                names = [name.strip() for name in _cells([row], delimiter)[1]]
            except _RowError:
                continue
            fields = fields_of(names)
            if "text" in fields and (best is None or len(fields) > best[0]):
                best = len(fields), delimiter, names
        if best is None:
            spellings = ", ".join(f"“{spelling}”" for spelling in FIELDS["text"][:3])
            raise Broken(
                f"the first row names no column of texts: write a first row of names such as character, text, start; "
                f"the texts' column is called {spellings} or “line”",
                f"row {index + 1}",
            )
        if len(best[2]) > MAX_COLUMNS:
            raise Broken(f"a table has at most {MAX_COLUMNS} columns", f"row {index + 1}")
        return index, best[1], best[2]
    raise Broken("the file is empty: it holds no row of names")


def _records(rows: Sequence[str], first: int, delimiter: str, found: Findings) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each record from a row on."""
    index = first
    while index < len(rows):
        if not rows[index].strip():
            index += 1
            continue
        try:
            used, cells = _cells(rows[index : index + _MAX_CELL_ROWS], delimiter)
        except _RowError as error:
            # Tab-separated text seldom quotes: there the marks may be the text's own.
            used, cells = 1, rows[index].split(delimiter) if delimiter == "\t" else []
            if not cells:
                found.leave_out(f"Row {index + 1}", str(error))
        if cells:
            yield index + 1, cells
        index += used


def _cells(rows: Sequence[str], delimiter: str) -> tuple[int, list[str]]:
    """Return how many rows the first record takes, and its cells."""
    reader = csv.reader(
        (f"{row}\n" for row in rows), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"
    )
    try:
        cells = next(reader, [])
    except csv.Error as error:
        if "end of data" in str(error):
            raise _RowError("a quotation mark opens a cell and none closes it; close it, or double it.") from None
        raise _RowError(
            "a cell in quotation marks goes on after the closing one; double the marks that belong to the text."
        ) from None
    return reader.line_num, cells
