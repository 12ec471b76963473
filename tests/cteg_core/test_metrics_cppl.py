"""CPPL as coded, what it rewards, and the proper scores that do not reward it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cteg_core.metrics.cppl import corner_probability, cppl, sequence_bits, with_official_ends
from cteg_core.metrics.normal import cumulative, log_interval, log_upper_tail
from cteg_core.metrics.proper import box_bits, gaussian_bits, mean_over_sequences

WIDTH = 53
FLOOR_BITS = -math.log2(1e-10)


def noise(deviation: float, frames: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a perfect mean with white noise, and the truth."""
    truth = np.zeros((frames, WIDTH))
    return truth + deviation * np.random.default_rng(seed).standard_normal(truth.shape), truth


def test_corner_probability_by_hand() -> None:
    # In one dimension the two corners are the box: Phi(4 - x) - Phi(-4 - x) with x the error in deviations of 0.2.
    truth = np.zeros((3, 1))
    predicted = np.array([[0.0], [0.8], [1.0]])
    p = corner_probability(predicted, truth)
    assert p == pytest.approx([0.9999366575, 0.5, 0.1586552539], abs=1e-9)
    # In two, with errors 0.8 up and down: Phi(0) Phi(8) - Phi(-8) Phi(0).
    assert corner_probability(np.array([[0.8, -0.8]]), np.zeros((1, 2))) == pytest.approx([0.5])


def test_cppl_is_a_power_of_the_mean_over_sequences_not_over_frames() -> None:
    half, sure = np.full((1, 1), 0.8), np.zeros((3, 1))
    one = sequence_bits(half, np.zeros((1, 1)))
    other = sequence_bits(sure, np.zeros((3, 1)))
    assert one == pytest.approx(1.0)
    assert other == pytest.approx(-math.log2(0.9999366575), abs=1e-9)
    assert cppl([half, sure], [np.zeros((1, 1)), np.zeros((3, 1))]) == pytest.approx(2 ** ((one + other) / 2))


def test_a_hopeless_frame_costs_the_floor() -> None:
    truth = np.zeros((4, WIDTH))
    predicted = truth.copy()
    predicted[0] = 3.0
    expected = (FLOOR_BITS + 3 * sequence_bits(truth, truth)) / 4
    assert sequence_bits(predicted, truth) == pytest.approx(expected)
    assert pytest.approx(33.2, abs=0.02) == FLOOR_BITS


def expected_bits(deviation: float, bias: float = 0.0) -> float:
    """Return what a frame of white noise costs on average: one coefficient's integral, 53 times.

    The lower corner's product and the floor hardly ever matter and are left out.
    """
    n = np.linspace(-6.5, 6.5, 5001)
    density = np.exp(-0.5 * n**2) / math.sqrt(2 * math.pi)
    bits = [-math.log2(0.5 * math.erfc(-(4 - 5 * (bias + deviation * x)) / math.sqrt(2))) for x in n]
    return WIDTH * float((density * bits).sum() * (n[1] - n[0]))


@pytest.mark.parametrize(
    ("deviation", "bias", "simulated"),
    [
        (0.2, 0.0, 1.14), (0.3, 0.0, 2.4), (0.34, 0.0, 4.9), (0.4, 0.0, 31.9), (0.5, 0.0, 3978.0),
        (0.4, -0.4, 1.31), (0.5, -0.4, 3.6),
    ],
)  # fmt: skip
def test_white_noise_costs_what_others_simulated(deviation: float, bias: float, simulated: float) -> None:
    """Others' simulations of few frames scatter: a frame's bits deviate by 3.3 at 0.4, and their 31.9 is 25.6."""
    predicted, truth = noise(deviation)
    bits = math.log2(cppl([predicted + bias], [truth]))
    assert bits == pytest.approx(expected_bits(deviation, bias), rel=0.03)
    assert bits == pytest.approx(math.log2(simulated), abs=0.35)


@pytest.mark.parametrize("deviation", [0.4, 0.5])
def test_a_bias_downwards_makes_noise_look_good(deviation: float) -> None:
    predicted, truth = noise(deviation, 2000)
    assert cppl([predicted - 0.4], [truth]) < 0.06 * cppl([predicted], [truth])
    assert mean_over_sequences([box_bits(predicted - 0.4, truth)]) > mean_over_sequences([box_bits(predicted, truth)])


def test_cppl_rewards_predicting_below_the_truth_and_the_proper_scores_do_not() -> None:
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((50, WIDTH))
    honest = truth + 0.3 * rng.standard_normal(truth.shape)
    low = truth - 0.8
    assert cppl([low], [truth]) == pytest.approx(1.0, abs=1e-9)
    assert corner_probability(low, truth).min() >= 1 - 1e-12
    assert cppl([honest], [truth]) > 1.5
    assert box_bits(low, truth).min() > box_bits(honest, truth).max()
    assert gaussian_bits(low, truth).min() > gaussian_bits(honest, truth).max()
    # Each coefficient is right with probability one half, so the box costs a bit for each.
    assert box_bits(low, truth) == pytest.approx(np.full(50, 53.0), abs=1e-9)


def test_cppl_is_not_symmetric() -> None:
    truth = np.zeros((5, WIDTH))
    assert cppl([truth + 0.8], [truth]) == pytest.approx(1e10)
    assert box_bits(truth + 0.8, truth) == pytest.approx(box_bits(truth - 0.8, truth))


def test_fifty_two_coefficients_may_be_absurd_if_one_is_right() -> None:
    truth = np.zeros((1, WIDTH))
    absurd = np.full((1, WIDTH), -100.0)
    absurd[0, 7] = 0.0
    assert corner_probability(absurd, truth)[0] == pytest.approx(0.99994, abs=1e-5)
    assert box_bits(absurd, truth)[0] > 1e6


def test_the_official_positions_are_the_mean_frame_the_frames_and_zeros() -> None:
    frames = np.arange(6.0).reshape(2, 3)
    assert with_official_ends(frames, np.array([7.0, 8.0, 9.0])).tolist() == [
        [7.0, 8.0, 9.0], [0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [0.0, 0.0, 0.0],
    ]  # fmt: skip


def test_gaussian_bits_by_hand() -> None:
    # Errors of one and two deviations: half of 1 + 4, and twice log(0.5 sqrt(2 pi)).
    expected = (2.5 + 2 * math.log(0.5 * math.sqrt(2 * math.pi))) / math.log(2)
    assert gaussian_bits(np.array([[0.5, -1.0]]), np.zeros((1, 2)), deviation=0.5) == pytest.approx([expected])


@given(
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-3, 3)),
    hnp.arrays(np.float64, (3, 4), elements=st.floats(-3, 3)),
)
def test_proper_scores_only_see_how_far_off_a_prediction_is(predicted: np.ndarray, truth: np.ndarray) -> None:
    mirrored = 2 * truth - predicted
    assert box_bits(mirrored, truth) == pytest.approx(box_bits(predicted, truth), rel=1e-6, abs=1e-9)
    assert (box_bits(predicted, truth) >= box_bits(truth, truth) - 1e-9).all()
    assert (gaussian_bits(predicted, truth) >= gaussian_bits(truth, truth) - 1e-9).all()


def test_the_tails_keep_their_digits() -> None:
    special = pytest.importorskip("scipy.special", reason="scipy is an oracle for tests only")
    x = np.concatenate((np.linspace(-30, 60, 901), [1e3, 1e6]))
    np.testing.assert_allclose(log_upper_tail(x), special.log_ndtr(-x), rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(cumulative(x), special.ndtr(x), rtol=1e-12)


@given(st.floats(-200, 200), st.floats(0.01, 20))
def test_an_interval_is_the_same_seen_from_either_side(low: float, width: float) -> None:
    there, back = log_interval(low, low + width), log_interval(-low - width, -low)
    assert float(there) == pytest.approx(float(back), rel=1e-9, abs=1e-12)
    assert float(there) <= 0.0


@pytest.mark.parametrize("shape", [(3, 53), (4, 52)])
def test_predictions_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    for score in (corner_probability, box_bits, gaussian_bits):
        with pytest.raises(ValueError, match="truth's shape"):
            score(np.zeros(shape), np.zeros((4, 53)))


def test_nothing_has_no_cppl() -> None:
    with pytest.raises(ValueError, match="got none"):
        cppl([], [])
    with pytest.raises(ValueError, match="finite"):
        cppl([np.full((2, 2), np.nan)], [np.zeros((2, 2))])
