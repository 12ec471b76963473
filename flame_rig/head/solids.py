"""Parts that do not bend: eyeballs, teeth, tongue."""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import colours
from flame_rig.head import landmarks as lm
from flame_rig.head.grid import fan_polygons, strip_polygons
from flame_rig.head.jaw import with_tongue_out
from flame_rig.head.numerics import Array, smoothstep
from flame_rig.head.part import Part, grid_uv, rigid_weights

NECK, JAW, LEFT_EYE, RIGHT_EYE = 1, 2, 3, 4

PUPIL_DEGREES: Final = 11.0
IRIS_DEGREES: Final = 25.5
LIMBUS_DEGREES: Final = 27.6
_EYE_RINGS: Final = np.radians((
    5.5, 10.0, 11.0, 12.5, 15.0, 18.0, 21.0, 24.0, 25.5, 26.6, 27.6, 29.0, 31.5, 35.0,
    40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 115.0, 130.0, 145.0, 160.0, 171.0,
))  # fmt: skip
_EYE_COLUMNS: Final = 40
EYE_EQUATOR: Final = slice(1 + 19 * _EYE_COLUMNS, 1 + 20 * _EYE_COLUMNS)
"""The eyeball's vertices whose mean is its centre."""


def capped_sphere(angles: Array, columns: int) -> tuple[Array, Array, tuple[tuple[int, ...], ...]]:
    """Return a unit sphere's angles from its pole and around it, and its faces: pole, rings, pole."""
    around = 2 * np.pi * np.arange(columns) / columns
    polar = np.concatenate([[0.0], np.repeat(angles, columns), [np.pi]])
    azimuth = np.concatenate([[0.0], np.tile(around, len(angles)), [0.0]])
    last = len(polar) - 1
    polygons = strip_polygons(len(angles), columns, flip=True, wrap=True, base=1)
    polygons += fan_polygons(list(range(1, 1 + columns)), 0)
    polygons += fan_polygons(list(range(last - columns, last)), last, flip=True)
    return polar, azimuth, tuple(polygons)


def eyeball(side: int) -> Part:
    """Return an eyeball; pupil, iris and white are vertex colours, the cornea a slight bulge."""
    polar, azimuth, polygons = capped_sphere(_EYE_RINGS, _EYE_COLUMNS)
    degrees = np.degrees(polar)
    radius = lm.EYE_RADIUS * (1.0 + 0.016 * np.exp(-((degrees / 24.0) ** 4)))
    # mirrored by its columns, so that both eyes are each other's mirror image vertex by vertex
    x = side * np.sin(polar) * np.cos(azimuth)
    direction = np.stack([x, np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    if side < 0:
        polygons = tuple(polygon[::-1] for polygon in polygons)
    along = np.clip((degrees - PUPIL_DEGREES) / (IRIS_DEGREES - PUPIL_DEGREES), 0.0, 1.0)
    iris = colours.mixed(np.tile(colours.IRIS_INNER, (len(polar), 1)), colours.IRIS_OUTER, along)
    # light gathers at the bottom of an iris, across from where it enters
    lit = np.where(np.sin(azimuth) < -0.1, 1.25, 0.9)
    iris = iris * ((0.85 + 0.10 * np.sin(11 * azimuth + 3 * along)) * lit)[:, None]
    white = np.tile(colours.SCLERA, (len(polar), 1)) * (1 - 0.10 * np.clip((degrees - 45) / 60, 0, 1))[:, None]
    zone = np.searchsorted((PUPIL_DEGREES + 0.1, IRIS_DEGREES + 0.1, LIMBUS_DEGREES + 0.1), degrees)[:, None]
    colors = np.select(
        [zone == 0, zone == 1, zone == 2], [np.broadcast_to(colours.PUPIL, iris.shape), iris,
         np.broadcast_to(colours.LIMBUS, iris.shape)], white,
    )  # fmt: skip
    return Part(
        name="left eye" if side > 0 else "right eye",
        material="eye",
        vertices=lm.eye_centre(side) + direction * radius[:, None],
        polygons=polygons,
        uv=0.5 + 0.5 * np.stack([np.cos(azimuth), np.sin(azimuth)], axis=-1) * (polar / np.pi)[:, None],
        colors=np.clip(colors, 0.0, 1.0),
        weights=rigid_weights(len(polar), LEFT_EYE if side > 0 else RIGHT_EYE),
    )


_TOOTH_WIDTH: Final = 0.62
_ARCH_HALF_WIDTH: Final = 3.1


def teeth(upper: bool) -> Part:
    """Return a row of teeth: one strip, its joints pressed in between teeth."""
    columns = 81
    x = np.linspace(-_ARCH_HALF_WIDTH, _ARCH_HALF_WIDTH, columns)
    arch = (7.80 if upper else 7.54) - 0.13 * x**2 - 0.004 * x**4
    phase = np.abs((x / _TOOTH_WIDTH) % 1.0 - 0.5) * 2.0
    from_joint = 1.0 - phase if upper else phase
    bulge = 0.10 * (1 - (1 - from_joint) ** 4)
    root, tip = (-5.75, -7.24) if upper else (-8.2, -6.98)
    shorter = 1.0 - 0.35 * np.clip(np.abs(x) / _ARCH_HALF_WIDTH, 0.0, 1.0) ** 2
    rows = []
    for down in np.linspace(0.0, 1.0, 5):
        y = root + (tip - root) * down * (shorter if upper else 1.0)
        notch = 0.06 * (1 - from_joint) ** 6 * (down == 1.0) * (1 if upper else -1)
        z = arch + bulge * np.sin(np.pi * min(down + 0.25, 1.0)) + 0.03 * down
        rows.append(np.stack([x, y + notch, z], axis=-1))
    tip_row = rows[-1]
    rows.append(tip_row * (0.95, 1.0, 1.0) - (0.0, 0.0, 0.26))
    rows.append(rows[0] * (0.95, 1.0, 1.0) - (0.0, 0.0, 0.4))
    vertices = np.concatenate(rows)
    return Part(
        name="upper teeth" if upper else "lower teeth",
        material="teeth",
        vertices=vertices,
        polygons=tuple(strip_polygons(len(rows), columns, flip=upper)),
        uv=grid_uv(len(rows), columns),
        colors=colours.plain("teeth", len(vertices)),
        weights=rigid_weights(len(vertices), NECK if upper else JAW),
        deltas={} if upper else _with_the_jaw(vertices),
    )


def _with_the_jaw(vertices: Array) -> dict[str, Array]:
    """Return how the shapes that move the jaw without its joint move what is fixed to it."""
    return {
        "jawForward": np.tile((0.0, 0.0, 0.7), (len(vertices), 1)),
        "tongueOut": with_tongue_out(vertices, np.ones(len(vertices))) - vertices,
    }


def tongue() -> Part:
    """Return the tongue; ``tongueOut`` flattens it and slides its tip out between the teeth, over the lower lip."""
    polar, azimuth, polygons = capped_sphere(np.pi * np.arange(1, 14) / 14, 24)
    centre, radii = np.array((0.0, -7.52, 5.0)), np.array((1.9, 0.50, 1.9))
    # pole at the tip
    unit = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    vertices = centre + unit * radii
    vertices[:, 1] -= 0.12 * np.exp(-((vertices[:, 0] / 0.35) ** 2)) * (unit[:, 1] > 0) * unit[:, 1]
    reach = smoothstep(3.5, 6.9, vertices[:, 2])
    away = vertices - centre
    out = _with_the_jaw(vertices)["tongueOut"]
    out[:, 0] -= 0.55 * reach * away[:, 0]
    out[:, 2] += 4.4 * reach
    # flat between the teeth, then over the lip, then hanging down in front of it
    level = 1.72 * smoothstep(3.5, 6.2, vertices[:, 2]) - 0.75 * smoothstep(9.4, 11.6, vertices[:, 2] + out[:, 2]) ** 2
    out[:, 1] += level - 0.25 * reach * away[:, 1]
    return Part(
        name="tongue",
        material="tongue",
        vertices=vertices,
        polygons=polygons,
        uv=0.5 + 0.5 * unit[:, :2],
        colors=colours.plain("tongue", len(vertices)),
        weights=rigid_weights(len(vertices), JAW),
        deltas=_with_the_jaw(vertices) | {"tongueOut": out},
    )
