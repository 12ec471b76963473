"""The head's monotone cubic against scipy's, and its own promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_rig.head.numerics import Pchip, smooth_max, smoothstep

points = st.lists(st.tuples(st.floats(0.05, 5.0), st.floats(-10, 10)), min_size=3, max_size=12)


def knots_and_values(drawn: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    steps, values = np.array(drawn).T
    return np.cumsum(steps), values


@settings(deadline=None)
@given(points)
def test_equals_scipys_pchip(drawn: list[tuple[float, float]]) -> None:
    knots, values = knots_and_values(drawn)
    interpolate = pytest.importorskip("scipy.interpolate", reason="scipy is only the yardstick here")
    at = np.linspace(knots[0], knots[-1], 101)
    assert Pchip.through(knots, values)(at) == pytest.approx(interpolate.PchipInterpolator(knots, values)(at), abs=1e-9)


@given(points)
def test_passes_through_its_points_and_never_overshoots(drawn: list[tuple[float, float]]) -> None:
    knots, values = knots_and_values(drawn)
    curve = Pchip.through(knots, values)
    assert curve(knots) == pytest.approx(values, abs=1e-9)
    for left, right, low, high in zip(knots, knots[1:], values, values[1:], strict=False):
        between = curve(np.linspace(left, right, 25))
        assert between.min() >= min(low, high) - 1e-9
        assert between.max() <= max(low, high) + 1e-9


def test_holds_its_end_values_outside() -> None:
    curve = Pchip.through([0, 1, 2], [5, 6, 8])
    assert curve([-3, 9]).tolist() == [5, 8]


@pytest.mark.parametrize("knots", [[0, 1], [0, 1, 1], [2, 1, 0]])
def test_refuses_knots_that_make_no_curve(knots: list[float]) -> None:
    with pytest.raises(ValueError, match="increasing"):
        Pchip.through(knots, list(range(len(knots))))


def test_smoothstep_by_hand() -> None:
    assert smoothstep(2.0, 4.0, [1.0, 2.0, 2.5, 3.0, 4.0, 9.0]).tolist() == [0, 0, 0.15625, 0.5, 1, 1]


def test_smooth_max_is_the_larger_far_apart_and_above_it_near() -> None:
    a, b = np.array([3.0, 0.0, 1.0]), np.array([0.0, 3.0, 1.0])
    assert smooth_max(a, b, 0.5).tolist() == [3.0, 3.0, 1.125]
