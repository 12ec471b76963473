"""The bare skull seen from inside: where a direction from its middle leaves it. Hair is combed over this."""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head.loft import outside
from flame_rig.head.numerics import Array

MIDDLE: Final = np.array((0.0, 1.5, -1.2))
"""A point inside the skull from which all of its scalp can be seen."""

_REACH: Final = 24.0
_HALVINGS: Final = 20


def scalp(directions: Array) -> Array:
    """Return the points ``[..., 3]`` where rays from ``MIDDLE`` along unit ``directions`` leave the bare head."""
    near = np.zeros(directions.shape[:-1])
    far = np.full_like(near, _REACH)
    for _ in range(_HALVINGS):
        half = 0.5 * (near + far)
        beyond = outside(MIDDLE + directions * half[..., None])
        near, far = np.where(beyond, near, half), np.where(beyond, half, far)
    return np.asarray(MIDDLE + directions * near[..., None], dtype=np.float64)


def direction_to(points: Array) -> Array:
    """Return unit vectors ``[..., 3]`` from ``MIDDLE`` to points."""
    away = points - MIDDLE
    unit: Array = away / np.linalg.norm(away, axis=-1, keepdims=True)
    return unit
