"""Emotion as the project speaks of it: 28 GoEmotions labels plus valence, arousal, dominance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EMOTION_LABELS: Final[tuple[str, ...]] = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
    "curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
    "excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism", "pride",
    "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
"""The 28 labels of GoEmotions (Demszky et al., ACL 2020), in its order."""

BASIC_EMOTIONS: Final[tuple[str, ...]] = (
    "happiness", "sadness", "anger", "fear", "disgust", "surprise", "neutral",
)  # fmt: skip
"""The Ekman six and neutral."""

BASIC_OF_LABEL: Final[dict[str, str]] = {
    "admiration": "happiness", "amusement": "happiness", "anger": "anger", "annoyance": "anger",
    "approval": "happiness", "caring": "happiness", "confusion": "surprise",
    "curiosity": "surprise", "desire": "happiness", "disappointment": "sadness",
    "disapproval": "anger", "disgust": "disgust", "embarrassment": "sadness",
    "excitement": "happiness", "fear": "fear", "gratitude": "happiness", "grief": "sadness",
    "joy": "happiness", "love": "happiness", "nervousness": "fear", "optimism": "happiness",
    "pride": "happiness", "realization": "surprise", "relief": "happiness", "remorse": "sadness",
    "sadness": "sadness", "surprise": "surprise", "neutral": "neutral",
}  # fmt: skip
"""GoEmotions' own Ekman grouping."""


@dataclass(frozen=True)
class EmotionRead:
    """What emotion a text was read to carry, or was told to carry.

    Attributes:
        probabilities: 28 numbers in [0, 1] in the order of ``EMOTION_LABELS``. A read from text shares 1 among them;
            what a user asks for need not sum to 1.
        valence, arousal, dominance: EmoBank's scale moved to [-1, 1] (0 = its midpoint 3).
    """

    probabilities: tuple[float, ...]
    valence: float = 0.0
    arousal: float = 0.0
    dominance: float = 0.0

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(EMOTION_LABELS):
            raise ValueError(
                f"An emotion read holds {len(EMOTION_LABELS)} probabilities; got {len(self.probabilities)}."
            )

    @property
    def basics(self) -> tuple[float, ...]:
        """Shares of the Ekman six and neutral, in the order of ``BASIC_EMOTIONS``; they sum to 1 (all 0: neutral)."""
        sums = dict.fromkeys(BASIC_EMOTIONS, 0.0)
        for label, probability in zip(EMOTION_LABELS, self.probabilities, strict=True):
            sums[BASIC_OF_LABEL[label]] += probability
        total = sum(sums.values())
        if total <= 0.0:
            return tuple(float(basic == "neutral") for basic in BASIC_EMOTIONS)
        return tuple(value / total for value in sums.values())

    @property
    def basic(self) -> str:
        """The basic emotion with the largest share."""
        shares = self.basics
        return BASIC_EMOTIONS[shares.index(max(shares))]

    def strongest(self, count: int = 3) -> tuple[tuple[str, float], ...]:
        """Return the ``count`` most probable labels with their probabilities, strongest first."""
        ranked = sorted(zip(EMOTION_LABELS, self.probabilities, strict=True), key=lambda pair: -pair[1])
        return tuple(ranked[:count])

    @classmethod
    def of(cls, **probabilities: float) -> EmotionRead:
        """Make a read from label names, the others being 0: ``EmotionRead.of(joy=0.9)``.

        Raises ValueError for a name that is no label.
        """
        unknown = sorted(set(probabilities) - set(EMOTION_LABELS))
        if unknown:
            raise ValueError(f"Unknown emotion {unknown[0]!r}; the labels are {', '.join(EMOTION_LABELS)}.")
        return cls(tuple(float(probabilities.get(label, 0.0)) for label in EMOTION_LABELS))
