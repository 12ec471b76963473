"""Identity: how heads differ. Smooth fields in space that every part of the head follows, mirrored left and right.

One unit of a component is one standard deviation of the heads that we would draw; two are a striking face. The
neighbourhood of an eye moves as one piece, so that lids go on fitting the eyeball.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.numerics import Array, gaussian, smoothstep

_EYE_PIECE: Final = (2.75, 4.2)
"""Distances from an eye's centre at which skin moves with the eye alone, and not at all with it."""

Field = Callable[[Array, Array, Array], tuple[Array, Array, Array]]
"""Moves (out from the midline, up, forward) at places ``|x|, y, z``."""


def _face_width(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    return 0.045 * ax, 0.0 * y, 0.0 * z


def _jaw_width(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    jaw = np.exp(-(((y + 8.2) / 2.6) ** 2)) * smoothstep(-4.0, 2.0, z)
    return 0.09 * ax * jaw, 0.0 * y, 0.0 * z


def _lower_face_length(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    return 0.0 * ax, -0.55 * (1.0 - smoothstep(-10.5, -3.0, y)), 0.0 * z


def _nose_size(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    nose = gaussian(ax, y, (0.0, -3.3), (1.5, 2.0)) * smoothstep(7.0, 8.2, z)
    return 0.20 * ax * nose, -0.12 * nose, 0.36 * nose


def _eye_spacing(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    along = smoothstep(0.0, lm.EYE_X, ax) * (1.0 - smoothstep(5.0, 7.8, ax))
    return 0.17 * along * np.exp(-((y / 3.6) ** 2)) * smoothstep(2.0, 5.0, z), 0.0 * y, 0.0 * z


def _lip_fullness(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    above = y - lm.LIP_LINE
    lips = np.exp(-((ax / 2.3) ** 4)) * smoothstep(7.6, 8.4, z)
    apart = above * np.exp(-((above / 0.8) ** 2))
    return 0.0 * ax, 0.22 * apart * lips, 0.16 * np.exp(-((above / 0.9) ** 2)) * lips


def _brow_height(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    return 0.0 * ax, 0.30 * np.exp(-(((y - 3.4) / 1.5) ** 2)) * smoothstep(2.0, 5.0, z), 0.0 * z


def _chin(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    chin = gaussian(ax, y, (0.0, -9.6), (2.4, 1.5)) * smoothstep(4.0, 6.5, z)
    return 0.0 * ax, -0.15 * chin, 0.50 * chin


def _cheek_fullness(ax: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    cheek = gaussian(ax, y, (5.0, -4.8), (2.4, 2.3)) * smoothstep(0.0, 4.0, z)
    return 0.30 * cheek * smoothstep(0.0, 2.0, ax), 0.0 * y, 0.25 * cheek


_FIELDS: Final[dict[str, Field]] = {
    "face width": _face_width,
    "jaw width": _jaw_width,
    "lower face length": _lower_face_length,
    "nose size": _nose_size,
    "eye spacing": _eye_spacing,
    "lip fullness": _lip_fullness,
    "brow height": _brow_height,
    "chin": _chin,
    "cheek fullness": _cheek_fullness,
}

IDENTITY_NAMES: Final[tuple[str, ...]] = tuple(_FIELDS)
"""What the components of the head's ``shapedirs`` are, in order; a positive one is more of it."""


def identity_basis(vertices: Array) -> Array:
    """Return ``[V, 3, I]``: how far each component at 1 moves vertices ``[V, 3]``, all in centimetres."""
    side = np.where(vertices[:, 0] < 0, -1.0, 1.0)
    folded = vertices * np.stack([side, np.ones_like(side), np.ones_like(side)], axis=-1)
    eye = lm.eye_centre(1)
    near, far = _EYE_PIECE
    with_eye = 1.0 - smoothstep(near, far, np.linalg.norm(folded - eye, axis=1))
    with_eye = (with_eye * smoothstep(0.0, 0.55, folded[:, 0]))[:, None]
    columns = []
    for field in _FIELDS.values():
        here = np.stack(field(*folded.T), axis=-1)
        there = np.stack(field(*eye[:, None]), axis=-1)
        move = here + (there - here) * with_eye
        move[:, 0] *= side
        columns.append(move)
    return np.stack(columns, axis=-1)
