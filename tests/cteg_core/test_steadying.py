"""Steadying: tremor is taken off without delay, each coefficient by as much as the corpus asks, and travels along."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cteg_core.evaluation.steadiness import STILL, WIDTHS, measured_widths, of_each_kind, steadying_widths
from cteg_core.model.checkpoint import (
    Checkpoint,
    CheckpointError,
    CheckpointInfo,
    Scaling,
    load_checkpoint,
    save_checkpoint,
)
from cteg_core.model.network import CtegNetwork
from cteg_core.model.steadying import steadied
from flame_rig.spaces import CTEG_HEAD_1
from tests.fakes.tiny_bert import random_adapters, tiny_head
from tests.fakes.tiny_networks import TINY, network_of
from tests.fakes.tiny_training import TINY as TRAINED
from tests.fakes.tiny_training import read_data, write_corpus

frames = arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1.0, 1.0, width=32))
widths = st.tuples(*[st.sampled_from(WIDTHS)] * 3).map(np.array)


@given(frames)
def test_no_width_changes_no_bit(given_frames: np.ndarray) -> None:
    assert steadied(given_frames, np.zeros(3)).tobytes() == given_frames.tobytes()


@settings(max_examples=50)
@given(frames, widths)
def test_what_is_steadied_stays_in_its_range_and_comes_without_delay(
    given_frames: np.ndarray, given_widths: np.ndarray
) -> None:
    kept = given_frames.copy()
    smooth = steadied(given_frames, given_widths)
    np.testing.assert_array_equal(given_frames, kept)
    assert smooth.shape == given_frames.shape
    assert smooth.dtype == np.float32
    assert (smooth >= given_frames.min(0) - 1e-6).all()
    assert (smooth <= given_frames.max(0) + 1e-6).all()
    # Backwards it is the same: nothing comes later than it did.
    np.testing.assert_allclose(steadied(given_frames[::-1], given_widths)[::-1], smooth, atol=1e-6)
    still = given_widths == 0.0
    assert smooth[:, still].tobytes() == given_frames[:, still].tobytes()


@given(st.floats(-1.0, 1.0, width=32), st.integers(1, 20), widths)
def test_constants_are_kept(value: float, count: int, given_widths: np.ndarray) -> None:
    constant = np.full((count, 3), value, dtype=np.float32)
    np.testing.assert_allclose(steadied(constant, given_widths), constant, atol=1e-7)


def test_an_impulse_is_spread_as_a_gaussian_spreads_it() -> None:
    impulse = np.zeros((9, 2), dtype=np.float32)
    impulse[4] = 1.0
    smooth = steadied(impulse, np.array([0.5, 0.0]))
    near, far = np.exp(-2.0), np.exp(-8.0)  # exp(-(k / 0.5)² / 2) one and two frames away
    whole = 1.0 + 2.0 * near + 2.0 * far
    wanted = np.array([0, 0, far, near, 1.0, near, far, 0, 0]) / whole
    np.testing.assert_allclose(smooth[:, 0], wanted, atol=1e-6)
    np.testing.assert_array_equal(smooth[:, 1], impulse[:, 1])


def test_a_steady_rise_keeps_its_pace() -> None:
    rise = np.linspace(0.0, 1.0, 41, dtype=np.float32)[:, None]
    np.testing.assert_allclose(steadied(rise, np.array([2.2]))[7:-7], rise[7:-7], atol=1e-6)


# How much of it is needed.


def courses(tremor: tuple[float, ...], seed: int, count: int = 3) -> list[np.ndarray]:
    """Return slow waves, each coefficient with white noise of its deviation in ``tremor``."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        wave = 0.5 * np.sin(np.arange(120)[:, None] / 12 + rng.normal(size=(1, len(tremor))))
        found.append((wave + rng.normal(size=(120, len(tremor))) * np.array(tremor)).astype(np.float32))
    return found


def accelerations(items: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.abs(np.diff(frames.astype(np.float64), n=2, axis=0)) for frames in items]).mean(0)


def test_what_moves_as_the_corpus_does_is_left_alone() -> None:
    reference = courses((0.0, 0.01, 0.02), seed=1)
    np.testing.assert_array_equal(steadying_widths(reference, reference), np.zeros(3))


def test_the_width_that_comes_nearest_is_found_for_each_coefficient() -> None:
    reference, made = courses((0.01, 0.01, 0.01), seed=1), courses((0.01, 0.02, 0.06), seed=2)
    found = steadying_widths(made, reference)
    assert found[0] < found[1] < found[2] < WIDTHS[-1]

    def away(width: float) -> np.ndarray:
        chosen = accelerations([steadied(frames, np.full(3, width)) for frames in made])
        return np.asarray(np.abs(np.log(chosen / accelerations(reference))))

    for column, width in enumerate(found):
        assert away(width)[column] == min(away(other)[column] for other in WIDTHS)


def test_what_the_corpus_keeps_still_is_left_alone_and_the_worst_gets_the_widest() -> None:
    reference = courses((0.0, 0.0), seed=1)
    for item in reference:
        item[:, 0] = 0.0
        item[:, 1] *= 0.05
    made = courses((0.3, 0.3), seed=2)
    assert accelerations(reference)[0] < STILL < accelerations(reference)[1]
    assert steadying_widths(made, reference).tolist() == [0.0, WIDTHS[-1]]


def test_widths_are_measured_on_decoded_performances(tmp_path: Path) -> None:
    write_corpus(tmp_path, performances_per_line=1)
    data = read_data(tmp_path)
    torch.manual_seed(0)
    network = CtegNetwork(TRAINED.model)
    first, again = (measured_widths(network, data, [0, 3, 5], seed=2) for _ in range(2))
    assert first.shape == (2, 53)
    assert set(first.ravel().tolist()) <= set(WIDTHS)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(("count", "chosen"), [(1, [1, 4]), (2, [1, 3, 4, 0]), (5, [1, 3, 2, 4, 0]), (0, [])])
def test_as_many_silent_performances_are_measured_as_spoken_ones_where_there_are(count: int, chosen: list[int]) -> None:
    spoken = (False, True, True, True, False)
    corpus = [SimpleNamespace(speech=np.full((3, 8), float(says))) for says in spoken]
    data = SimpleNamespace(corpus=corpus)
    found = of_each_kind(data, np.array([1, 3, 4, 0, 2]), count)  # type: ignore[arg-type]
    assert found.tolist() == chosen


def test_widths_are_measured_at_the_rate_that_they_are_meant_for(tmp_path: Path) -> None:
    write_corpus(tmp_path, performances_per_line=1)
    data = read_data(tmp_path)
    torch.manual_seed(0)
    network = CtegNetwork(replace(TRAINED.model, frame_rate=True))
    plain, drawn = (measured_widths(network, replace(data, frame_rates=rates), [0, 3]) for rates in ((), (60.0,)))
    np.testing.assert_array_equal(plain, drawn)


# They and the adapters travel with the checkpoint.


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint(
        CheckpointInfo("tiny", CTEG_HEAD_1.id, 30.0, {}, {}, {}, "CC0-1.0"),
        network_of(TINY),
        tiny_head(),
        torch.full((28,), 0.5),
        Scaling(torch.zeros(53), torch.ones(53)),
        adapters=random_adapters(),
        rater=tiny_head(seed=9),
        steadying=torch.stack((torch.arange(53) / 20, torch.arange(53) / 40)).round(decimals=3),
    )


def test_adapters_and_widths_survive_a_folder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(checkpoint, tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert torch.equal(loaded.steadying, checkpoint.steadying)
    assert set(loaded.adapters) == set(checkpoint.adapters)
    for name, value in checkpoint.adapters.items():
        assert loaded.adapters[name].dtype == torch.float32
        assert torch.equal(loaded.adapters[name], value.half().float())
    for name, value in checkpoint.emotion_head.state_dict().items():
        assert torch.equal(loaded.emotion_head.state_dict()[name], value.half().float())
    assert loaded.rater is not None
    assert checkpoint.rater is not None
    for name, value in checkpoint.rater.state_dict().items():
        assert torch.equal(loaded.rater.state_dict()[name], value.half().float())
    # What is in half precision already is not changed again.
    sha256 = save_checkpoint(loaded, tmp_path / "again")
    assert sha256 == loaded.sha256


def test_a_checkpoint_from_before_there_were_any_loads(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(replace(checkpoint, adapters={}), tmp_path)
    record = json.loads((tmp_path / "config.json").read_text("utf-8"))
    del record["steadying"]
    (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
    loaded = load_checkpoint(tmp_path)
    assert loaded.adapters == {}
    assert torch.equal(loaded.steadying, torch.zeros(2, 53))


@pytest.mark.parametrize("width", [-0.1, 11.0, float("nan")])
def test_widths_that_no_filter_has_are_refused(checkpoint: Checkpoint, tmp_path: Path, width: float) -> None:
    save_checkpoint(checkpoint, tmp_path)
    record = json.loads((tmp_path / "config.json").read_text("utf-8"))
    record["steadying"][1][7] = width
    (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(CheckpointError, match="steadying"):
        load_checkpoint(tmp_path)
