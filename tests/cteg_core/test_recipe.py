"""The recipe as a whole, with a tiny text encoder: text side, network and steadying end in one checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS
from cteg_core.evaluation.steadiness import WIDTHS
from cteg_core.model.checkpoint import Checkpoint, load_checkpoint
from cteg_core.model.emotion_reading import EmotionReader
from cteg_core.model.network import CtegNetwork
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.data import TrainData
from cteg_core.training.dialogue_readings import READINGS_NAME
from cteg_core.training.order import held_out_lines
from cteg_core.training.recipe import kept_head, train_checkpoint
from cteg_core.training.text_resume import STATE_NAME
from cteg_core.training.text_side import TextStage, TextTraining
from tests.fakes.tiny_bert import HEAD, WIDTH, tiny_encoder
from tests.fakes.tiny_training import TINY, write_corpus

CONFIG = replace(TINY, model=replace(TINY.model, d_text=WIDTH), steps=4, evaluate_every=2, save_every=2)
TEXT_CONFIG = TextTraining(
    stages=(TextStage("comments", 1, 1.0, 1.0, 1.0, 1e-2),),
    rater_stages=(TextStage("raters", 1, 1.0, 1.0, 0.0, 1e-2),),
    head=HEAD,
    rank=2,
    batch=8,
    save_every=4,
)


def write_text(folder: Path) -> None:
    (folder / "goemotions").mkdir(parents=True)
    (folder / "emobank").mkdir()
    for split in ("train", "dev", "test"):
        rows = "".join(f"comment {'abcdefgh'[i % 8]} of {split}\t{i % 28}\tx{i}\n" for i in range(28))
        (folder / "goemotions" / f"{split}.tsv").write_text(rows, encoding="utf-8")
    ratings = [f"{i},{('train', 'test')[i % 2]},{1 + i % 5},{1 + i % 4},{1 + i % 3},a day of {'abcdef'[i]}\n"
               for i in range(6)]  # fmt: skip
    (folder / "emobank" / "emobank.csv").write_text("id,split,V,A,D,text\n" + "".join(ratings), encoding="utf-8")


def write_dialogue(folder: Path) -> None:
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        labels = ("joy", "sadness", "anger", "fear", "disgust", "surprise", "neutral")
        rows = [f"{split}\t\tWe said {label} once. / And again.\t{label} / {label}\t.6\t0 0 0" for label in labels]
        (folder / split / "a.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    readings = [f"a\t{row}\t{basic}\t{basic}" for row, basic in enumerate(BASIC_EMOTIONS, start=1)]
    (folder / READINGS_NAME).write_text("\n".join(readings) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    write_text(folder / "text")
    write_dialogue(folder / "dialogue")
    write_corpus(folder / "corpus", performances_per_line=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "load", classmethod(lambda *_: tiny_encoder()))
        made = train_checkpoint(
            folder / "text", folder / "corpus", folder / "run", "toy", CONFIG, None,
            dialogue=folder / "dialogue", text_config=TEXT_CONFIG, device="cpu",
        )  # fmt: skip
        assert made == folder / "run" / "checkpoint"
        # Another run takes the text side of the first.
        train_checkpoint(
            None, folder / "corpus", folder / "again", "other", CONFIG, None, emotion_head=made, device="cpu"
        )
    return folder


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder / "run" / "checkpoint")


def test_the_checkpoint_reads_and_says_how_well(checkpoint: Checkpoint) -> None:
    encoder = tiny_encoder()
    encoder.adapt_to(checkpoint.adapters)
    read = EmotionReader(encoder, checkpoint.emotion_head).read(["We won."])[0]
    assert sum(read.probabilities) == pytest.approx(1.0)
    assert checkpoint.emotion_head.config == HEAD
    assert any(value.any() for name, value in checkpoint.adapters.items() if name.endswith(".up"))
    assert checkpoint.thresholds.shape == (len(EMOTION_LABELS),)
    reached = checkpoint.info.metrics["emotion_head"]
    for name in ("macro_f1", "basic_macro_f1", "basic_balanced_accuracy", "dialogue", "dialogue_agreed"):
        assert 0.0 <= reached[name] <= 1.0
    assert reached["dialogue"] == reached["dialogue_agreed"]  # readers and authors say the same here
    assert len(reached["affect_r"]) == 3
    assert "CC0" in checkpoint.info.training["credits"]


def test_the_checkpoint_is_steadied_as_measured(checkpoint: Checkpoint) -> None:
    widths = {round(float(width), 4) for width in checkpoint.steadying.ravel()}
    assert widths <= {round(width, 4) for width in WIDTHS}
    assert checkpoint.steadying.shape == (2, 53)


def test_tremor_is_measured_on_lines_held_out_and_then_on_others_that_training_takes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = CorpusReader(folder / "corpus")
    config = replace(CONFIG, longest=int(np.sort(reader.lengths)[-3]))
    measured: list[int] = []

    def watched(network: CtegNetwork, data: TrainData, chosen: Sequence[int]) -> np.ndarray:
        measured.extend(chosen)
        return np.zeros((2, 53))

    monkeypatch.setattr("cteg_core.training.recipe.measured_widths", watched)
    monkeypatch.setattr(TextEncoder, "load", classmethod(lambda *_: tiny_encoder()))
    head = folder / "run" / "checkpoint"
    train_checkpoint(None, folder / "corpus", tmp_path, "toy", config, None, emotion_head=head, device="cpu")
    usable = np.flatnonzero(reader.lengths <= config.longest)
    assert sorted(measured) == usable.tolist()
    apart = np.intersect1d(held_out_lines(reader.line_indices, config.held_out), usable).tolist()
    for speaks in (True, False):
        kind = [i for i in measured if reader[i].speech.any() == speaks]
        first = [i for i in apart if reader[i].speech.any() == speaks]
        assert sorted(kind[: len(first)]) == sorted(first)
    assert apart


def test_the_text_side_is_kept_for_the_next_call(folder: Path, checkpoint: Checkpoint) -> None:
    assert (folder / "run" / "text-side" / STATE_NAME).is_file()
    kept = kept_head(folder / "run" / "emotion-head.safetensors")
    assert kept is not None
    assert kept.head.config == HEAD
    assert kept.rater is not None
    assert checkpoint.rater is not None
    assert torch.equal(kept.rater.lift.weight.half().float(), checkpoint.rater.lift.weight)
    assert kept.scores["macro_f1"] == checkpoint.info.metrics["emotion_head"]["macro_f1"]
    for name, value in kept.adapters.items():
        assert torch.equal(value.half().float(), checkpoint.adapters[name])


def test_a_second_call_trains_nothing_again(folder: Path, checkpoint: Checkpoint) -> None:
    """Neither labelled text nor the text encoder is there any more."""
    made = train_checkpoint(None, folder / "corpus", folder / "run", "toy", CONFIG, Path("nowhere"), device="cpu")
    assert load_checkpoint(made).sha256 == checkpoint.sha256


def test_a_given_checkpoint_lends_head_and_adapters(folder: Path, checkpoint: Checkpoint) -> None:
    other = load_checkpoint(folder / "again" / "checkpoint")
    assert other.info.metrics["emotion_head"] == checkpoint.info.metrics["emotion_head"]
    assert not (folder / "again" / "text-side").exists()
    for mine, theirs in (
        (other.adapters, checkpoint.adapters),
        (other.emotion_head.state_dict(), checkpoint.emotion_head.state_dict()),
        ({"thresholds": other.thresholds}, {"thresholds": checkpoint.thresholds}),
    ):
        assert set(mine) == set(theirs)
        assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    # The same corpus, seed and configuration: the same network.
    for name, value in checkpoint.network.state_dict().items():
        np.testing.assert_array_equal(other.network.state_dict()[name], value)
