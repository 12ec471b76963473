"""The paper's metrics by hand, and that noise raises them, which is why they are never reported alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.metrics.paper import (
    PaperChoices,
    distance,
    diversity,
    diversity_on_test,
    fine_grained_diversity,
    multimodality,
    paper_metrics,
    variation,
)

CHOICES = PaperChoices()


def still(value: float, frames: int = 4, width: int = 2) -> np.ndarray:
    return np.full((frames, width), value)


def test_distance_by_hand() -> None:
    one, other = np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((2, 2))
    same_length = replace(CHOICES, lengths="truncate")
    assert distance(one, other, same_length) == pytest.approx(2.5)  # frames 0 and 5 apart
    assert distance(one, other, replace(same_length, norm="sequence")) == pytest.approx(5.0)
    # Resampled to three frames the middle one is (1.5, 2): 0, 2.5 and 5.
    assert distance(one, other, replace(CHOICES, frames=3)) == pytest.approx(2.5)


def test_lengths_by_hand() -> None:
    short, long = np.array([[0.0], [2.0]]), np.array([[0.0], [2.0], [5.0], [8.0]])
    assert distance(short, long, replace(CHOICES, lengths="truncate")) == 0.0
    assert distance(short, long, replace(CHOICES, lengths="pad")) == pytest.approx((0 + 0 + 3 + 6) / 4)
    assert distance(short, long, replace(CHOICES, frames=2)) == pytest.approx(3.0)  # 0 against 0, 2 against 8


def test_diversity_and_dot_are_means_over_pairs() -> None:
    # One coefficient: 0, 1 and 4 are 1, 4 and 3 apart.
    items = [still(value, width=1) for value in (0.0, 1.0, 4.0)]
    assert diversity(items, CHOICES) == pytest.approx(8 / 3)
    assert diversity_on_test(items, CHOICES) == pytest.approx(8 / 3)
    one_pair = diversity(items, replace(CHOICES, diversity_pairs=1))
    assert min(abs(one_pair - value) for value in (1.0, 3.0, 4.0)) < 1e-12
    assert one_pair == diversity(items, replace(CHOICES, diversity_pairs=1))
    drawn = {diversity(items, replace(CHOICES, diversity_pairs=1, seed=seed)) for seed in range(20)}
    assert drawn == {1.0, 3.0, 4.0}


def test_multimodality_compares_takes_of_one_text_only() -> None:
    takes = [[still(0.0, width=1), still(1.0, width=1), still(4.0, width=1)], [still(100.0), still(100.0)]]
    assert multimodality(takes, CHOICES) == pytest.approx((8 / 3 + 0) / 2)
    assert multimodality(takes, replace(CHOICES, same_text_pairs="first")) == pytest.approx(0.5)


def test_variation_by_hand() -> None:
    # Over time: variances 1 and 0 in the first, 4 and 4 in the second.
    items = [np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[0.0, 0.0], [4.0, 4.0]])]
    assert variation(items) == pytest.approx((0.5 + 4.0) / 2)


def test_fgd_averages_each_performance_first() -> None:
    fast, slow = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0]] * 9 + [[0.0, 8.0]])
    assert fine_grained_diversity([fast, slow]) == pytest.approx((5.0 + 8.0 / 9) / 2)
    assert fine_grained_diversity([fast, np.zeros((1, 2))]) == pytest.approx(5.0)


@given(st.floats(0.05, 2.0), st.integers(0, 99))
def test_noise_raises_what_the_paper_counts_as_better(amount: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    calm = [still(0.0, 30, 3) for _ in range(4)]
    noisy = [frames + amount * rng.standard_normal(frames.shape) for frames in calm]
    for metric in (fine_grained_diversity, variation):
        assert metric(noisy) > metric(calm)
    assert diversity_on_test(noisy, CHOICES) > diversity_on_test(calm, CHOICES)


@given(st.floats(0.1, 10.0))
def test_scaling_scales(factor: float) -> None:
    rng = np.random.default_rng(0)
    items = [rng.standard_normal((int(rng.integers(5, 30)), 3)) for _ in range(5)]
    larger = [factor * frames for frames in items]
    assert diversity_on_test(larger, CHOICES) == pytest.approx(factor * diversity_on_test(items, CHOICES))
    assert fine_grained_diversity(larger) == pytest.approx(factor * fine_grained_diversity(items))
    assert variation(larger) == pytest.approx(factor**2 * variation(items))


def test_all_of_them_carry_their_choices() -> None:
    takes = [[still(0.0), still(1.0)], [still(2.0), still(3.0)]]
    found = paper_metrics(takes)
    assert found.choices == CHOICES
    assert found.diversity is None
    root = np.sqrt(2.0)
    assert found.multimodality == pytest.approx(root)
    assert found.diversity_on_test == pytest.approx(2 * root)  # first takes: 0 and 2
    assert paper_metrics(takes, unconditional=[still(0.0), still(5.0)]).diversity == pytest.approx(5 * root)


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        diversity([still(0.0)], CHOICES)
    with pytest.raises(ValueError, match="at least two takes"):
        multimodality([[still(0.0)]], CHOICES)
    with pytest.raises(ValueError, match="at least two frames"):
        fine_grained_diversity([np.zeros((1, 2))])
    with pytest.raises(ValueError, match="same number of coefficients"):
        variation([np.zeros((2, 2)), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="nothing to measure"):
        variation([])
