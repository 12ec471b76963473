"""Least squares between bounds, for all frames of a clip at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from flame_rig.retarget.surface import Array

_MOST_SWEEPS: Final = 3000
_SETTLED: Final = 1e-6
_OVER_RELAXATION: Final = 1.5
"""How far a step goes beyond its coordinate's own minimum; between 0 and 2 the cost still falls with every step, and
coordinates that pull against one another settle in a fraction of the sweeps."""


def bounded_least_squares(gram: Array, moments: Array, lower: ArrayLike, upper: ArrayLike) -> Array:
    """Return the minimum ``[T, K]`` of w'Gw / 2 - m'w for every row m, with every w between its bounds.

    Projected successive over-relaxation (Cryer 1971): one coordinate at a time, for all frames at once, until no
    coordinate of a frame moves by more than 1e-6; frames that have settled are left alone, so that a frame's
    result does not depend on those beside it. Converges because G is positive definite on free coordinates.

    Args:
        gram: ``[K, K]``, symmetric; a coordinate that is free to move has a positive diagonal entry.
        moments: ``[T, K]``.
        lower, upper: ``[K]``; equal bounds fix a coordinate.

    Raises:
        ValueError: bounds that cross, or a free coordinate that nothing depends on.
    """
    low, high = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    diagonal = np.diag(gram)
    free = np.flatnonzero(high > low)
    if (low > high).any() or (diagonal[free] <= 0.0).any():
        raise ValueError("Bounds cross, or a coefficient that is free to move changes nothing.")
    start = np.clip(0.0, low, high)
    # coordinates first: each step then reads and writes whole rows
    solution = np.repeat(start[:, None], len(moments), axis=1)
    left = np.arange(len(moments))
    current, targets = solution.copy(), np.ascontiguousarray(moments.T)
    for _ in range(_MOST_SWEEPS):
        before = current.copy()
        for k in free:
            step = (targets[k] - gram[k] @ current) * (_OVER_RELAXATION / diagonal[k])
            np.clip(current[k] + step, low[k], high[k], out=current[k])
        settled = np.abs(current - before).max(axis=0, initial=0.0) < _SETTLED
        if settled.any():
            solution[:, left[settled]] = current[:, settled]
            left, current, targets = left[~settled], current[:, ~settled], targets[:, ~settled]
            if not len(left):
                break
    solution[:, left] = current
    return solution.T
