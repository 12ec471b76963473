"""Shifts of the eyes that are added after decoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cteg_core.gaze import FULL_LOOK_DEGREES, LARGEST_DEGREES, add_gaze, gaze_path
from flame_rig.spaces import CTEG_HEAD_1

LOOKS = [i for i, name in enumerate(CTEG_HEAD_1.names) if name.startswith("eyeLook")]
PAIRS = [
    (CTEG_HEAD_1.index(f"eyeLook{one}"), CTEG_HEAD_1.index(f"eyeLook{other}"))
    for one, other in (("OutLeft", "InRight"), ("InLeft", "OutRight"), ("UpLeft", "UpRight"), ("DownLeft", "DownRight"))
]


def smiling(length: int) -> np.ndarray:
    frames = np.full((length, 53), 0.25, dtype=np.float32)
    frames[:, LOOKS] = 0.0
    return frames


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 400), st.sampled_from([24.0, 29.97, 30.0, 60.0]))
def test_only_the_eyes_move_together_and_rest_at_both_ends(seed: int, length: int, fps: float) -> None:
    frames = smiling(length)
    shifted = add_gaze(frames, fps, seed)
    others = np.setdiff1d(np.arange(53), LOOKS)
    np.testing.assert_array_equal(shifted[:, others], frames[:, others])
    assert shifted[:, LOOKS].min() >= 0.0
    assert shifted[:, LOOKS].max() <= LARGEST_DEGREES / FULL_LOOK_DEGREES + 1e-6
    for one, other in PAIRS:
        np.testing.assert_array_equal(shifted[:, one], shifted[:, other])
    assert not shifted[0, LOOKS].any()
    if length > fps:
        assert not shifted[-1, LOOKS].any()


def test_the_same_seed_looks_the_same_way_and_another_elsewhere() -> None:
    one, again, other = (add_gaze(smiling(300), 30.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.02


def test_eyes_that_look_down_go_on_doing_so() -> None:
    frames = smiling(300)
    down = [CTEG_HEAD_1.index("eyeLookDownLeft"), CTEG_HEAD_1.index("eyeLookDownRight")]
    frames[:, down] = 0.5
    shifts = [add_gaze(frames, 30.0, seed)[:, down].mean() for seed in range(20)]
    assert np.mean(shifts) == pytest.approx(0.5, abs=0.03)


def test_eyes_are_mostly_on_the_listener_and_leave_now_and_then() -> None:
    paths = np.stack([add_gaze(smiling(600), 30.0, seed)[:, LOOKS].max(axis=1) for seed in range(40)])
    away = (paths * FULL_LOOK_DEGREES > 3.0).mean()
    assert 0.08 < away < 0.4
    steps = np.abs(np.diff(paths, axis=1)) * FULL_LOOK_DEGREES
    assert (steps > 1.0).sum(axis=1).mean() > 2  # frames of a shift in 20 s, quick ones


@given(st.integers(0, 500), st.floats(0.05, 20.0))
def test_gaze_is_modest_and_comes_back(seed: int, seconds: float) -> None:
    path = gaze_path(np.arange(0.0, seconds, 1 / 30.0), np.random.default_rng(seed))
    assert np.abs(path).max() <= LARGEST_DEGREES + 1e-9
    np.testing.assert_allclose(path[0], 0.0)
    if seconds > 0.6:
        np.testing.assert_allclose(path[-1], 0.0, atol=1e-9)


@pytest.mark.parametrize(("frames", "fps"), [(np.zeros((3, 52)), 30.0), (np.zeros(53), 30.0)])
def test_other_shapes_are_refused(frames: np.ndarray, fps: float) -> None:
    with pytest.raises(ValueError, match=r"frames \[T, 53\]"):
        add_gaze(frames, fps, 0)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_other_rates_are_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="a frame rate above 0"):
        add_gaze(smiling(3), fps, 0)


def test_nothing_stays_nothing() -> None:
    assert add_gaze(np.zeros((0, 53)), 30.0, 0).shape == (0, 53)
