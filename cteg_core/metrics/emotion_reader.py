"""Reads an emotion off a performed face, by rules on what shows.

An observer's instrument: it sees posed vertices of the project's head and nothing of how they were
made. The rules follow the appearance changes of the Facial Action Coding System (Ekman, Friesen and
Hager 2002) and the prototype faces of Ekman and Friesen, "Unmasking the Face" (1975).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.emotion import BASIC_EMOTIONS
from flame_rig.measures import FaceMeasures, measure_face

APEX_SECONDS: Final = 0.3

_BOTH: Final = ("left", "right")
_NEUTRAL_EVIDENCE: Final = 0.30
"""What a face must exceed to show anything: about a third of a full expression."""
_SHARPNESS: Final = 8.0
_CUE_LIMIT: Final = 1.2
_BLINK_DROP: Final = 0.7
"""A frame whose upper lids have come down by this part of the open eye's upper half is a blink."""


@dataclass(frozen=True)
class Cue:
    """A visible change: a signed sum of measures, and how much of it counts as fully shown (head heights)."""

    full: float
    measures: tuple[tuple[str, float], ...]


def _sides(name: str, sign: float = 1.0) -> tuple[tuple[str, float], ...]:
    return tuple((f"{name}_{side}", 0.5 * sign) for side in _BOTH)


CUES: Final[dict[str, Cue]] = {
    "inner brows raised": Cue(0.045, _sides("brow_inner")),
    "outer brows raised": Cue(0.045, _sides("brow_outer")),
    "brows slant up to the middle": Cue(0.042, (*_sides("brow_inner"), *_sides("brow_outer", -1.0))),
    "brows lowered": Cue(0.035, _sides("brow_inner", -1.0)),
    "brows drawn together": Cue(0.030, (("brow_distance", -1.0),)),
    "upper lids raised": Cue(0.018, _sides("lid_upper")),
    "upper lids drooping": Cue(0.014, _sides("lid_upper", -1.0)),
    "lower lids raised": Cue(0.020, _sides("lid_lower")),
    "cheeks raised": Cue(0.028, _sides("cheek")),
    "nose wrinkled": Cue(0.026, _sides("nose_wing")),
    "upper lip raised": Cue(0.026, (("lip_upper", 1.0),)),
    "corners raised": Cue(0.048, _sides("corner_height")),
    "corners lowered": Cue(0.038, _sides("corner_height", -1.0)),
    "mouth stretched": Cue(0.075, (("mouth_width", 1.0),)),
    "lips pressed": Cue(0.012, (("lip_thickness", -1.0),)),
    "jaw dropped": Cue(0.090, (("jaw_drop", 1.0),)),
}
"""Each cue is cut to [0, 1.2]: a change the other way is no evidence for it."""

RULES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    # corners drawn back and up, cheeks and lower lids raised (AU 12, 6)
    "happiness": (
        ("corners raised", 1.05), ("cheeks raised", 0.20), ("lower lids raised", 0.15),
        ("brows lowered", -0.40), ("nose wrinkled", -0.20),
    ),
    # inner brow corners up, upper lids drooping, lip corners down (AU 1, 4, 15)
    "sadness": (
        ("brows slant up to the middle", 0.75), ("corners lowered", 0.60), ("upper lids drooping", 0.15),
        ("upper lids raised", -0.55), ("mouth stretched", -0.30), ("brows lowered", -0.35),
        ("nose wrinkled", -0.30),
    ),
    # brows down and together, hard stare, lips pressed or squared (AU 4, 5, 7, 23, 24)
    "anger": (
        ("brows lowered", 0.85), ("brows drawn together", 0.40), ("lips pressed", 0.20),
        ("lower lids raised", 0.10), ("corners raised", -0.40), ("upper lip raised", -0.35),
        ("inner brows raised", -0.80),
    ),
    # brows up and together, upper lids raised, mouth stretched back (AU 1, 2, 4, 5, 20)
    "fear": (
        ("inner brows raised", 0.45), ("brows drawn together", 0.45), ("upper lids raised", 0.50),
        ("mouth stretched", 0.45), ("brows lowered", -0.70), ("corners raised", -0.60),
        ("corners lowered", -0.15),
    ),
    # nose wrinkled, upper lip raised, brows lowered (AU 9, 10, 4)
    "disgust": (
        ("nose wrinkled", 0.90), ("upper lip raised", 0.40), ("brows lowered", 0.10),
        ("corners raised", -0.50), ("jaw dropped", -0.20),
    ),
    # brows up as a whole, eyes opened wide, jaw dropped without tension (AU 1, 2, 5, 26)
    "surprise": (
        ("inner brows raised", 0.45), ("outer brows raised", 0.55), ("upper lids raised", 0.40),
        ("jaw dropped", 0.30), ("brows drawn together", -0.60), ("mouth stretched", -0.35),
        ("corners raised", -0.30),
    ),
}  # fmt: skip
"""Weights of the cues for, and against, each emotion."""

_ACTIVITY_CUES: Final = (
    "inner brows raised", "outer brows raised", "brows lowered", "brows drawn together", "upper lids raised",
    "lower lids raised", "nose wrinkled", "corners raised", "corners lowered",
)  # fmt: skip


@dataclass(frozen=True)
class EmotionScores:
    """What a performance was read as.

    Attributes:
        scores: one number per ``BASIC_EMOTIONS``, in its order, positive, summing to 1.
        apex: first frame and frame after the last of the stretch that was read.
    """

    scores: tuple[float, ...]
    apex: tuple[int, int]

    @property
    def strongest(self) -> str:
        """The emotion with the highest score."""
        return BASIC_EMOTIONS[int(np.argmax(self.scores))]

    def of(self, emotion: str) -> float:
        """Return the score of one of ``BASIC_EMOTIONS``."""
        return self.scores[BASIC_EMOTIONS.index(emotion)]


def read_emotion(vertices: ArrayLike, frame_rate: float = 30.0) -> EmotionScores:
    """Read the emotion that a performance shows at its apex.

    The apex is the 0.3 s in which upper face and mouth corners are furthest from rest; frames in
    a blink are left out.

    Args:
        vertices: ``[T, V, 3]`` metres, posed vertices of the project's head.
        frame_rate: frames a second.

    Raises:
        ValueError: no frames, a frame rate that is not positive, or vertices of another head.
    """
    seen = _observed(vertices, frame_rate)
    cues, apex = seen.cues, seen.apex
    window = np.zeros(len(seen.open_eyed), dtype=bool)
    window[slice(*apex)] = True
    if (window & seen.open_eyed).any():
        window &= seen.open_eyed
    at_apex = {name: float(np.median(values[window])) for name, values in cues.items()}
    evidence = [
        _NEUTRAL_EVIDENCE if emotion == "neutral" else sum(weight * at_apex[cue] for cue, weight in RULES[emotion])
        for emotion in BASIC_EMOTIONS
    ]
    odds = np.exp(_SHARPNESS * (np.array(evidence) - max(evidence)))
    return EmotionScores(tuple((odds / odds.sum()).tolist()), apex)


def apex_frame(vertices: ArrayLike, frame_rate: float = 30.0) -> int:
    """Return the frame of the apex in which the face is furthest from rest; arguments as for :func:`read_emotion`."""
    seen = _observed(vertices, frame_rate)
    return seen.apex[0] + int(np.argmax(seen.activity[slice(*seen.apex)]))


@dataclass(frozen=True, eq=False)
class _Observed:
    """What shows over time: each cue ``[T]``, whether the eyes are open, how far from rest, and the apex."""

    cues: dict[str, NDArray[np.float64]]
    open_eyed: NDArray[np.bool_]
    activity: NDArray[np.float64]
    apex: tuple[int, int]


def _observed(vertices: ArrayLike, frame_rate: float) -> _Observed:
    if not frame_rate > 0:
        raise ValueError(f"A frame rate is a positive number; got {frame_rate}.")
    measured = measure_face(vertices)
    if not len(measured.values):
        raise ValueError("An emotion is read from at least one frame; got none.")
    cues = {name: _shown(measured, cue) for name, cue in CUES.items()}
    open_eyed = ~_blinking(measured)
    activity = sum((cues[name] for name in _ACTIVITY_CUES), np.zeros(len(open_eyed))) * open_eyed
    length = min(len(activity), max(1, round(APEX_SECONDS * frame_rate)))
    start = int(np.argmax(np.convolve(activity, np.ones(length), mode="valid")))
    return _Observed(cues, open_eyed, activity, (start, start + length))


def _shown(measured: FaceMeasures, cue: Cue) -> NDArray[np.float64]:
    change = sum((weight * measured.of(name) for name, weight in cue.measures), np.zeros(len(measured.values)))
    return np.clip(change / cue.full, 0.0, _CUE_LIMIT)


def _blinking(measured: FaceMeasures) -> NDArray[np.bool_]:
    names = [f"lid_upper_{side}" for side in _BOTH]
    shut: NDArray[np.bool_] = measured.of(*names) < -_BLINK_DROP * measured.rest_of(*names)
    return shut
