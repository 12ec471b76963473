"""Plain text: a line of dialogue a row, ``NAME: text`` or the text alone."""

from __future__ import annotations

from cteg_core.scripts.decoding import rows_of
from cteg_core.scripts.lines import Findings
from cteg_core.scripts.speakers import leading_directions, name_every_row, spoken


def read_text(text: str, found: Findings) -> None:
    """Add the lines of a text. Blank rows and rows that start with # are passed over.

    A name is in capitals, or capitalised where most rows have one so. A row without a name is said by
    whoever spoke last.
    """
    rows = rows_of(text, found)
    said = [(index + 1, row.strip()) for index, row in enumerate(rows) if row.strip() and row.lstrip()[0] != "#"]
    any_case = name_every_row(row for _, row in said)
    speaker = ""
    for number, row in said:
        named = spoken(row, any_case)
        speaker, row_text, hints = named or (speaker, row, ())
        row_text, more = leading_directions(row_text)
        place = f"Row {number}"
        if not row_text:
            found.leave_out(place, "it names nothing that is said.")
            continue
        found.add(place, number, speaker, row_text, hints=(*hints, *more))
