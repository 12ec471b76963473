"""Proper scores: on average the truth's own distribution gets the best one, so they cannot be gamed.

Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation" (JASA 2007).
All are better when lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.cppl import DEVIATION, HALF_WIDTH
from cteg_core.metrics.normal import log_interval
from cteg_core.metrics.performances import performances, resampled, same_shape

ENERGY_FRAMES: Final = 64
"""Takes and truth are brought to so many frames before they are compared as wholes."""


def box_bits(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return -log2 of the probability that N(μ, 0.04 I) gives the box of half-width 0.8 about the truth, ``[T]`` bits.

    This is what CPPL means to measure: all 2^D corners of the box, where CPPL takes two. No floor.
    """
    mean, gold = same_shape(predicted, truth)
    low, high = (gold - HALF_WIDTH - mean) / DEVIATION, (gold + HALF_WIDTH - mean) / DEVIATION
    return np.asarray(-log_interval(low, high).sum(axis=1) / math.log(2.0))


def gaussian_bits(predicted: ArrayLike, truth: ArrayLike, deviation: float = DEVIATION) -> NDArray[np.float64]:
    """Return -log2 of the density of N(μ, σ² I) at the truth, ``[T]`` bits a frame; may be negative.

    Args:
        predicted: μ, ``[T, D]``.
        truth: ``[T, D]``.
        deviation: σ, in the frames' units; it is part of the score and has to be stated with it.

    Raises:
        ValueError: a deviation that is not positive, or another shape than the truth's.
    """
    if not deviation > 0:
        raise ValueError(f"A deviation is a positive number; got {deviation}.")
    mean, gold = same_shape(predicted, truth)
    squares = ((gold - mean) / deviation) ** 2
    nats = 0.5 * squares.sum(axis=1) + gold.shape[1] * (math.log(deviation) + 0.5 * math.log(2.0 * math.pi))
    return np.asarray(nats / math.log(2.0))


def mean_over_sequences(per_frame: Sequence[ArrayLike]) -> float:
    """Return the mean over sequences of the mean over their frames ``[T]``, as CPPL averages.

    Raises:
        ValueError: no sequences.
    """
    if not per_frame:
        raise ValueError("A mean over sequences needs at least one.")
    return float(np.mean([np.mean(np.asarray(values, dtype=np.float64)) for values in per_frame]))


def energy_score(takes: Sequence[ArrayLike], truth: ArrayLike, frames: int = ENERGY_FRAMES) -> float:
    """Return the energy score of K ≥ 2 takes ``[T, D]`` of a line against one true performance of it ``[T', D]``.

    Mean distance from the takes to the truth, minus half the mean distance between two takes: takes that are all
    alike are not rewarded for sitting in the middle, nor wild ones for being different.
    Distance: each performance is resampled to ``frames`` frames, and the Euclidean norm over frames and coefficients
    is divided by sqrt(frames), so that its unit is that of one frame's distance. The second mean runs over
    *different* takes (the fair estimate: its expectation does not depend on K).

    Raises:
        ValueError: fewer than two takes.
    """
    if len(takes) < 2:
        raise ValueError(f"An energy score compares at least two takes; got {len(takes)}.")
    everything = performances([*takes, truth])
    flat = np.stack([resampled(item, frames).ravel() for item in everything]) / math.sqrt(frames)
    drawn, true = flat[:-1], flat[-1]
    to_truth = float(np.linalg.norm(drawn - true, axis=1).mean())
    between = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)
    return to_truth - 0.5 * float(between.sum()) / (len(drawn) * (len(drawn) - 1))
