"""The small functions of one variable that the head is drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]


def smoothstep(low: float, high: float, x: ArrayLike) -> Array:
    """Return 0 below ``low``, 1 above ``high`` and a cubic with flat ends between."""
    t = np.clip((np.asarray(x, dtype=np.float64) - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def gaussian(x: Array, y: Array, at: tuple[float, float], size: tuple[Array | float, Array | float]) -> Array:
    """Return exp(-((x - x0) / sx)^2 - ((y - y0) / sy)^2)."""
    bell: Array = np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)
    return bell


def smooth_max(a: Array, b: Array, width: Array | float) -> Array:
    """Return the larger of two arrays, rounded off where they are within ``width`` of each other."""
    h = np.clip(0.5 + 0.5 * (a - b) / width, 0.0, 1.0)
    return b * (1.0 - h) + a * h + width * h * (1.0 - h)


@dataclass(frozen=True)
class Pchip:
    """A monotone piecewise cubic through points (Fritsch and Carlson 1980, harmonic-mean slopes).

    It never overshoots its points, which is what a profile drawn by hand needs. Beyond the first
    and last knot it holds their values.
    """

    knots: Array
    values: Array
    slopes: Array

    @classmethod
    def through(cls, knots: ArrayLike, values: ArrayLike) -> Pchip:
        """Fit the curve.

        Raises:
            ValueError: fewer than 3 knots, or knots that do not increase.
        """
        x, y = np.asarray(knots, dtype=np.float64), np.asarray(values, dtype=np.float64)
        step = np.diff(x)
        if x.ndim != 1 or x.shape != y.shape or len(x) < 3 or (step <= 0).any():
            raise ValueError("A monotone cubic needs at least 3 strictly increasing knots, each with a value.")
        secant = np.diff(y) / step
        left, right = secant[:-1], secant[1:]
        weight_left, weight_right = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
        same_sign = left * right > 0
        safe_left, safe_right = np.where(same_sign, left, 1.0), np.where(same_sign, right, 1.0)
        # A secant next to nothing overflows to infinity here, and its mean is then 0, as it should be.
        with np.errstate(over="ignore"):
            mean = (weight_left + weight_right) / (weight_left / safe_left + weight_right / safe_right)
        inner = np.where(same_sign, mean, 0.0)
        first = _end_slope(step[0], step[1], secant[0], secant[1])
        last = _end_slope(step[-1], step[-2], secant[-1], secant[-2])
        return cls(x, y, np.concatenate([[first], inner, [last]]))

    def __call__(self, x: ArrayLike) -> Array:
        """Return the curve's values at ``x``."""
        at = np.clip(np.asarray(x, dtype=np.float64), self.knots[0], self.knots[-1])
        left = np.clip(np.searchsorted(self.knots, at, side="right") - 1, 0, len(self.knots) - 2)
        step = self.knots[left + 1] - self.knots[left]
        t = (at - self.knots[left]) / step
        s = 1.0 - t
        value: Array = (
            self.values[left] * s * s * (1 + 2 * t)
            + self.values[left + 1] * t * t * (1 + 2 * s)
            + step * t * s * (self.slopes[left] * s - self.slopes[left + 1] * t)
        )
        return value


def _end_slope(near: float, far: float, near_secant: float, far_secant: float) -> float:
    """Return the three-point slope at an end, limited so that the curve stays monotone there."""
    slope = ((2 * near + far) * near_secant - near * far_secant) / (near + far)
    if slope * near_secant <= 0:
        return 0.0
    if near_secant * far_secant <= 0 and abs(slope) > 3 * abs(near_secant):
        return 3 * near_secant
    return slope
