"""A part of the head: what every maker of geometry in this package returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flame_rig.head.grid import Polygon
from flame_rig.head.numerics import Array


@dataclass(frozen=True)
class Part:
    """Vertices and faces of one part, in centimetres.

    Attributes:
        name: shown as the part's name.
        material: name of one of ``colours.MATERIALS``.
        vertices: ``[N, 3]`` at rest.
        polygons: counter-clockwise from outside, indices within the part.
        uv: ``[N, 2]`` in [0, 1].
        colors: ``[N, 3]`` linear RGB.
        weights: ``[N, 5]`` skinning weights in the order of ``flame_model.JOINT_NAMES``.
        deltas: shape name to ``[N, 3]``, the jaw's correctives among them; those that leave the part alone are
            left out.
    """

    name: str
    material: str
    vertices: Array
    polygons: tuple[Polygon, ...]
    uv: Array
    colors: Array
    weights: Array
    deltas: dict[str, Array] = field(default_factory=dict)


def grid_uv(rows: int, columns: int) -> Array:
    """Return the UVs ``[rows * columns, 2]`` of a grid numbered row by row."""
    v, u = np.meshgrid(np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns), indexing="ij")
    return np.stack([u.ravel(), v.ravel()], axis=-1)


def rigid_weights(count: int, joint: int) -> Array:
    """Return weights ``[count, 5]`` that follow one joint wholly."""
    weights = np.zeros((count, 5))
    weights[:, joint] = 1.0
    return weights


def joined(name: str, parts: list[Part]) -> Part:
    """Return several parts of one material as one part."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    names = dict.fromkeys(shape for part in parts for shape in part.deltas)
    deltas = {
        shape: np.concatenate([part.deltas.get(shape, np.zeros_like(part.vertices)) for part in parts])
        for shape in names
    }
    return Part(
        name=name,
        material=parts[0].material,
        vertices=np.concatenate([part.vertices for part in parts]),
        polygons=tuple(
            tuple(int(start) + corner for corner in polygon)
            for start, part in zip(starts, parts, strict=False)
            for polygon in part.polygons
        ),
        uv=np.concatenate([part.uv for part in parts]),
        colors=np.concatenate([part.colors for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        deltas=deltas,
    )
