"""Fréchet distances between sets of performances: are they alike as a whole, whatever each line asked for?

Between normal distributions fitted to each set (Dowson and Landau 1982; Heusel et al. 2017 made it common as FID), on
frames, on frame-to-frame differences, and on one row of statistics a performance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.performances import performances

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Normal:
    """A normal distribution: ``mean [D]`` and ``covariance [D, D]``."""

    mean: Array
    covariance: Array


def fitted_normal(rows: ArrayLike, count: int | None = None) -> Normal:
    """Fit a normal distribution to ``rows [N, D]``, N ≥ 2.

    Covariances are shrunk towards their diagonal by the weight D / (D + N): with few rows a sample's correlations
    are mostly chance, and with many the weight goes to zero.

    Args:
        rows: as said.
        count: stands for N in the weight. Two sets that are compared need the same: else the larger one's
            correlations would count as a difference, even if it held the smaller one's rows again and again.

    Raises:
        ValueError: fewer than two rows.
    """
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise ValueError(f"A normal distribution is fitted to at least two rows [N, D]; got shape {values.shape}.")
    width = values.shape[1]
    count = len(values) if count is None else count
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    weight = width / (width + count)
    return Normal(values.mean(axis=0), (1.0 - weight) * covariance + weight * np.diag(np.diag(covariance)))


def frechet_distance(one: Normal, other: Normal) -> float:
    """Return |μ1 - μ2|² + tr(S1 + S2 - 2 (S1 S2)^½): 0 for the same distribution, in squared units.

    The trace of the root is taken from the symmetric S1^½ S2 S1^½, whose eigenvalues are those of S1 S2, so that no
    root of an unsymmetric matrix is needed and rounding cannot make it complex.
    """
    root = _symmetric_root(one.covariance)
    cross = root @ other.covariance @ root
    eigenvalues = np.linalg.eigvalsh(0.5 * (cross + cross.T))
    overlap = float(np.sqrt(np.maximum(eigenvalues, 0.0)).sum())
    shift = float(((one.mean - other.mean) ** 2).sum())
    spread = float(np.trace(one.covariance) + np.trace(other.covariance)) - 2.0 * overlap
    return shift + max(0.0, spread)


def frame_rows(items: Sequence[ArrayLike]) -> Array:
    """Return all frames of all performances, ``[sum of T, D]``."""
    return np.concatenate(performances(items))


def difference_rows(items: Sequence[ArrayLike]) -> Array:
    """Return all changes from one frame to the next within a performance, ``[sum of (T - 1), D]``."""
    return np.concatenate([np.diff(frames, axis=0) for frames in performances(items)])


def statistic_rows(items: Sequence[ArrayLike]) -> Array:
    """Return one row a performance, ``[N, 4 D + 2]``.

    Of every coefficient the mean, the deviation over time, the largest distance from 0 (the rest face, where
    frames are given relative to it) and the mean change from frame to frame, without which frames in any order would
    have the same statistics; then log T, and where between 0 and 1 the frame farthest from 0 stands.
    """
    rows = []
    for frames in performances(items):
        farthest = int(np.linalg.norm(frames, axis=1).argmax()) / max(1, len(frames) - 1)
        pace = np.abs(np.diff(frames, axis=0)).sum(axis=0) / max(1, len(frames) - 1)
        whole = (frames.mean(axis=0), frames.std(axis=0), np.abs(frames).max(axis=0), pace)
        rows.append(np.concatenate((*whole, [np.log(len(frames)), farthest])))
    return np.stack(rows)


@dataclass(frozen=True)
class FrechetDistances:
    """Fréchet distances between two sets of performances, on three kinds of rows; squared units."""

    frames: float
    differences: float
    statistics: float


def frechet_distances(made: Sequence[ArrayLike], reference: Sequence[ArrayLike]) -> FrechetDistances:
    """Compare two sets of at least two performances ``[T, D]`` each."""
    found = []
    for rows in (frame_rows, difference_rows, statistic_rows):
        one, other = rows(made), rows(reference)
        count = min(len(one), len(other))
        found.append(frechet_distance(fitted_normal(one, count), fitted_normal(other, count)))
    return FrechetDistances(*found)


def _symmetric_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
