"""Ears: a dish of rings inside an outline, raised and pressed in like the real thing, and a back that meets the head.

Names of the parts as in anatomy: the helix is the outer rim, the antihelix the ridge inside it, which forks upwards;
between them lies the scapha; the concha is the bowl, the tragus the flap in front of the canal, the lobule the lobe.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import colours
from flame_rig.head.grid import fan_polygons, strip_polygons
from flame_rig.head.numerics import Array, gaussian, smoothstep
from flame_rig.head.part import Part, joined, rigid_weights
from flame_rig.head.solids import NECK

_COLUMNS: Final = 44
_RINGS: Final = (0.10, 0.20, 0.29, 0.37, 0.44, 0.51, 0.58, 0.65, 0.72, 0.79, 0.85, 0.90, 0.945, 0.98, 1.0)
# behind the rim: share of the outline, and how far towards the head
_BACK_RINGS: Final = ((1.0, 0.16), (0.95, 0.32), (0.86, 0.42), (0.62, 1.1))

# degrees (0 back, 90 up, 180 front, 270 down) and centimetres from the middle
_OUTLINE: Final = (
    (0.0, 35.0, 60.0, 90.0, 125.0, 155.0, 180.0, 215.0, 245.0, 270.0, 295.0, 325.0, 360.0),
    (1.62, 1.95, 2.35, 2.62, 2.20, 1.45, 1.15, 1.35, 2.15, 2.50, 2.20, 1.72, 1.62),
)
_CENTRE: Final = (7.62, -1.25, -1.35)
_TILT: Final = np.radians(-12.0)
_STANDS_OUT: Final = 0.52
"""How much the back edge leaves the head, per centimetre."""


def ears() -> Part:
    """Return both ears."""
    return joined("ears", [_ear(1), _ear(-1)])


def _ear(side: int) -> Part:
    around = 2 * np.pi * np.arange(_COLUMNS) / _COLUMNS
    degrees = np.degrees(around)
    reach = np.interp(degrees, *_OUTLINE)
    rings = np.array([*_RINGS, *(share for share, _ in _BACK_RINGS)])
    inwards = np.array([0.0] * len(_RINGS) + [depth for _, depth in _BACK_RINGS])
    share = np.append(np.repeat(rings, _COLUMNS), 0.0)
    angle = np.append(np.tile(around, len(rings)), 0.0)
    radius = np.append(np.outer(rings, reach).ravel(), 0.0)
    back, up = radius * np.cos(angle), radius * np.sin(angle)
    out = _carved(share, np.degrees(angle), back, up)
    out = out - np.append(np.repeat(inwards, _COLUMNS), 0.0) + _STANDS_OUT * np.maximum(0.0, back + 0.5)
    y = up * np.cos(_TILT) + back * np.sin(_TILT)
    z = up * np.sin(_TILT) - back * np.cos(_TILT)
    middle_x, middle_y, middle_z = _CENTRE
    count = len(share)
    polygons = strip_polygons(len(rings), _COLUMNS, flip=side > 0, wrap=True)
    polygons += fan_polygons(list(range(_COLUMNS)), count - 1, flip=side < 0)
    return Part(
        name="ears",
        material="skin",
        vertices=np.stack([side * (middle_x + 0.85 * out), middle_y + y, middle_z + z], axis=-1),
        polygons=tuple(polygons),
        uv=0.5 + 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=-1) * share[:, None],
        colors=_coloured(share, back, up),
        weights=rigid_weights(count, NECK),
    )


def _carved(share: Array, degrees: Array, back: Array, up: Array) -> Array:
    """Return how far each point stands out of the ear's plane."""
    # degrees from the top, so that both ends of the helix are plain comparisons
    from_top = np.abs((degrees - 90.0 + 180.0) % 360.0 - 180.0)
    behind = np.cos(np.radians(degrees)) > 0
    # the rim runs further down behind than in front
    helix = 1.0 - smoothstep(0.0, 45.0, from_top - np.where(behind, 105.0, 55.0))
    rim = np.exp(-(((share - 0.90) / 0.10) ** 2))
    scapha = np.exp(-(((share - 0.73) / 0.08) ** 2)) * helix
    ridge = 0.56 + 0.04 * np.sin(np.radians(degrees))
    antihelix = np.exp(-(((share - ridge) / 0.085) ** 2)) * behind
    antihelix = antihelix * smoothstep(8.0, 40.0, from_top) * (1.0 - smoothstep(140.0, 165.0, from_top))
    crura = 0.26 * gaussian(back, up, (0.25, 1.25), (0.22, 0.62)) + 0.22 * gaussian(
        back, up, (-0.35, 0.75), (0.55, 0.17)
    )
    crus = 0.24 * gaussian(back, up, (-0.62, 0.28), (0.50, 0.15))
    concha = -0.62 * gaussian(back, up, (-0.22, -0.35), (0.62, 0.72)) - 0.22 * gaussian(
        back, up, (-0.15, 0.52), (0.5, 0.22)
    )
    tragus = 0.52 * gaussian(back, up, (-0.92, -0.52), (0.26, 0.46))
    antitragus = 0.34 * gaussian(back, up, (0.18, -1.22), (0.42, 0.24))
    notch = -0.18 * gaussian(back, up, (-0.48, -1.20), (0.22, 0.26))
    lobule = 0.20 * gaussian(back, up, (-0.02, -1.95), (0.75, 0.45))
    carved: Array = 0.30 + 0.46 * rim * helix - 0.12 * scapha + 0.30 * antihelix
    return carved + crura + crus + concha + tragus + antitragus + notch + lobule


def _coloured(share: Array, back: Array, up: Array) -> Array:
    colors = colours.mixed(np.tile(colours.SKIN, (len(share), 1)), colours.BLUSH, 0.40 * smoothstep(0.6, 1.0, share))
    bowl = 0.45 * gaussian(back, up, (-0.25, -0.30), (0.55, 0.75))
    canal = 0.75 * gaussian(back, up, (-0.62, -0.45), (0.24, 0.34))
    return colours.mixed(colours.mixed(colors, colours.LID, bowl), colours.NOSTRIL, canal)
