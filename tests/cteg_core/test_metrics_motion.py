"""Motion by region, violent motion, and length error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cteg_core.metrics.motion import head_regions, length_error, region_motion
from cteg_core.metrics.performances import resampled
from flame_rig.spaces import CTEG_HEAD_1


def test_regions_are_what_they_are_called() -> None:
    regions = head_regions()
    assert CTEG_HEAD_1.index("browInnerUp") in regions["brow"]
    assert CTEG_HEAD_1.index("eyeBlinkLeft") in regions["lids"]
    assert CTEG_HEAD_1.index("eyeLookUpLeft") not in regions["lids"]
    assert {50, 51, 52} <= set(regions["jaw"])
    named = [column for name, columns in regions.items() if name != "all" for column in columns]
    assert len(named) == len(set(named))
    assert len(regions["all"]) == 53


def test_speed_and_acceleration_by_hand() -> None:
    frames = np.zeros((4, 3))
    frames[:, 0] = (0.0, 3.0, 3.0, 0.0)
    frames[:, 1] = (0.0, 4.0, 4.0, 0.0)
    frames[:, 2] = 50.0
    reference = np.zeros((4, 3))
    reference[:, 0] = (0.0, 1.0, 2.0, 4.0)
    found = region_motion([frames], [reference], {"two": (0, 1), "still": (2,)})
    two = found["two"]
    assert two.speed == pytest.approx(10 / 3)
    assert two.acceleration == pytest.approx(5.0)  # changes of change: (-3, -4) and (-3, -4)
    assert two.speed_ratio == pytest.approx((10 / 3) / (4 / 3))
    assert two.acceleration_ratio == pytest.approx(10.0)  # of the reference's 0 and 1
    assert two.violent_speed == pytest.approx(2 / 3)
    assert found["still"].speed == 0.0
    assert found["still"].speed_ratio is None
    assert found["still"].violent_speed == 0.0


def test_jitter_is_violent_and_the_reference_is_not() -> None:
    rng = np.random.default_rng(0)
    time = np.linspace(0, 20, 600)[:, None]
    smooth = [np.sin(time + rng.uniform(0, 6, 5)) for _ in range(20)]
    shaken = [frames + 0.05 * rng.standard_normal(frames.shape) for frames in smooth]
    columns = {"all": tuple(range(5))}
    itself = region_motion(smooth, smooth, columns)["all"]
    assert itself.violent_acceleration == pytest.approx(0.001, abs=2e-4)
    assert itself.acceleration_ratio == 1.0
    found = region_motion(shaken, smooth, columns)["all"]
    assert found.violent_acceleration > 0.99
    assert (found.acceleration_ratio or 0.0) > 10


def test_length_error_by_hand() -> None:
    assert length_error([50, 100], [100, 100]) == pytest.approx(math.log(2) / 2)
    assert length_error([100], [50]) == pytest.approx(length_error([50], [100]))
    assert length_error([7, 9], [7, 9]) == 0.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="three frames"):
        region_motion([np.zeros((2, 3))], [np.zeros((5, 3))], {"all": (0,)})
    with pytest.raises(ValueError, match="positive number of frames"):
        length_error([0], [5])
    with pytest.raises(ValueError, match="positive number of frames"):
        length_error([], [])


def test_resampling_keeps_ends_and_straight_lines() -> None:
    line = np.linspace([0.0, 10.0], [9.0, 1.0], 10)
    for count in (2, 7, 10, 33):
        np.testing.assert_allclose(resampled(line, count), np.linspace([0.0, 10.0], [9.0, 1.0], count), atol=1e-12)
    assert resampled(line[:1], 3).tolist() == [[0.0, 10.0]] * 3
    assert resampled(line, 1).tolist() == [[0.0, 10.0]]
    with pytest.raises(ValueError, match="at least one frame"):
        resampled(line, 0)
