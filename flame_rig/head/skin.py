"""The skin: where a point of the unfolded face is in space, at rest or under one expression shape."""

from __future__ import annotations

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.expressions import expression_lids, expression_offset, rest_offset
from flame_rig.head.grid import SkinPoints
from flame_rig.head.lids import lid_shift, lid_stand
from flame_rig.head.loft import BOTTOM, TOP, half_width, loft
from flame_rig.head.numerics import Array, smoothstep
from flame_rig.head.relief import over_lid_sphere, skull_relief, travelling_relief

_CREASE_ABOVE_LID = 0.60


def skin_positions(points: SkinPoints, shape: str | None = None) -> Array:
    """Return ``[N, 3]`` before any joint turns, at rest or with one shape at weight 1.

    The displaced point is put back on the loft at its new angle and height, so that skin slides over
    the skull instead of leaving it; relief is added after that.
    """
    moved = rest_offset(points) + expression_offset(points, shape)
    lids = expression_lids(points, shape)
    cosine = np.cos(points.theta)
    front = smoothstep(0.05, 0.45, cosine)
    x = points.x + front * (moved.out * np.sign(points.x) + moved.left)
    rise = moved.up + lid_shift(points, lids)
    height = np.clip(points.height + front * rise, BOTTOM, TOP)
    sine = np.clip(x / half_width(height), -1.0, 1.0)
    turned = np.where(cosine > 0.02, np.arcsin(sine), points.theta)
    theta = points.theta + front * (turned - points.theta)
    positions = loft(theta, height)
    facing = smoothstep(0.10, 0.5, cosine)
    relief = skull_relief(positions[:, 0], height) + travelling_relief(points) + moved.forward
    positions[:, 2] += facing * relief
    positions[:, 2] = np.where(cosine > 0.15, over_lid_sphere(positions), positions[:, 2])
    positions[:, 2] += lid_stand(points, lids) - _lid_crease(points)
    return positions


def _lid_crease(points: SkinPoints) -> Array:
    ax = np.abs(points.x)
    along = smoothstep(lm.INNER_CANTHUS_X - 0.2, lm.INNER_CANTHUS_X + 0.5, ax)
    along = along * (1 - smoothstep(lm.OUTER_CANTHUS_X - 0.4, lm.OUTER_CANTHUS_X + 0.3, ax))
    bell = np.exp(-(((points.height - lm.EYE_LINE - _CREASE_ABOVE_LID) / 0.13) ** 2))
    return np.where(points.eye_side > 0, 0.10 * bell * along, 0.0)
