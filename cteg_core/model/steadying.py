"""Steadying: what is left of tremor in decoded frames is taken off, coefficient by coefficient.

An autoregressive decoder feeds on its own small errors, and coefficients that hardly move (lids, brows) tremble with
them although their course is right. Each coefficient has a width of its own, measured after training so that it
accelerates as it does in the corpus (``evaluation.steadiness``); it is stored with the checkpoint.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def steadied(frames: NDArray[np.float32], widths: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return frames smoothed over time without delay, each coefficient by a Gaussian of its own.

    Args:
        frames: ``float32 [T, D]``.
        widths: ``[D]`` deviations in frames; 0 leaves a coefficient as it is, to the bit.
    """
    smooth = frames.copy()
    for width in np.unique(widths[widths > 0.0]):
        columns = np.flatnonzero(widths == width)
        reach = math.ceil(3.0 * float(width))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / float(width)) ** 2)
        weights /= weights.sum()
        padded = np.pad(frames[:, columns], ((reach, reach), (0, 0)), mode="edge").astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)  # [T, C, 2R + 1]
        smooth[:, columns] = windows @ weights
    return smooth
