"""Colours (linear RGB) and materials of the head."""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.flame_model import Material
from flame_rig.head.grid import SkinPoints
from flame_rig.head.numerics import Array, gaussian, smoothstep
from flame_rig.head.relief import lip_mask

SKIN: Final = np.array((0.87, 0.56, 0.41))
LIPS: Final = np.array((0.66, 0.25, 0.24))
NOSTRIL: Final = np.array((0.16, 0.05, 0.04))
LID: Final = np.array((0.74, 0.38, 0.30))
BLUSH: Final = np.array((0.88, 0.38, 0.30))
MOUTH_FRONT: Final = np.array((0.50, 0.16, 0.14))
MOUTH_BACK: Final = np.array((0.14, 0.025, 0.028))
PUPIL: Final = np.array((0.012, 0.012, 0.015))
IRIS_INNER: Final = np.array((0.36, 0.50, 0.44))
IRIS_OUTER: Final = np.array((0.20, 0.36, 0.40))
LIMBUS: Final = np.array((0.05, 0.08, 0.09))
HAIR: Final = np.array((0.075, 0.030, 0.014))
HAIR_LIGHT: Final = np.array((0.185, 0.083, 0.038))
HAIR_ROOT: Final = np.array((0.040, 0.016, 0.009))
SCLERA: Final = np.array((0.86, 0.84, 0.82))

MATERIALS: Final[tuple[Material, ...]] = (
    Material("skin", (0.8, 0.55, 0.42), roughness=0.48, subsurface=0.22, specular=0.45, vertex_color=True),
    Material("lid rim", (0.80, 0.53, 0.45), roughness=0.35, subsurface=0.2),
    Material("lashes", (0.03, 0.02, 0.018)),
    Material("brows", (0.09, 0.045, 0.025), roughness=0.75),
    Material("mouth", (0.22, 0.04, 0.045), vertex_color=True),
    Material("teeth", (0.95, 0.91, 0.82), roughness=0.38, subsurface=0.3, specular=0.3, emission=0.16),
    Material("tongue", (0.72, 0.27, 0.26), roughness=0.35, subsurface=0.2),
    Material("eye", (1.0, 1.0, 1.0), roughness=0.06, specular=0.28, coat=0.25, vertex_color=True),
    Material("hair", (0.105, 0.045, 0.022), roughness=0.72, specular=0.06, vertex_color=True),
)
MATERIAL_INDEX: Final = {material.name: index for index, material in enumerate(MATERIALS)}


def plain(material: str, count: int) -> Array:
    """Return a material's own colour for ``count`` vertices."""
    return np.tile(np.array(MATERIALS[MATERIAL_INDEX[material]].base_color), (count, 1))


def mixed(base: Array, other: Array, amount: Array) -> Array:
    """Return ``base`` [N, 3] with ``amount`` [N] of the colour ``other``."""
    return base + (other - base) * amount[:, None]


def skin_colors(points: SkinPoints, positions: Array) -> Array:
    """Return the skin's colours ``[N, 3]``: red lips, blushing cheeks and nose, shaded lids, dark nostrils."""
    colors = mixed(np.tile(SKIN, (len(positions), 1)), LIPS, lip_mask(points))
    ax, y, z = np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]
    cheeks = 0.30 * gaussian(ax, y, (4.3, -3.3), (1.6, 1.4)) * smoothstep(1.0, 3.0, z)
    nose = 0.18 * gaussian(ax, y, (0.0, -3.6), (1.4, 1.2)) * smoothstep(7.5, 8.5, z)
    lids = 0.20 * gaussian(ax, points.height, (3.3, 0.35), (1.7, 0.55)) * (points.eye_side > 0)
    nostrils = 0.9 * gaussian(np.abs(points.x), points.height, (0.60, -4.72), (0.30, 0.14))
    return mixed(mixed(mixed(colors, BLUSH, cheeks + nose), LID, lids), NOSTRIL, nostrils)
