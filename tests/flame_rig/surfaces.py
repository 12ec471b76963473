"""What must not happen to a posed face, as measures: triangles that turn over, surfaces that cross.

Everything takes posed vertices ``[V, 3]`` in metres; depths come out in millimetres.
"""

from __future__ import annotations

import numpy as np

_CHUNK = 400_000
_ON_THE_EDGE = 1e-6
"""Share of a triangle: what only touches its border does not cross it."""


def turned_over(rest: np.ndarray, posed: np.ndarray, faces: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return the indices of the triangles that are flipped.

    A triangle is flipped when its normal has turned by more than a right angle away from where its joints alone would
    have turned it, or when its area has shrunk to less than a thousandth.

    Args:
        rest, posed: vertices ``[V, 3]``.
        faces: ``[F, 3]``.
        rotations: ``[V, 3, 3]`` what skinning alone does to directions at each vertex.
    """
    before, after = _normals(rest, faces), _normals(posed, faces)
    carried = np.einsum("fij,fj->fi", rotations[faces].mean(axis=1), before)
    shrunk = np.linalg.norm(after, axis=1) < 1e-3 * np.linalg.norm(before, axis=1)
    return np.flatnonzero(((carried * after).sum(axis=1) <= 0) | shrunk)


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def crossing_depth(points: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return how deep two surfaces pass through each other, millimetres; 0 where no edge crosses a triangle.

    The depth of a crossing is how far the edge's nearer end lies behind the triangle that it pierces. Triangles that
    share a vertex, or have two vertices in one place, do not count as crossing there.

    Args:
        points: vertices ``[V, 3]``.
        one, other: triangles ``[F, 3]`` of each surface.
    """
    return max(_edges_through(points, one, other), _edges_through(points, other, one))


def _edges_through(points: np.ndarray, piercing: np.ndarray, pierced: np.ndarray) -> float:
    every = np.concatenate([piercing[:, [0, 1]], piercing[:, [1, 2]], piercing[:, [2, 0]]])
    edges = np.unique(np.sort(every, axis=1), axis=0)
    low, high = points[edges].min(axis=1), points[edges].max(axis=1)
    floor, roof = points[pierced].min(axis=1), points[pierced].max(axis=1)
    # first by the whole of the other surface: most of a face is nowhere near it
    near_edges = ((low <= roof.max(axis=0)) & (high >= floor.min(axis=0))).all(axis=1)
    near_triangles = ((floor <= high.max(axis=0)) & (roof >= low.min(axis=0))).all(axis=1)
    edges, low, high = edges[near_edges], low[near_edges], high[near_edges]
    pierced, floor, roof = pierced[near_triangles], floor[near_triangles], roof[near_triangles]
    worst = 0.0
    step = max(1, _CHUNK // max(1, len(pierced)))
    for start in range(0, len(edges), step):
        here = slice(start, start + step)
        near = np.ones((len(edges[here]), len(pierced)), dtype=bool)
        for axis in (1, 2, 0):
            near &= low[here, axis, None] <= roof[None, :, axis]
            near &= high[here, axis, None] >= floor[None, :, axis]
        edge, triangle = np.nonzero(near)
        if len(edge):
            worst = max(worst, _deepest(points, edges[edge + start], pierced[triangle]))
    return 1000.0 * worst


def _deepest(points: np.ndarray, edges: np.ndarray, triangles: np.ndarray) -> float:
    """Return the depth in metres of the deepest of some pairs of an edge and a triangle."""
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(length, 1e-30)[:, None]
    height_start, height_end = ((start - a) * normal).sum(axis=1), ((end - a) * normal).sum(axis=1)
    apart = [(edges[:, i, None] != triangles).all(axis=1) for i in range(2)]
    for corner in (a, b, c):
        apart += [np.linalg.norm(start - corner, axis=1) > 1e-9, np.linalg.norm(end - corner, axis=1) > 1e-9]
    through = np.logical_and.reduce([*apart, height_start * height_end < 0, length > 1e-16])
    if not through.any():
        return 0.0
    start, end, a, b, c = start[through], end[through], a[through], b[through], c[through]
    height_start, height_end = height_start[through], height_end[through]
    share = height_start / (height_start - height_end)
    hit = start + share[:, None] * (end - start)
    inside = _inside(hit, a, b, c)
    depth = np.minimum(np.abs(height_start), np.abs(height_end))
    return float(depth[inside].max(initial=0.0))


def _inside(hit: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    u, v, w = b - a, c - a, hit - a
    uu, uv, vv = (u * u).sum(axis=1), (u * v).sum(axis=1), (v * v).sum(axis=1)
    wu, wv = (w * u).sum(axis=1), (w * v).sum(axis=1)
    area = uu * vv - uv * uv
    first, second = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    return (first > _ON_THE_EDGE) & (second > _ON_THE_EDGE) & (first + second < 1 - _ON_THE_EDGE)


def ball_through(points: np.ndarray, faces: np.ndarray, centre: np.ndarray, radius: float) -> float:
    """Return how far a ball stands out through triangles ``[F, 3]`` around it, millimetres; 0 if it does not."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    shares = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (1 / 3, 1 / 3, 1 / 3))
    nearest = min(float(np.linalg.norm(i * a + j * b + k * c - centre, axis=1).min()) for i, j, k in shares)
    return max(0.0, 1000.0 * (radius - nearest))
