"""What stands out of the bare head or sinks into it, along z.

Two kinds: the skull's relief is a function of where the skin is now, so skin slides over it; the
travelling relief (nose, lips, creases) is a function of where the skin was at rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.grid import SkinPoints
from flame_rig.head.numerics import Array, Pchip, gaussian, smooth_max, smoothstep

# depth, (|x|, y), (width, height)
_SKULL: Final = (
    (-0.72, (lm.EYE_X + 0.1, 0.25), (2.3, 1.75)),  # eye socket
    (0.50, (3.3, -2.05), (1.8, 0.75)),  # below the lower lid
    (-0.08, (3.4, 1.95), (1.8, 0.45)),  # above the upper lid
    (0.75, (6.0, -0.5), (1.1, 1.9)),  # outer rim of the socket
    (-0.35, (1.0, 0.4), (0.55, 1.3)),  # beside the root of the nose
    (0.55, (4.3, -2.6), (1.9, 1.5)),  # cheekbone
    (0.25, (3.6, -4.6), (1.8, 1.6)),  # cheek
    (0.35, (0.0, -6.6), (2.9, 1.6)),  # muzzle
    (-0.28, (0.0, -8.5), (2.2, 0.5)),  # below the lower lip
    (0.62, (0.0, -9.55), (1.55, 0.95)),  # chin
    (-0.30, (6.2, 3.0), (1.2, 2.2)),  # temple
)

_NOSE_HEIGHT: Final = Pchip.through(
    (-5.35, -5.05, -4.75, -4.4, -4.0, -3.55, -3.0, -1.8, -0.4, 1.0, 2.2, 3.0),
    (0.0, 0.10, 0.62, 1.50, 2.06, 2.22, 1.95, 1.18, 0.78, 0.52, 0.22, 0.0),
)
_NOSE_WIDTH: Final = Pchip.through((-5.5, -4.2, -3.5, -2.5, -1.0, 1.0, 3.0), (0.95, 0.98, 0.98, 0.80, 0.70, 0.74, 0.9))
_NOSE_AND_PHILTRUM: Final = (
    (0.70, (1.18, -4.05), (0.46, 0.48)),  # wing
    (-0.62, (0.62, -4.66), (0.30, 0.18)),  # nostril
    (-0.10, (0.0, -5.75), (0.28, 0.5)),  # philtrum
    (0.06, (0.42, -5.75), (0.2, 0.5)),
    (-0.16, (lm.MOUTH_CORNER_X + 0.18, lm.LIP_LINE), (0.28, 0.35)),  # pit beside the corner
)

# a lip from its line (0) over its border (1) to the skin (2.6)
_LIP_PROFILE: Final = (
    (0.0, 0.12, 0.35, 0.6, 0.85, 1.0, 1.25, 1.8, 2.6),
    (-0.35, 0.20, 0.85, 1.0, 0.72, 0.48, 0.22, 0.05, 0.0),
)
_UPPER_LIP_DEPTH: Final = 0.46
_LOWER_LIP_DEPTH: Final = 0.56


def skull_relief(x: Array, y: Array) -> Array:
    """Return z offsets at the places ``x``, ``y`` where skin is now."""
    ax = np.abs(x)
    brow_ridge = 0.34 * np.exp(-(((y - 2.7) / 0.8) ** 2)) * (1 - smoothstep(3.5, 6.0, ax))
    z: Array = brow_ridge * (0.55 + 0.45 * smoothstep(0.2, 1.5, ax))
    for depth, at, size in _SKULL:
        z = z + depth * gaussian(ax, y, at, size)
    return z


def travelling_relief(points: SkinPoints) -> Array:
    """Return z offsets that move along with the skin: nose, lips, philtrum, nasolabial groove."""
    x, y, ax = points.x, points.height, np.abs(points.x)
    z: Array = _NOSE_HEIGHT(y) * np.exp(-(np.abs(x / _NOSE_WIDTH(y)) ** 2.2))
    for depth, at, size in _NOSE_AND_PHILTRUM:
        z = z + depth * gaussian(ax, y, at, size)
    groove = nasolabial_groove(points, inner=1.55, outer=3.1, width=0.30)
    upper = points.mouth_side > 0
    taper = np.clip(1.0 - (ax / (lm.MOUTH_CORNER_X * 1.02)) ** 4, 0.0, 1.0)
    lips = np.where(upper, _UPPER_LIP_DEPTH, _LOWER_LIP_DEPTH) * taper * np.interp(_across_lip(points), *_LIP_PROFILE)
    return z - 0.10 * groove + lips


def nasolabial_groove(points: SkinPoints, inner: float, outer: float, width: float) -> Array:
    """Return a bell across the line from the nose's wing to beside the mouth's corner."""
    along = np.clip((points.height + 4.3) / -2.8, 0.0, 1.0)
    middle = inner + along * (outer - inner)
    ends = smoothstep(-7.5, -6.5, points.height) * (1 - smoothstep(-4.7, -3.8, points.height))
    bell: Array = np.exp(-(((np.abs(points.x) - middle) / width) ** 2)) * ends
    return bell


def lip_mask(points: SkinPoints) -> Array:
    """Return 1 on the red of the lips and 0 elsewhere."""
    inside = np.abs(points.x) < lm.MOUTH_CORNER_X
    return (1.0 - smoothstep(0.82, 1.22, _across_lip(points))) * inside


def _across_lip(points: SkinPoints) -> Array:
    """Return the distance from the lip line in units of the lip's height there."""
    x, ax = points.x, np.abs(points.x)
    along = np.clip(ax / lm.MOUTH_CORNER_X, 0.0, 1.0)
    cupid = 1 - 0.13 * np.exp(-((x / 0.30) ** 2)) + 0.10 * np.exp(-(((ax - 0.55) / 0.35) ** 2))
    upper = 0.74 * (1 - along**2.4) ** 0.8 * cupid + 1e-3
    lower = 0.92 * (1 - along**2.2) ** 0.9 + 1e-3
    return np.abs(points.height - lm.LIP_LINE) / np.where(points.mouth_side > 0, upper, lower)


def over_lid_sphere(positions: Array) -> Array:
    """Return z of skin laid over the eyeballs' lid spheres wherever these stand out of the face."""
    z = positions[:, 2]
    for side in (1, -1):
        dx, dy = positions[:, 0] - side * lm.EYE_X, positions[:, 1] - lm.EYE_LINE
        # a sphere a little wider than high; past 0.85 it goes on straight and then dives, or it would leave a step
        q = np.sqrt((dx * 0.92) ** 2 + (dy * np.where(dy > 0, 0.97, 1.03)) ** 2) / lm.LID_RADIUS
        dome = np.where(q < 0.85, np.sqrt(np.maximum(1 - q * q, 0.0)), 0.5268 - 1.6136 * (q - 0.85))
        sphere = lm.EYE_Z + lm.LID_RADIUS * dome - 5.0 * smoothstep(0.98, 1.30, q)
        # blended wider below, where a ledge would look like a bag under the eye
        z = smooth_max(sphere, z, 0.60 + 0.8 * smoothstep(0.5, 1.6, -dy) + 0.4 * smoothstep(0.8, 1.8, dy))
    return z
