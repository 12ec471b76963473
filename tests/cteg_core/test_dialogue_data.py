"""The dialogue that the project brings: enough of it, varied, balanced, and its two splits apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from cteg_core.training.dialogue_checks import DialogueFigures, figures_of
from cteg_core.training.dialogue_lines import DIALOGUE_SPLITS, WrittenLine, read_dialogue

FOLDER = Path(__file__).parent.parent.parent / "dialogue"


@pytest.fixture(scope="module")
def splits() -> dict[str, list[WrittenLine]]:
    return {split: read_dialogue(FOLDER, split) for split in DIALOGUE_SPLITS}


@pytest.fixture(scope="module")
def figures(splits: dict[str, list[WrittenLine]]) -> DialogueFigures:
    return figures_of([line for lines in splits.values() for line in lines])


def test_there_are_six_thousand_lines_and_a_sixth_of_them_is_for_testing(splits: dict[str, list[WrittenLine]]) -> None:
    total = sum(map(len, splits.values()))
    assert total >= 6000
    assert len(splits["test"]) >= total / 6


def test_they_are_varied(figures: DialogueFigures) -> None:
    assert figures.repeated_frames == ()
    assert figures.near_duplicates == ()
    assert figures.unique_beginnings >= 0.95


def test_most_of_them_name_no_emotion_and_a_fifth_turns(figures: DialogueFigures) -> None:
    assert 0.2 <= figures.without_emotion_word < 0.95
    assert figures.turning >= 0.2


def test_every_emotion_has_its_lines(figures: DialogueFigures) -> None:
    assert min(count for _, count in figures.labels) >= 40
    shares = [count / figures.lines for _, count in figures.basics]
    assert min(shares) >= 0.10
    assert max(shares) <= 0.22


def test_the_splits_share_neither_a_scene_nor_a_line(splits: dict[str, list[WrittenLine]]) -> None:
    train, test = splits["train"], splits["test"]
    assert not {line.scene for line in train} & {line.scene for line in test}
    assert not {line.text for line in train} & {line.text for line in test if not line.context}
