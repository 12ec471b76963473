"""From what the emotion head reads to what the decoder is told to act."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import EMOTION_LABELS, EmotionRead

NEUTRAL: Final = EMOTION_LABELS.index("neutral")
ACTED: Final = 0.9
"""Strength given to the strongest emotion of a line, as the corpus gives its labels."""
FAINT: Final = 0.5
"""On a line that reads as neutral, an emotion below its own threshold (one half, once calibrated) is not acted."""


def calibrated(probabilities: NDArray[np.floating], thresholds: NDArray[np.floating]) -> NDArray[np.float64]:
    """Move each label's odds so that its own decision threshold reads as one half.

    Labels that are rare in the training text are decided on far below one half; without this their
    emotions would never be acted. Shapes ``[..., 28]`` and ``[28]``.
    """
    p = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-6, 1 - 1e-6)
    t = np.clip(np.asarray(thresholds, dtype=np.float64), 1e-6, 1 - 1e-6)
    return p * (1 - t) / (p * (1 - t) + (1 - p) * t)


def acted(read: EmotionRead) -> NDArray[np.float32]:
    """Return the strengths to act, ``float32 [28]``: the clear emotions of a read, the strongest at ``ACTED``.

    A person acts one or two things at a time; a classifier spreads itself thinly over many.
    """
    strengths = np.asarray(read.probabilities, dtype=np.float64)
    feeling = strengths.copy()
    feeling[NEUTRAL] = 0.0
    strongest = float(feeling.max())
    if strongest < FAINT and strengths[NEUTRAL] >= strongest:
        feeling[:] = 0.0
        feeling[NEUTRAL] = ACTED
        return feeling.astype(np.float32)
    sharpened = (feeling / max(strongest, 1e-6)) ** 2
    sharpened[sharpened < 0.1] = 0.0
    # A line that reads as neutral as well is acted with restraint.
    restraint = 1.0 if strengths[NEUTRAL] <= strongest else max(0.5, strongest / float(strengths[NEUTRAL]))
    return (sharpened * ACTED * restraint).astype(np.float32)
