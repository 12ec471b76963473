"""What the text side makes of the project's own test lines, read as the product reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import BASIC_EMOTIONS, EmotionRead
from cteg_core.training.dialogue_lines import read_dialogue
from cteg_core.training.dialogue_readings import agreed, read_readings
from cteg_core.training.text_scores import balanced_accuracy

BATCH: Final = 128


class Reads(Protocol):
    """What reads lines: a generator."""

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        """Read texts, each with what came before it."""
        ...


@dataclass(frozen=True)
class ReadingScores:
    """How often the strongest basic emotion that is read is the line's; all figures are means of seven recalls.

    Attributes:
        lines, accuracy: all test lines against their authors' labels.
        agreed_lines, agreed: those that two of three people (author and readers) call the same, against that.
        readers: what each of the two readers reaches against the authors' labels.
        files: accuracy against the authors' labels in each file of the test split; a file is one writer's.
        confusion: ``[7][7]``, shares of the author's emotion (row) that are read as each; rows add up to 1.
    """

    lines: int
    accuracy: float
    agreed_lines: int
    agreed: float
    readers: tuple[float, ...]
    files: Mapping[str, float]
    confusion: tuple[tuple[float, ...], ...]


def measure_reading(reader: Reads, folder: Path) -> ReadingScores:
    """Read every line of the dialogue's test split; raises ValueError or OSError where it cannot be had."""
    lines = read_dialogue(folder, "test")
    readings = read_readings(folder, lines)
    guess = np.empty(len(lines), dtype=np.int64)
    order = sorted(range(len(lines)), key=lambda i: len(lines[i].text))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        reads = reader.read_emotion([lines[i].text for i in rows], [lines[i].context for i in rows])
        guess[rows] = [BASIC_EMOTIONS.index(read.basic) for read in reads]
    truth = _places(line.basic for line in lines)
    named = [agreed(line, reading) for line, reading in zip(lines, readings, strict=True)]
    kept = np.array([name is not None for name in named])
    writers = np.array([line.place.split(":")[0] for line in lines])
    return ReadingScores(
        lines=len(lines),
        accuracy=balanced_accuracy(guess, truth),
        agreed_lines=int(kept.sum()),
        agreed=balanced_accuracy(guess[kept], _places(name for name in named if name is not None)),
        readers=tuple(balanced_accuracy(_places(column), truth) for column in zip(*readings, strict=True)),
        files={str(w): balanced_accuracy(guess[writers == w], truth[writers == w]) for w in np.unique(writers)},
        confusion=tuple(
            tuple(float((guess[truth == row] == column).mean()) if (truth == row).any() else 0.0 for column in range(7))
            for row in range(7)
        ),
    )


def _places(names: Iterable[str]) -> NDArray[np.int64]:
    return np.array([BASIC_EMOTIONS.index(name) for name in names], dtype=np.int64)
