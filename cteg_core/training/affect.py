"""Emotion conditions for synthesised pairs: soft labels, and affect where nobody rated it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.affect import expected_affect
from cteg_core.clauses import clauses_of
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.emotion_units import EmotionTarget
from cteg_core.training.text_data import LabelledLine

INTENSITY_RANGE: Final = (0.3, 1.3)
NEUTRAL_SHARE: Final = 0.10
DIRECTED_SHARE: Final = 0.25
_DIRECTED_DOUBLE: Final = 0.2
DIRECTED_ARC_SHARE: Final = 0.4
"""Of directed lines with several clauses: how often each clause is given an emotion of its own."""
_CONFIDENCE: Final = (0.6, 1.0)
_LEAK: Final = 0.05
_JITTER: Final = 0.10


def draw_target(line: LabelledLine, rng: np.random.Generator) -> EmotionTarget:
    """Draw what an actor is asked to show for a labelled line as a whole.

    Labels become soft (0.6 to 1, traces of others), so that the network meets reads as a classifier gives them;
    intensity is 0 for a tenth of the pairs and else uniform, so that it learns what intensity does. For a quarter of
    the pairs a director asks for something else than the text suggests: every emotion is then met equally often, and
    the network learns to follow the condition.
    """
    return _drawn(line, rng)[0]


def draw_targets(line: LabelledLine, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[EmotionTarget, ...]]:
    """Draw what an actor is asked to show for each clause of a labelled line, as :func:`draw_target` does.

    A line without an arc is one clause. A directed one may be turned by the director, so that the network learns to
    follow a turn that the text does not suggest.

    Returns:
        The clauses, and a target of the same intensity for each.
    """
    whole, directed = _drawn(line, rng)
    turned = rng.random() < DIRECTED_ARC_SHARE if directed else bool(line.arc)
    clauses = line.clauses or clauses_of(line.text)
    if not turned or len(clauses) == 1:
        return (line.text,), (whole,)
    wishes = rng.integers(len(EMOTION_LABELS), size=len(clauses))
    given = np.eye(len(EMOTION_LABELS))[wishes] if directed else np.asarray(line.arc, dtype=float)
    return clauses, tuple(_target(shares, None, whole.intensity, rng) for shares in given)


def _drawn(line: LabelledLine, rng: np.random.Generator) -> tuple[EmotionTarget, bool]:
    """Return a target for the whole line, and whether a director asked for it rather than the text."""
    directed, double = rng.random() < DIRECTED_SHARE, rng.random() < _DIRECTED_DOUBLE
    wishes = rng.choice(len(EMOTION_LABELS), size=2, replace=False)
    given = np.asarray(line.emotions, dtype=float)
    if directed:
        given = np.zeros_like(given)
        given[wishes[: 2 if double else 1]] = 1.0
    target = _target(given, None if directed else line.vad, 1.0, rng)
    neutral, intensity = rng.random() < NEUTRAL_SHARE, rng.uniform(*INTENSITY_RANGE)
    return replace(target, intensity=0.0 if neutral else float(intensity)), directed


def _target(
    given: NDArray[np.floating], vad: tuple[float, float, float] | None, intensity: float, rng: np.random.Generator
) -> EmotionTarget:
    """Return labels made soft: the strongest of ``given`` at 0.6 to 1, shares in proportion, traces of the others."""
    confidence = rng.uniform(*_CONFIDENCE, size=given.size)
    # Most labels are not felt at all; a few leak.
    leak = _LEAK * rng.random(given.size) ** 3
    probabilities = np.where(given > 0.0, given / max(float(given.max()), 1e-9) * confidence, leak)
    affect = np.array(vad) if vad is not None else expected_affect(probabilities)
    affect = np.clip(affect + _JITTER * rng.normal(size=3), -1.0, 1.0)
    return EmotionTarget(
        tuple(float(p) for p in probabilities),
        valence=float(affect[0]),
        arousal=float(affect[1]),
        dominance=float(affect[2]),
        intensity=intensity,
    )


def target_of(condition: NDArray[np.floating]) -> EmotionTarget:
    """Return the target that :func:`condition_vector` made ``[32]`` of."""
    probabilities = np.clip(condition[: len(EMOTION_LABELS)], 0.0, 1.0)
    valence, arousal, dominance = (float(value) for value in np.clip(condition[-4:-1], -1.0, 1.0))
    intensity = max(0.0, float(condition[-1]))
    return EmotionTarget(tuple(float(p) for p in probabilities), valence, arousal, dominance, intensity)


def condition_vector(target: EmotionTarget) -> NDArray[np.float32]:
    """Return ``float32 [32]``: 28 probabilities, valence, arousal, dominance, intensity."""
    return np.array(
        [*target.probabilities, target.valence, target.arousal, target.dominance, target.intensity], dtype=np.float32
    )
