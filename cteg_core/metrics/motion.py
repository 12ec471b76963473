"""How performances move and how long they last, against a reference: jitter, stillness, length.

A network can match poses and still tremble or glide: speeds and accelerations are compared region by region, and the
share of frames that move as violently as only one frame in a thousand of the reference does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.performances import performances
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH, JAW_SLICE

Array = NDArray[np.float64]

RARE: Final = 99.9
"""Percentile of the reference beyond which motion counts as violent: of the reference itself 0.1 % is."""

_REGION_PREFIXES: Final[dict[str, tuple[str, ...]]] = {
    "brow": ("brow",),
    "lids": ("eyeBlink", "eyeSquint", "eyeWide"),
    "mouth": ("mouth",),
}


def head_regions() -> dict[str, tuple[int, ...]]:
    """Return the columns of space ``cteg-head-1`` of each region: brow, lids, mouth, jaw, and all."""
    regions = {
        region: tuple(i for i, name in enumerate(CTEG_HEAD_1.names) if name.startswith(prefixes))
        for region, prefixes in _REGION_PREFIXES.items()
    }
    regions["jaw"] = (CTEG_HEAD_1.index("jawForward"), *range(FRAME_WIDTH)[JAW_SLICE])
    regions["all"] = tuple(range(FRAME_WIDTH))
    return regions


@dataclass(frozen=True)
class RegionMotion:
    """Motion of one region against the reference's; units of the frames, per frame and per frame squared.

    Attributes:
        speed, acceleration: mean length of first and second differences.
        speed_ratio, acceleration_ratio: over the reference's; None where the reference does not move.
        violent_speed, violent_acceleration: share of moments beyond the reference's 99.9th percentile.
    """

    speed: float
    acceleration: float
    speed_ratio: float | None
    acceleration_ratio: float | None
    violent_speed: float
    violent_acceleration: float


def region_motion(
    made: Sequence[ArrayLike], reference: Sequence[ArrayLike], regions: Mapping[str, Sequence[int]]
) -> dict[str, RegionMotion]:
    """Compare the motion of two sets of performances ``[T, D]``, region by region.

    Args:
        made, reference: sets with at least one performance of three frames each.
        regions: the columns of each region.

    Raises:
        ValueError: no performance has three frames.
    """
    found = {}
    made, reference = performances(made), performances(reference)
    for region, columns in regions.items():
        speeds, reference_speeds = (_lengths(items, columns, order=1) for items in (made, reference))
        changes, reference_changes = (_lengths(items, columns, order=2) for items in (made, reference))
        found[region] = RegionMotion(
            float(speeds.mean()),
            float(changes.mean()),
            _ratio(speeds, reference_speeds),
            _ratio(changes, reference_changes),
            _share_beyond(speeds, reference_speeds),
            _share_beyond(changes, reference_changes),
        )
    return found


def length_error(made: Sequence[int], wanted: Sequence[int]) -> float:
    """Return the mean of |log(frames made / frames wanted)|: 0.1 is about a tenth too long or too short.

    Raises:
        ValueError: lengths that are not positive, or not as many of one as of the other.
    """
    if not made or min(*made, *wanted) < 1:
        raise ValueError("A length is a positive number of frames, and there is at least one.")
    logs = [abs(np.log(one / other)) for one, other in zip(made, wanted, strict=True)]
    return float(np.mean(logs))


def _lengths(items: Sequence[Array], columns: Sequence[int], order: int) -> Array:
    of_each = [
        np.linalg.norm(np.diff(frames[:, list(columns)], n=order, axis=0), axis=1)
        for frames in items
        if len(frames) > 2
    ]
    if not of_each:
        raise ValueError("Motion is measured on performances of at least three frames; got none.")
    return np.concatenate(of_each)


def _ratio(values: Array, reference: Array) -> float | None:
    base = float(reference.mean())
    return float(values.mean()) / base if base > 0 else None


def _share_beyond(values: Array, reference: Array) -> float:
    return float((values > np.percentile(reference, RARE)).mean())
