"""What a linear ``jawOpen`` morph loses against a jaw that rotates.

The project's head turns its jaw about a hinge; a character with ARKit's 52 morphs slides every vertex along a straight
line. Both agree at 0 and at 1; between, and mixed with other shapes, they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from flame_rig.arkit import ARKIT_SHAPES, JAW_ROTATION_SHAPES
from flame_rig.flame_model import FlameModel, pose_of_frames, posed_vertices
from flame_rig.retarget.surface import Array
from flame_rig.spaces import EXPRESSION_COUNT, arkit_from_frames, frames_from_arkit


@dataclass(frozen=True)
class MorphResidual:
    """How far morphs are from the rotating jaw over some frames, millimetres.

    Attributes:
        mean_mm: over the vertices that the jaw moves at all, and the frames.
        max_mm: the worst vertex of the worst frame.
    """

    mean_mm: float
    max_mm: float


def morph_residual(model: FlameModel, frames: ArrayLike) -> MorphResidual:
    """Compare a model of the space ``cteg-head-1`` with the same model whose jaw's shapes are linear morphs.

    Args:
        model: the head.
        frames: ``[T, 53]`` of its space; eyes stay at rest on both sides.
    """
    head = np.asarray(frames, dtype=np.float64)
    weights, _ = arkit_from_frames(head.astype(np.float32))
    morphs = jaw_morphs(model)
    jaw = np.stack([weights[:, ARKIT_SHAPES.index(name)] for name in JAW_ROTATION_SHAPES], axis=1).astype(np.float64)
    moved = np.abs(morphs).max(axis=(0, 2)) > 0.0
    total, worst, count = 0.0, 0.0, 0
    for row, mix in zip(head, jaw, strict=True):
        turned = _posed(model, row[None])[0]
        linear = model.v_template + model.exprdirs @ row[: model.exprdirs.shape[2]] + np.tensordot(mix, morphs, 1)
        away = np.linalg.norm(turned - linear, axis=1)[moved] * 1e3
        total, worst, count = total + float(away.sum()), max(worst, float(away.max())), count + len(away)
    return MorphResidual(total / count, worst)


def jaw_morphs(model: FlameModel) -> Array:
    """Return what each of ``JAW_ROTATION_SHAPES`` does at 1 as a morph, ``[3, V, 3]`` metres."""
    weights = np.zeros((len(JAW_ROTATION_SHAPES), len(ARKIT_SHAPES)))
    for row, name in enumerate(JAW_ROTATION_SHAPES):
        weights[row, ARKIT_SHAPES.index(name)] = 1.0
    morphs: Array = _posed(model, frames_from_arkit(weights).astype(np.float64)) - model.v_template
    return morphs


def jaw_openings(openings: Sequence[float]) -> Array:
    """Return frames ``[N, 53]`` in which only ``jawOpen`` is set."""
    weights = np.zeros((len(openings), len(ARKIT_SHAPES)))
    weights[:, ARKIT_SHAPES.index("jawOpen")] = openings
    return frames_from_arkit(weights).astype(np.float64)


def _posed(model: FlameModel, frames: Array) -> Array:
    pose = pose_of_frames(model, frames)
    for name in ("left_eye", "right_eye"):
        pose[:, model.joint_names.index(name)] = 0.0
    return posed_vertices(model, frames[:, : min(EXPRESSION_COUNT, model.exprdirs.shape[2])], pose)
