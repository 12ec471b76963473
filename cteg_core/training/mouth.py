"""The speaking mouth: speech features as shapes, and how speech and emotion share one mouth."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.lips import lip_closure
from cteg_core.visemes import SPEECH_CHANNELS
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, frames_from_arkit

JAW_PITCH: Final = EXPRESSION_COUNT
_PRESS, _BITE, _ROUND, _VOICED = (SPEECH_CHANNELS.index(name) for name in ("press", "bite", "round", "voiced"))

CHANNEL_SHAPES: Final[dict[str, dict[str, float]]] = {
    "open": {"jawOpen": 0.52, "mouthLowerDownLeft": 0.22, "mouthLowerDownRight": 0.22,
             "mouthUpperUpLeft": 0.14, "mouthUpperUpRight": 0.14},
    "spread": {"mouthStretchLeft": 0.32, "mouthStretchRight": 0.32, "mouthDimpleLeft": 0.12, "mouthDimpleRight": 0.12,
               "mouthLowerDownLeft": 0.18, "mouthLowerDownRight": 0.18,
               "mouthUpperUpLeft": 0.10, "mouthUpperUpRight": 0.10},
    "round": {"mouthPucker": 0.62, "mouthFunnel": 0.40},
    "press": {"mouthPressLeft": 0.40, "mouthPressRight": 0.40, "mouthRollLower": 0.30, "mouthRollUpper": 0.25},
    "bite": {"mouthRollLower": 0.65, "mouthUpperUpLeft": 0.28, "mouthUpperUpRight": 0.28, "jawOpen": 0.04},
    "tongue": {"jawOpen": 0.05, "mouthLowerDownLeft": 0.08, "mouthLowerDownRight": 0.08},
}  # fmt: skip
"""Speech channel -> ARKit shapes at 1 (judgement, looked at on the project's head)."""

YIELDING: Final[dict[str, float]] = {
    "mouthSmileLeft": 0.22, "mouthSmileRight": 0.22, "mouthFrownLeft": 0.30, "mouthFrownRight": 0.30,
    "mouthDimpleLeft": 0.35, "mouthDimpleRight": 0.35, "mouthStretchLeft": 0.45, "mouthStretchRight": 0.45,
    "mouthPressLeft": 0.75, "mouthPressRight": 0.75, "mouthRollLower": 0.80, "mouthRollUpper": 0.80,
    "mouthShrugLower": 0.50, "mouthShrugUpper": 0.50, "mouthPucker": 0.60, "mouthFunnel": 0.55,
    "mouthLowerDownLeft": 0.50, "mouthLowerDownRight": 0.50, "mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35,
    "cheekPuff": 0.90, "jawOpen": 0.55,
}  # fmt: skip
"""How much of an emotion's mouth gives way while words are said: lips cannot stay pressed, but a smile persists."""

_OPENERS: Final = ("jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight")
_WIDENERS: Final = (
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthDimpleLeft", "mouthDimpleRight",
)  # fmt: skip
_CLOSE: Final = CTEG_HEAD_1.index("mouthClose")


def _columns(amounts: dict[str, float]) -> NDArray[np.float64]:
    """Return a 53-vector with amounts at the frame columns of ARKit shapes (jawOpen at the jaw's pitch)."""
    row = np.zeros(EXPRESSION_COUNT + 3)
    for name, amount in amounts.items():
        row[JAW_PITCH if name == "jawOpen" else CTEG_HEAD_1.index(name)] = amount
    return row


def _shape_matrix() -> NDArray[np.float64]:
    weights = np.zeros((len(SPEECH_CHANNELS), len(ARKIT_SHAPES)))
    for channel, shapes in CHANNEL_SHAPES.items():
        for name, amount in shapes.items():
            weights[SPEECH_CHANNELS.index(channel), ARKIT_SHAPES.index(name)] = amount
    return frames_from_arkit(weights).astype(np.float64)


_SHAPE_MATRIX: Final = _shape_matrix()
_YIELD_ROW: Final = _columns(YIELDING)
_OPENER_COLUMNS: Final = np.flatnonzero(_columns(dict.fromkeys(_OPENERS, 1.0)))
_WIDENER_COLUMNS: Final = np.flatnonzero(_columns(dict.fromkeys(_WIDENERS, 1.0)))
_CLOSED_KEEPS: Final = 0.08
_ROUND_TAKES: Final = 0.45
_TALK_KERNEL: Final = np.hanning(19)[1:-1] / np.hanning(19).sum()


def speak(acting: NDArray[np.float64], features: NDArray[np.floating], articulation: float) -> NDArray[np.float64]:
    """Return frames in which the acting face also says the words.

    Args:
        acting: ``[T, 53]`` frames of ``cteg-head-1`` without speech.
        features: ``[T, SPEECH_WIDTH]`` of the speech plan.
        articulation: factor on mouth movement.

    Returns:
        ``[T, 53]``; closed lips are closed whatever the emotion, and values may exceed a full shape.
    """
    track: NDArray[np.float64] = np.asarray(features, dtype=np.float64)
    if not track[:, :_VOICED].any():
        return acting.copy()
    frames = acting * (1.0 - _talking(track[:, _VOICED])[:, None] * _YIELD_ROW)
    frames[:, _WIDENER_COLUMNS] *= 1.0 - _ROUND_TAKES * track[:, _ROUND, None]
    frames += articulation * (track @ _SHAPE_MATRIX)
    closed = np.maximum(track[:, _PRESS], 0.6 * track[:, _BITE])
    lips_up = frames[:, _OPENER_COLUMNS] * (1.0 - (1.0 - _CLOSED_KEEPS) * track[:, _PRESS, None])
    lips_up[:, _OPENER_COLUMNS == JAW_PITCH] = frames[:, [JAW_PITCH]] * (1.0 - (1.0 - _CLOSED_KEEPS) * closed[:, None])
    frames[:, _OPENER_COLUMNS] = lips_up
    frames[:, _CLOSE] = np.maximum(frames[:, _CLOSE], lip_closure(track[:, _PRESS], frames[:, JAW_PITCH]))
    return frames


def _talking(voiced: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the voiced track made slow, so that an emotion's mouth does not bob at every comma; ends stay 0."""
    padded = np.pad(voiced, (_TALK_KERNEL.size // 2, _TALK_KERNEL.size // 2))
    return np.asarray(np.convolve(padded, _TALK_KERNEL, mode="valid"))
