"""The dialogue that the project brings: enough of it, varied, balanced, and its two splits apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cteg_core.clauses import clauses_of
from cteg_core.training.dialogue_checks import DialogueFigures, figures_of
from cteg_core.training.dialogue_lines import DIALOGUE_SPLITS, WrittenLine, read_dialogue

FOLDER = Path(__file__).parent.parent.parent / "dialogue"


@pytest.fixture(scope="module")
def splits() -> dict[str, list[WrittenLine]]:
    return {split: read_dialogue(FOLDER, split) for split in DIALOGUE_SPLITS}


@pytest.fixture(scope="module")
def figures(splits: dict[str, list[WrittenLine]]) -> DialogueFigures:
    return figures_of([line for lines in splits.values() for line in lines])


def test_a_quarter_of_the_lines_is_for_testing_in_whole_scenes(splits: dict[str, list[WrittenLine]]) -> None:
    # What is asked for are 6,000; none of those written since may get lost unnoticed.
    assert sum(map(len, splits.values())) == 23_591
    assert len(splits["test"]) == 6_511
    scenes = {split: {line.scene for line in lines} for split, lines in splits.items()}
    assert len(scenes["test"]) >= 0.25 * len(scenes["test"] | scenes["train"])


def test_they_are_varied(figures: DialogueFigures) -> None:
    assert figures.repeated_frames == ()
    assert figures.near_duplicates == ()
    assert figures.unique_beginnings >= 0.95


def test_most_of_them_name_no_emotion_and_many_turn(figures: DialogueFigures) -> None:
    assert 0.2 <= figures.without_emotion_word < 0.95
    assert figures.turning >= 0.15


def test_every_emotion_has_its_lines(figures: DialogueFigures) -> None:
    assert min(count for _, count in figures.labels) >= 40
    shares = [count / figures.lines for _, count in figures.basics]
    assert min(shares) >= 0.10
    assert max(shares) <= 0.22


def test_the_splits_share_neither_a_scene_nor_a_line(splits: dict[str, list[WrittenLine]]) -> None:
    train, test = splits["train"], splits["test"]
    assert not {line.scene for line in train} & {line.scene for line in test}
    assert not {line.text for line in train} & {line.text for line in test if not line.context}


def test_every_line_has_a_place_of_its_own_and_is_what_training_takes(splits: dict[str, list[WrittenLine]]) -> None:
    for lines in splits.values():
        assert len({line.place for line in lines}) == len(lines)
        for line in lines:
            labelled = line.labelled()
            assert "".join(labelled.clauses) == labelled.text == line.text
            assert len(labelled.arc) == len(labelled.clauses)
        sums = np.array([shares for line in lines for shares in line.arc]).sum(1)
        np.testing.assert_allclose(sums, 1.0, atol=1e-9)


def test_where_writers_turn_a_line_is_mostly_where_the_product_cuts_it(splits: dict[str, list[WrittenLine]]) -> None:
    cuts = [line.labelled() for line in splits["train"] if len(line.clauses) > 1]
    shared = 0
    for line in cuts:
        written, found = ({*np.cumsum([len(clause) for clause in clauses])[:-1]}
                          for clauses in (line.clauses, clauses_of(line.text)))  # fmt: skip
        shared += written <= found
    assert shared / len(cuts) > 0.8
