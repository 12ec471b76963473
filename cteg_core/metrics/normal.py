"""Probabilities of the standard normal, and their logarithms far out in the tails, without scipy."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_FAR: Final = 25.0
"""Beyond so many deviations ``erfc`` nears the smallest double, and four terms of the tail's series are exact."""
_SQRT_HALF: Final = math.sqrt(0.5)
_HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)
_erfc: Final = np.frompyfunc(math.erfc, 1, 1)


def cumulative(x: ArrayLike) -> Array:
    """Return Φ(x), the probability of a value below ``x``, for each of an array ``[...]``."""
    values = np.asarray(x, dtype=np.float64)
    return np.asarray(0.5 * np.asarray(_erfc(-_SQRT_HALF * values), dtype=np.float64))


def log_upper_tail(x: ArrayLike) -> Array:
    """Return log(1 - Φ(x)) in nats, for each of ``x [...]``, exact to about 1e-12 of itself however large it is."""
    values = np.asarray(x, dtype=np.float64)
    near = np.minimum(values, _FAR)
    log_near = np.log(0.5 * np.asarray(_erfc(_SQRT_HALF * near), dtype=np.float64))
    far = np.maximum(values, _FAR)
    inverse = far**-2
    series = -inverse + 3.0 * inverse**2 - 15.0 * inverse**3 + 105.0 * inverse**4
    log_far = -0.5 * far**2 - _HALF_LOG_TWO_PI - np.log(far) + np.log1p(series)
    return np.where(values < _FAR, log_near, log_far)


def log_interval(low: ArrayLike, high: ArrayLike) -> Array:
    """Return log(Φ(high) - Φ(low)) in nats, for each of ``low < high`` ``[...]``, exact in either tail."""
    lower, upper = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    # The interval is mirrored to the side where both probabilities are upper tails.
    mirrored = lower + upper < 0
    lower, upper = np.where(mirrored, -upper, lower), np.where(mirrored, -lower, upper)
    log_lower, log_upper = log_upper_tail(lower), log_upper_tail(upper)
    return np.asarray(log_lower + np.log1p(-np.exp(log_upper - log_lower)))
