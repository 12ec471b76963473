"""What readers who did not see the labels made of the test lines: a ceiling, and labels that two of three give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cteg_core.emotion import BASIC_EMOTIONS
from cteg_core.training.dialogue_lines import MAX_FILE_BYTES, WrittenLine

READINGS_NAME: Final = "test-readings.tsv"


def read_readings(folder: Path, lines: Sequence[WrittenLine]) -> list[tuple[str, ...]]:
    """Return, for each test line in the order of ``read_dialogue``, the basic emotion that each reader named.

    Args:
        folder: the ``dialogue`` folder.
        lines: its test lines.

    Raises:
        ValueError: with the file, the row and what is wrong with it.
        OSError: if the file cannot be read.
    """
    path = folder / READINGS_NAME
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} is too large: it has at most {MAX_FILE_BYTES} bytes.")
    found: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not row.strip() or row.startswith("#"):
            continue
        cells = [cell.strip() for cell in row.split("\t")]
        if len(cells) != 4 or not set(cells[2:]) <= set(BASIC_EMOTIONS):
            named = ", ".join(BASIC_EMOTIONS)
            raise ValueError(f"{path}, row {number}: a row is a file, a row of it, and two of {named}.")
        found[f"{cells[0]}:{cells[1]}"] = tuple(cells[2:])
    wanted = [line.place for line in lines]
    missing = [place for place in wanted if place not in found]
    if missing or len(found) != len(wanted):
        raise ValueError(
            f"{path} is not of these test lines: {len(missing)} of {len(wanted)} have no reading, "
            f"and {len(found) - len(wanted) + len(missing)} readings are of no line."
        )
    return [found[place] for place in wanted]


def agreed(line: WrittenLine, readings: Sequence[str]) -> str | None:
    """Return the basic emotion that two of three name (author and readers); None where all three differ."""
    named, count = Counter([line.basic, *readings]).most_common(1)[0]
    return named if count >= 2 else None
