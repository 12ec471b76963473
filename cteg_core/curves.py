"""Curves that movements follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def minimum_jerk(phase: Array) -> Array:
    """Return the minimum-jerk position (Flash and Hogan 1985) at each ``phase`` ``[...]``: 0 before 0, 1 after 1.

    Velocity and acceleration are zero at both ends.
    """
    p = np.clip(phase, 0.0, 1.0)
    return np.asarray(p * p * p * (10.0 + p * (6.0 * p - 15.0)))
