"""Ablations: variants that are told apart, trials that go on where they were, scores that know the corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ablation_scores import CORPUS_ROW, score_trials, scores_of, table
from benchmarks.ablation_trial import (
    PERFORMANCES_NAME,
    SILENT_TAKES,
    SPOKEN_TAKES,
    FirstPairs,
    Performed,
    Stage,
    Variant,
    corpus_again,
    performed_in,
    run_trial,
    stage_of,
)
from benchmarks.ablations import VARIANTS
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.text_data import LabelledLine
from cteg_core.training.text_states import TextStateCache
from tests.fakes.tiny_training import TINY, CountingEncoder, write_corpus

SPOKEN = {
    "joy": "We won!",
    "sadness": "She is gone.",
    "anger": "Get out of here.",
    "fear": "Who is there?",
    "disgust": "That is vile.",
    "surprise": "You are here?",
    "neutral": "It is on the table.",
}
QUICK = replace(TINY, steps=4, held_out=0.0, bfloat16=True)


def labelled(text: str, emotion: str) -> LabelledLine:
    return LabelledLine(text, tuple(float(label == emotion) for label in EMOTION_LABELS), None, "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablations")
    write_corpus(folder / "corpus")
    return folder


@pytest.fixture(scope="module")
def stage(folder: Path) -> Stage:
    long = labelled(" ".join(["word"] * 9), "joy")
    lines = [long, *(labelled(text, emotion) for emotion, text in SPOKEN.items())]
    return stage_of(lines, 1, lambda texts: TextStateCache.of(texts, folder / "lines", CountingEncoder))  # type: ignore[arg-type,return-value]


def trial(variant: Variant, folder: Path, stage: Stage, said: list[str]) -> Path:
    corpus = FirstPairs(folder / "corpus", 20)
    states = TextStateCache.of(corpus.texts, folder / "states", CountingEncoder)  # type: ignore[arg-type]
    run_trial(variant, 0, corpus, states, stage, folder / "out", said.append)
    return folder / "out" / f"{variant.name}-0"


def test_variants_are_told_apart_and_lean_on_ones_that_exist() -> None:
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    assert len({(v.config, v.scaled, v.temperature, v.correlation) for v in VARIANTS}) == len(names)
    for variant in VARIANTS:
        if variant.trained_as:
            parent = VARIANTS[names.index(variant.trained_as)]
            assert (variant.config, variant.seeds) == (parent.config, parent.seeds)
            assert names.index(variant.trained_as) < names.index(variant.name)


def test_every_variant_takes_the_same_steps_and_batches() -> None:
    first = VARIANTS[0].config
    for variant in VARIANTS:
        assert replace(variant.config, model=first.model, loss=first.loss, dropout=first.dropout) == first


def test_a_corpus_of_the_first_pairs_is_no_longer(folder: Path) -> None:
    corpus = FirstPairs(folder / "corpus", 5)
    assert len(corpus) == len(corpus.lengths) == len(corpus.line_indices) == 5


def test_short_lines_of_every_emotion_are_performed(stage: Stage) -> None:
    assert {line.text for line in stage.lines} == set(SPOKEN.values())
    assert all(len(takes) == SPOKEN_TAKES for takes in stage.truth)
    assert all(plan.features.any() for plan in stage.spoken)
    assert not any(plan.features.any() for plan in stage.silent)
    assert [plan.length for plan in stage.spoken] == [plan.length for plan in stage.silent]


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_trial_is_done_once_and_keeps_what_it_performed(folder: Path, stage: Stage, noise: float) -> None:
    config = replace(QUICK, model=replace(QUICK.model, readout_noise=noise))
    variant = Variant(f"tiny-{noise:g}", "tiny", config, scaled=noise == 0.0)
    said: list[str] = []
    done = trial(variant, folder, stage, said)
    first = (done / PERFORMANCES_NAME).read_bytes()
    assert said
    said.clear()
    trial(variant, folder, stage, said)
    assert said == []
    (done / PERFORMANCES_NAME).unlink()
    trial(variant, folder, stage, said)  # trained already: it performs, and alike
    assert (done / PERFORMANCES_NAME).read_bytes() == first
    performed = performed_in(done, len(stage.lines))
    assert (len(performed.spoken), len(performed.silent)) == (SPOKEN_TAKES, SILENT_TAKES)
    for takes in (*performed.spoken, *performed.silent):
        for frames, plan in zip(takes, stage.spoken, strict=True):
            assert frames.shape[1] == 53
            assert len(frames) <= plan.length + 30


def test_the_corpus_is_near_itself_and_far_from_stillness(stage: Stage) -> None:
    again, deviation = corpus_again(stage), np.full(53, 0.1, dtype=np.float32)
    own = scores_of(again, stage, deviation)
    still = scores_of(
        Performed(
            [[np.zeros_like(frames) for frames in take] for take in again.spoken],
            [[np.zeros_like(frames) for frames in take] for take in again.silent],
            0.0,
        ),
        stage,
        deviation,
    )
    assert own.length_error == still.length_error == 0.0
    assert own.speed == pytest.approx(1.0, abs=0.25)
    assert own.spread == pytest.approx(1.0, abs=0.25)
    assert still.speed == still.jitter == still.spread == 0.0
    assert own.energy < still.energy
    assert own.frechet_courses < still.frechet_courses
    assert own.frechet_changes < still.frechet_changes
    assert own.read > 0.5
    assert still.read == pytest.approx(1 / 7)


def test_the_table_has_a_row_for_each_variant_with_its_seeds_side_by_side(folder: Path, stage: Stage) -> None:
    variant = Variant("tiny-0", "a tiny network", QUICK)
    trial(variant, folder, stage, [])
    missing = Variant("never-run", "what was never run", QUICK)
    scores = score_trials((variant, missing), stage, corpus_again(stage), np.ones(53, np.float32), folder / "out")
    assert set(scores) == {CORPUS_ROW, "tiny-0"}
    again = score_trials((variant,), stage, corpus_again(stage), np.ones(53, np.float32), folder / "out")
    assert again["tiny-0"] == scores["tiny-0"]
    rows = table((variant,), {"tiny-0": [*scores["tiny-0"], *again["tiny-0"]]}).splitlines()
    assert rows[2].startswith("| a tiny network | ")
    assert rows[2].count(" / ") == rows[0].count("|") - 2
