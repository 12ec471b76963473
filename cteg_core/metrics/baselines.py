"""What a network has to beat: performances made without one.

Pure functions over arrays. What a baseline makes for a line is given its truth's length where a metric compares frame
by frame (:func:`fitted_to`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.performances import performance, performances, resampled

Array = NDArray[np.float64]


def mean_frame(items: Sequence[ArrayLike]) -> Array:
    """Return the mean over all frames of all performances, ``[D]``."""
    return np.asarray(np.concatenate(performances(items)).mean(axis=0))


def still_face(frame: ArrayLike, length: int) -> Array:
    """Return a performance that shows ``frame [D]`` and never moves, ``[length, D]``."""
    return np.tile(np.asarray(frame, dtype=np.float64), (length, 1))


def last_frame(truth: ArrayLike, start_frame: ArrayLike) -> Array:
    """Return the prediction of a network that copies what it was last shown, ``[T, D]``: the truth one frame late.

    In teacher forcing it is hard to beat, and it cannot perform at all.
    """
    frames = performance(truth)
    return np.concatenate((np.asarray(start_frame, dtype=np.float64)[None], frames[:-1]))


def time_shuffled(frames: ArrayLike, rng: np.random.Generator) -> Array:
    """Return a performance's frames ``[T, D]`` in random order: right poses, no motion."""
    return rng.permutation(performance(frames), axis=0)


def other_lines(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each of N = ``count`` lines another one, ``int64 [N]``, every line once: a random cycle, so that none
    keeps its own.

    Raises:
        ValueError: fewer than two lines.
    """
    if count < 2:
        raise ValueError(f"Another line needs at least two to choose from; got {count}.")
    order = rng.permutation(count)
    other = np.empty(count, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def nearest_lines(wanted: ArrayLike, known: ArrayLike, count: int = 1) -> NDArray[np.int64]:
    """Return the ``count`` known lines whose text is nearest to each wanted line's, ``[Q, count]``, nearest first.

    Args:
        wanted: pooled text embeddings ``[Q, E]``.
        known: pooled text embeddings ``[N, E]``, N ≥ ``count``.
        count: how many.

    Nearness is the cosine; an embedding of length 0 is near to nothing.

    Raises:
        ValueError: fewer known lines than ``count``.
    """
    queries, keys = _unit(wanted), _unit(known)
    if not 1 <= count <= len(keys):
        raise ValueError(f"There are {len(keys)} lines to retrieve from; {count} were asked for.")
    similarity = queries @ keys.T  # [Q, N]
    return np.argsort(-similarity, axis=1, kind="stable")[:, :count]


def pooled(states: ArrayLike, mask: ArrayLike) -> Array:
    """Return the mean of a text's states over its real tokens: ``[B, S, E]`` and ``bool [B, S]`` to ``[B, E]``."""
    values, real = np.asarray(states, dtype=np.float64), np.asarray(mask, dtype=bool)
    counts = np.maximum(real.sum(axis=1, keepdims=True), 1)
    return np.asarray((values * real[:, :, None]).sum(axis=1) / counts)


def fitted_to(frames: ArrayLike, length: int) -> Array:
    """Return a performance ``[T, D]`` stretched or squeezed to ``length`` frames."""
    return resampled(frames, length)


def _unit(rows: ArrayLike) -> Array:
    values = np.asarray(rows, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"Text embeddings are [N, E]; got an array of shape {values.shape}.")
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(lengths > 0, lengths, 1.0))
