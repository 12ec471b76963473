"""What readers named the test lines, and what the text side reaches beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS, EmotionRead
from cteg_core.evaluation.reading import measure_reading
from cteg_core.training.dialogue_lines import WrittenLine, read_dialogue
from cteg_core.training.dialogue_readings import READINGS_NAME, agreed, read_readings
from cteg_core.training.text_scores import (
    EmotionScores,
    balanced_accuracy,
    basics_of,
    best_thresholds,
    scores,
    with_dialogue,
)

FOLDER = Path(__file__).parent.parent.parent / "dialogue"
EYE = np.eye(28, dtype=np.float32)
ROWS = ("a\t\tWe won.\tjoy\t.6\t0 0 0", "a\t\tGet out.\tanger\t.6\t0 0 0", "b\t\tThe kettle is on.\tneutral\t.2\t0 0 0")
READINGS = ("a\t1\thappiness\thappiness", "a\t2\tneutral\tneutral", "# a remark", "a\t3\tsurprise\tfear")


def label(name: str) -> int:
    return EMOTION_LABELS.index(name)


def folder_of(tmp_path: Path, readings: Sequence[str] = READINGS) -> Path:
    (tmp_path / "test").mkdir(exist_ok=True)
    (tmp_path / "test" / "a.tsv").write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    (tmp_path / READINGS_NAME).write_text("\n".join(readings) + "\n", encoding="utf-8")
    return tmp_path


def test_readings_are_matched_to_their_lines(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, READINGS[::-1])
    lines = read_dialogue(folder, "test")
    assert [line.place for line in lines] == ["a:1", "a:2", "a:3"]
    assert read_readings(folder, lines) == [("happiness", "happiness"), ("neutral", "neutral"), ("surprise", "fear")]


def test_two_of_three_agree_or_nobody_does(tmp_path: Path) -> None:
    joy, anger, neutral = read_dialogue(folder_of(tmp_path), "test")
    assert agreed(joy, ("happiness", "fear")) == "happiness"
    assert agreed(anger, ("neutral", "neutral")) == "neutral"
    assert agreed(neutral, ("surprise", "fear")) is None
    assert agreed(neutral, ("neutral", "neutral")) == "neutral"


@pytest.mark.parametrize(
    ("readings", "sentence"),
    [
        ((*READINGS[:3], "a\t3\tsurprise"), "row 4: a row is a file, a row of it, and two of happiness, sadness"),
        ((*READINGS[:3], "a\t3\tsurprise\tjoy"), "row 4: a row is a file"),
        (READINGS[:2], "is not of these test lines: 1 of 3 have no reading"),
        ((*READINGS, "a\t9\tfear\tfear"), "is not of these test lines"),
        ((*READINGS[:3], "b\t3\tfear\tfear"), "is not of these test lines: 1 of 3"),
    ],
)
def test_readings_that_do_not_fit_are_refused(tmp_path: Path, readings: Sequence[str], sentence: str) -> None:
    folder = folder_of(tmp_path, readings)
    with pytest.raises(ValueError, match=f"{re.escape(str(folder / READINGS_NAME))}.*{sentence}"):
        read_readings(folder, read_dialogue(folder, "test"))


def test_missing_readings_are_an_error_of_the_system(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / READINGS_NAME).unlink()
    with pytest.raises(FileNotFoundError):
        read_readings(folder, read_dialogue(folder, "test"))


def test_the_projects_test_lines_have_their_readings() -> None:
    lines = read_dialogue(FOLDER, "test")
    readings = read_readings(FOLDER, lines)
    named = [agreed(line, pair) for line, pair in zip(lines, readings, strict=True)]
    assert np.mean([name is not None for name in named]) > 0.75
    assert set(named) - {None} == set(BASIC_EMOTIONS)


# Scores.


def test_a_threshold_is_the_one_of_best_f1() -> None:
    labels = np.array([[1.0], [1.0], [0.0], [0.0]], dtype=np.float32)
    odds = np.array([[0.9], [0.4], [0.35], [0.1]], dtype=np.float32)
    (best,) = best_thresholds(odds, labels)
    assert 0.35 < best <= 0.4
    everywhere = best_thresholds(np.array([[0.2], [0.9]], dtype=np.float32), np.ones((2, 1), dtype=np.float32))
    assert everywhere[0] == pytest.approx(0.05)


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_there_are() -> None:
    truth, guess = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0])
    assert balanced_accuracy(guess, truth) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_logits_decide_by_the_shares_of_basic_emotions() -> None:
    logits = np.full((2, 28), -20.0)
    logits[:, label("anger")] = 0.0
    logits[0, [label("joy"), label("love")]] = -0.5  # together 1.21 against 1
    logits[1, label("joy")] = -0.5
    assert [BASIC_EMOTIONS[i] for i in basics_of(logits)] == ["happiness", "anger"]
    assert basics_of(logits + 1000.0).tolist() == basics_of(logits).tolist()


def test_a_perfect_read_scores_one_and_a_reversed_one_less() -> None:
    truth = np.tile(EYE, (2, 1))
    affect = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    perfect = scores((truth, truth), (truth, truth), (affect, affect))
    assert perfect.macro_f1 == perfect.basic_macro_f1 == perfect.basic_balanced_accuracy == 1.0
    assert perfect.affect_r == pytest.approx((1.0, 1.0, 1.0))
    assert perfect.dialogue is None
    wrong = scores((truth, truth), (truth[::-1].copy(), truth), (-affect, affect))
    assert wrong.macro_f1 < 0.2
    assert wrong.affect_r == pytest.approx((-1.0, -1.0, -1.0))


def test_chances_of_labels_of_one_basic_emotion_add_up() -> None:
    """0.4 for anger and 0.4 for annoyance are 0.64 for either of them, and so more than 0.5 for joy."""
    truth, chances = EYE[[label("anger"), label("joy")]], 0.5 * EYE[[label("joy"), label("joy")]]
    chances[0, [label("anger"), label("annoyance")]] = 0.4
    reached = scores((chances, truth), (chances, truth), (np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)))
    assert reached.basic_balanced_accuracy == 1.0


def test_dialogue_is_scored_against_its_authors_and_against_what_two_of_three_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    given: list[str] = []

    def read(lines: Sequence[WrittenLine]) -> np.ndarray:
        given.extend(line.text for line in lines)
        return 9.0 * EYE[[label("joy"), label("neutral"), label("neutral")]]

    before = EmotionScores(0.5, 0.6, 0.7, (0.1, 0.2, 0.3))
    after = with_dialogue(before, folder, read)
    assert given == ["We won.", "Get out.", "The kettle is on."]
    # The authors say happiness, anger, neutral; two of three say happiness, neutral, and of the last line nothing.
    assert after.dialogue == pytest.approx(2 / 3)
    assert after.dialogue_agreed == pytest.approx(1.0)
    assert replace(after, dialogue=None, dialogue_agreed=None) == before


class Reader:
    """Reads joy in lines of a given length, and anger in others."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        self.asked += zip(texts, before or (), strict=True)
        return tuple(EmotionRead.of(joy=0.9) if text == "We won." else EmotionRead.of(anger=0.9) for text in texts)


def test_a_reader_is_scored_on_every_test_line_in_its_context(tmp_path: Path) -> None:
    folder, reader = folder_of(tmp_path), Reader()
    found = measure_reading(reader, folder)
    assert sorted(text for text, _ in reader.asked) == ["Get out.", "The kettle is on.", "We won."]
    lines = read_dialogue(folder, "test")
    assert dict(reader.asked) == {line.text: line.context for line in lines}
    # Of happiness, anger and neutral the third is read as anger; where two agree, it and the second are not neutral.
    assert (found.lines, found.accuracy) == (3, pytest.approx(2 / 3))
    assert (found.agreed_lines, found.agreed) == (2, pytest.approx(1 / 2))
    assert len(found.readers) == 2
    assert list(found.files) == ["a"]
    anger = BASIC_EMOTIONS.index("anger")
    assert found.confusion[BASIC_EMOTIONS.index("neutral")][anger] == 1.0
