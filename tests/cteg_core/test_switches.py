"""Every change to the official code can be switched back: each switch trains, performs, and does something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, Scaling
from cteg_core.model.config import DEFAULT, EMOAVA, FRAME_RATES, ModelConfig
from cteg_core.model.decoding import NOISE_CORRELATION, Lines, Step, decode, draws_for
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.generator import Generator
from cteg_core.model.network import CtegNetwork, TeacherForced
from cteg_core.model.parts import part_seed
from cteg_core.model.variational_layer import Gaussian
from cteg_core.performer import FinishedTake, TakeRequest
from cteg_core.training.batches import MOST_RESAMPLED, NO_DROPOUT, Dropout, at_frame_rate, drawn_frame_rates
from cteg_core.training.loop import TrainConfig, TrainData, loss_of, train
from cteg_core.training.losses import OFFICIAL_LOSS, LossConfig, kl_term, training_loss
from flame_rig.spaces import CTEG_HEAD_1
from tests.fakes.tiny_training import TINY, WIDTH, CountingEncoder, read_data, write_corpus

MODEL = TINY.model
BASE = replace(TINY, steps=3, held_out=0.0)


def of_model(**changes: Any) -> TrainConfig:
    return replace(BASE, model=replace(MODEL, **changes))


def of_loss(**changes: Any) -> TrainConfig:
    return replace(BASE, loss=replace(LossConfig(), **changes))


def of_dropout(**changes: Any) -> TrainConfig:
    return replace(BASE, dropout=replace(Dropout(), **changes))


SWITCHED: dict[str, TrainConfig] = {
    "EwA over the whole sequence": of_model(expression_attention="official"),
    "no EwA": of_model(expression_attention="off"),
    "no LTA": of_model(latent_temporal_attention=False),
    "a latent as wide as the network": of_model(d_latent=MODEL.d_model),
    "no utterance latent": of_model(utterance_latent=0),
    "no emotion condition": of_model(emotion_width=0),
    "neither emotion nor utterance latent": of_model(emotion_width=0, utterance_latent=0),
    "no speech plan": of_model(plan_width=0),
    "no time": of_model(timing=False),
    "no stop head": of_model(stop_head=False),
    "frame rates": of_model(frame_rate=True),
    "white noise before the readout": of_model(readout_noise=EMOAVA.readout_noise),
    "two layers": of_model(layers=2),
    "no target-guided loss": of_loss(guided_weight=0.0),
    "distance alone": of_loss(squared_weight=0.0),
    "no velocity": of_loss(velocity_weight=0.0),
    "KL over padding": of_loss(kl_over_padding=True),
    "KL averaged over the latent": of_loss(kl_mean_over_latent=True),
    "the official loss": replace(BASE, loss=OFFICIAL_LOSS),
    "the true past": of_dropout(frames=0.0, history=0.0, no_history=0.0, frame_noise=0.0),
    "nothing withheld": of_dropout(text=0.0, emotion=0.0, both=0.0, length=0.0),
    "all as in the official code": replace(
        BASE,
        model=replace(EMOAVA, d_text=WIDTH, d_model=16, d_inner=32, heads=2, d_head=8, d_latent=16, max_frames=256),
        loss=OFFICIAL_LOSS,
        dropout=NO_DROPOUT,
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return read_data(folder)


@pytest.fixture(scope="module")
def default_clip(data: TrainData, tmp_path_factory: pytest.TempPathFactory) -> ExpressionClip:
    return trained_and_performed(data, BASE, tmp_path_factory.mktemp("run"))


def generator_of(network: CtegNetwork, scaling: Scaling, fps: float | None = None) -> Generator:
    head = EmotionHead(EmotionHeadConfig(d_text=WIDTH, d_model=8, heads=2, d_inner=8)).eval()
    info = CheckpointInfo("tiny", CTEG_HEAD_1.id, 30.0, {}, {}, {}, "CC0-1.0")
    checkpoint = Checkpoint(info, network, head, torch.full((28,), 0.5), scaling)
    return Generator(checkpoint, CountingEncoder(), "cpu", fps=fps)  # type: ignore[arg-type]


def performed(generator: Generator, text: str = "Leave me alone.", controls: Controls | None = None) -> ExpressionClip:
    line = DialogueLine(text, controls=controls or Controls(), seed=4)
    events = generator.perform([TakeRequest(line, 0, 4)], lambda: False)
    return next(event.clip for event in events if isinstance(event, FinishedTake))


def trained_and_performed(data: TrainData, config: TrainConfig, folder: Path) -> ExpressionClip:
    network = train(data, config, folder, device="cpu")
    torch.manual_seed(0)
    return performed(generator_of(network, data.scaling))


@pytest.mark.parametrize("name", SWITCHED)
def test_a_switch_trains_performs_and_does_something(
    name: str, data: TrainData, default_clip: ExpressionClip, tmp_path: Path
) -> None:
    config = SWITCHED[name]
    rates = FRAME_RATES if config.model.frame_rate else ()
    clip = trained_and_performed(replace(data, frame_rates=rates), config, tmp_path)
    assert np.abs(clip.frames).max() > 0.0
    assert clip.frames.shape != default_clip.frames.shape or not np.array_equal(clip.frames, default_clip.frames)


def test_unscaled_frames_train_too(data: TrainData, default_clip: ExpressionClip, tmp_path: Path) -> None:
    plain = replace(data, scaling=Scaling(torch.zeros(53), torch.ones(53)))
    clip = trained_and_performed(plain, BASE, tmp_path)
    assert clip.frames.shape != default_clip.frames.shape or not np.array_equal(clip.frames, default_clip.frames)


def test_records_from_before_a_switch_existed_mean_what_networks_then_were() -> None:
    record = DEFAULT.to_record()
    del record["latent_temporal_attention"], record["frame_rate"]
    old = ModelConfig.from_record(record)
    assert old == replace(DEFAULT, latent_temporal_attention=True, frame_rate=False)
    del record["d_model"]
    with pytest.raises(ValueError, match="differ in: d_model"):
        ModelConfig.from_record(record)


def test_the_frame_rate_is_told_with_the_time_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="switch timing on"):
        ModelConfig(timing=False, frame_rate=True)


# Losses.


def output_of(kl: torch.Tensor) -> TeacherForced:
    batch, length = kl.shape[0], kl.shape[1] + 1
    frames = torch.zeros(batch, length, 53)
    prior = Gaussian(torch.zeros(batch, 2), torch.zeros(batch, 2))
    return TeacherForced(frames, kl, frames[:, :-1], None, prior, prior)


def test_the_kl_over_padding_by_hand() -> None:
    kl = torch.tensor([[[1.0, 3.0], [5.0, 7.0]]])  # summed: 4 and 12, averaged: 2 and 6
    mask = torch.tensor([[True, False]])
    for over_padding, mean_over_latent, wanted in ((False, False, 4.0), (True, False, 8.0), (True, True, 4.0)):
        config = LossConfig(kl_over_padding=over_padding, kl_mean_over_latent=mean_over_latent)
        assert float(kl_term(kl, mask, config)) == wanted


def test_without_its_weight_the_target_guided_loss_teaches_nothing() -> None:
    kl = torch.zeros(1, 3, 2)
    gold, mask, stop = torch.ones(1, 4, 53), torch.ones(1, 4, dtype=torch.bool), torch.zeros(1, 4)
    with_it, without = (training_loss(output_of(kl), gold, mask, stop, LossConfig(guided_weight=w)) for w in (0.5, 0.0))
    assert float(with_it.guided) > 0.0
    assert float(with_it.total) == pytest.approx(float(without.total) + 0.5 * float(with_it.guided))


# What is withheld.


def test_text_and_emotion_are_withheld_together(data: TrainData) -> None:
    together = replace(NO_DROPOUT, both=0.5)
    batch = data.batch([0, 1, 2, 3] * 8, together, torch.Generator().manual_seed(0))
    known = batch.conditions.emotion_known.bool()
    assert 0 < int(known.sum()) < len(known)
    assert torch.equal(known, batch.text.abs().sum((1, 2)) > 0)


# Frame rates.


def test_a_performance_at_another_rate_lasts_as_long_and_keeps_its_peak(data: TrainData) -> None:
    item = data.corpus[0]
    for rate in FRAME_RATES:
        other = at_frame_rate(item, 30.0, rate)
        assert abs((len(other.frames) - 1) / rate - (len(item.frames) - 1) / 30.0) < 1.0 / rate + 1e-9
        assert len(other.speech) == len(other.frames)
        np.testing.assert_allclose(np.abs(other.frames).max(0), np.abs(item.frames).max(0), atol=1e-6)
        np.testing.assert_array_equal(other.start_frame, other.frames[0])


def test_rates_are_drawn_from_those_given_and_long_performances_keep_theirs() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = [100] * 64 + [MOST_RESAMPLED] * 64
    rates = drawn_frame_rates(lengths, 30.0, FRAME_RATES, generator)
    assert set(rates[:64]) == set(FRAME_RATES)
    assert 60.0 not in rates[64:]
    assert drawn_frame_rates([5, 6], 30.0, (), generator) == [30.0, 30.0]


def test_a_batch_says_how_long_each_frame_lasts(data: TrainData) -> None:
    batch = replace(data, frame_rates=(60.0,)).batch([0, 1], NO_DROPOUT, torch.Generator().manual_seed(0))
    seconds = batch.conditions.frame_seconds
    assert seconds is not None
    torch.testing.assert_close(seconds, torch.full((2,), 1 / 60))
    torch.testing.assert_close(batch.conditions.elapsed[:, 60], torch.ones(2))
    last = batch.mask.sum(1)
    torch.testing.assert_close(batch.conditions.remaining[torch.arange(2), last], torch.zeros(2))


def test_a_network_that_is_told_the_rate_performs_at_any_it_has_met(data: TrainData) -> None:
    torch.manual_seed(0)
    network = CtegNetwork(replace(MODEL, frame_rate=True)).eval()
    for rate in (24.0, 60.0):
        clip = performed(generator_of(network, data.scaling, fps=rate), controls=Controls(duration=2.0))
        assert clip.fps == rate
        assert len(clip.frames) == 2 * rate
    with pytest.raises(ValueError, match="learned 24 to 60"):
        generator_of(network, data.scaling, fps=120.0)


def test_a_network_of_one_rate_refuses_another_with_a_sentence(data: TrainData) -> None:
    network = CtegNetwork(MODEL).eval()
    assert performed(generator_of(network, data.scaling, fps=30.0)).fps == 30.0
    with pytest.raises(ValueError, match="30 frames a second only"):
        generator_of(network, data.scaling, fps=24.0)


def test_a_batch_says_how_far_apart_its_frames_are(data: TrainData) -> None:
    told = replace(data, frame_rates=(24.0, 60.0)).batch([0] * 16, NO_DROPOUT, torch.Generator().manual_seed(0))
    assert told.conditions is not None
    assert told.conditions.frame_seconds is not None
    assert set(told.conditions.frame_seconds.tolist()) == {float(torch.tensor(1 / rate)) for rate in (24.0, 60.0)}
    torch.testing.assert_close(told.conditions.elapsed[:, 1], told.conditions.frame_seconds)


def test_a_network_that_is_told_the_rate_needs_it(data: TrainData) -> None:
    batch = data.batch([0], NO_DROPOUT, torch.Generator().manual_seed(0))
    without = replace(batch, conditions=replace(batch.conditions, frame_seconds=None))
    with pytest.raises(ValueError, match="time between frames"):
        loss_of(CtegNetwork(replace(MODEL, frame_rate=True)), without, LossConfig())


# Latent noise.


def test_noise_lasts_as_long_at_any_frame_rate(data: TrainData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the frames, the root of the correlation: a tenth of a second away it is the same."""
    decoded: list[Lines] = []

    def watched(network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool]) -> Iterator[Step]:
        decoded.append(lines)
        return decode(network, lines, cancelled)

    monkeypatch.setattr("cteg_core.model.generator.decode", watched)
    torch.manual_seed(0)
    network = CtegNetwork(replace(MODEL, frame_rate=True)).eval()
    performed(generator_of(network, data.scaling, fps=60.0))
    drawn = decoded[0].draws[0].latent
    wanted = draws_for(part_seed(4, 0), len(drawn), MODEL.d_latent, MODEL.utterance_latent, NOISE_CORRELATION**0.5)
    assert torch.equal(drawn, wanted.latent)


def test_latent_noise_is_as_correlated_as_asked_for_and_of_unit_variance() -> None:
    for correlation in (0.0, 0.9):
        noise = draws_for(3, 20_000, 4, 2, correlation).latent.numpy()
        assert noise.std() == pytest.approx(1.0, abs=0.05)
        lagged = (noise[1:] * noise[:-1]).mean() / (noise**2).mean()
        assert lagged == pytest.approx(correlation, abs=0.03)
