"""From what is read of a text to what the decoder is told to act."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import BASIC_OF_LABEL, EMOTION_LABELS, EmotionRead

NEUTRAL: Final = EMOTION_LABELS.index("neutral")
ACTED: Final = 0.9
"""Strength given to the strongest emotion of a line, as the corpus gives its labels."""
BESIDE: Final = 0.8
"""Share of the strongest emotion that one of another basic emotion counts for at most: a face that shows two things
equally is read as neither."""
FAINTEST: Final = 0.1
"""Strengths below this part of the strongest are not acted."""


def acted(read: EmotionRead) -> NDArray[np.float32]:
    """Return the strengths to act, ``float32 [28]``: the clear emotions of a read, the strongest at ``ACTED``.

    The basic emotion with the largest share leads, and its labels; others stand beside it by the square of their
    part. A person acts one or two things at a time; a reader spreads itself thinly over many.
    """
    given = np.asarray(read.probabilities, dtype=np.float64)
    leading = read.basic
    strengths = np.zeros(len(EMOTION_LABELS))
    if leading == "neutral":
        strengths[NEUTRAL] = ACTED
        return strengths.astype(np.float32)
    leads = np.array([BASIC_OF_LABEL[label] == leading for label in EMOTION_LABELS])
    strongest = float(given[leads].max())
    relative = given / strongest
    relative[~leads] = np.minimum(relative[~leads], BESIDE)
    relative[NEUTRAL] = 0.0
    strengths = ACTED * relative**2
    strengths[strengths < FAINTEST * ACTED] = 0.0
    return strengths.astype(np.float32)
