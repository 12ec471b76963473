"""Gaze: how far the eyeballs turn for ARKit's eyeLook shapes.

Apple's eyeLook shapes move the lids; the eyeballs turn with them. An eye's axis-angle vector has no
component along the line of sight (Listing's law), so pitch and yaw are simply its x and y.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH

LOOK_RADIANS: Final[dict[str, float]] = {
    "Up": float(np.radians(20.0)),
    "Down": float(np.radians(25.0)),
    "In": float(np.radians(28.0)),
    "Out": float(np.radians(28.0)),
}
"""An eyeball's turn at ``eyeLook*`` = 1; a human eye's comfortable range is about 25 to 30 degrees."""

_LOOKS: Final[tuple[tuple[str, int, int, float], ...]] = (
    # shape, eye (0 left, 1 right), axis (0 pitch, positive down; 1 yaw, positive to the subject's left), sign
    ("eyeLookUpLeft", 0, 0, -1.0),
    ("eyeLookDownLeft", 0, 0, 1.0),
    ("eyeLookInLeft", 0, 1, -1.0),
    ("eyeLookOutLeft", 0, 1, 1.0),
    ("eyeLookUpRight", 1, 0, -1.0),
    ("eyeLookDownRight", 1, 0, 1.0),
    ("eyeLookInRight", 1, 1, 1.0),
    ("eyeLookOutRight", 1, 1, -1.0),
)


def eye_vectors(frames: ArrayLike) -> NDArray[np.float64]:
    """Return the axis-angle vectors ``[T, 2, 3]`` (left, right; radians) of the eyeballs.

    Args:
        frames: ``[T, 53]`` of the space ``cteg-head-1``.
    """
    frames = np.asarray(frames, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Frames are [T, {FRAME_WIDTH}]; got an array of shape {frames.shape}.")
    vectors = np.zeros((len(frames), 2, 3))
    for shape, eye, axis, sign in _LOOKS:
        direction = shape.removeprefix("eyeLook").removesuffix("Left").removesuffix("Right")
        vectors[:, eye, axis] += sign * LOOK_RADIANS[direction] * frames[:, CTEG_HEAD_1.index(shape)]
    return vectors
