"""CPPL, the paper's continuous perplexity, exactly as the official ``evaluate.py`` computes it.

It takes the difference of two corner probabilities for the probability of a box, which in 53 dimensions it is not:
predictions that lie below the truth are rewarded, up to a perfect score for being 0.8 too low in every coefficient.
It is here so that the paper's figure can be reproduced, and is never to be reported without ``proper``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.normal import cumulative
from cteg_core.metrics.performances import performance, same_shape

HALF_WIDTH: Final = 0.8
DEVIATION: Final = 0.2
"""The normal's covariance is 0.04 times the identity."""
FLOOR: Final = 1e-10
"""The least probability of a frame: a frame costs at most 33.2 bits."""


def corner_probability(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return Φ_D(g + 0.8; μ, 0.04 I) - Φ_D(g - 0.8; μ, 0.04 I) of every frame ``[T]``, without the floor.

    Args:
        predicted: μ, ``[T, D]``.
        truth: g, ``[T, D]``.
    """
    mean, gold = same_shape(predicted, truth)
    upper = cumulative((gold + HALF_WIDTH - mean) / DEVIATION).prod(axis=1)
    lower = cumulative((gold - HALF_WIDTH - mean) / DEVIATION).prod(axis=1)
    return np.asarray(upper - lower)


def sequence_bits(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Return H in bits, the mean over frames of -log2 of the floored :func:`corner_probability`; both ``[T, D]``."""
    probability = np.maximum(corner_probability(predicted, truth), FLOOR)
    return float(-np.log2(probability).mean())


def cppl(predicted: Sequence[ArrayLike], truth: Sequence[ArrayLike]) -> float:
    """Return 2 to the mean of :func:`sequence_bits` over sequences ``[T, D]``; least (best) is 1, most 1e10.

    The official code counts more positions than frames: see :func:`with_official_ends`.

    Raises:
        ValueError: no sequences, or predictions and truths that do not match.
    """
    bits = [sequence_bits(mean, gold) for mean, gold in zip(predicted, truth, strict=True)]
    if not bits:
        raise ValueError("CPPL is a mean over sequences; got none.")
    return float(2.0 ** (math.fsum(bits) / len(bits)))


def with_official_ends(truth: ArrayLike, start_frame: ArrayLike) -> NDArray[np.float64]:
    """Return what the official code compares with, ``[T + 2, D]``: the mean frame, the T frames, and a frame of zeros.

    The network never learns to predict the first (the loss masks it); the zeros are its sign for the end.
    """
    gold = performance(truth)
    start = np.asarray(start_frame, dtype=np.float64).reshape(1, -1)
    return np.concatenate((start, gold, np.zeros_like(start)))
