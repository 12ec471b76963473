"""Emotion conditions for synthesised pairs: soft labels, and affect where nobody rated it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.affect import expected_affect
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.emotion_units import EmotionTarget
from cteg_core.training.text_data import LabelledLine

INTENSITY_RANGE: Final = (0.3, 1.3)
NEUTRAL_SHARE: Final = 0.10
DIRECTED_SHARE: Final = 0.25
_DIRECTED_DOUBLE: Final = 0.2
_CONFIDENCE: Final = (0.6, 1.0)
_LEAK: Final = 0.05
_JITTER: Final = 0.10


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


def condition_vector(target: EmotionTarget) -> NDArray[np.float32]:
    """Return ``float32 [32]``: 28 probabilities, valence, arousal, dominance, intensity."""
    return np.array(
        [*target.probabilities, target.valence, target.arousal, target.dominance, target.intensity], dtype=np.float32
    )
