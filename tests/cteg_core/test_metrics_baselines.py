"""Baselines: what each keeps of the truth and what it loses; and the cards of scores on known sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.metrics.baselines import (
    fitted_to,
    last_frame,
    mean_frame,
    nearest_lines,
    other_lines,
    pooled,
    still_face,
    time_shuffled,
)
from cteg_core.metrics.scores import performance_scores, prediction_scores


def test_the_mean_face_weighs_frames_alike() -> None:
    items = [np.array([[0.0, 2.0]]), np.array([[4.0, 2.0], [8.0, 2.0]])]
    face = mean_frame(items)
    assert face.tolist() == [4.0, 2.0]
    assert still_face(face, 3).tolist() == [[4.0, 2.0]] * 3


def test_the_last_frame_is_the_truth_one_late() -> None:
    truth = np.array([[1.0], [2.0], [3.0]])
    assert last_frame(truth, np.array([9.0])).tolist() == [[9.0], [1.0], [2.0]]


def test_shuffling_keeps_frames() -> None:
    frames = np.arange(40.0).reshape(20, 2)
    shuffled = time_shuffled(frames, np.random.default_rng(0))
    assert (shuffled != frames).any()
    assert sorted(map(tuple, shuffled)) == sorted(map(tuple, frames))


@given(st.integers(2, 60), st.integers(0, 99))
def test_no_line_keeps_its_own_performance(count: int, seed: int) -> None:
    other = other_lines(count, np.random.default_rng(seed))
    assert sorted(other.tolist()) == list(range(count))
    assert (other != np.arange(count)).all()


def test_the_nearest_line_points_the_same_way() -> None:
    known = np.array([[1.0, 0.0], [0.0, 5.0], [3.0, 3.0], [0.0, 0.0]])
    wanted = np.array([[10.0, 1.0], [0.0, 0.1], [1.0, 1.1]])
    assert nearest_lines(wanted, known)[:, 0].tolist() == [0, 1, 2]
    assert nearest_lines(wanted, known, 2)[0].tolist() == [0, 2]
    with pytest.raises(ValueError, match="4 lines to retrieve from"):
        nearest_lines(wanted, known, 5)


def test_pooling_leaves_padding_out() -> None:
    states = np.array([[[1.0], [3.0], [100.0]], [[5.0], [7.0], [9.0]]])
    assert pooled(states, np.array([[1, 1, 0], [1, 1, 1]])).tolist() == [[2.0], [7.0]]


def lively(seed: int, level: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.linspace(0.0, 6.0, int(rng.integers(40, 80)))[:, None]
    return level + np.sin(time + rng.uniform(0.0, 6.0, 4))


def test_predictions_are_scored_as_their_parts_are() -> None:
    truth = [np.zeros((4, 2)), np.zeros((2, 2))]
    predicted = [np.full((4, 2), 0.5), np.full((2, 2), -0.5)]
    scores = prediction_scores(predicted, truth)
    assert scores.mean_absolute_error == 0.5
    assert scores.root_mean_square == 0.5
    assert scores.deviation == 0.2
    # Half a unit too high costs Phi(1.5) for each of two coefficients; as much too low only 1 - Phi(-1.5) squared.
    assert scores.cppl == pytest.approx((0.9331928**2 * (1 - 0.0668072**2)) ** -0.5, rel=1e-6)
    assert scores.box_bits == pytest.approx(-2 * np.log2(0.9331928), rel=1e-6)


def test_true_performances_beat_the_baselines_where_they_should() -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(0.0, 2.0, 24)
    truth = [lively(i, level) for i, level in enumerate(levels)]
    again = [[lively(1000 + 2 * i + k, level) for k in range(2)] for i, level in enumerate(levels)]
    face = mean_frame(truth)
    order = other_lines(len(truth), rng)
    regions = {"all": tuple(range(4))}
    own = performance_scores(again, truth, regions)
    still = performance_scores([[still_face(face, len(t))] * 2 for t in truth], truth, regions)
    other = performance_scores([again[j] for j in order], truth, regions)
    shuffled = performance_scores([[time_shuffled(k, rng) for k in takes] for takes in again], truth, regions)
    assert own.energy is not None
    assert still.energy is not None
    assert other.energy is not None
    assert own.energy < min(still.energy, other.energy)
    assert still.motion["all"].speed == 0.0
    assert still.frechet.frames > own.frechet.frames
    assert other.frechet.frames == pytest.approx(own.frechet.frames)  # the same set: only the energy score can tell
    assert shuffled.frechet.differences > 10 * own.frechet.differences
    assert (shuffled.motion["all"].acceleration_ratio or 0.0) > 5
    assert still.length_error == 0.0
    assert own.paper is not None
    assert own.paper.diversity is None
    assert performance_scores([[t] for t in truth], truth, regions).energy is None


def test_a_performance_is_fitted_to_a_length() -> None:
    assert len(fitted_to(lively(0, 0.0), 17)) == 17
