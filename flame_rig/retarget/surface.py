"""Triangle surfaces as arrays: neighbours, normals, and the nearest point of a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SKIN_PART: Final = "skin"
_EYE_JOINTS: Final = ("left_eye", "right_eye")
_CANDIDATES: Final = 24
_CHUNK: Final = 256


@dataclass(frozen=True, eq=False)
class Skin:
    """The part of a face model that expressions are read from.

    Attributes:
        vertices: ``int64 [N]`` numbers in the model.
        faces: ``int64 [M, 3]`` triangles of positions in ``vertices``.
        eyeballs: per eye (left, right) the numbers in the model of its ball's vertices.
    """

    vertices: Indices
    faces: Indices
    eyeballs: tuple[Indices, Indices]


def skin_of(model: FlameModel) -> Skin:
    """Return a model's skin: its part of that name, or without parts all that is not rigid with an eye."""
    if SKIN_PART in model.part_names and model.vertex_parts is not None:
        chosen = model.vertex_parts == model.part_names.index(SKIN_PART)
    else:
        chosen = model.weights[:, [model.joint_names.index(name) for name in _EYE_JOINTS]].max(axis=1) < 0.5
    position = np.cumsum(chosen) - 1
    faces = model.faces[chosen[model.faces].all(axis=1)]
    left, right = (np.flatnonzero(model.weights[:, model.joint_names.index(name)] > 0.999) for name in _EYE_JOINTS)
    if not len(left) or not len(right):
        raise ValueError(f"The face model {model.name!r} has no eyeballs: no vertex is rigid with an eye joint.")
    return Skin(np.flatnonzero(chosen), position[faces], (left, right))


def vertex_normals(points: Array, faces: Indices) -> Array:
    """Return unit normals ``[N, 3]``, weighted by the triangles' areas."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: Array = normals / np.where(lengths > 0.0, lengths, 1.0)
    return unit


def edges_of(faces: Indices) -> Indices:
    """Return the undirected edges ``[E, 2]``, each once."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def rings_around(start: int, edges: Indices, count: int, rings: int) -> NDArray[np.bool_]:
    """Return which of ``count`` vertices lie within so many edges of a vertex."""
    near = np.zeros(count, dtype=bool)
    near[start] = True
    for _ in range(rings):
        touched = near[edges].any(axis=1)
        near[edges[touched].ravel()] = True
    return near


@dataclass(frozen=True, eq=False)
class OnSurface:
    """Points on a surface, by triangle.

    Attributes:
        faces: ``int64 [Q]`` numbers of triangles.
        shares: ``float64 [Q, 3]`` barycentric coordinates.
        distances: ``float64 [Q]`` from the points that were asked for.
    """

    faces: Indices
    shares: Array
    distances: Array

    def of(self, values: Array, faces: Indices) -> Array:
        """Return values ``[N, ...]`` of the surface's vertices at these points, ``[Q, ...]``."""
        taken: Array = np.einsum("qc,qc...->q...", self.shares, values[faces[self.faces]])
        return taken


def nearest_on_surface(queries: Array, points: Array, faces: Indices) -> OnSurface:
    """Return the nearest point of a surface for every query ``[Q, D]``; any number of dimensions D.

    Among the 24 triangles whose centres are nearest: exact while a triangle is not many times larger than its
    neighbours.
    """
    centres = points[faces].mean(axis=1)
    squares = (centres**2).sum(axis=1)
    wanted = min(_CANDIDATES, len(faces))
    found, shares, distances = [], [], []
    for start in range(0, len(queries), _CHUNK):
        chunk = queries[start : start + _CHUNK]
        far = squares - 2.0 * chunk @ centres.T
        candidates = np.argpartition(far, wanted - 1, axis=1)[:, :wanted]
        inside, distance = _nearest_in_triangles(chunk[:, None], points[faces[candidates]])
        best = distance.argmin(axis=1)
        rows = np.arange(len(chunk))
        found.append(candidates[rows, best])
        shares.append(inside[rows, best])
        distances.append(distance[rows, best])
    return OnSurface(np.concatenate(found), np.concatenate(shares), np.concatenate(distances))


def _nearest_in_triangles(query: Array, corners: Array) -> tuple[Array, Array]:
    """Return barycentric coordinates ``[..., 3]`` and distances ``[...]`` of the nearest points.

    Args:
        query: ``[..., D]``.
        corners: ``[..., 3, D]``.
    """
    a, b, c = (corners[..., corner, :] for corner in range(3))
    inside = _barycentric(query - a, b - a, c - a)
    options = [np.where((inside >= 0.0).all(axis=-1, keepdims=True), inside, np.nan)]
    for first, second in ((0, 1), (1, 2), (2, 0)):
        start, along = corners[..., first, :], corners[..., second, :] - corners[..., first, :]
        length = (along**2).sum(axis=-1)
        share = ((query - start) * along).sum(axis=-1) / np.where(length > 0.0, length, 1.0)
        share = np.clip(share, 0.0, 1.0)
        option = np.zeros((*share.shape, 3))
        option[..., first], option[..., second] = 1.0 - share, share
        options.append(option)
    stacked = np.stack(options)
    away = np.linalg.norm(np.einsum("o...c,...cd->o...d", stacked, corners) - query, axis=-1)
    away = np.where(np.isnan(away), np.inf, away)
    best = away.argmin(axis=0)
    chosen: Array = np.take_along_axis(stacked, best[None, ..., None], axis=0)[0]
    nearest: Array = np.take_along_axis(away, best[None], axis=0)[0]
    return chosen, nearest


def _barycentric(offset: Array, first: Array, second: Array) -> Array:
    """Return coordinates of the projection onto a triangle's plane; NaN where the triangle has no area."""
    aa, ab, bb = (first**2).sum(-1), (first * second).sum(-1), (second**2).sum(-1)
    pa, pb = (offset * first).sum(-1), (offset * second).sum(-1)
    area = aa * bb - ab**2
    area = np.where(area > 0.0, area, np.nan)
    v, w = (bb * pa - ab * pb) / area, (aa * pb - ab * pa) / area
    return np.stack([1.0 - v - w, v, w], axis=-1)
