"""Hair: locks combed over a cap, parted on the subject's left and swept up from the forehead.

The cap covers the scalp inside a smooth hairline; the locks are half tubes that grow out of it and
lie over each other like shingles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flame_rig.head import colours
from flame_rig.head.grid import SkinPoints, fan_polygons, strip_polygons
from flame_rig.head.loft import TOP
from flame_rig.head.numerics import Array, Pchip, smoothstep
from flame_rig.head.part import Part, joined, rigid_weights
from flame_rig.head.scalp import MIDDLE, direction_to, scalp
from flame_rig.head.skin import skin_positions
from flame_rig.head.solids import NECK

_CAP_COLUMNS: Final = 96
_CAP_ROWS: Final = 18
_HAIRLINE: Final = Pchip.through(
    (0.0, 20.0, 38.0, 50.0, 58.0, 66.0, 72.0, 78.0, 84.0, 90.0, 97.0, 104.0, 116.0, 140.0, 180.0),
    (6.1, 6.3, 6.2, 5.2, 3.9, 2.4, -0.4, -1.7, 0.2, 1.2, 1.2, 0.4, -3.4, -6.3, -6.9),
)
"""Height over degrees from the front: forehead, temple, sideburn, over the ear, nape."""
_CAP_THICKNESS: Final = 0.16

_ACROSS: Final = 7
"""Vertices across a lock."""
_ALONG: Final = 10
"""Vertices along a lock."""
_SUBSTEPS: Final = 2
_SEED: Final = 11


@dataclass(frozen=True)
class Tuft:
    """A row of locks side by side, on a line over the scalp.

    Attributes:
        roots: (degrees from the front to the left, height) of the line that the locks start on.
        count: how many locks.
        towards: where they are combed to, as a direction in space.
        length: of a lock, centimetres.
        width, thickness: of a lock at its widest.
        lift: how far the middle of a lock stands off the scalp.
        rise: how far its root stands up before it bends back (a quiff).
    """

    roots: tuple[tuple[float, float], ...]
    count: int
    towards: tuple[float, float, float]
    length: float
    width: float = 1.7
    thickness: float = 0.55
    lift: float = 0.25
    rise: float = 0.0


_TUFTS: Final = (
    # nape and back, from below upwards, so that the upper ones lie over the lower ones
    Tuft(((116, -2.2), (180, -4.0), (244, -2.2)), 11, (0.0, -1.0, 0.0), 4.2, 2.3, 0.22, 0.05),
    Tuft(((108, 1.2), (180, -0.4), (252, 1.2)), 11, (0.0, -1.0, 0.0), 6.4, 2.9, 0.28, 0.15),
    Tuft(((100, 4.4), (180, 3.6), (260, 4.4)), 11, (0.0, -1.0, -0.1), 7.4, 3.1, 0.32, 0.26),
    Tuft(((92, 6.8), (180, 6.8), (268, 6.8)), 11, (0.0, -1.0, -0.3), 8.0, 3.2, 0.34, 0.36),
    # sides, combed back and down
    Tuft(((71, 1.0), (63, 3.0), (55, 4.6)), 4, (0.0, -1.0, -0.55), 3.6, 1.7, 0.22, 0.08),
    Tuft(((-71, 1.0), (-63, 3.0), (-55, 4.6)), 4, (0.0, -1.0, -0.55), 3.6, 1.7, 0.22, 0.08),
    Tuft(((76, 3.6), (66, 5.2), (54, 6.4)), 4, (0.2, -0.42, -1.0), 8.4, 2.5, 0.32, 0.22),
    Tuft(((-76, 3.6), (-66, 5.2), (-54, 6.4)), 4, (-0.2, -0.42, -1.0), 8.4, 2.5, 0.32, 0.22),
    # crown
    Tuft(((90, 9.4), (180, 9.2), (270, 9.4)), 8, (0.0, -0.7, -1.0), 8.6, 3.2, 0.36, 0.40),
    # top: from the parting over to the right, and down on the left
    Tuft(((36, 7.4), (60, 9.4), (110, 10.2)), 5, (0.9, -0.6, -0.75), 8.4, 2.6, 0.36, 0.34, 0.20),
    Tuft(((-70, 7.4), (-36, 8.2), (0, 9.4), (50, 10.2)), 7, (-0.8, -0.15, -1.0), 11.0, 2.9, 0.40, 0.50, 0.30),
    # the quiff along the forehead
    Tuft(((44, 6.2), (38, 6.7), (32, 7.2)), 3, (0.75, -0.2, -1.0), 8.0, 2.3, 0.36, 0.36, 0.30),
    Tuft(((-50, 5.9), (-28, 6.6), (0, 6.7), (26, 6.8)), 8, (-0.62, 0.1, -1.0), 10.5, 2.7, 0.42, 0.60, 0.80),
)


def hair() -> Part:
    """Return the hair; the only part that is not symmetric."""
    rng = np.random.default_rng(_SEED)
    owners = [tuft for tuft in _TUFTS for _ in range(tuft.count)]
    length, width, lean, shade = rng.uniform((0.86, 0.88, -0.16, 0.0), (1.14, 1.14, 0.16, 1.0), (len(owners), 4)).T
    starts = np.concatenate([_starts(tuft) for tuft in _TUFTS])
    towards = np.array([tuft.towards for tuft in owners])
    paths = _combed(starts, towards, length * [tuft.length for tuft in owners], lean)
    # every second lock lies deeper, so that no two neighbours merge into one surface
    locks = [
        _lock(path, tuft, tuft.width * width[number], 0.10 * (number % 2), shade[number])
        for number, (path, tuft) in enumerate(zip(paths, owners, strict=True))
    ]
    return joined("hair", [_cap(), *locks])


def _cap() -> Part:
    theta = np.linspace(-np.pi, np.pi, _CAP_COLUMNS, endpoint=False)
    border = _HAIRLINE(np.abs(np.degrees(theta)))
    # the first rows follow the border, where the cap dives below the skin so that hair seems to grow out of it
    start = border + 0.7
    rise = 1.0 - (1.0 - np.linspace(0.0, 1.0, _CAP_ROWS - 3)) ** 1.7
    height = np.concatenate(
        [border + np.array([[-0.6], [-0.15], [0.25]]), start + (TOP - 0.004 - start) * rise[:, None]]
    )
    up = np.linspace(0.0, 1.0, _CAP_ROWS)
    angle = np.broadcast_to(theta, height.shape)
    height, angle, above = height.ravel(), angle.ravel(), (height - border).ravel()
    side = np.ones_like(height)
    skull = skin_positions(SkinPoints(angle, height, side, side))
    stand = _CAP_THICKNESS * smoothstep(-0.2, 1.2, above) - 0.35 * (1.0 - smoothstep(-0.6, 0.1, above))
    lifted = skull + direction_to(skull) * stand[:, None]
    count = len(lifted) + 1
    polygons = strip_polygons(_CAP_ROWS, _CAP_COLUMNS, wrap=True)
    polygons += fan_polygons(list(range(count - 1 - _CAP_COLUMNS, count - 1)), count - 1)
    uv = np.stack([angle / (2 * np.pi) + 0.5, np.repeat(up, _CAP_COLUMNS)], axis=-1)
    return Part(
        name="hair",
        material="hair",
        vertices=np.concatenate([lifted, [lifted[-_CAP_COLUMNS:].mean(axis=0)]]),
        polygons=tuple(polygons),
        uv=np.concatenate([uv, [(0.5, 1.0)]]),
        colors=np.tile(colours.HAIR, (count, 1)),
        weights=rigid_weights(count, NECK),
    )


def _starts(tuft: Tuft) -> Array:
    """Return unit directions ``[count, 3]`` from the skull's middle to the roots of a tuft's locks."""
    line = np.array(tuft.roots, dtype=np.float64)
    at = np.linspace(0.0, len(line) - 1.0, tuft.count)
    degrees, heights = (np.interp(at, np.arange(len(line)), line[:, column]) for column in range(2))
    side = np.ones_like(heights)
    return direction_to(skin_positions(SkinPoints(np.radians((degrees + 180) % 360 - 180), heights, side, side)))


def _combed(starts: Array, towards: Array, lengths: Array, lean: Array) -> Array:
    """Return the paths ``[L, _ALONG, 3]`` of locks that lie on the scalp.

    Args:
        starts: unit directions ``[L, 3]`` from the skull's middle to the roots.
        towards: ``[L, 3]`` where each lock is combed to; it gets as near as it can without leaving the scalp.
        lengths: ``[L]`` centimetres.
        lean: ``[L]`` how much each strays to its side.
    """
    heading = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    heading = heading + lean[:, None] * np.cross(heading, starts)
    position, course = starts, [scalp(starts)]
    for _ in range((_ALONG - 1) * _SUBSTEPS):
        along = heading - (heading * position).sum(axis=1, keepdims=True) * position
        along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        radius = np.linalg.norm(course[-1] - MIDDLE, axis=1)
        position = position + along * (lengths / ((_ALONG - 1) * _SUBSTEPS) / radius)[:, None]
        position = position / np.linalg.norm(position, axis=1, keepdims=True)
        course.append(scalp(position))
    return np.stack(course[::_SUBSTEPS], axis=1)


def _lock(path: Array, tuft: Tuft, width: float, deeper: float, shade: float) -> Part:
    """Return a half tube along a path: buried at its root, pointed at its tip."""
    along = np.linspace(0.0, 1.0, _ALONG)
    out = direction_to(path)
    ahead = np.gradient(path, axis=0)
    across = np.cross(out, ahead)
    across = across / np.linalg.norm(across, axis=1, keepdims=True)
    half = 0.5 * width * np.interp(along, (0.0, 0.2, 0.5, 0.8, 1.0), (0.30, 0.78, 1.0, 0.72, 0.04))
    thick = tuft.thickness * np.interp(along, (0.0, 0.3, 0.7, 1.0), (0.5, 1.0, 0.8, 0.10))
    stand = tuft.lift * np.sin(np.pi * along**0.8) + tuft.rise * np.exp(-(((along - 0.28) / 0.26) ** 2))
    base = stand - deeper - 0.25 * (1 - smoothstep(0.0, 0.12, along)) - 0.12 * along**3
    turn = np.linspace(-1.0, 1.0, _ACROSS)
    # a shallow arch with two strands pressed in
    arch = (1 - turn**2) ** 0.6 - 0.10 * np.exp(-(((np.abs(turn) - 0.33) / 0.14) ** 2))
    sag = -0.35 * np.abs(turn) ** 3
    height = base[:, None] + thick[:, None] * arch + sag * (0.5 + thick[:, None])
    vertices = path[:, None] + across[:, None] * (half[:, None] * turn)[..., None] + out[:, None] * height[..., None]
    strand = 0.5 + 0.5 * np.cos(np.pi * np.arange(_ACROSS))
    light = 0.15 + 0.45 * shade + 0.25 * np.tile(strand, _ALONG) + 0.15 * np.repeat(along, _ACROSS)
    dark = np.repeat(np.exp(-along / 0.12), _ACROSS)
    colors = colours.mixed(np.tile(colours.HAIR, (_ALONG * _ACROSS, 1)), colours.HAIR_LIGHT, np.clip(light, 0.0, 1.0))
    v, u = np.meshgrid(along, np.linspace(0.0, 1.0, _ACROSS), indexing="ij")
    return Part(
        name="hair",
        material="hair",
        vertices=vertices.reshape(-1, 3),
        polygons=tuple(strip_polygons(_ALONG, _ACROSS, flip=True)),
        uv=np.stack([u.ravel(), v.ravel()], axis=-1),
        colors=colours.mixed(colors, colours.HAIR_ROOT, 0.7 * dark),
        weights=rigid_weights(_ALONG * _ACROSS, NECK),
    )
