"""Lays one face over another: a similarity and landmarks first, then bends until the surfaces meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel
from flame_rig.retarget.face_landmarks import FaceLandmarks, find_landmarks
from flame_rig.retarget.surface import (
    Array,
    Indices,
    OnSurface,
    Skin,
    nearest_on_surface,
    skin_of,
    vertex_normals,
)
from flame_rig.retarget.warp import Bend, fit_bend, fit_similarity

_SAMPLES: Final = 500
_LOOSENESS: Final = (0.3, 0.15, 0.08, 0.04, 0.03, 0.02)
"""Of the surface samples, falling from one round to the next."""
_LANDMARK_LOOSENESS: Final = 0.004
# of the distance between the eyes
_MOST_DISTANCE: Final = 0.3
_LIP_REACH: Final = 0.22
_LIP_APART: Final = 0.35
_LEAST_COSINE: Final = 0.5


@dataclass(frozen=True, eq=False)
class Face:
    """A model with its skin and landmarks.

    Attributes:
        model: the model.
        skin: its skin.
        points: ``[N, 3]`` the skin at rest, metres.
        landmarks: its features.
    """

    model: FlameModel
    skin: Skin
    points: Array
    landmarks: FaceLandmarks

    @property
    def unit(self) -> float:
        """The distance between the eyes, metres."""
        return self.landmarks.between_eyes


def read_face(model: FlameModel) -> Face:
    """Find a model's skin and landmarks; raises ValueError with a sentence when one is missing."""
    skin = skin_of(model)
    return Face(model, skin, model.v_template[skin.vertices], find_landmarks(model, skin))


def distance_to_line(points: Array, line: Array) -> Array:
    """Return the distance ``[N]`` of points from the nearest point of a line ``[K, 3]``."""
    fine = np.concatenate([line[:-1] + share * np.diff(line, axis=0) for share in (0.0, 0.25, 0.5, 0.75)] + [line[-1:]])
    nearest: Array = np.linalg.norm(points[:, None] - fine[None], axis=-1).min(axis=1)
    return nearest


def lip_features(face: Face, points: Array) -> Array:
    """Return points ``[N, 4]``: the fourth axis keeps the lips apart, which touch in space but not on the skin.

    Args:
        face: whose lips and jaw are meant.
        points: its skin in any placement, ``[N, 3]`` metres.
    """
    near = np.exp(-((distance_to_line(face.points, face.landmarks.lips) / (_LIP_REACH * face.unit)) ** 2))
    apart = (face.landmarks.jaw_share - 0.5) * near * _LIP_APART
    return np.concatenate([points, apart[:, None]], axis=1)


def front_of(face: Face) -> NDArray[np.bool_]:
    """Return which skin vertices lie on the face proper: not the back of the head, the ears or the neck."""
    eyes = (face.landmarks.eyes[0].centre + face.landmarks.eyes[1].centre) / 2.0
    away = (face.points - eyes) / face.unit
    chin = (face.landmarks.profile["under the chin"][1] - eyes[1]) / face.unit
    inside: NDArray[np.bool_] = (away[:, 2] > -0.55) & (away[:, 1] < 1.1) & (away[:, 1] > chin)
    return inside


def lay_over(source: Face, target: Face) -> Bend:
    """Return the bend of space that carries ``source``'s skin onto ``target``'s."""
    from_points, to_points = source.landmarks.points(), target.landmarks.points()
    similarity = fit_similarity(source.landmarks.anchors(), target.landmarks.anchors())
    fixed = np.full(len(from_points), _LANDMARK_LOOSENESS)
    bend = fit_bend(similarity, from_points, to_points, fixed, target.unit)
    samples = _spread(source.points, np.flatnonzero(front_of(source)), _SAMPLES)
    # the fourth axis of both faces in metres of the target
    goal = lip_features(target, target.points)
    goal[:, 3] *= target.unit
    goal_normals = vertex_normals(target.points, target.skin.faces)
    for looseness in _LOOSENESS:
        placed = bend(source.points)
        features = lip_features(source, placed)
        features[:, 3] *= target.unit
        normals = vertex_normals(placed, source.skin.faces)[samples]
        met = nearest_on_surface(features[samples], goal, target.skin.faces)
        facing = (met.of(goal_normals, target.skin.faces) * normals).sum(axis=1)
        good = (facing > _LEAST_COSINE) & (met.distances < _MOST_DISTANCE * target.unit)
        bend = fit_bend(
            similarity,
            np.concatenate([from_points, source.points[samples[good]]]),
            np.concatenate([to_points, met.of(target.points, target.skin.faces)[good]]),
            np.concatenate([fixed, np.full(int(good.sum()), looseness)]),
            target.unit,
        )
    return bend


def _spread(points: Array, among: Indices, count: int) -> Indices:
    """Return ``count`` vertices of ``among`` spread evenly: each as far as possible from those before."""
    chosen = [int(among[0])]
    distance = np.linalg.norm(points[among] - points[chosen[0]], axis=1)
    for _ in range(min(count, len(among)) - 1):
        chosen.append(int(among[distance.argmax()]))
        distance = np.minimum(distance, np.linalg.norm(points[among] - points[chosen[-1]], axis=1))
    return np.array(chosen)


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Where each skin vertex of a target lies on a source face.

    Attributes:
        source, target: the faces.
        bend: carries the source onto the target.
        on_source: the target's skin vertices as points of the source's skin.
        gaps: ``[N]`` what is left between the surfaces there, metres of the target.
    """

    source: Face
    target: Face
    bend: Bend
    on_source: OnSurface
    gaps: Array

    def carried(self, displacements: Array) -> Array:
        """Return displacements ``[N_target, 3]`` of the target that look like the source's ``[N_source, 3]``.

        Both ends of each displacement go through the bend, so that lids and lips that meet on the source meet
        on the target.
        """
        faces = self.source.skin.faces
        rest = self.on_source.of(self.source.points, faces)
        moved = rest + self.on_source.of(displacements, faces)
        return self.bend(moved) - self.bend(rest)


def correspond(source: Face, target: Face) -> Correspondence:
    """Find the correspondence of two faces."""
    bend = lay_over(source, target)
    placed = lip_features(source, bend(source.points))
    queries = lip_features(target, target.points)
    for features in (placed, queries):
        features[:, 3] *= target.unit
    on_source = nearest_on_surface(queries, placed, source.skin.faces)
    landed = on_source.of(placed[:, :3], source.skin.faces)
    return Correspondence(source, target, bend, on_source, np.linalg.norm(landed - target.points, axis=1))
