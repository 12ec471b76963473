"""Bounded least squares: optimal by the conditions that define an optimum, and the same one frame at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_rig.retarget.bounded import bounded_least_squares


def problem(seed: int, size: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shapes that resemble one another, targets partly outside the bounds."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(60, size)) + 2.0 * rng.normal(size=(60, 1))
    targets = rng.normal(size=(frames, size)) @ shapes.T
    return shapes, targets, shapes.T @ shapes + 1e-6 * np.eye(size), targets @ shapes


def one_frame(gram: np.ndarray, moment: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The reference: one frame by an active set, each step solved exactly (Lawson and Hanson, with two bounds)."""
    size = len(moment)
    solution = np.clip(np.zeros(size), low, high)
    free = np.zeros(size, dtype=bool)
    for _ in range(50 * size):
        pull = moment - gram @ solution
        wants = (~free) & (((solution <= low) & (pull > 1e-9)) | ((solution >= high) & (pull < -1e-9)))
        wants |= (~free) & (solution > low) & (solution < high) & (np.abs(pull) > 1e-9)
        if not wants.any():
            return solution
        free[np.where(wants, np.abs(pull), -1.0).argmax()] = True
        while True:
            goal = solution.copy()
            fixed = ~free
            system, known = gram[np.ix_(free, free)], moment[free] - gram[np.ix_(free, fixed)] @ solution[fixed]
            goal[free] = np.linalg.solve(system, known)
            over, under = free & (goal > high), free & (goal < low)
            if not (over | under).any():
                solution = goal
                break
            step = goal - solution
            room = np.full(size, np.inf)
            room[over] = (high - solution)[over] / step[over]
            room[under] = (low - solution)[under] / step[under]
            first = int(room.argmin())
            solution = solution + room[first] * step
            solution[first] = high[first] if over[first] else low[first]
            free[first] = False
    raise AssertionError("the reference did not settle")


@pytest.mark.parametrize("seed", range(5))
def test_a_whole_clip_at_once_equals_one_frame_at_a_time(seed: int) -> None:
    _, _, gram, moments = problem(seed, 12, 40)
    low, high = np.zeros(12), np.ones(12)
    together = bounded_least_squares(gram, moments, low, high)
    for row, moment in zip(together, moments, strict=True):
        np.testing.assert_allclose(row, one_frame(gram, moment, low, high), atol=2e-4)


def test_a_frame_does_not_depend_on_those_beside_it() -> None:
    _, _, gram, moments = problem(7, 10, 30)
    low, high = np.zeros(10), np.ones(10)
    together = bounded_least_squares(gram, moments, low, high)
    alone = np.concatenate([bounded_least_squares(gram, moment[None], low, high) for moment in moments])
    np.testing.assert_allclose(together, alone, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 9), width=st.floats(0.1, 3.0))
def test_no_bounded_change_makes_it_better(seed: int, size: int, width: float) -> None:
    _, _, gram, moments = problem(seed, size, 4)
    solution = bounded_least_squares(gram, moments, np.full(size, -width), np.full(size, width))
    assert (np.abs(solution) <= width).all()
    pull = (moments - solution @ gram) / np.diag(gram)
    inside = np.abs(solution) < width
    assert np.abs(pull[inside]).max(initial=0.0) < 1e-4
    assert (pull[solution >= width] > -1e-4).all()
    assert (pull[solution <= -width] < 1e-4).all()


def test_it_equals_scipys_solver() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="the oracle")
    shapes, targets, gram, moments = problem(3, 15, 20)
    ours = bounded_least_squares(gram, moments, np.zeros(15), np.ones(15))
    for row, target in zip(ours, targets, strict=True):
        theirs = optimize.lsq_linear(shapes, target, (0.0, 1.0), tol=1e-12).x
        np.testing.assert_allclose(row, theirs, atol=1e-3)


def test_a_coordinate_with_equal_bounds_stays_there() -> None:
    gram = np.array([[2.0, 0.0], [0.0, 0.0]])
    solution = bounded_least_squares(gram, np.array([[1.0, 5.0]]), [0, 0.5], [1, 0.5])
    np.testing.assert_allclose(solution, [[0.5, 0.5]], atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [([0.0, 1.0], [1.0, 0.0]), ([0.0, 0.0], [1.0, 1.0])])
def test_problems_without_an_answer_are_refused(low: list[float], high: list[float]) -> None:
    with pytest.raises(ValueError, match="Bounds cross, or a coefficient that is free to move changes nothing"):
        bounded_least_squares(np.diag([1.0, 0.0]), np.zeros((1, 2)), low, high)
