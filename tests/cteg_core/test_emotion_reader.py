"""The emotion reader on hand-made faces, whole performances and faults."""

from __future__ import annotations

import numpy as np
import pytest

from cteg_core.emotion import BASIC_EMOTIONS
from cteg_core.metrics.emotion_reader import CUES, RULES, apex_frame, read_emotion
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.spaces import frames_from_arkit

# ARKit weights as an animator would set them by eye; a name without a side stands for both
FACES: dict[str, list[dict[str, float]]] = {
    "happiness": [
        {"mouthSmile": 0.95, "cheekSquint": 0.75, "eyeSquint": 0.25, "jawOpen": 0.1, "mouthUpperUp": 0.35},
        {"mouthSmile": 0.8, "cheekSquint": 0.4},
        {"mouthSmile": 1.0, "cheekSquint": 0.6, "jawOpen": 0.5, "mouthUpperUp": 0.3, "eyeSquint": 0.2},
    ],
    "sadness": [
        {"browInnerUp": 0.95, "browDown": 0.25, "mouthFrown": 0.9, "mouthShrugLower": 0.45, "eyeLookDown": 0.35},
        {"browInnerUp": 0.8, "mouthFrown": 0.6},
    ],
    "anger": [
        {"browDown": 1.0, "eyeSquint": 0.35, "noseSneer": 0.5, "mouthPress": 0.7, "mouthFrown": 0.45},
        {"browDown": 0.9, "eyeWide": 0.4, "mouthPress": 0.8},
        {"browDown": 1.0, "noseSneer": 0.5, "mouthUpperUp": 0.4, "mouthLowerDown": 0.6, "jawOpen": 0.25},
    ],
    "fear": [
        {"browInnerUp": 0.9, "browOuterUp": 0.4, "browDown": 0.4, "eyeWide": 1.0, "mouthStretch": 0.8, "jawOpen": 0.25},
        {"browInnerUp": 0.8, "browDown": 0.35, "eyeWide": 0.8, "mouthStretch": 0.6},
    ],
    "disgust": [
        {"noseSneer": 1.0, "browDown": 0.6, "mouthUpperUp": 0.7, "eyeSquint": 0.6, "mouthFrown": 0.35},
        {"noseSneer": 0.9, "mouthUpperUp": 0.5, "mouthShrugLower": 0.4},
    ],
    "surprise": [
        {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "jawOpen": 0.62, "mouthFunnel": 0.25},
        {"browInnerUp": 0.8, "browOuterUp": 0.9, "eyeWide": 0.5},
    ],
    "neutral": [
        {},
        {"jawOpen": 0.4},
        {"mouthPucker": 0.8},
        {"mouthStretch": 0.5, "mouthLowerDown": 0.5, "jawOpen": 0.12},
        {"mouthFunnel": 0.8, "jawOpen": 0.25},
        {"eyeBlink": 1.0},
        {"eyeLookUp": 0.5},
    ],
}
CASES = [(emotion, face) for emotion, faces in FACES.items() for face in faces]


def performance(faces: list[dict[str, float]]) -> np.ndarray:
    """Posed vertices ``[T, V, 3]`` of one face a frame."""
    weights = np.zeros((len(faces), len(ARKIT_SHAPES)))
    for row, face in zip(weights, faces, strict=True):
        for name, weight in face.items():
            for shape in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
                row[ARKIT_SHAPES.index(shape)] = weight
    frames = frames_from_arkit(weights).astype(np.float64)
    return posed_vertices(build_head(), frames[:, :50], pose_of_frames(build_head(), frames), joints="identity")


@pytest.mark.parametrize(("emotion", "face"), CASES)
def test_reads_a_face_as_the_emotion_it_was_made_for(emotion: str, face: dict[str, float]) -> None:
    scores = read_emotion(performance([face]))
    assert scores.strongest == emotion
    assert sum(scores.scores) == pytest.approx(1.0)


@pytest.mark.parametrize("emotion", [name for name in BASIC_EMOTIONS if name != "neutral"])
def test_half_a_face_reads_the_same_and_less_surely(emotion: str) -> None:
    face = FACES[emotion][0]
    half = {name: 0.5 * weight for name, weight in face.items()}
    full_scores, half_scores = read_emotion(performance([face])), read_emotion(performance([half]))
    assert half_scores.strongest == emotion
    assert half_scores.of("neutral") > full_scores.of("neutral")


def test_finds_the_apex_in_a_performance_and_looks_past_speech() -> None:
    rise = np.sin(np.linspace(0, np.pi, 31))
    faces = [{"browDown": 0.9 * rise[i], "mouthPress": 0.6 * rise[i], "jawOpen": 0.3 * (i % 4 == 0)} for i in range(31)]
    scores = read_emotion(performance([{}] * 15 + faces + [{}] * 15))
    assert scores.strongest == "anger"
    assert scores.apex[0] <= 30 <= scores.apex[1]
    assert scores.apex[1] - scores.apex[0] == 9


def test_the_apex_frame_is_the_one_that_shows_most_and_no_blink() -> None:
    rise = [0.2, 0.5, 0.8, 1.0, 0.9, 0.6, 0.3]
    faces: list[dict[str, float]] = [{"browDown": 0.9 * share} for share in rise]
    assert apex_frame(performance([{}] * 20 + faces + [{}] * 20)) == 23
    faces[3]["eyeBlink"] = 1.0
    assert apex_frame(performance([{}] * 20 + faces + [{}] * 20)) == 24


def test_a_blink_at_the_apex_does_not_hide_the_surprise() -> None:
    face = FACES["surprise"][0]
    frames = [dict(face, eyeBlink=1.0 if 3 <= i < 6 else 0.0) for i in range(9)]
    assert read_emotion(performance(frames)).strongest == "surprise"


def test_a_performance_shorter_than_the_apex_is_read_whole() -> None:
    assert read_emotion(performance([FACES["happiness"][0]] * 2)).apex == (0, 2)


def test_every_emotion_has_a_rule_made_of_known_cues() -> None:
    assert set(RULES) | {"neutral"} == set(BASIC_EMOTIONS)
    assert {cue for rule in RULES.values() for cue, _ in rule} == set(CUES)


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="one frame"):
        read_emotion(performance([{}])[:0])
    with pytest.raises(ValueError, match="frame rate"):
        read_emotion(performance([{}]), frame_rate=0.0)
