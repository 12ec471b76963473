"""Key reduction: within the tolerance, peaks kept, few keys, whatever the curve."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flame_rig.key_reduction import kept_keys, kept_keys_of

CURVES = arrays(np.float64, st.integers(1, 60), elements=st.floats(-2, 2, width=32))
TOLERANCES = st.sampled_from([0.0, 0.001, 0.05, 0.5])


def error_of(values: np.ndarray, keys: np.ndarray) -> float:
    """The largest distance of a sample from the lines between the kept ones."""
    return float(np.abs(np.interp(np.arange(len(values)), keys, values[keys]) - values).max())


def fewest(values: np.ndarray, tolerance: float) -> int:
    """How few keys suffice, by trying all."""
    inner = range(1, len(values) - 1)
    for count in range(len(values)):
        for chosen in itertools.combinations(inner, count):
            if error_of(values, np.array([0, *chosen, len(values) - 1])) <= tolerance + 1e-12:
                return count + 2
    raise AssertionError


@given(CURVES, TOLERANCES)
def test_every_sample_is_within_the_tolerance_and_both_ends_are_kept(values: np.ndarray, tolerance: float) -> None:
    keys = kept_keys(values, tolerance)
    assert error_of(values, keys) <= tolerance + 1e-9
    assert keys[0] == 0
    assert keys[-1] == len(values) - 1
    assert (np.diff(keys) > 0).all()


@given(CURVES, TOLERANCES)
def test_highest_and_lowest_keep_their_exact_values(values: np.ndarray, tolerance: float) -> None:
    keys = kept_keys(values, tolerance)
    if np.ptp(values) > 2 * tolerance:
        assert values[keys].max() == values.max()
        assert values[keys].min() == values.min()


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 6)), elements=st.floats(-1, 1, width=32)))
def test_many_curves_at_once_are_as_each_alone(values: np.ndarray) -> None:
    for column, keys in enumerate(kept_keys_of(values, 0.1)):
        assert keys.tolist() == kept_keys(values[:, column], 0.1).tolist()


@given(arrays(np.float64, st.tuples(st.integers(2, 30), st.just(7)), elements=st.floats(-1, 1, width=32)))
def test_components_that_share_their_keys_are_all_within_the_tolerance(values: np.ndarray) -> None:
    turn, key, two = kept_keys_of(values, 0.1, [4, 1, 2])
    for keys, columns in ((turn, range(4)), (key, [4]), (two, [5, 6])):
        for column in columns:
            assert error_of(values[:, column], keys) <= 0.1 + 1e-9
    assert turn.tolist() == kept_keys(values[:, :4], 0.1).tolist()


@given(arrays(np.float64, st.integers(2, 9), elements=st.integers(0, 3).map(float)), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_rising_curve_takes_no_more_keys_than_half_the_tolerance_needs(steps: np.ndarray, tolerance: float) -> None:
    values = np.cumsum(steps)
    assert len(kept_keys(values, tolerance)) <= fewest(values, tolerance / 2)


@pytest.mark.parametrize(
    ("values", "tolerance", "wanted"),
    [
        ([5.0], 0.1, [0]),
        ([0.0, 1.0], 0.1, [0, 1]),
        ([0.0] * 100, 0.0, [0, 99]),
        (list(np.linspace(0, 1, 11)), 1e-9, [0, 10]),
        ([0, 0, 0, 1, 0, 0, 0], 0.01, [0, 2, 3, 4, 6]),
        # A wiggle within the tolerance is no turning point, and needs no key.
        ([0, 0.05, -0.05, 0.05, -0.05, 0], 0.1, [0, 5]),
        # The peak keeps its exact value although the line to 0.9 would have been near enough.
        ([0.0, 0.5, 0.9, 1.0, 0.9, 0.5, 0.0], 0.1, [0, 2, 3, 4, 6]),
        # A plateau is held from end to end.
        ([0, 1, 1, 1, 1, 0], 0.01, [0, 1, 4, 5]),
    ],
)
def test_by_hand(values: list[float], tolerance: float, wanted: list[int]) -> None:
    assert kept_keys(values, tolerance).tolist() == wanted


def test_a_blink_in_a_still_face_costs_its_own_keys_only() -> None:
    values = np.zeros(10_000)
    values[5000:5007] = [0.3, 0.8, 1.0, 1.0, 0.7, 0.4, 0.1]
    keys = kept_keys(values, 0.005)
    assert len(keys) <= 11
    assert values[keys].max() == 1.0


@pytest.mark.parametrize(
    ("values", "tolerance", "sentence"),
    [
        (np.zeros((0, 2)), 0.1, "shape"),
        (np.full((3, 1), np.nan), 0.1, "finite"),
        (np.zeros((3, 1)), -0.1, "tolerance"),
        (np.zeros((3, 1)), float("nan"), "tolerance"),
    ],
)
def test_what_cannot_be_reduced_is_a_sentence(values: np.ndarray, tolerance: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        kept_keys_of(values, tolerance)


def test_widths_must_name_every_column() -> None:
    with pytest.raises(ValueError, match="3 columns were named, and there are 4"):
        kept_keys_of(np.zeros((5, 4)), 0.1, [1, 2])
    assert kept_keys_of(np.zeros((5, 0)), 0.1) == []
