"""The project's own dialogue: lines as screenwriters write them, with what each clause of them carries.

The files are ``dialogue/<split>/*.tsv`` (CC0-1.0); ``dialogue/README.md`` states the format for those who write them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.training.text_data import LabelledLine, word_count

DIALOGUE_SPLITS: Final = ("train", "test")
COLUMNS: Final = ("scene", "context", "text", "arc", "intensity", "affect")
_BETWEEN_CLAUSES: Final = re.compile(r"(?:^|\s)/(?=\s|$)")
MAX_FILE_BYTES: Final = 5_000_000
MAX_LINE_CHARACTERS: Final = 2_000
MAX_INTENSITY: Final = 1.3


@dataclass(frozen=True)
class WrittenLine:
    """A line of dialogue that was written for the project.

    Attributes:
        scene: id of the scene that it belongs to; a scene lies in one split only.
        context: what was said or happened just before, where the line cannot be understood without; else empty.
        clauses: the line cut where its emotion may turn; joined by spaces they are the line.
        arc: for each clause, 28 shares that add up to 1, in the order of ``EMOTION_LABELS``.
        intensity: 0 restrained to nothing ... 1 strong ... 1.3 extreme.
        valence, arousal, dominance: of the whole line, from -1 to 1.
        split: ``train`` or ``test``.
        place: its file and row, as ``w5:12``.
    """

    scene: str
    context: str
    clauses: tuple[str, ...]
    arc: tuple[tuple[float, ...], ...]
    intensity: float
    valence: float
    arousal: float
    dominance: float
    split: str
    place: str = ""

    @property
    def text(self) -> str:
        """The line as it is said."""
        return " ".join(self.clauses)

    @property
    def emotions(self) -> tuple[float, ...]:
        """28 shares of the whole line: its clauses' shares, weighted by their words."""
        weights = np.array([max(word_count(clause), 1) for clause in self.clauses], dtype=np.float64)
        shares = weights @ np.array(self.arc) / weights.sum()
        return tuple(float(share) for share in shares)

    def labelled(self) -> LabelledLine:
        """Return the line as training takes it; its clauses put together are its text."""
        clauses = tuple(f"{clause} " for clause in self.clauses[:-1]) + self.clauses[-1:]
        vad = (self.valence, self.arousal, self.dominance)
        return LabelledLine(self.text, self.emotions, vad, self.split, clauses, self.arc)

    @property
    def basic(self) -> str:
        """The basic emotion with the largest share of the line."""
        shares = dict.fromkeys(BASIC_EMOTIONS, 0.0)
        for label, share in zip(EMOTION_LABELS, self.emotions, strict=True):
            shares[BASIC_OF_LABEL[label]] += share
        return max(shares, key=lambda basic: shares[basic])


def read_dialogue(folder: Path, split: str) -> list[WrittenLine]:
    """Read every ``.tsv`` of one split, in the order of file names.

    Args:
        folder: the ``dialogue`` folder, with ``train`` and ``test`` in it.
        split: ``train`` or ``test``.

    Raises:
        ValueError: with the file, the row and what is wrong with it.
        OSError: if a file cannot be read.
    """
    if split not in DIALOGUE_SPLITS:
        raise ValueError(f"The dialogue has the splits {', '.join(DIALOGUE_SPLITS)}; there is no {split!r}.")
    lines = [line for path in sorted((folder / split).glob("*.tsv")) for line in _read_file(path, split)]
    if not lines:
        raise ValueError(f"{folder / split} holds no line of dialogue: expected .tsv files in it.")
    return lines


def _read_file(path: Path, split: str) -> list[WrittenLine]:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path} is too large ({size} bytes): a file of dialogue has at most {MAX_FILE_BYTES}.")
    lines = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not row.strip() or row.startswith("#"):
            continue
        try:
            lines.append(replace(_line_of(row, split), place=f"{path.stem}:{number}"))
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}") from None
    return lines


def _line_of(row: str, split: str) -> WrittenLine:
    cells = row.split("\t")
    if len(cells) != len(COLUMNS):
        raise ValueError(f"a row has {len(COLUMNS)} cells divided by tabs ({', '.join(COLUMNS)}); it has {len(cells)}.")
    if len(row) > MAX_LINE_CHARACTERS:
        raise ValueError(f"a row has at most {MAX_LINE_CHARACTERS} characters; it has {len(row)}.")
    scene, context, text, arc, intensity, affect = (cell.strip() for cell in cells)
    if not scene:
        raise ValueError("the scene's id is missing.")
    clauses = tuple(clause.strip() for clause in _BETWEEN_CLAUSES.split(text))
    if not all(clauses):
        raise ValueError("a clause is empty.")
    shares = tuple(_shares(entry) for entry in _BETWEEN_CLAUSES.split(arc))
    if len(shares) != len(clauses):
        raise ValueError(f"the text has {len(clauses)} clauses and the arc {len(shares)}.")
    strength = _number(intensity, 0.0, MAX_INTENSITY, "the intensity")
    vad = [_number(cell, -1.0, 1.0, "affect") for cell in affect.split()]
    if len(vad) != 3:
        raise ValueError(f"affect is valence, arousal and dominance; it has {len(vad)} numbers.")
    return WrittenLine(scene, context, clauses, shares, strength, vad[0], vad[1], vad[2], split)


def _shares(entry: str) -> tuple[float, ...]:
    """Read ``grief .7 love .3`` to 28 shares that add up to 1; a label without a number counts 1."""
    shares = dict.fromkeys(EMOTION_LABELS, 0.0)
    label = ""
    for word in entry.split():
        if word in shares:
            label = word
            shares[label] = 1.0
        elif label:
            shares[label] = _number(word, 0.0, 1.0, f"the share of {label}")
            label = ""
        else:
            raise ValueError(f"{word!r} is not an emotion; the labels are {', '.join(EMOTION_LABELS)}.")
    total = sum(shares.values())
    if total <= 0.0:
        raise ValueError("a clause carries no emotion: write neutral.")
    return tuple(share / total for share in shares.values())


def _number(cell: str, low: float, high: float, what: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{what} is not a number: {cell!r}.") from None
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{what} lies between {low:g} and {high:g}; it is {cell}.")
    return value
