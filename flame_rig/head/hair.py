"""Hair: the skin above a hairline, lifted off the head, parted on the subject's left."""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import colours
from flame_rig.head.grid import SkinGrid
from flame_rig.head.numerics import Array, smoothstep
from flame_rig.head.part import Part, rigid_weights
from flame_rig.head.solids import NECK

_HAIRLINE: Final = (
    (0.0, 18.0, 40.0, 58.0, 72.0, 84.0, 96.0, 110.0, 140.0, 180.0),
    (6.0, 6.0, 5.8, 4.4, 1.8, -1.2, 0.8, -3.5, -6.6, -7.0),
)
"""Degrees from the front, height."""
_PARTING_DEGREES: Final = 26.0
_CENTRE: Final = np.array((0.0, 1.5, -1.2))


def hair(grid: SkinGrid, skin: Array) -> Part:
    """Return the hair over the skin at rest; the only part that is not symmetric."""
    theta, height = grid.points.theta, grid.points.height
    degrees = np.degrees(theta)
    hairline = np.interp(np.abs(degrees), *_HAIRLINE) + 0.5 * np.sin(theta + 0.9) * (np.abs(theta) < 1.0)
    above = height - hairline
    direction = skin - _CENTRE
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    lifted = skin + direction * _thickness(degrees, height, above)[:, None]
    kept = (above > -2.2) & (grid.points.height > -8.0)
    number = np.cumsum(kept) - 1
    polygons = tuple(
        tuple(int(number[corner]) for corner in polygon) for polygon in grid.polygons if kept[list(polygon)].all()
    )
    count = int(kept.sum())
    uv = np.stack([theta / (2 * np.pi) + 0.5, (height + 8.0) / 19.0], axis=-1)[kept]
    return Part(
        name="hair",
        material="hair",
        vertices=lifted[kept],
        polygons=polygons,
        uv=uv,
        colors=colours.plain("hair", count),
        weights=rigid_weights(count, NECK),
    )


def _thickness(degrees: Array, height: Array, above: Array) -> Array:
    thickness = smoothstep(-0.2, 1.7, above) * (0.62 + 0.95 * smoothstep(2.5, 8.5, height))
    below_crown = 1 - smoothstep(9.0, 10.7, height)
    combed = np.where(degrees > _PARTING_DEGREES, 1.0, -1.0)
    phase = (degrees - _PARTING_DEGREES) * 0.30 + height * 0.55 * combed
    thickness = thickness + 0.11 * np.sin(phase) * smoothstep(0.2, 1.5, above) * below_crown
    thickness = thickness + 0.05 * np.sin(2.3 * phase + 1) * smoothstep(0.0, 1.5, above) * below_crown
    parting = np.exp(-(((degrees - _PARTING_DEGREES) / 5.0) ** 2)) * smoothstep(5.5, 6.6, height) * below_crown
    quiff = np.exp(-(((degrees + 12.0) / 34.0) ** 2)) * np.exp(-(((height - 7.6) / 1.5) ** 2))
    # the border dives below the skin, where the grid's steps cannot be seen
    return thickness - 0.42 * parting + 0.55 * quiff - 0.75 * (1 - smoothstep(-1.0, 0.35, above))
