"""The energy score: by hand, and least on average for the truth's own distribution."""

from __future__ import annotations

import numpy as np
import pytest

from cteg_core.metrics.proper import energy_score


def test_by_hand() -> None:
    # Distances to the truth 1 and 3; the takes are 2 apart: 2 - 1.
    takes = [np.full((5, 1), 1.0), np.full((9, 1), 3.0)]
    assert energy_score(takes, np.zeros((7, 1)), frames=4) == pytest.approx(1.0)


def test_distance_is_that_of_a_frame_whatever_the_number_of_frames() -> None:
    takes = [np.zeros((5, 4)), np.zeros((5, 4))]
    for frames in (1, 16, 64):
        assert energy_score(takes, np.ones((3, 4)), frames) == pytest.approx(2.0)


def performances(rng: np.random.Generator, shift: float, spread: float, count: int) -> list[np.ndarray]:
    """Return smooth performances that differ by how high their one bump is."""
    bump = np.sin(np.linspace(0.0, np.pi, 20))[:, None] * np.array([1.0, -0.5, 0.2])
    return [bump * (1.0 + shift + spread * rng.standard_normal()) for _ in range(count)]


@pytest.mark.parametrize(
    ("shift", "spread"), [(0.3, 0.4), (-0.3, 0.4), (0.0, 0.0), (0.0, 0.1), (0.0, 1.2), (-0.8, 0.4)]
)
def test_no_other_distribution_beats_the_truth(shift: float, spread: float) -> None:
    rng = np.random.default_rng(5)
    truths = performances(rng, 0.0, 0.4, 800)
    honest = np.mean([energy_score(performances(rng, 0.0, 0.4, 4), t, frames=20) for t in truths])
    other = np.mean([energy_score(performances(rng, shift, spread, 4), t, frames=20) for t in truths])
    assert honest < other


def test_the_expectation_does_not_depend_on_the_number_of_takes() -> None:
    rng = np.random.default_rng(6)
    truths = performances(rng, 0.0, 0.4, 1500)
    few, many = (
        np.mean([energy_score(performances(rng, 0.0, 0.4, count), t, frames=8) for t in truths]) for count in (2, 12)
    )
    assert few == pytest.approx(many, abs=0.03)


def test_one_take_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two takes"):
        energy_score([np.zeros((3, 2))], np.zeros((3, 2)))
