"""How an expression shape moves the skin: the tables' pushes, plus shapes that need a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.expression_tables import LID_MOVES, PUSHES, LidMove
from flame_rig.head.grid import SkinPoints
from flame_rig.head.lids import LOWER_OPENING, UPPER_OPENING, Lids
from flame_rig.head.numerics import Array, gaussian, smoothstep
from flame_rig.head.relief import nasolabial_groove

_WHOLE_FACE: Final = ("mouthLeft", "mouthRight")
"""Shapes whose name ends in a side but which move both sides of the face."""


@dataclass(frozen=True)
class Offset:
    """A move of skin points; ``out`` is away from the midline, ``left`` towards the subject's left. All ``[N]``."""

    out: Array
    up: Array
    forward: Array
    left: Array

    def __add__(self, other: Offset) -> Offset:
        return Offset(self.out + other.out, self.up + other.up, self.forward + other.forward, self.left + other.left)

    def scaled(self, factor: Array) -> Offset:
        """Return the move times a factor ``[N]``."""
        return Offset(self.out * factor, self.up * factor, self.forward * factor, self.left * factor)


def _offset(points: SkinPoints, **moves: Array) -> Offset:
    zero = np.zeros_like(points.theta)
    return Offset(**{name: moves.get(name, zero) for name in ("out", "up", "forward", "left")})


def split_side(shape: str) -> tuple[str, int]:
    """Return a shape's name without its side, and the side: +1 left, -1 right, 0 both.

    >>> split_side("mouthSmileLeft")
    ('mouthSmile', 1)
    """
    for suffix, side in (("Left", 1), ("Right", -1)):
        if shape.endswith(suffix) and shape not in _WHOLE_FACE:
            return shape.removesuffix(suffix), side
    return shape, 0


def expression_offset(points: SkinPoints, shape: str | None) -> Offset:
    """Return how far a shape at weight 1 moves points of the skin; None is the face at rest."""
    if shape is None:
        return _offset(points)
    base, side = split_side(shape)
    ax, y = np.abs(points.x), points.height
    total = _offset(points)
    for push in PUSHES.get(base, ()):
        width, height = push.size
        widths = np.where(ax > push.at[0], push.beyond or width, width)
        heights = np.where(y < push.at[1], push.below or height, height)
        bell = gaussian(ax, y, push.at, (widths, heights))
        if push.lips:
            bell = bell * (np.sign(points.mouth_side) == push.lips)
        total = total + _offset(points, out=push.out * bell, up=push.up * bell, forward=push.forward * bell)
    if base in _FORMULAS:
        total = total + _FORMULAS[base](points)
    return total if side == 0 else total.scaled(smoothstep(-0.7, 0.7, side * points.x))


def expression_lids(points: SkinPoints, shape: str | None) -> Lids:
    """Return the lids' state under a shape at weight 1; None is the face at rest."""
    base, side = split_side(shape) if shape else ("", 0)
    move = LID_MOVES.get(base, LidMove())
    here = (points.x * side >= 0).astype(np.float64)
    return Lids(
        upper=UPPER_OPENING + move.upper * here,
        lower=LOWER_OPENING + move.lower * here,
        blink=move.blink * here,
        upper_out=move.upper_out * here,
        lower_out=move.lower_out * here,
    )


def rest_offset(points: SkinPoints) -> Offset:
    """Return the moves that belong to the face at rest: canthal tilt and the lips' gentle curve."""
    ax, y = np.abs(points.x), points.height
    tilt = 0.16 * gaussian(ax, y, (lm.OUTER_CANTHUS_X, lm.EYE_LINE), (1.3, 1.2))
    tilt = tilt - 0.10 * gaussian(ax, y, (lm.INNER_CANTHUS_X, lm.EYE_LINE), (0.9, 0.9))
    along = ax / lm.MOUTH_CORNER_X
    curve = 0.10 * along**2 * np.exp(-((ax / 3.2) ** 4)) - 0.05 * np.exp(-((ax / 0.5) ** 2))
    return _offset(points, up=tilt + curve * np.exp(-np.abs(y - lm.LIP_LINE)))


def jaw_weight(points: SkinPoints) -> Array:
    """Return how much of the jaw's turn each point of the skin takes, ``[N]`` in [0, 1]."""
    ax, y, angle = np.abs(points.x), points.height, np.abs(points.theta)
    below_lips = (points.mouth_side < 0).astype(np.float64)
    ramp = 1.0 - smoothstep(-8.4, -4.6, y)
    # beyond the corner the split turns into a plain ramp; a linear blend would make a rectangular mouth
    outside = np.clip(ax / lm.MOUTH_CORNER_X, 0.0, 1.0) ** 2.6
    weight = below_lips * (1 - outside) + ramp * outside
    lateral = 1.0 - smoothstep(np.radians(42.0), np.radians(108.0), angle)
    return weight * lateral * smoothstep(-16.5, -10.4, y)


def _lip_band(points: SkinPoints, upper: float, lower: float, width: float = 2.6) -> Array:
    """Return a band along both lips, ``upper`` and ``lower`` centimetres high."""
    height = np.where(points.mouth_side > 0, upper, lower)
    band: Array = np.exp(-((np.abs(points.height - lm.LIP_LINE) / height) ** 1.5))
    return band * np.exp(-((points.x / width) ** 4))


def _smile(points: SkinPoints) -> Offset:
    ax, above = np.abs(points.x), points.height - lm.LIP_LINE
    # growing from the middle to the corner: a bell at the corner would bend the upper lip into a V
    along = np.where(
        ax < lm.MOUTH_CORNER_X,
        (ax / lm.MOUTH_CORNER_X) ** 1.8,
        np.exp(-(((ax - lm.MOUTH_CORNER_X) / 1.7) ** 2)),
    )
    lift = 1.12 * along * np.exp(-((above / 1.8) ** 2))
    lips = 0.16 * _lip_band(points, 0.9, 0.9, 2.2) * np.where(points.mouth_side > 0, 1.0, 0.8)
    return _offset(points, up=lift + lips, forward=-0.20 * nasolabial_groove(points, 1.75, 3.10, 0.33))


def _stretch(points: SkinPoints) -> Offset:
    return _offset(points, forward=-0.08 * _lip_band(points, 0.8, 0.8))


def _press(points: SkinPoints) -> Offset:
    above = points.height - lm.LIP_LINE
    towards = -0.30 * above * np.exp(-((above / 0.9) ** 2)) * np.exp(-((points.x / 2.6) ** 4))
    return _offset(points, up=towards, forward=-0.16 * _lip_band(points, 0.55, 0.55))


def _roll_lower(points: SkinPoints) -> Offset:
    below = lm.LIP_LINE - points.height
    bell = np.exp(-((below / 0.8) ** 2)) * np.exp(-((points.x / 2.4) ** 4))
    band = np.where(points.mouth_side < 0, bell, 0.0)
    return _offset(points, up=0.42 * band * np.clip(below / 0.5, 0.0, 1.0), forward=-0.40 * band)


def _roll_upper(points: SkinPoints) -> Offset:
    above = points.height - lm.LIP_LINE
    bell = np.exp(-((above / 0.75) ** 2)) * np.exp(-((points.x / 2.4) ** 4))
    band = np.where(points.mouth_side > 0, bell, 0.0)
    return _offset(points, up=-0.32 * band * np.clip(above / 0.5, 0.0, 1.0), forward=-0.40 * band)


def flat_topped(points: SkinPoints, side: int, height: float, flat: float) -> Array:
    """Return a bell on one lip that is flat across the middle ``flat`` centimetres of each half."""
    lateral: Array = np.exp(-((np.maximum(np.abs(points.x) - flat, 0.0) / 1.35) ** 2))
    bell: Array = np.exp(-(((points.height - lm.LIP_LINE) / height) ** 2)) * lateral
    return np.where(np.sign(points.mouth_side) == side, bell, 0.0)


def _lower_down(points: SkinPoints) -> Offset:
    bell = flat_topped(points, -1, 1.35, 0.6)
    return _offset(points, up=-0.66 * bell, forward=-0.06 * bell)


def _upper_up(points: SkinPoints) -> Offset:
    bell = flat_topped(points, 1, 1.3, 0.7)
    return _offset(points, up=0.60 * bell, forward=0.05 * bell)


def _funnel(points: SkinPoints) -> Offset:
    return _offset(points, forward=0.62 * _lip_band(points, 1.2, 1.2, 2.8))


def _pucker(points: SkinPoints) -> Offset:
    above = points.height - lm.LIP_LINE
    ring = np.sign(above) * np.exp(-(((np.abs(above) - 0.6) / 0.5) ** 2)) * np.exp(-((points.x / 1.2) ** 2))
    return _offset(points, up=0.18 * ring, forward=0.75 * _lip_band(points, 1.1, 1.1))


def _sideways(points: SkinPoints) -> Array:
    above = points.height - lm.LIP_LINE
    bell: Array = np.exp(-((above / 1.9) ** 2) - (points.x / 3.6) ** 2)
    return 0.85 * bell


_FORMULAS: Final[dict[str, Callable[[SkinPoints], Offset]]] = {
    "jawForward": lambda points: _offset(points, forward=0.7 * jaw_weight(points)),
    "mouthSmile": _smile,
    "noseSneer": lambda points: _offset(points, forward=-0.18 * nasolabial_groove(points, 1.62, 3.0, 0.32)),
    "mouthStretch": _stretch,
    "mouthPress": _press,
    "mouthRollLower": _roll_lower,
    "mouthRollUpper": _roll_upper,
    "mouthLowerDown": _lower_down,
    "mouthUpperUp": _upper_up,
    "mouthFunnel": _funnel,
    "mouthPucker": _pucker,
    "mouthLeft": lambda points: _offset(points, left=_sideways(points)),
    "mouthRight": lambda points: _offset(points, left=-_sideways(points)),
}
