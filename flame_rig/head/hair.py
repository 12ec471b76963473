"""Hair: a cap with combed locks over the head, parted on the subject's left.

It has a grid of its own, from a hairline to the crown, so that its border is a smooth curve.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import colours
from flame_rig.head.grid import SkinPoints, fan_polygons, strip_polygons
from flame_rig.head.loft import TOP
from flame_rig.head.numerics import Array, Pchip, smoothstep
from flame_rig.head.part import Part, rigid_weights
from flame_rig.head.skin import skin_positions
from flame_rig.head.solids import NECK

_COLUMNS: Final = 144
_ROWS: Final = 30
_HAIRLINE: Final = Pchip.through(
    (0.0, 20.0, 38.0, 52.0, 62.0, 72.0, 80.0, 86.0, 94.0, 100.0, 112.0, 135.0, 180.0),
    (6.0, 6.1, 5.7, 4.6, 3.2, 1.4, -0.6, -1.6, -0.2, -0.6, -4.6, -6.8, -7.0),
)
"""Height over degrees from the front: forehead, temple, sideburn, over the ear, nape."""
_PARTING_DEGREES: Final = 27.0
_CENTRE: Final = np.array((0.0, 1.5, -1.2))


def hair() -> Part:
    """Return the hair; the only part that is not symmetric."""
    theta = np.linspace(-np.pi, np.pi, _COLUMNS, endpoint=False)
    degrees = np.degrees(theta)
    sweep = 0.5 * np.sin(theta + 0.9) * np.exp(-((theta / 0.8) ** 4))
    border = _HAIRLINE(np.abs(degrees)) + sweep
    # rows crowd at the border, where the hair curls in
    up = np.linspace(0.0, 1.0, _ROWS) ** 1.3
    height = border - 0.9 + (TOP - 0.04 - border + 0.9) * up[:, None]
    angle = np.broadcast_to(theta, height.shape)
    height, angle, above = height.ravel(), angle.ravel(), (height - border).ravel()
    outside = np.ones_like(height)
    skull = skin_positions(SkinPoints(angle, height, outside, outside))
    direction = skull - _CENTRE
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    lifted = skull + direction * _thickness(np.degrees(angle), height, above)[:, None]
    crown = lifted[-_COLUMNS:].mean(axis=0)
    count = len(lifted) + 1
    polygons = strip_polygons(_ROWS, _COLUMNS, wrap=True)
    polygons += fan_polygons(list(range(count - 1 - _COLUMNS, count - 1)), count - 1)
    uv = np.stack([angle / (2 * np.pi) + 0.5, np.repeat(up, _COLUMNS)], axis=-1)
    return Part(
        name="hair",
        material="hair",
        vertices=np.concatenate([lifted, [crown]]),
        polygons=tuple(polygons),
        uv=np.concatenate([uv, [(0.5, 1.0)]]),
        colors=colours.plain("hair", count),
        weights=rigid_weights(count, NECK),
    )


def _thickness(degrees: Array, height: Array, above: Array) -> Array:
    """Return how far the hair stands off the skull, from the height above the hairline."""
    top = smoothstep(2.5, 8.5, height)
    thickness = smoothstep(-0.3, 1.5, above) * (0.55 + 0.95 * top)
    below_crown = 1 - smoothstep(8.6, 10.6, height)
    # locks run from the parting over to both sides and lean back on their way down
    from_parting = degrees - _PARTING_DEGREES
    lean = np.where(from_parting > 0, 1.0, -1.0)
    phase = np.radians(from_parting) * 9.0 + height * 0.55 * lean
    locks = _ridge(phase) * 0.26 + _ridge(phase * 2.7 + 0.8) * 0.09
    thickness = thickness + (locks - 0.15) * smoothstep(0.0, 1.4, above) * below_crown
    parting = np.exp(-((from_parting / 4.0) ** 2)) * smoothstep(5.6, 6.8, height) * below_crown
    quiff = np.exp(-(((degrees + 14.0) / 36.0) ** 2)) * np.exp(-(((height - 7.6) / 1.6) ** 2))
    # the border dives below the skin, so that hair seems to grow out of it
    return thickness - 0.40 * parting + 0.65 * quiff - 0.75 * (1 - smoothstep(-0.8, 0.25, above))


def _ridge(phase: Array) -> Array:
    """Return rounded ridges with narrow valleys, in [0, 1]."""
    ridge: Array = 1.0 - np.abs(np.cos(phase)) ** 3
    return ridge
