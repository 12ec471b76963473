"""Where the features sit, in centimetres: shared by everything that must line up with them."""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head.numerics import Array

EYE_LINE: Final = 0.0
"""Height of the row that the lids split along."""
EYE_X: Final = 3.25
EYE_Z: Final = 6.08
EYE_RADIUS: Final = 2.24
LID_RADIUS: Final = EYE_RADIUS + 0.26
INNER_CANTHUS_X: Final = 1.32
OUTER_CANTHUS_X: Final = 5.34

LIP_LINE: Final = -6.8
"""Height of the row that the lips split along."""
MOUTH_CORNER_X: Final = 2.6

JAW_HINGE: Final = (0.0, -2.2, -0.4)
NECK_JOINT: Final = (0.0, -11.0, -3.0)
ROOT_JOINT: Final = (0.0, -17.0, -2.4)


def eye_centre(side: int) -> Array:
    """Return the eyeball's centre; ``side`` is +1 for the subject's left and -1 for the right."""
    return np.array([side * EYE_X, EYE_LINE, EYE_Z])
