"""What the text side reaches: labels with thresholds from dev, affect, and the dialogue's seven classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.training.dialogue_lines import WrittenLine, read_dialogue
from cteg_core.training.dialogue_readings import agreed, read_readings

THRESHOLDS: Final = np.arange(0.05, 0.95, 0.025)


@dataclass(frozen=True)
class EmotionScores:
    """What the head reaches.

    Attributes:
        macro_f1: over the 28 labels, thresholds from dev.
        basic_macro_f1: over the Ekman six and neutral, thresholds from dev.
        basic_balanced_accuracy: mean recall of the strongest basic emotion on lines with one basic label.
        affect_r: Pearson r of valence, arousal, dominance.
        dialogue: mean recall over the seven classes on the project's own test lines, against their authors' labels;
            None where there is no dialogue.
        dialogue_agreed: the same against what two of three people name, on the lines where two do.
    """

    macro_f1: float
    basic_macro_f1: float
    basic_balanced_accuracy: float
    affect_r: tuple[float, float, float]
    dialogue: float | None = None
    dialogue_agreed: float | None = None


def best_thresholds(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each label the threshold of best F1, ``[28]``, on the given (dev) lines, both ``[N, 28]``."""
    best = np.full(labels.shape[1], 0.5)
    for column in range(labels.shape[1]):
        scores = [_f1(probabilities[:, column] >= threshold, labels[:, column] > 0.5) for threshold in THRESHOLDS]
        best[column] = THRESHOLDS[int(np.argmax(scores))]
    return best


def scores(
    dev: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
    affect: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> EmotionScores:
    """Score the head: (probabilities, labels) ``[N, 28]`` of dev and test lines, (read, true) affect ``[M, 3]``."""
    basic_dev, basic_test = (tuple(_basic(values) for values in split) for split in (dev, test))
    single = basic_test[1].sum(1) == 1
    truth, guess = basic_test[1][single].argmax(1), basic_test[0][single].argmax(1)
    r = tuple(float(np.corrcoef(affect[0][:, i], affect[1][:, i])[0, 1]) for i in range(3))
    return EmotionScores(
        _macro_f1(dev, test), _macro_f1(basic_dev, basic_test), balanced_accuracy(guess, truth), (r[0], r[1], r[2])
    )


def with_dialogue(
    reached: EmotionScores, folder: Path, read: Callable[[Sequence[WrittenLine]], NDArray[np.floating]]
) -> EmotionScores:
    """Return scores with those on the project's own test lines; ``read`` gives logits ``[N, 28]`` of lines."""
    lines = read_dialogue(folder, "test")
    guess = basics_of(read(lines))
    truth = np.array([BASIC_EMOTIONS.index(line.basic) for line in lines])
    named = [agreed(line, readings) for line, readings in zip(lines, read_readings(folder, lines), strict=True)]
    kept = np.array([name is not None for name in named])
    common = np.array([BASIC_EMOTIONS.index(name) for name in named if name is not None])
    return replace(
        reached, dialogue=balanced_accuracy(guess, truth), dialogue_agreed=balanced_accuracy(guess[kept], common)
    )


def balanced_accuracy(guess: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """Return the mean recall over the classes that ``truth`` holds; both ``[N]`` of places in ``BASIC_EMOTIONS``."""
    return float(np.mean([(guess[truth == c] == c).mean() for c in range(len(BASIC_EMOTIONS)) if (truth == c).any()]))


def basics_of(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the basic emotion that each row of logits ``[N, 28]`` decides for, a place in ``BASIC_EMOTIONS``."""
    odds = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    sums = [
        odds[:, [i for i, label in enumerate(EMOTION_LABELS) if BASIC_OF_LABEL[label] == basic]].sum(1)
        for basic in BASIC_EMOTIONS
    ]
    return np.asarray(np.stack(sums, 1).argmax(1))


def _macro_f1(dev: tuple[NDArray[np.float32], ...], test: tuple[NDArray[np.float32], ...]) -> float:
    thresholds = best_thresholds(dev[0], dev[1])
    return float(np.mean([_f1(test[0][:, c] >= thresholds[c], test[1][:, c] > 0.5) for c in range(test[1].shape[1])]))


def _f1(guess: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    hits = float((guess & truth).sum())
    return 0.0 if hits == 0 else 2 * hits / float(guess.sum() + truth.sum())


def _basic(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the chance that at least one label of each basic emotion applies, ``[N, 7]``, of chances ``[N, 28]``.

    Labels are taken for independent: a comment that may be angry or annoyed is more surely of anger than of either.
    """
    without = 1.0 - values.astype(np.float64)
    columns = [
        1.0 - without[:, [i for i, label in enumerate(EMOTION_LABELS) if BASIC_OF_LABEL[label] == basic]].prod(1)
        for basic in BASIC_EMOTIONS
    ]
    return np.stack(columns, 1).astype(np.float32)
