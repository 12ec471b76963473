"""Fréchet distances: against closed forms, and what each kind of row sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.metrics.frechet import (
    Normal,
    fitted_normal,
    frechet_distance,
    frechet_distances,
    statistic_rows,
)


def random_normal(seed: int, width: int) -> Normal:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((width, width))
    return Normal(rng.standard_normal(width), root @ root.T)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_distribution_is_at_no_distance_from_itself(seed: int, width: int) -> None:
    one = random_normal(seed, width)
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-6 * float(np.trace(one.covariance)))


@given(st.integers(0, 1000), st.integers(1, 12))
def test_distance_is_symmetric_and_not_negative(seed: int, width: int) -> None:
    one, other = random_normal(seed, width), random_normal(seed + 5000, width)
    there = frechet_distance(one, other)
    assert there >= 0.0
    assert there == pytest.approx(frechet_distance(other, one), rel=1e-6)


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2, *[st.floats(0.0, 4)] * 2), min_size=1, max_size=8))
def test_independent_coefficients_have_a_closed_form(rows: list[tuple[float, float, float, float]]) -> None:
    """For diagonal covariances it is the sum of squared differences of means and of deviations."""
    mean_one, mean_other, deviation_one, deviation_other = np.array(rows).T
    expected = ((mean_one - mean_other) ** 2).sum() + ((deviation_one - deviation_other) ** 2).sum()
    found = frechet_distance(
        Normal(mean_one, np.diag(deviation_one**2)), Normal(mean_other, np.diag(deviation_other**2))
    )
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_correlated_coefficients_as_scipy_has_it() -> None:
    linalg = pytest.importorskip("scipy.linalg", reason="scipy is an oracle for tests only")
    for seed in range(5):
        one, other = random_normal(seed, 7), random_normal(seed + 50, 7)
        root = linalg.sqrtm(one.covariance @ other.covariance).real
        expected = ((one.mean - other.mean) ** 2).sum() + np.trace(one.covariance + other.covariance - 2 * root)
        assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)


def test_a_fit_shrinks_correlations_and_keeps_variances() -> None:
    rows = np.array([[0.0, 0.0], [2.0, 4.0]])  # variances 2 and 8, covariance 4; weight 2 / (2 + 2)
    fit = fitted_normal(rows)
    assert fit.mean.tolist() == [1.0, 2.0]
    assert fit.covariance.tolist() == [[2.0, 2.0], [2.0, 8.0]]


def test_statistics_of_a_performance_by_hand() -> None:
    row = statistic_rows([np.array([[0.0, 1.0], [0.0, -3.0], [3.0, -1.0], [1.0, 3.0]])])[0]
    assert row[:2].tolist() == [1.0, 0.0]  # means
    assert row[2:4] == pytest.approx([np.sqrt(1.5), np.sqrt(5.0)])
    assert row[4:6].tolist() == [3.0, 3.0]  # largest distances from rest
    assert row[6:8] == pytest.approx([5 / 3, 10 / 3])  # changes 0, 3, 2 and 4, 2, 4
    assert row[8:] == pytest.approx([np.log(4.0), 2 / 3])  # lengths 1, 3, 3.16, 3.16: the third frame is the farthest


def walks(seed: int, count: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.cumsum(0.1 * rng.standard_normal((int(rng.integers(30, 60)), 4)), axis=0) for _ in range(count)]


def test_each_kind_of_row_sees_what_the_others_miss() -> None:
    reference = walks(0)
    rng = np.random.default_rng(1)
    again = frechet_distances(walks(2), reference)
    shuffled = frechet_distances([rng.permutation(frames, axis=0) for frames in reference], reference)
    assert shuffled.frames == pytest.approx(0.0, abs=1e-6)  # the same frames, in another order
    assert shuffled.differences > 20 * again.differences
    assert shuffled.statistics > again.statistics  # only the pace is another
    # The same frames and the same differences, as one performance cut in two: only statistics can tell.
    halves = [half for frames in reference for half in (frames[: len(frames) // 2], frames[len(frames) // 2 :])]
    cut = frechet_distances(halves, reference)
    assert cut.frames == pytest.approx(0.0, abs=1e-6)
    assert cut.differences < again.differences
    assert cut.statistics > again.statistics


def test_a_set_is_at_no_distance_from_itself() -> None:
    found = frechet_distances(walks(3), walks(3))
    assert (found.frames, found.differences, found.statistics) == pytest.approx((0.0, 0.0, 0.0), abs=1e-6)


def test_a_set_that_is_held_eight_times_is_at_no_distance() -> None:
    found = frechet_distances(walks(3) * 8, walks(3))
    # A sample's variance of N rows is (N - 1) / N of the mean square: the only trace of the copies.
    assert found.statistics < 0.01 * frechet_distances(walks(4), walks(3)).statistics
    rows = statistic_rows(walks(3))
    apart = frechet_distance(fitted_normal(np.concatenate([rows] * 8)), fitted_normal(rows))
    assert apart > 5 * found.statistics  # as it would be, were each shrunk by its own count


def test_one_row_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="at least two rows"):
        fitted_normal(np.zeros((1, 4)))
