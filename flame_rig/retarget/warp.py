"""Smooth maps of space: a similarity, and a bend on top of it that carries points to given places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flame_rig.retarget.surface import Array

_SOFTNESS: Final = 0.12
"""Rounds off the kernel at its centres, in units of length; without it a bend has a kink at every centre."""
_CHUNK: Final = 4096


@dataclass(frozen=True, eq=False)
class Similarity:
    """x -> ``scale`` * ``rotation`` x + ``shift``."""

    scale: float
    rotation: Array
    shift: Array

    def __call__(self, points: Array) -> Array:
        """Map points ``[..., 3]``."""
        moved: Array = self.scale * points @ self.rotation.T + self.shift
        return moved


def fit_similarity(source: Array, target: Array) -> Similarity:
    """Return the similarity that carries ``source`` to ``target`` (``[K, 3]`` each) best (Umeyama 1991)."""
    source_centre, target_centre = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_centre, target - target_centre
    left, sizes, right = np.linalg.svd(b.T @ a)
    mirror = np.ones(3)
    mirror[2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * mirror) @ right
    scale = float((sizes * mirror).sum() / (a**2).sum())
    return Similarity(scale, rotation, target_centre - scale * source_centre @ rotation.T)


@dataclass(frozen=True, eq=False)
class Bend:
    """A similarity followed by a sum of softened biharmonic kernels and an affine map.

    Attributes:
        similarity: what comes first.
        unit: metres in a unit of length of the kernels.
        centres: ``[K, 3]`` in units.
        weights: ``[K, 3]``.
        affine: ``[4, 3]``; rows for 1, x, y, z.
    """

    similarity: Similarity
    unit: float
    centres: Array
    weights: Array
    affine: Array

    def __call__(self, points: Array) -> Array:
        """Map points ``[N, 3]`` (metres)."""
        placed = self.similarity(points) / self.unit
        moved = placed + np.concatenate([np.ones((len(placed), 1)), placed], axis=1) @ self.affine
        for start in range(0, len(placed), _CHUNK):
            part = slice(start, start + _CHUNK)
            moved[part] += _kernel(placed[part], self.centres) @ self.weights
        result: Array = moved * self.unit
        return result


def fit_bend(similarity: Similarity, source: Array, target: Array, looseness: Array, unit: float) -> Bend:
    """Return the smoothest bend that carries ``source`` to ``target`` (``[K, 3]`` metres each).

    Args:
        similarity: comes first; what it leaves is bent.
        looseness: ``[K]``, how much smoothness may cost at each point: 0 is met exactly.
        unit: metres in the kernels' unit of length (the distance between the eyes).
    """
    centres = similarity(source) / unit
    left_over = target / unit - centres
    count = len(centres)
    plain = np.concatenate([np.ones((count, 1)), centres], axis=1)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = _kernel(centres, centres) + np.diag(looseness)
    system[:count, count:], system[count:, :count] = plain, plain.T
    solved = np.linalg.lstsq(system, np.concatenate([left_over, np.zeros((4, 3))]), rcond=1e-12)[0]
    return Bend(similarity, unit, centres, solved[:count], solved[count:])


def _kernel(points: Array, centres: Array) -> Array:
    """Return -sqrt(r^2 + softness^2), whose quadratic form is positive on what no constant explains."""
    squared = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2.0 * points @ centres.T
    kernel: Array = -np.sqrt(np.maximum(squared, 0.0) + _SOFTNESS**2)
    return kernel
