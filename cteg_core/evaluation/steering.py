"""Whether an artist can steer: neutral lines under each emotion, at rising intensity, read back from the mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import Controls
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import EmotionRead
from cteg_core.metrics.emotion_reader import read_emotion
from cteg_core.metrics.faithfulness import BATCH, FRAME_STEP
from cteg_core.performer import FinishedTake, Performer, TakeRequest
from flame_rig.flame_model import FlameModel, pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.measures import measure_face

LINES: Final = (
    "The bus goes at ten past nine.",
    "I put the papers on your desk.",
    "They moved the meeting to the small room.",
    "It is the second door on the left.",
    "She sent the list this morning.",
)
"""Lines that carry no feeling of their own."""
SEEDS: Final = 4
INTENSITIES: Final = (0.0, 0.3, 0.6, 1.0)
READ_AT: Final = (0.6, 1.0)
DIRECTED: Final[Mapping[str, tuple[Mapping[str, float], str]]] = {
    "happiness": ({"joy": 0.9}, "happiness"),
    "sadness": ({"sadness": 0.9}, "sadness"),
    "anger": ({"anger": 0.9}, "anger"),
    "fear": ({"fear": 0.9}, "fear"),
    "disgust": ({"disgust": 0.9}, "disgust"),
    "surprise": ({"surprise": 0.9}, "surprise"),
    "contempt": ({"disapproval": 0.9}, "anger"),
    "affection": ({"love": 0.9}, "happiness"),
}
"""What is asked for, as labels, and the basic emotion that it is to be read as. GoEmotions has no contempt; its
disapproval, whose prototypes hold the one-sided corner, counts as anger there."""


@dataclass(frozen=True)
class SteeringScores:
    """What steering reaches.

    Attributes:
        performances: how many were made.
        read_right: by what was asked for: share that is read right at intensities ``READ_AT``.
        read_right_mean: their mean.
        grows: share of (line, seed, emotion) whose displacement along the emotion grows with every step of intensity.
        neutral_at_zero: share of the performances of intensity 0 that are read as neutral.
    """

    performances: int
    read_right: dict[str, float]
    read_right_mean: float
    grows: float
    neutral_at_zero: float


def measure_steering(
    performer: Performer, seed: int, report: Callable[[str], None] = lambda line: None
) -> SteeringScores:
    """Perform ``LINES`` × ``SEEDS`` under every entry of ``DIRECTED`` and intensity; speech, blinks and gaze off."""
    head = build_head()
    right: dict[str, list[bool]] = {name: [] for name in DIRECTED}
    grows: list[bool] = []
    neutral: list[bool] = []
    count = 0
    for name, (labels, basic) in DIRECTED.items():
        wish = EmotionRead.of(**labels)
        made = [_perform(performer, wish, intensity, seed) for intensity in INTENSITIES]
        seen = [[_seen(head, frames) for frames in of_one] for of_one in made]
        count += sum(len(of_one) for of_one in made)
        direction = np.mean([measures for _, measures in seen[-1]], axis=0)
        direction /= np.linalg.norm(direction)
        reach = np.array([[float(measures @ direction) for _, measures in of_one] for of_one in seen])  # [I, N]
        grows += [bool((np.diff(course) > 0.0).all()) for course in reach.T]
        neutral += [read == "neutral" for read, _ in seen[0]]
        for intensity, of_one in zip(INTENSITIES, seen, strict=True):
            if intensity in READ_AT:
                right[name] += [read == basic for read, _ in of_one]
        report(f"steered to {name}")
    shares = {name: float(np.mean(reads)) for name, reads in right.items()}
    return SteeringScores(
        count, shares, float(np.mean(list(shares.values()))), float(np.mean(grows)), float(np.mean(neutral))
    )


def _perform(performer: Performer, wish: EmotionRead, intensity: float, seed: int) -> list[NDArray[np.float32]]:
    controls = Controls(emotion=wish, intensity=intensity, speech=False, blinks=False, gaze=False)
    requests = [
        TakeRequest(DialogueLine(text, controls=controls, seed=seed + take), 0, seed + take)
        for text in LINES
        for take in range(SEEDS)
    ]
    clips: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(requests), BATCH):
        for event in performer.perform(requests[start : start + BATCH], lambda: False):
            if isinstance(event, FinishedTake):
                clips[start + event.request_index] = event.clip.frames
    return [clips[i] for i in range(len(requests))]


def _seen(head: FlameModel, frames: NDArray[np.float32]) -> tuple[str, NDArray[np.float64]]:
    """Return what a performance is read as, and its mean measures at the apex ``[M]``."""
    shown = frames[::FRAME_STEP]
    vertices = posed_vertices(head, shown[:, :50], pose_of_frames(head, shown), joints="identity")
    scores = read_emotion(vertices, 30.0 / FRAME_STEP)
    measured = measure_face(vertices[scores.apex[0] : scores.apex[1]])
    return scores.strongest, np.asarray(measured.values.mean(0))
