"""From an emotion distribution to action units: which face an actor aims for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import EMOTION_LABELS
from flame_rig.facs import ANTAGONISTS, EMOTION_PROTOTYPES, UNITS, mirrored_activation, unit_activation

MAX_INTENSITY: Final = 2.0
NEUTRAL: Final = EMOTION_LABELS.index("neutral")

_PROTOTYPE_UNITS: Final = tuple(
    np.stack([unit_activation(prototype.units) for prototype in EMOTION_PROTOTYPES[label]]) for label in EMOTION_LABELS
)
_PROTOTYPE_SHARES: Final = tuple(
    np.cumsum([prototype.weight for prototype in EMOTION_PROTOTYPES[label]]) for label in EMOTION_LABELS
)
_PULLS: Final = tuple((UNITS.index(one), UNITS.index(other), share) for one, other, share in ANTAGONISTS)

_AFFECT_UNITS: Final = np.stack(
    [
        unit_activation(units)
        for units in (
            {"12": 0.16, "6": 0.06},  # pleasant
            {"15": 0.14, "4": 0.10},  # unpleasant
            {"2": 0.10, "5": 0.10, "25": 0.10},  # aroused
            {"43": 0.08},  # calm
            {"4": 0.05, "7": 0.08, "17": 0.05},  # dominant
            {"1": 0.10, "64": 0.08},  # submissive
        )
    ]
)
"""What valence, arousal and dominance add at their two ends: small, our judgement."""

_SHARPNESS: Final = 1.6
"""How fast a weaker label's share of the face falls with its probability relative to the strongest."""


@dataclass(frozen=True)
class EmotionTarget:
    """What an actor is asked to show.

    Attributes:
        probabilities: 28 numbers in [0, 1] in the order of ``EMOTION_LABELS``; several may be high (a mixture).
        valence, arousal, dominance: -1 to 1.
        intensity: 0 neutral, 1 as the emotion reads, up to 2 exaggerated.
    """

    probabilities: tuple[float, ...]
    valence: float = 0.0
    arousal: float = 0.0
    dominance: float = 0.0
    intensity: float = 1.0

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(EMOTION_LABELS):
            raise ValueError(
                f"An emotion target holds {len(EMOTION_LABELS)} probabilities, not {len(self.probabilities)}."
            )
        if not all(0.0 <= p <= 1.0 for p in self.probabilities):
            raise ValueError("An emotion target's probabilities must be between 0 and 1.")
        if not all(-1.0 <= value <= 1.0 for value in (self.valence, self.arousal, self.dominance)):
            raise ValueError("Valence, arousal and dominance must be between -1 and 1.")
        if not 0.0 <= self.intensity <= MAX_INTENSITY:
            raise ValueError(f"An intensity is between 0 and {MAX_INTENSITY:g}; got {self.intensity}.")

    @classmethod
    def of(cls, intensity: float = 1.0, **probabilities: float) -> EmotionTarget:
        """Make a target from label names, the others being 0: ``EmotionTarget.of(joy=0.9)``.

        Raises ValueError for a name that is no label.
        """
        unknown = sorted(set(probabilities) - set(EMOTION_LABELS))
        if unknown:
            raise ValueError(f"Unknown emotion {unknown[0]!r}; the labels are {', '.join(EMOTION_LABELS)}.")
        return cls(tuple(probabilities.get(label, 0.0) for label in EMOTION_LABELS), intensity=intensity)


@dataclass(frozen=True, eq=False)
class Acting:
    """The faces that a performance shows, before timing.

    Attributes:
        faces: ``[K, 2, U]`` unit strengths at intensity 1, in the order in which they are shown; K is 1, or 2 when
            the line turns from one emotion to another.
        affect: ``[2, U]`` strengths that valence, arousal and dominance add.
        labels: for each face, the index of its strongest label.
        salience: how much emotion there is against neutral, 0 to 1.
    """

    faces: NDArray[np.float64]
    affect: NDArray[np.float64]
    labels: tuple[int, ...]
    salience: float


def choose_acting(emotion: EmotionTarget, rng: np.random.Generator, *, may_turn: bool = True) -> Acting:
    """Choose how a distribution looks this time: a variant of each emotion, its side, blended or one after another.

    The draws do not depend on the target's intensity, so the same generator state gives the same face, larger.

    Args:
        emotion: what to show.
        rng: source of the draws.
        may_turn: whether two strong emotions may be shown one after the other; otherwise they are blended.
    """
    probabilities = np.asarray(emotion.probabilities)
    variant_draws = rng.random(len(EMOTION_LABELS))
    mirror, turn = rng.random() < 0.5, rng.random()
    felt = probabilities.copy()
    felt[NEUTRAL] = 0.0
    strongest = float(felt.max())
    order = np.argsort(-felt, kind="stable")
    shares = np.zeros_like(felt) if strongest <= 0.0 else (felt / strongest) ** _SHARPNESS
    faces = {int(label): _variant(int(label), float(variant_draws[label])) for label in order if shares[label] > 0.04}
    if mirror:
        faces = {label: mirrored_activation(face) for label, face in faces.items()}
    first, second = int(order[0]), int(order[1])
    if may_turn and shares[second] > 0.45 and turn < 0.35:
        # The quicker, more reflex-like emotion comes first: surprise passes, joy stays (FACS: surprise is briefest).
        pair = sorted((first, second), key=lambda label: (EMOTION_LABELS[label] not in _BRIEF, turn < 0.175))
        chosen = np.stack([faces[label] for label in pair])
        labels = tuple(pair)
    elif faces:
        chosen = _blend(faces, shares)[None]
        labels = (first,)
    else:
        chosen = np.zeros((1, 2, len(UNITS)))
        labels = (NEUTRAL,)
    return Acting(chosen, _affect(emotion), labels, _salience(strongest, float(probabilities[NEUTRAL])))


_BRIEF: Final = frozenset({"surprise", "realization", "confusion", "fear", "curiosity"})


def _variant(label: int, draw: float) -> NDArray[np.float64]:
    shares = _PROTOTYPE_SHARES[label]
    face: NDArray[np.float64] = _PROTOTYPE_UNITS[label][int(np.searchsorted(shares, draw * shares[-1], side="right"))]
    return face


def _blend(faces: dict[int, NDArray[np.float64]], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unite faces by share: units add as probabilities do, and antagonists of different emotions yield."""
    if len(faces) == 1:
        return next(iter(faces.values()))
    rest = np.ones((2, len(UNITS)))
    for label, face in faces.items():
        rest *= 1.0 - shares[label] * face
    united = 1.0 - rest
    strongest = np.max([shares[label] * face for label, face in faces.items()], axis=0)
    # A union of many similar faces must not exceed what one actor would show.
    united = np.minimum(united, strongest + 0.5 * (united - strongest))
    for one, other, share in _PULLS:
        together = any(face[:, one].any() and face[:, other].any() for face in faces.values())
        if not together:
            loss = share * np.minimum(united[:, one], united[:, other])
            yields = united[:, one] < united[:, other]
            united[:, one] -= np.where(yields, loss, 0.0)
            united[:, other] -= np.where(yields, 0.0, loss)
    return np.asarray(np.clip(united, 0.0, 1.0))


def _affect(emotion: EmotionTarget) -> NDArray[np.float64]:
    ends = np.array(
        [
            *(max(0.0, emotion.valence), max(0.0, -emotion.valence)),
            *(max(0.0, emotion.arousal), max(0.0, -emotion.arousal)),
            *(max(0.0, emotion.dominance), max(0.0, -emotion.dominance)),
        ]
    )
    return np.asarray(np.tensordot(ends, _AFFECT_UNITS, axes=1))


def _salience(strongest: float, neutral: float) -> float:
    """Return how much of the read is emotion: certain reads act fully, faint or neutral ones hold back."""
    if strongest <= 0.0:
        return 0.0
    against_neutral = strongest / (strongest + 0.8 * neutral)
    return float(min(1.0, strongest / 0.55) ** 0.6 * against_neutral)
