"""The skin's topology: a grid of rings and columns, split open along the lids and the lips.

Feature points (canthi, mouth corners) lie exactly on columns, the lid line and the lip line exactly
on rows; along the splits each vertex has an upper and a lower copy that share the ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.head import landmarks as lm
from flame_rig.head.loft import TOP, half_width
from flame_rig.head.numerics import Array

Polygon = tuple[int, ...]

# columns from the front: midline, inner canthus, mouth corner, outer canthus, side, back
_COLUMNS_BETWEEN: Final = (5, 7, 10, 8, 9)
# row bands from the top: lower end, rows in the band, exponent (> 1 crowds rows at the lower end)
_BANDS_ABOVE_EYES: Final = ((4.4, 4, 1.0), (2.0, 7, 1.0), (lm.EYE_LINE, 9, 1.35))
_BANDS_BELOW_EYES: Final = ((-3.2, 4, 1.0), (-5.3, 9, 1.0), (lm.LIP_LINE, 8, 1.3))
_BANDS_BELOW_LIPS: Final = ((-10.7, 7, 1.0), (-12.1, 6, 1.0), (-18.0, 7, 1.0))


@dataclass(frozen=True)
class SkinPoints:
    """Points named by where they sit on the unfolded head at rest; all arrays ``[N]``.

    Attributes:
        theta: angle around the head.
        height: y on the ring at rest.
        eye_side: +1 above the lid line, -1 below, 0 on it.
        mouth_side: +1 above the lip line, -1 below, 0 on it.
    """

    theta: Array
    height: Array
    eye_side: Array
    mouth_side: Array

    @property
    def x(self) -> Array:
        """x at rest, before any feature."""
        return half_width(self.height) * np.sin(self.theta)


@dataclass(frozen=True)
class SkinGrid:
    """The skin's vertices and faces.

    Attributes:
        points: the vertices.
        polygons: quads, and triangles around the crown; counter-clockwise from outside.
        upper_lid, lower_lid: per eye (left, right) the lid's edge from inner to outer canthus.
        upper_lip, lower_lip: the lip's edge from the right corner to the left one.
        bottom_row: the ring at the foot of the neck.
    """

    points: SkinPoints
    polygons: tuple[Polygon, ...]
    upper_lid: tuple[NDArray[np.int64], NDArray[np.int64]]
    lower_lid: tuple[NDArray[np.int64], NDArray[np.int64]]
    upper_lip: NDArray[np.int64]
    lower_lip: NDArray[np.int64]
    bottom_row: NDArray[np.int64]


def strip_polygons(rows: int, columns: int, flip: bool = False, wrap: bool = False, base: int = 0) -> list[Polygon]:
    """Return the quads of a ``rows`` x ``columns`` grid of vertices numbered row by row from ``base``."""
    polygons: list[Polygon] = []
    for row in range(rows - 1):
        for column in range(columns if wrap else columns - 1):
            a, b = base + row * columns + column, base + row * columns + (column + 1) % columns
            quad = (a, b, b + columns, a + columns)
            polygons.append(quad[::-1] if flip else quad)
    return polygons


def fan_polygons(ring: list[int], pole: int, flip: bool = False) -> list[Polygon]:
    """Return the triangles that close a ring of vertices with a pole."""
    triangles = [(a, b, pole) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
    return [triangle[::-1] for triangle in triangles] if flip else list(triangles)


def _column_angles() -> tuple[Array, int, int, int]:
    """Return angles over the whole ring and the columns, from the midline, of the feature points."""
    marks = (
        0.0,
        float(np.arcsin(lm.INNER_CANTHUS_X / half_width(lm.EYE_LINE))),
        float(np.arcsin(lm.MOUTH_CORNER_X / half_width(lm.LIP_LINE))),
        float(np.arcsin(lm.OUTER_CANTHUS_X / half_width(lm.EYE_LINE))),
        np.pi / 2,
        np.pi,
    )
    parts = [
        np.linspace(start, end, count, endpoint=False)
        for start, end, count in zip(marks, marks[1:], _COLUMNS_BETWEEN, strict=False)
    ]
    half = np.concatenate([*parts, [np.pi]])
    inner = _COLUMNS_BETWEEN[0]
    mouth = inner + _COLUMNS_BETWEEN[1]
    outer = mouth + _COLUMNS_BETWEEN[2]
    # the back column would be met from both sides: only its left copy is kept
    return np.concatenate([-half[1:-1][::-1], half]), inner, mouth, outer


def _band(start: float, end: float, count: int, exponent: float) -> Array:
    fraction = np.linspace(0.0, 1.0, count + 1)[1:]
    return start + (end - start) * (1.0 - (1.0 - fraction) ** exponent)


def _row_heights() -> tuple[Array, int, int]:
    """Return the heights of the rows from the top, and the rows of the lid line and the lip line."""
    rows = [10.97, *(TOP - 4.4 * np.linspace(0.1, 1.0, 8) ** 1.6)]
    for end, count, exponent in _BANDS_ABOVE_EYES:
        rows += _band(rows[-1], end, count, exponent).tolist()
    eye_row = len(rows) - 1
    rows += (lm.EYE_LINE - 1.8 * np.linspace(0.0, 1.0, 8)[1:] ** 1.35).tolist()
    for end, count, exponent in _BANDS_BELOW_EYES:
        rows += _band(rows[-1], end, count, exponent).tolist()
    mouth_row = len(rows) - 1
    rows += (lm.LIP_LINE - 1.7 * np.linspace(0.0, 1.0, 9)[1:] ** 1.3).tolist()
    for end, count, exponent in _BANDS_BELOW_LIPS:
        rows += _band(rows[-1], end, count, exponent).tolist()
    return np.array(rows), eye_row, mouth_row


@cache
def skin_grid() -> SkinGrid:
    """Return the skin's topology (the same object every time)."""
    angles, inner, mouth, outer = _column_angles()
    heights, eye_row, mouth_row = _row_heights()
    column_count, middle = len(angles), len(angles) // 2 - 1
    splits = {eye_row: set(), mouth_row: set(range(middle - mouth + 1, middle + mouth))}
    for side in (1, -1):
        splits[eye_row] |= {middle + side * column for column in range(inner + 1, outer)}

    number: dict[tuple[int, int, int], int] = {}
    for row in range(len(heights)):
        for column in range(column_count):
            for copy in (1, -1) if column in splits.get(row, ()) else (0,):
                number[row, column, copy] = len(number)

    def vertex(row: int, column: int, copy: int) -> int:
        column %= column_count
        return number.get((row, column, copy), number.get((row, column, 0), -1))

    polygons: list[Polygon] = []
    for row in range(len(heights) - 1):
        for column in range(column_count):
            a, b = vertex(row, column, -1), vertex(row, column + 1, -1)
            c, d = vertex(row + 1, column + 1, 1), vertex(row + 1, column, 1)
            polygons.append((a, d, c, b))
    polygons += fan_polygons([vertex(0, column, 0) for column in range(column_count)], len(number))

    keys = np.array([*number])
    theta = angles[keys[:, 1]]
    points = SkinPoints(
        theta=np.append(theta, 0.0),
        height=np.append(_gathered_at_corners(theta / angles[middle + mouth], heights[keys[:, 0]]), TOP),
        eye_side=np.append(_side(keys, eye_row), 1.0),
        mouth_side=np.append(_side(keys, mouth_row), 1.0),
    )

    def edge(row: int, columns: range, copy: int) -> NDArray[np.int64]:
        return np.array([vertex(row, column, copy) for column in columns])

    lids = [range(middle + side * inner, middle + side * (outer + 1), side) for side in (1, -1)]
    lips = range(middle - mouth, middle + mouth + 1)
    return SkinGrid(
        points=points,
        polygons=tuple(polygons),
        upper_lid=(edge(eye_row, lids[0], 1), edge(eye_row, lids[1], 1)),
        lower_lid=(edge(eye_row, lids[0], -1), edge(eye_row, lids[1], -1)),
        upper_lip=edge(mouth_row, lips, 1),
        lower_lip=edge(mouth_row, lips, -1),
        bottom_row=edge(len(heights) - 1, range(column_count), 0),
    )


def _gathered_at_corners(from_middle: Array, height: Array) -> Array:
    """Return heights whose rows draw together towards the mouth's corners (at 1), as the lips' borders do."""
    away = np.abs(from_middle)
    pull = 0.5 * np.where(away < 1.0, away**3, np.exp(-(((away - 1.0) / 0.3) ** 2)))
    above = height - lm.LIP_LINE
    gathered: Array = lm.LIP_LINE + above * (1.0 - pull * np.exp(-(above**2)))
    return gathered


def _side(keys: NDArray[np.int64], split_row: int) -> Array:
    return np.where(keys[:, 0] < split_row, 1, np.where(keys[:, 0] > split_row, -1, keys[:, 2])).astype(np.float64)
