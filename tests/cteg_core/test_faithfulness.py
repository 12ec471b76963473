"""The measures of faithfulness, by hand and on faces that are known."""

from __future__ import annotations

import numpy as np
import pytest

from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS, EmotionRead
from cteg_core.metrics.faithfulness import agreement, balanced_lines, basic_of, motion, read_back, synthesised
from flame_rig.spaces import CTEG_HEAD_1


def test_agreement_is_balanced_over_classes() -> None:
    # Happiness is right 1 of 4 times, anger 1 of 1: balanced 0.625, where plain accuracy would say 0.4.
    truth = ["happiness"] * 4 + ["anger"]
    result = agreement(["happiness", "sadness", "sadness", "neutral", "anger"], truth)
    assert result.balanced == pytest.approx(0.625)
    happiness, sadness = BASIC_EMOTIONS.index("happiness"), BASIC_EMOTIONS.index("sadness")
    assert result.confusion[happiness][sadness] == 2


def test_motion_by_hand() -> None:
    frames = np.zeros((4, 53), dtype=np.float32)
    frames[1:, 0] = (3.0, 3.0, 0.0)  # steps 3, 0, 3; changes of step -3 and -3
    summary = motion([frames])
    assert summary.speed == pytest.approx(2.0)
    assert summary.acceleration == pytest.approx(3.0)
    assert summary.reach == pytest.approx(3.0)


def test_balanced_lines_carry_one_basic_emotion_each() -> None:
    labels = np.zeros((60, 28))
    for row in range(56):
        labels[row, row % 28] = 1.0
    labels[56:, [2, 17]] = 1.0  # anger and joy at once: neither
    lines = balanced_lines([f"text {row}" for row in range(60)], labels, count_each=2, seed=0)
    assert len(lines) == 14
    assert {line.basic for line in lines} == set(BASIC_EMOTIONS)
    assert all(basic_of(line.label) == line.basic for line in lines)
    assert all(int(line.text.split()[1]) < 56 for line in lines)


def test_known_faces_are_read() -> None:
    def face(**shapes: float) -> np.ndarray:
        frames = np.zeros((30, 53), dtype=np.float32)
        for name, weight in shapes.items():
            for side in ("Left", "Right"):
                frames[10:20, CTEG_HEAD_1.index(name + side)] = weight
        return frames

    smile = face(mouthSmile=0.9, cheekSquint=0.6)
    frown = face(browDown=0.9, eyeSquint=0.5, mouthPress=0.5, noseSneer=0.2)
    assert read_back([smile, frown, face()]) == ["happiness", "anger", "neutral"]


def test_the_corpus_is_read_as_what_it_shows() -> None:
    """The reader was written without the synthesiser's tables; that they agree is no accident of either."""
    labels = np.repeat(np.eye(28)[[EMOTION_LABELS.index(n) for n in ("joy", "sadness", "anger", "fear")]], 6, axis=0)
    lines = balanced_lines(["Is it really over, then?"] * len(labels), labels, count_each=6, seed=0)
    read = read_back(synthesised(lines, seed=1))
    assert agreement(read, [line.basic for line in lines]).balanced > 0.6


def test_an_emotion_read_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="28 probabilities"):
        EmotionRead((0.1,) * 7)
