"""Parts that hang on the skin: lid rims, lashes, brows and the lining of the mouth.

Each is a function of the skin's positions, so that it follows every expression exactly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.head import landmarks as lm
from flame_rig.head.colours import MOUTH_BACK, MOUTH_FRONT, mixed, plain
from flame_rig.head.grid import SkinGrid, SkinPoints, strip_polygons
from flame_rig.head.loft import angle_at
from flame_rig.head.numerics import Array
from flame_rig.head.part import Part, grid_uv
from flame_rig.head.skin import skin_positions

SkinStates = dict[str | None, Array]
"""The skin's positions ``[N, 3]`` at rest (None), and under each shape and corrective that moves it."""

_SIDES: Final = ((0, 1), (1, -1))


def _following(
    name: str,
    material: str,
    layers: dict[str | None, Array],
    polygons: list[tuple[int, ...]],
    shape: tuple[int, int],
    weights: Array,
    colors: Array | None = None,
) -> Part:
    rest = layers[None]
    return Part(
        name=name,
        material=material,
        vertices=rest,
        polygons=tuple(polygons),
        uv=grid_uv(*shape),
        colors=plain(material, len(rest)) if colors is None else colors,
        weights=weights,
        deltas={key: positions - rest for key, positions in layers.items() if key is not None},
    )


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _rim(edge: Array, side: int) -> Array:
    inward = -_unit(edge - lm.eye_centre(side))
    return np.concatenate([edge, edge + 0.10 * inward, edge + 0.45 * inward])


def lid_rims(grid: SkinGrid, states: SkinStates, skin_weights: Array) -> list[Part]:
    """Return the thickness of the four lids: strips from each edge towards the eyeball's centre."""
    parts = []
    for eye, side in _SIDES:
        for edges, upper in ((grid.upper_lid, True), (grid.lower_lid, False)):
            ids = edges[eye]
            polygons = strip_polygons(3, len(ids), flip=upper == (side > 0))
            layers = {key: _rim(skin[ids], side) for key, skin in states.items()}
            weights = np.tile(skin_weights[ids], (3, 1))
            parts.append(_following("lid rims", "lid rim", layers, polygons, (3, len(ids)), weights))
    return parts


_LASHES: Final = 16
"""How many points a row of lashes gathers into."""
# along the lid: share of the way from the inner canthus, length, how far outwards they lean, thickness at the root
_UPPER_LASHES: Final = ((0.0, 0.12, 0.5, 0.85, 1.0), (0.02, 0.20, 0.34, 0.42, 0.12), 0.55, 0.11)
_LOWER_LASHES: Final = ((0.0, 0.25, 0.6, 0.9, 1.0), (0.0, 0.04, 0.10, 0.14, 0.03), 0.45, 0.018)


def _lash_strip(edge: Array, side: int, upper: bool) -> Array:
    """Return three rows of a ribbon from a lid's edge (inner to outer canthus) that ends in points."""
    shares, lengths, lean, root = _UPPER_LASHES if upper else _LOWER_LASHES
    along = np.linspace(0.0, 1.0, 2 * _LASHES + 1)
    places = np.linspace(0.0, 1.0, len(edge))
    line = np.stack([np.interp(along, places, edge[:, axis]) for axis in range(3)], axis=-1)
    normal = _unit(line - lm.eye_centre(side))
    points = np.where(np.arange(len(along)) % 2 == 1, 1.0, 0.62)
    length = (np.interp(along, shares, lengths) * points)[:, None]
    outward = (lean * (along - 0.25))[:, None] * np.array((side, 0.0, 0.0))
    up = np.array((0.0, 1.0 if upper else -1.0, 0.0))
    thickness = np.interp(along, (0.0, 0.1, 0.6, 1.0), (0.0, 0.5, 1.0, 0.3))[:, None] * root * up
    direction = _unit(normal + outward + 0.35 * up)
    return np.concatenate(
        [line + 0.015 * normal - 0.25 * thickness, line + length * direction, line + 0.03 * normal + thickness]
    )


def lashes(grid: SkinGrid, states: SkinStates, skin_weights: Array) -> list[Part]:
    """Return the upper and the lower lashes."""
    parts = []
    columns = 2 * _LASHES + 1
    for eye, side in _SIDES:
        for edges, upper in ((grid.upper_lid, True), (grid.lower_lid, False)):
            ids = edges[eye]
            polygons = strip_polygons(3, columns, flip=upper == (side > 0))
            layers = {key: _lash_strip(skin[ids], side, upper) for key, skin in states.items()}
            weights = np.tile(skin_weights[ids[:1]], (3 * columns, 1))
            parts.append(_following("lashes", "lashes", layers, polygons, (3, columns), weights))
    return parts


_BROW_X: Final = (1.12, 5.62)
_BROW_HEIGHT: Final = ((0.0, 0.3, 0.62, 0.85, 1.0), (2.95, 3.25, 3.45, 3.20, 2.65))
_BROW_THICKNESS: Final = ((0.0, 0.04, 0.14, 0.35, 0.65, 0.9, 1.0), (0.05, 0.20, 0.34, 0.39, 0.31, 0.15, 0.02))
_BROW_COLUMNS, _BROW_ROWS = 53, 6
_BROW_HAIRS: Final = 13
"""How many tufts the upper edge of a brow ends in."""


def _brow_points(side: int) -> tuple[SkinPoints, Array]:
    """Return where a brow's vertices sit on the skin, and their offsets from it."""
    along = np.linspace(0.0, 1.0, _BROW_COLUMNS)
    arch = np.interp(along, *_BROW_HEIGHT)
    smoothing = 13
    arch = np.convolve(np.pad(arch, smoothing // 2, mode="edge"), np.full(smoothing, 1 / smoothing), mode="valid")
    half = np.interp(along, *_BROW_THICKNESS)
    # hairs grow up at the inner end and lie down along the brow towards the outer one
    tuft = (along * _BROW_HAIRS) % 1.0
    ragged = 0.11 * (tuft - 0.5) * np.interp(along, (0.0, 0.1, 0.8, 1.0), (1.0, 1.0, 0.5, 0.0))
    across = np.linspace(-1.0, 1.0, _BROW_ROWS)[:, None]
    height = arch + across * half + ragged * np.maximum(across, 0.35 * across)
    slant = np.interp(along, (0.0, 0.5, 1.0), (0.10, 0.20, 0.12)) * across
    x = _BROW_X[0] + along * (_BROW_X[1] - _BROW_X[0]) + slant - 0.10
    groove = 0.05 * np.cos(2 * np.pi * (along * _BROW_HAIRS - 0.15 * across))
    thick = (0.03 + (0.15 + groove) * (1 - across**2)) * np.minimum(1.0, half / 0.2)
    height, x = height.ravel(), x.ravel()
    theta = angle_at(side * x, height)
    normal = _unit(np.stack([0.75 * np.sin(theta), np.full_like(theta, 0.15), np.cos(theta)], axis=-1))
    above = np.ones_like(theta)
    return SkinPoints(theta, height, above, above), normal * thick.ravel()[:, None]


def brows(shapes: tuple[str, ...]) -> list[Part]:
    """Return the brows: strips that take their own places on the skin under each shape."""
    parts = []
    for _, side in _SIDES:
        points, offset = _brow_points(side)
        layers = {key: skin_positions(points, key) + offset for key in (None, *shapes)}
        polygons = strip_polygons(_BROW_ROWS, _BROW_COLUMNS, flip=side < 0)
        weights = np.zeros((len(offset), 5))
        weights[:, 1] = 1.0
        shape = (_BROW_ROWS, _BROW_COLUMNS)
        parts.append(_following("brows", "brows", layers, polygons, shape, weights))
    return parts


# how far behind the lips each ring of the lining lies, and how far it opens up or down
_LINING_BACK: Final = (0.0, 0.22, 0.55, 1.2, 2.4, 4.0)
_LINING_OPEN: Final = (0.0, 0.04, 0.18, 0.55, 1.0, 1.1)


def _lining(skin: Array, edge: NDArray[np.int64], direction: int) -> Array:
    lip = skin[edge]
    inside = 1.0 - np.abs(np.linspace(-1.0, 1.0, len(edge))) ** 3
    rings = []
    for back, opening in zip(_LINING_BACK, _LINING_OPEN, strict=True):
        ring = lip.copy()
        ring[:, 2] -= back * (0.35 + 0.65 * inside)
        ring[:, 1] += direction * opening * inside
        ring[:, 0] *= 1.0 - 0.02 * back
        rings.append(ring)
    return np.concatenate(rings)


def mouth_lining(grid: SkinGrid, states: SkinStates, skin_weights: Array) -> list[Part]:
    """Return the inside of the mouth: rings going back from both lips, joined at the back."""

    def both(skin: Array) -> Array:
        return np.concatenate([_lining(skin, grid.upper_lip, 1), _lining(skin, grid.lower_lip, -1)])

    rings, columns = len(_LINING_BACK), len(grid.upper_lip)
    half = rings * columns
    polygons = strip_polygons(rings, columns) + strip_polygons(rings, columns, flip=True, base=half)
    polygons += [
        (half - columns + c, half - columns + c + 1, 2 * half - columns + c + 1, 2 * half - columns + c)
        for c in range(columns - 1)
    ]
    weights = np.concatenate(
        [np.tile(skin_weights[grid.upper_lip], (rings, 1)), np.tile(skin_weights[grid.lower_lip], (rings, 1))]
    )
    depth = np.repeat(np.array(_LINING_BACK) / _LINING_BACK[-1], columns)
    colors = mixed(np.tile(MOUTH_FRONT, (2 * half, 1)), MOUTH_BACK, np.sqrt(np.tile(depth, 2)))
    layers = {key: both(skin) for key, skin in states.items()}
    return [_following("mouth", "mouth", layers, polygons, (2 * rings, columns), weights, colors)]
