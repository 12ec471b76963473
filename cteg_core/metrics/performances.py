"""Performances as arrays: checked, and brought to a common length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def performance(frames: ArrayLike) -> Array:
    """Return ``frames`` as ``float64 [T, D]``; raises ValueError unless T ≥ 1 and every number is finite."""
    values = np.asarray(frames, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"A performance is [T, D] with at least one frame; got an array of shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError("A performance holds finite numbers; got NaN or infinity.")
    return values


def performances(items: Sequence[ArrayLike]) -> list[Array]:
    """Return every item as :func:`performance` does; raises ValueError for none, or for differing widths D."""
    checked = [performance(item) for item in items]
    if not checked:
        raise ValueError("There is nothing to measure: at least one performance is needed.")
    if len({values.shape[1] for values in checked}) > 1:
        raise ValueError("Performances that are measured together have the same number of coefficients.")
    return checked


def resampled(frames: ArrayLike, count: int) -> Array:
    """Return a performance ``[T, D]`` at ``count`` equally spaced moments, first and last frame included.

    Linear between frames: what is compared is the course of a performance, whatever its length.

    Raises:
        ValueError: fewer than one frame asked for, or no performance.
    """
    values = performance(frames)
    if count < 1:
        raise ValueError(f"A performance is resampled to at least one frame; got {count}.")
    places = np.linspace(0.0, len(values) - 1, count) if count > 1 else np.zeros(1)
    below = np.minimum(places.astype(int), max(0, len(values) - 2))
    above = np.minimum(below + 1, len(values) - 1)
    share = (places - below)[:, None]
    return np.asarray((1.0 - share) * values[below] + share * values[above])


def same_shape(predicted: ArrayLike, truth: ArrayLike) -> tuple[Array, Array]:
    """Return both as performances; raises ValueError unless their shapes are the same."""
    mean, gold = performance(predicted), performance(truth)
    if mean.shape != gold.shape:
        raise ValueError(f"A prediction has its truth's shape; got {mean.shape} for {gold.shape}.")
    return mean, gold
