"""``evaluate``: a network run on held-out lines, the JSON, and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cteg_core.__main__ import main
from cteg_core.commands import evaluate
from cteg_core.evaluation.held_out import HeldOut, held_out_of_corpus, held_out_of_text
from cteg_core.evaluation.measuring import CORPUS, MEAN, NETWORK, OTHER, RETRIEVED, SHUFFLED, HeldOutScores, measure
from cteg_core.evaluation.running import SLACK_FRAMES, TakePlan, perform_batch, predict_frames, true_frames
from cteg_core.metrics.paper import PaperChoices
from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, Scaling, save_checkpoint
from cteg_core.model.config import DEFAULT
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.network import CtegNetwork
from cteg_core.model.text_encoder import READ_LAYERS, TextEncoder, TextStates
from cteg_core.training.batches import NO_DROPOUT, Batch, make_batch
from cteg_core.training.corpus import CorpusReader, synthesise_corpus
from cteg_core.training.order import held_out_lines
from cteg_core.training.text_data import LabelledLine
from flame_rig.spaces import CTEG_HEAD_1
from tests.fakes.encoders import Unadapted

WIDTH = 12
TEXTS = (
    "We won!",
    "Leave me alone.",
    "It is on the table.",
    "Who is there?",
    "How dare you.",
    "Oh.",
    "So sad.",
    "Yes.",
)


class FakeEncoder(Unadapted):
    """Stands in for MiniLM: states that are a function of the words."""

    width = WIDTH

    def encode(self, texts: Sequence[str]) -> TextStates:
        longest = max(len(text.split()) for text in texts)
        layers = torch.zeros(len(texts), len(READ_LAYERS), longest, WIDTH)
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, text in enumerate(texts):
            for place, word in enumerate(text.split()):
                mask[row, place] = True
                layers[row, :, place] = torch.from_numpy(
                    np.random.default_rng(list(word.encode())).standard_normal(WIDTH)
                )
        return TextStates(layers, mask, (0,) * len(texts))


def labelled(split: str) -> list[LabelledLine]:
    emotions = np.eye(28)[[17, 3, 27, 7, 2, 26, 25, 0]]
    return [
        LabelledLine(f"{text} ({split})", tuple(row.tolist()), None, split)
        for text, row in zip(TEXTS, emotions, strict=True)
    ]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    config = replace(DEFAULT, d_text=WIDTH, d_model=16, d_inner=32, heads=2, d_head=8, d_latent=4, utterance_latent=3)
    info = CheckpointInfo("toy", "cteg-head-1", 30.0, {}, {"pairs": 16, "lines": 8, "held_out": 0.5}, {}, "CC0-1.0")
    head = EmotionHead(EmotionHeadConfig())
    scaling = Scaling(torch.zeros(53), torch.full((53,), 0.2))
    return Checkpoint(info, CtegNetwork(config).eval(), head, torch.full((28,), 0.5), scaling, "0" * 64)


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    return held_out_of_text(labelled("test"), labelled("train"), count=5, takes=2, seed=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    synthesise_corpus(labelled("train"), folder, performances_per_line=2, seed=3)
    return folder


def batch_of(held_out: HeldOut, places: Sequence[int], checkpoint: Checkpoint) -> Batch:
    states = FakeEncoder().encode([held_out.texts[i] for i in places])
    items = [held_out.items[i] for i in places]
    return make_batch(
        items, states.last, states.mask, checkpoint.scaling, 30.0, NO_DROPOUT, torch.Generator().manual_seed(0)
    )


def test_lines_of_the_test_split_are_performed_anew(held_out: HeldOut) -> None:
    assert len(held_out.texts) == len(held_out.items) == len(held_out.again) == 5
    assert all("(test)" in text for text in held_out.texts)
    assert all("(train)" in text for text in held_out.pool.texts)
    for item, again in zip(held_out.items, held_out.again, strict=True):
        assert len(again) == 2
        for frames in again:
            assert frames.shape == item.frames.shape  # the same plan
            assert np.abs(frames - item.frames).max() > 0.01  # another performance
    same = held_out_of_text(labelled("test"), labelled("train"), count=5, takes=2, seed=3)
    np.testing.assert_array_equal(same.items[4].frames, held_out.items[4].frames)
    np.testing.assert_array_equal(same.pool.perform(1), held_out.pool.perform(1))


def test_lines_of_a_corpus_are_those_that_training_keeps_apart(corpus: Path) -> None:
    reader = CorpusReader(corpus)
    apart = {reader.texts[line] for line in reader.line_indices[held_out_lines(reader.line_indices, 0.5)]}
    found = held_out_of_corpus(reader, 0.5, trained_on_rest=True, count=100, seed=0)
    assert set(found.texts) == apart
    assert apart.isdisjoint(found.pool.texts)
    assert [len(again) for again in found.again] == [1] * 4
    assert "says it kept from its training" in found.source
    assert "MAY HAVE BEEN TRAINED" in held_out_of_corpus(reader, 0.5, False, 100, 0).source
    with pytest.raises(ValueError, match="at least two"):
        held_out_of_corpus(reader, 0.1, trained_on_rest=True, count=100, seed=0)


def test_predictions_lie_over_their_truths(held_out: HeldOut, checkpoint: Checkpoint) -> None:
    batch = batch_of(held_out, [0, 1, 2], checkpoint)
    truth, predicted = true_frames(batch), predict_frames(checkpoint.network, batch)
    for item, true, made in zip(held_out.items, truth, predicted, strict=False):
        np.testing.assert_allclose(true, item.frames / 0.2, atol=1e-5)
        assert made.shape == true.shape
    # A prediction of the prior knows no later frame, nor the utterance latent that was taken from the whole.
    other = replace(batch, frames=batch.frames.clone(), conditions=replace(batch.conditions))
    other.frames[:, 9:] = 5.0
    changed = predict_frames(checkpoint.network, other)
    np.testing.assert_allclose(changed[0][:7], predicted[0][:7], atol=1e-5)
    assert np.abs(changed[0][9:] - predicted[0][9:]).max() > 1e-3
    target = replace(batch.conditions, target=torch.zeros_like(batch.conditions.target))  # type: ignore[union-attr,type-var]
    np.testing.assert_allclose(
        predict_frames(checkpoint.network, replace(batch, conditions=target))[1], predicted[1], atol=1e-5
    )


def test_takes_depend_on_line_and_seed_and_not_on_the_batch(held_out: HeldOut, checkpoint: Checkpoint) -> None:
    both = perform_batch(checkpoint.network, batch_of(held_out, [0, 1], checkpoint), [0, 1], TakePlan(2, seed=5))
    alone = perform_batch(checkpoint.network, batch_of(held_out, [1], checkpoint), [1], TakePlan(2, seed=5))
    other = perform_batch(checkpoint.network, batch_of(held_out, [1], checkpoint), [1], TakePlan(2, seed=6))
    for take in range(2):
        np.testing.assert_allclose(both[1][take], alone[0][take], atol=1e-3)
        assert 1 <= len(alone[0][take]) <= len(held_out.items[1].frames) + SLACK_FRAMES
    shorter = min(len(alone[0][0]), len(alone[0][1]), len(other[0][0]))
    assert np.abs(alone[0][0][:shorter] - alone[0][1][:shorter]).max() > 1e-3
    assert np.abs(alone[0][0][:shorter] - other[0][0][:shorter]).max() > 1e-3


@pytest.mark.parametrize("changed", ["text", "emotion"])
def test_without_the_text_neither_it_nor_the_emotion_matters(
    changed: str, held_out: HeldOut, checkpoint: Checkpoint
) -> None:
    batch = batch_of(held_out, [0], checkpoint)
    assert batch.conditions is not None
    otherwise = replace(batch.conditions, emotion=1.0 - batch.conditions.emotion)
    said_otherwise = (
        replace(batch, text=batch.text + 3.0) if changed == "text" else replace(batch, conditions=otherwise)
    )
    hidden = [
        perform_batch(checkpoint.network, b, [0], TakePlan(1, 0, without_text=True))[0][0]
        for b in (batch, said_otherwise)
    ]
    np.testing.assert_array_equal(*hidden)
    told = [perform_batch(checkpoint.network, b, [0], TakePlan(1, 0))[0][0] for b in (batch, said_otherwise)]
    shorter = min(map(len, told))
    assert np.abs(told[0][:shorter] - told[1][:shorter]).max() > 1e-4


@pytest.fixture(scope="module")
def scores(held_out: HeldOut, checkpoint: Checkpoint) -> HeldOutScores:
    return measure(checkpoint, FakeEncoder(), held_out, takes=2, seed=0)  # type: ignore[arg-type]


def test_every_row_is_scored(scores: HeldOutScores) -> None:
    assert list(scores.performances) == [NETWORK, CORPUS, RETRIEVED, OTHER, SHUFFLED, MEAN]
    assert scores.lines == 5
    for take in scores.example.takes:
        assert (take >= CTEG_HEAD_1.lower - 1e-6).all()
        assert (take <= CTEG_HEAD_1.upper + 1e-6).all()
    untrained, again = scores.performances[NETWORK], scores.performances[CORPUS]
    assert untrained.energy is not None
    assert again.energy is not None
    assert again.energy < untrained.energy
    assert again.frechet.frames < untrained.frechet.frames
    assert again.length_error == 0.0
    assert untrained.paper is not None
    assert untrained.paper.diversity is not None
    assert untrained.paper.choices == PaperChoices()
    exploit = scores.teacher_forced["truth - 0.8 (the exploit)"]
    assert exploit.cppl == pytest.approx(1.0)
    assert exploit.box_bits == pytest.approx(53.0)
    assert exploit.box_bits > scores.teacher_forced["last frame copied"].box_bits


def test_measuring_is_repeatable(scores: HeldOutScores, held_out: HeldOut, checkpoint: Checkpoint) -> None:
    again = measure(checkpoint, FakeEncoder(), held_out, takes=2, seed=0)  # type: ignore[arg-type]
    assert again.teacher_forced == scores.teacher_forced
    assert again.performances == scores.performances


@pytest.fixture
def toy(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint on disk, and a text encoder that needs no download."""
    save_checkpoint(checkpoint, tmp_path / "toy")
    monkeypatch.setattr(TextEncoder, "load", classmethod(lambda *_: FakeEncoder()))
    return tmp_path / "toy"


def arguments(toy: Path, corpus: Path, out: Path) -> list[str]:
    return [
        "evaluate", "--checkpoint", str(toy), "--data", str(corpus), "--items", "4", "--takes", "2",
        "--device", "cpu", "--threads", "1", "--out", str(out),
    ]  # fmt: skip


def test_a_corpus_alone_is_enough(toy: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the page needs the train extra")
    out = tmp_path / "new" / "report"
    assert main(arguments(toy, corpus, out)) == 0
    record = json.loads((out / evaluate.JSON_NAME).read_text("utf-8"))
    assert json.loads(capsys.readouterr().out) == record
    assert record["checkpoint"].startswith("toy@")
    assert record["held_out"]["lines"] == 4
    assert record["held_out"]["performances"][NETWORK]["paper"]["choices"]["lengths"] == "resample"
    assert "says it kept from its training" in record["held_out"]["source"]
    assert "from_text" not in record
    assert (out / "report.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "report.pdf").read_bytes()[:5] == b"%PDF-"


def test_without_matplotlib_there_is_the_json(
    toy: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "find_spec", lambda name: None)
    assert main(arguments(toy, corpus, tmp_path / "report")) == 0
    assert [path.name for path in (tmp_path / "report").iterdir()] == [evaluate.JSON_NAME]
    assert "has no matplotlib" in capsys.readouterr().err


def test_a_json_file_can_be_named(toy: Path, corpus: Path, tmp_path: Path) -> None:
    assert main(arguments(toy, corpus, tmp_path / "scores.json")) == 0
    assert json.loads((tmp_path / "scores.json").read_text("utf-8"))["held_out"]["takes"] == 2


@pytest.mark.parametrize(
    ("data", "said"), [([], "nothing to measure on"), (["--data", "nowhere"], "holds no finished corpus")]
)
def test_what_is_missing_is_said(toy: Path, data: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--checkpoint", str(toy), "--device", "cpu", *data]) == 1
    assert said in capsys.readouterr().err


def test_one_take_is_misuse() -> None:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--takes", "1"])
    assert end.value.code == 2
