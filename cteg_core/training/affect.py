"""Emotion conditions for synthesised pairs: soft labels, and valence, arousal, dominance where nobody rated them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.emotion_units import EmotionTarget
from cteg_core.training.text_data import LabelledLine

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

INTENSITY_RANGE: Final = (0.3, 1.3)
NEUTRAL_SHARE: Final = 0.10
DIRECTED_SHARE: Final = 0.25
_DIRECTED_DOUBLE: Final = 0.2
_CONFIDENCE: Final = (0.6, 1.0)
_LEAK: Final = 0.05
_JITTER: Final = 0.10
_AFFECT: Final = np.array([LABEL_AFFECT[label] for label in EMOTION_LABELS])


def draw_target(line: LabelledLine, rng: np.random.Generator) -> EmotionTarget:
    """Draw what an actor is asked to show for a labelled line.

    Labels become soft (0.6 to 1, traces of others), so that the network meets reads as a classifier gives them;
    intensity is 0 for a tenth of the pairs and else uniform, so that it learns what intensity does. For a quarter of
    the pairs a director asks for something else than the text suggests: every emotion is then met equally often, and
    the network learns to follow the condition.
    """
    directed, double = rng.random() < DIRECTED_SHARE, rng.random() < _DIRECTED_DOUBLE
    wishes = rng.choice(len(EMOTION_LABELS), size=2, replace=False)
    given = np.asarray(line.emotions, dtype=float)
    if directed:
        given = np.zeros_like(given)
        given[wishes[: 2 if double else 1]] = 1.0
    confidence = rng.uniform(*_CONFIDENCE, size=given.size)
    # Most labels are not felt at all; a few leak.
    leak = _LEAK * rng.random(given.size) ** 3
    probabilities = np.where(given > 0.0, given * confidence, leak)
    affect = np.array(line.vad) if line.vad is not None and not directed else expected_affect(probabilities)
    affect = np.clip(affect + _JITTER * rng.normal(size=3), -1.0, 1.0)
    neutral, intensity = rng.random() < NEUTRAL_SHARE, rng.uniform(*INTENSITY_RANGE)
    return EmotionTarget(
        tuple(float(p) for p in probabilities),
        valence=float(affect[0]),
        arousal=float(affect[1]),
        dominance=float(affect[2]),
        intensity=0.0 if neutral else float(intensity),
    )


def expected_affect(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return valence, arousal, dominance ``[3]`` that a distribution over the 28 labels suggests."""
    total = float(probabilities.sum())
    if total <= 0.0:
        return np.zeros(3)
    return np.asarray(probabilities @ _AFFECT / max(total, 0.5))


def condition_vector(target: EmotionTarget) -> NDArray[np.float32]:
    """Return ``float32 [32]``: 28 probabilities, valence, arousal, dominance, intensity."""
    return np.array(
        [*target.probabilities, target.valence, target.arousal, target.dominance, target.intensity], dtype=np.float32
    )
