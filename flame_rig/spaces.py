"""Expression spaces: what the 53 numbers of a frame mean.

A frame is 50 expression coefficients followed by the jaw joint's axis-angle vector
(pitch, yaw, roll; radians; x to the subject's left, y up, z out of the face). Coefficients never
move between spaces without a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.arkit import ARKIT_SHAPES, JAW_ROTATION_SHAPES

FRAME_WIDTH: Final = 53
EXPRESSION_COUNT: Final = 50
JAW_SLICE: Final = slice(EXPRESSION_COUNT, FRAME_WIDTH)

JAW_OPEN_RADIANS: Final = 0.34
"""Jaw pitch at ``jawOpen`` = 1 (the head recipe's measured jaw)."""
JAW_SIDE_RADIANS: Final = 0.10
"""Jaw yaw at ``jawLeft`` = 1: moves the chin of the project's head about 0.9 cm sideways."""


@dataclass(frozen=True)
class ExpressionSpace:
    """What each of a frame's 53 numbers means, and its lawful range.

    Attributes:
        id: the space's stable name, as stored in clips and checkpoints.
        names: 50 component names.
        lower, upper: ``float32 [53]``, the range a generated frame is kept in.
    """

    id: str
    names: tuple[str, ...]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]

    def index(self, name: str) -> int:
        """Return the column of the component called ``name``; raises KeyError if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(f"Expression space {self.id} has no component called {name!r}.") from None


RESERVED_NAME: Final = "reserved49"

_HEAD_NAMES: Final = (
    *(name for name in ARKIT_SHAPES if name not in JAW_ROTATION_SHAPES),
    RESERVED_NAME,
)


def _range(reserved: float, expression: float, jaw: tuple[float, float, float]) -> NDArray[np.float32]:
    values = np.full(FRAME_WIDTH, expression, dtype=np.float32)
    values[EXPRESSION_COUNT - 1] = reserved
    values[JAW_SLICE] = jaw
    return values


CTEG_HEAD_1: Final = ExpressionSpace(
    id="cteg-head-1",
    names=_HEAD_NAMES,
    lower=_range(0.0, 0.0, (0.0, -JAW_SIDE_RADIANS, 0.0)),
    upper=_range(0.0, 1.0, (JAW_OPEN_RADIANS, JAW_SIDE_RADIANS, 0.0)),
)
"""The project's own space: 0-48 the ARKit shapes other than the jaw's, 49 reserved and zero."""


def frames_from_arkit(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """Turn ARKit weights into frames of ``cteg-head-1``.

    Args:
        weights: ``[T, 52]`` in Apple's order, each in [0, 1].

    Returns:
        ``float32 [T, 53]``. Exact both ways while jawLeft and jawRight are not both set.
    """
    weights = np.asarray(weights, dtype=np.float32)
    if weights.ndim != 2 or weights.shape[1] != len(ARKIT_SHAPES):
        raise ValueError(f"ARKit weights are [T, 52]; got an array of shape {weights.shape}.")
    frames = np.zeros((weights.shape[0], FRAME_WIDTH), dtype=np.float32)
    for column, name in enumerate(_HEAD_NAMES[:-1]):
        frames[:, column] = weights[:, ARKIT_SHAPES.index(name)]
    left, right = (weights[:, ARKIT_SHAPES.index(name)] for name in ("jawLeft", "jawRight"))
    frames[:, EXPRESSION_COUNT] = JAW_OPEN_RADIANS * weights[:, ARKIT_SHAPES.index("jawOpen")]
    frames[:, EXPRESSION_COUNT + 1] = JAW_SIDE_RADIANS * (left - right)
    return frames


def arkit_from_frames(frames: NDArray[np.floating]) -> tuple[NDArray[np.float32], int]:
    """Turn frames of ``cteg-head-1`` into ARKit weights.

    Args:
        frames: ``[T, 53]``.

    Returns:
        Weights ``float32 [T, 52]`` in Apple's order clamped to [0, 1], and the count of values
        that had to be clamped (a jaw roll other than zero counts too: ARKit has no such shape).
    """
    frames = np.asarray(frames, dtype=np.float32)
    if frames.ndim != 2 or frames.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Frames are [T, 53]; got an array of shape {frames.shape}.")
    weights = np.zeros((frames.shape[0], len(ARKIT_SHAPES)), dtype=np.float32)
    for column, name in enumerate(_HEAD_NAMES[:-1]):
        weights[:, ARKIT_SHAPES.index(name)] = frames[:, column]
    pitch, yaw, roll = frames[:, JAW_SLICE].T
    weights[:, ARKIT_SHAPES.index("jawOpen")] = pitch / np.float32(JAW_OPEN_RADIANS)
    weights[:, ARKIT_SHAPES.index("jawLeft")] = np.maximum(yaw, 0) / np.float32(JAW_SIDE_RADIANS)
    weights[:, ARKIT_SHAPES.index("jawRight")] = np.maximum(-yaw, 0) / np.float32(JAW_SIDE_RADIANS)
    clamped = np.clip(weights, 0.0, 1.0)
    tolerance = np.float32(1e-6)
    count = int((np.abs(clamped - weights) > tolerance).sum() + (np.abs(roll) > tolerance).sum())
    return clamped, count
