"""Valence, arousal and dominance of the emotion labels."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import EMOTION_LABELS

LABEL_AFFECT: Final[dict[str, tuple[float, float, float]]] = {
    "admiration": (0.60, 0.15, 0.05), "amusement": (0.70, 0.40, 0.20), "anger": (-0.65, 0.70, 0.35),
    "annoyance": (-0.45, 0.30, 0.15), "approval": (0.45, 0.00, 0.20), "caring": (0.50, -0.10, 0.10),
    "confusion": (-0.15, 0.15, -0.30), "curiosity": (0.20, 0.30, 0.05), "desire": (0.40, 0.35, 0.10),
    "disappointment": (-0.50, -0.20, -0.30), "disapproval": (-0.45, 0.20, 0.25), "disgust": (-0.65, 0.35, 0.15),
    "embarrassment": (-0.35, 0.20, -0.45), "excitement": (0.75, 0.75, 0.30), "fear": (-0.65, 0.70, -0.50),
    "gratitude": (0.70, 0.10, 0.00), "grief": (-0.80, -0.10, -0.50), "joy": (0.80, 0.45, 0.30),
    "love": (0.80, 0.15, 0.15), "nervousness": (-0.40, 0.50, -0.40), "optimism": (0.60, 0.25, 0.25),
    "pride": (0.60, 0.25, 0.60), "realization": (0.05, 0.30, 0.00), "relief": (0.50, -0.30, 0.10),
    "remorse": (-0.55, -0.10, -0.40), "sadness": (-0.70, -0.30, -0.40), "surprise": (0.15, 0.70, -0.10),
    "neutral": (0.00, -0.05, 0.00),
}  # fmt: skip
"""Valence, arousal, dominance of each label from -1 to 1: signs and order as in affect lexica, values our judgement."""

_AFFECT: Final = np.array([LABEL_AFFECT[label] for label in EMOTION_LABELS])


def expected_affect(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return valence, arousal, dominance ``[3]`` that a distribution over the 28 labels suggests."""
    total = float(probabilities.sum())
    if total <= 0.0:
        return np.zeros(3)
    return np.asarray(probabilities @ _AFFECT / max(total, 0.5))
