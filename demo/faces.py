"""The faces that the head's picture sheet shows, and how a rig is put into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from mathutils import Matrix

from addon import api
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.facs import EMOTION_PROTOTYPES, arkit_from_units, unit_activation
from flame_rig.flame_model import pose_of_frames, rotation_matrices
from flame_rig.head import build_head
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, frames_from_arkit

Face = Mapping[str, float]
"""ARKit shapes to weights; a name without a side stands for both sides."""


def _prototype(emotion: str) -> Face:
    weights = arkit_from_units(unit_activation(EMOTION_PROTOTYPES[emotion][0].units))
    return {name: float(weight) for name, weight in zip(ARKIT_SHAPES, weights, strict=True) if weight}


FACES: Final[dict[str, Face]] = {
    "neutral": {},
    **{emotion: _prototype(emotion) for emotion in ("joy", "sadness", "anger", "fear", "disgust", "surprise")},
    "A": {"jawOpen": 0.65, "mouthLowerDown": 0.25, "mouthUpperUp": 0.1},
    "I": {"jawOpen": 0.18, "mouthStretch": 0.45, "mouthSmile": 0.25, "mouthLowerDown": 0.35, "mouthUpperUp": 0.2},
    "U": {"jawOpen": 0.12, "mouthPucker": 0.75, "mouthFunnel": 0.3},
    "F": {"jawOpen": 0.1, "mouthRollLower": 0.75, "mouthUpperUp": 0.3},
    "M": {"jawOpen": 0.06, "mouthClose": 0.06, "mouthPress": 0.5, "mouthRollUpper": 0.2, "mouthRollLower": 0.2},
    "blink": {"eyeBlink": 1.0},
    "puff": {"cheekPuff": 1.0},
}
"""Neutral, the first prototype of each basic emotion, five visemes (the vowels of "father", "see" and "too", the
consonants of "five" and "mum"), a blink and puffed cheeks."""


def arkit_weights(face: Face) -> np.ndarray:
    """Return a face's weights ``[52]`` in Apple's order; raises ValueError for a name that ARKit does not have."""
    weights = np.zeros(len(ARKIT_SHAPES))
    for name, weight in face.items():
        for shape in (name,) if name in ARKIT_SHAPES else (f"{name}Left", f"{name}Right"):
            if shape not in ARKIT_SHAPES:
                raise ValueError(f"ARKit has no shape called {name!r}.")
            weights[ARKIT_SHAPES.index(shape)] = weight
    return weights


def show_face(rig: api.Rig, face: Face) -> None:
    """Set the keys and turn the bones of the project's head to a face."""
    frame = frames_from_arkit(arkit_weights(face)[None])
    keys = rig.keys.key_blocks
    for name, value in zip(CTEG_HEAD_1.names, frame[0, :EXPRESSION_COUNT].tolist(), strict=True):
        if name in keys:
            keys[name].value = value
    model = build_head()
    turns = rotation_matrices(pose_of_frames(model, frame)[0])
    pose: Any = rig.armature.pose
    for name, turn in zip(model.joint_names, turns, strict=True):
        pose.bones[name].rotation_quaternion = Matrix(turn.tolist()).to_quaternion()
