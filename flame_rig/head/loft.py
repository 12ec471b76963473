"""The bare head: rings lofted along y through a table of profiles.

A point of the head is named by its angle around the ring (0 in front, positive to the subject's
left) and its height y; features are added later on top of this.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.head.numerics import Array, Pchip, smoothstep

TOP: Final = 11.0
BOTTOM: Final = -18.0

# y, front z, back z, half width, roundness of the front half, rise of the sides (the jawline)
_PROFILE: Final = np.array([
    (-18.0, 3.00, -7.30, 5.60, 2.00, 0.20),
    (-16.5, 2.50, -6.70, 4.30, 2.00, 0.60),
    (-13.5, 2.40, -6.10, 3.85, 2.00, 2.40),
    (-12.1, 3.20, -6.00, 4.05, 1.95, 3.50),
    (-11.6, 4.40, -6.00, 4.30, 1.88, 3.60),
    (-11.2, 5.80, -6.00, 4.60, 1.80, 3.50),
    (-10.7, 6.95, -6.10, 5.15, 1.76, 3.25),
    (-10.0, 7.65, -6.20, 5.60, 1.76, 2.85),
    (-9.2, 7.95, -6.30, 5.98, 1.80, 2.35),
    (-8.0, 8.20, -6.50, 6.42, 1.86, 1.60),
    (-6.8, 8.45, -6.80, 6.70, 1.93, 0.90),
    (-5.5, 8.50, -7.30, 6.95, 1.97, 0.35),
    (-4.0, 8.50, -8.10, 7.25, 2.00, 0.00),
    (-2.0, 8.40, -9.10, 7.65, 2.08, 0.00),
    (0.0, 8.35, -10.00, 7.90, 2.15, 0.00),
    (1.5, 8.45, -10.50, 8.00, 2.20, 0.00),
    (3.0, 8.65, -10.80, 8.10, 2.28, 0.00),
    (4.4, 8.55, -10.80, 8.10, 2.30, 0.00),
    (6.0, 8.15, -10.40, 7.90, 2.30, 0.00),
    (7.4, 7.50, -9.80, 7.45, 2.25, 0.00),
    (8.9, 6.10, -8.50, 6.50, 2.15, 0.00),
    (10.1, 4.10, -6.40, 4.80, 2.05, 0.00),
    (10.8, 1.70, -3.80, 2.60, 2.00, 0.00),
    (11.0, -0.90, -1.10, 0.02, 2.00, 0.00),
])  # fmt: skip

_HEIGHTS: Final = _PROFILE[:, 0]
_front = Pchip.through(_HEIGHTS, _PROFILE[:, 1])
_back = Pchip.through(_HEIGHTS, _PROFILE[:, 2])
half_width: Final = Pchip.through(_HEIGHTS, _PROFILE[:, 3])
"""Half the head's width at a height, before any feature."""
_roundness = Pchip.through(_HEIGHTS, _PROFILE[:, 4])
_rise = Pchip.through(_HEIGHTS, _PROFILE[:, 5])
_centre = Pchip.through((-18.0, -12.0, -6.8, 0.0, 4.0, 8.0, 11.0), (-1.6, -1.2, -0.6, -0.6, -0.8, -0.9, -1.0))

_BACK_ROUNDNESS: Final = 2.15


def loft(theta: Array, height: Array) -> Array:
    """Return the bare head's points ``[N, 3]`` at angles and heights ``[N]``."""
    sine, cosine = np.sin(theta), np.cos(theta)
    in_front = cosine >= 0
    roundness = np.where(in_front, _roundness(height), _BACK_ROUNDNESS)
    depth = np.maximum(1.0 - np.abs(sine) ** roundness, 0.0) ** (1.0 / roundness)
    centre = _centre(height)
    z = np.where(in_front, centre + (_front(height) - centre) * depth, centre - (centre - _back(height)) * depth)
    y = height + _rise(height) * smoothstep(np.radians(28.0), np.radians(95.0), np.abs(theta))
    return np.stack([half_width(height) * sine, y, z], axis=-1)


def outside(points: Array) -> NDArray[np.bool_]:
    """Return which of points ``[..., 3]`` lie outside the bare head, whose rings are taken as level."""
    x, y, z = np.moveaxis(points, -1, 0)
    centre = _centre(y)
    in_front = z >= centre
    roundness = np.where(in_front, _roundness(y), _BACK_ROUNDNESS)
    depth = np.where(in_front, _front(y) - centre, centre - _back(y))
    reach = np.abs(x / half_width(y)) ** roundness + np.abs((z - centre) / depth) ** roundness
    return np.asarray((reach > 1.0) | (y > TOP) | (y < BOTTOM))


def angle_at(x: Array, height: Array) -> Array:
    """Return the angle in the front half at which the ring of a height has the given x."""
    return np.arcsin(np.clip(x / half_width(height), -1.0, 1.0))
