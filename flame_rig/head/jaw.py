"""What the skin adds to the jaw's rotation: pose correctives, and the shape that seals the lips of an open jaw.

A corrective is stored at its full size, at ``JAW_OPEN_RADIANS`` or ``JAW_SIDE_RADIANS``. One half of the correctives
grows with the sine of the angle, the other with one less its cosine: between them they keep the lips together on the
whole way of a jaw that opens or moves sideways while ``mouthClose`` holds them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.expression_tables import JAW_OPEN_CORRECTIVE
from flame_rig.head.expressions import flat_topped, jaw_weight
from flame_rig.head.grid import SkinGrid
from flame_rig.head.numerics import Array
from flame_rig.head.skin import skin_positions
from flame_rig.spaces import JAW_OPEN_RADIANS, JAW_SIDE_RADIANS

PITCH_SINE: Final = "jaw pitch, sine"
PITCH_COSINE: Final = "jaw pitch, cosine"
YAW_SINE: Final = "jaw yaw, sine"
YAW_COSINE: Final = "jaw yaw, cosine"

# entries (row, column) of R - I that tell the four apart, each with its value at the full angle; pitch turns about x
# and yaw about y, so each has a cosine on the diagonal that the other leaves at 1
_PITCH_S, _PITCH_C = np.sin(JAW_OPEN_RADIANS), np.cos(JAW_OPEN_RADIANS) - 1.0
_YAW_S, _YAW_C = np.sin(JAW_SIDE_RADIANS), np.cos(JAW_SIDE_RADIANS) - 1.0
CORRECTIVE_ENTRIES: Final[dict[str, tuple[tuple[int, int, float], ...]]] = {
    PITCH_SINE: ((1, 2, -2.0 * _PITCH_S), (2, 1, 2.0 * _PITCH_S)),
    PITCH_COSINE: ((1, 1, _PITCH_C),),
    YAW_SINE: ((0, 2, 2.0 * _YAW_S), (2, 0, -2.0 * _YAW_S)),
    YAW_COSINE: ((0, 0, _YAW_C),),
}
"""Corrective to the entries of the jaw's R - I that it is spread over: row, column, and what to divide it by."""

_PITCH, _YAW = 0, 1
_SEAL_SHARE: Final = 0.78
"""How much of the way to each other the lower lip goes; the upper lip goes the rest."""
_UPPER_LIP_FOLLOWS, _LOWER_LIP_FOLLOWS = 0.30, 0.50
"""How much of the jaw's way to the side each lip's edge takes part in."""
_TONGUE_PITCH: Final = 0.20
"""Radians that ``tongueOut`` opens the jaw by, as a shape."""
_ON_THE_WAY: Final = np.array((0.25, 0.5, 0.75))


def jaw_correctives(grid: SkinGrid) -> dict[str, Array]:
    """Return the skin's pose correctives ``[N, 3]``, before skinning, at the jaw's full angles."""
    narrowing = skin_positions(grid.points, JAW_OPEN_CORRECTIVE) - skin_positions(grid.points)
    held = _held_on_the_way(grid, narrowing)
    left, right = (_lips_kept_together(grid, side * JAW_SIDE_RADIANS) for side in (1.0, -1.0))
    return {
        PITCH_SINE: narrowing,
        PITCH_COSINE: held,
        YAW_SINE: 0.5 * (left - right),
        YAW_COSINE: 0.5 * (left + right),
    }


def lip_seal(grid: SkinGrid, correctives: dict[str, Array]) -> Array:
    """Return ``mouthClose``: the offsets ``[N, 3]`` before skinning that close the lips of a fully opened jaw."""
    weight = jaw_weight(grid.points)
    opened = skin_positions(grid.points) + correctives[PITCH_SINE] + correctives[PITCH_COSINE]
    posed = _turned(opened, weight, _PITCH, JAW_OPEN_RADIANS)
    gap = _spread(grid, posed[grid.upper_lip] - posed[grid.lower_lip])
    share = np.where(grid.points.mouth_side < 0, _SEAL_SHARE, _SEAL_SHARE - 1.0)
    return _turned_back(gap * share[:, None], weight, _PITCH, JAW_OPEN_RADIANS)


def with_tongue_out(positions: Array, weight: Array) -> Array:
    """Return positions ``[N, 3]`` moved by what ``tongueOut`` does to the jaw, so that there is room for the tongue."""
    return _turned(positions, weight, _PITCH, _TONGUE_PITCH)


def lips_parted_by_tongue(grid: SkinGrid) -> Array:
    """Return the skin ``[N, 3]`` under ``tongueOut``: the jaw a little open, the upper lip raised."""
    parted = skin_positions(grid.points)
    parted[:, 1] += 0.22 * flat_topped(grid.points, 1, 1.2, 1.0)
    return with_tongue_out(parted, jaw_weight(grid.points))


def _held_on_the_way(grid: SkinGrid, narrowing: Array) -> Array:
    """Return the corrective ``[N, 3]`` that keeps sealed lips together while the jaw is part of the way open.

    With c for the corrective, the gap at a share a of the full angle is g(a) + (k(a) - a) c, k(a) being the share of
    1 - cos: ``mouthClose`` takes c out again at the full angle. c is the least squares' answer on the way.
    """
    zero = np.zeros_like(narrowing)
    seal = lip_seal(grid, {PITCH_SINE: narrowing, PITCH_COSINE: zero})
    weight, rest = jaw_weight(grid.points), skin_positions(grid.points)
    gaps, slopes = [], []
    for share in _ON_THE_WAY:
        angle = share * JAW_OPEN_RADIANS
        shape = rest + share * seal + np.sin(angle) / _PITCH_S * narrowing
        posed = _turned(shape, weight, _PITCH, angle)
        gaps.append(posed[grid.upper_lip] - posed[grid.lower_lip])
        slopes.append((np.cos(angle) - 1.0) / _PITCH_C - share)
    slope = np.array(slopes)
    answer = np.einsum("a,akc->kc", slope, np.array(gaps)) / (slope**2).sum()
    return np.where((grid.points.mouth_side < 0)[:, None], _spread(grid, answer), 0.0)


def _lips_kept_together(grid: SkinGrid, yaw: float) -> Array:
    """Return offsets ``[N, 3]`` before skinning that keep the lips on one curve at a yaw of the jaw.

    The upper lip is drawn along a little and the lower one held back, as lips that touch do; so a mouth that smiles or
    frowns at the same time slides over itself by little.
    """
    weight = jaw_weight(grid.points)
    posed = _turned(skin_positions(grid.points), weight, _YAW, yaw)
    upper, lower = posed[grid.upper_lip], posed[grid.lower_lip]
    slide = lower[:, 0] - upper[:, 0]

    def on_the_curve(x: Array) -> Array:
        return np.stack([np.interp(x, upper[:, 0], upper[:, axis]) for axis in range(3)], axis=-1)

    with_jaw = on_the_curve(upper[:, 0] + _UPPER_LIP_FOLLOWS * slide) - upper
    held = on_the_curve(upper[:, 0] + _LOWER_LIP_FOLLOWS * slide) - lower
    below = (grid.points.mouth_side < 0)[:, None]
    return _turned_back(np.where(below, _spread(grid, held), _spread(grid, with_jaw)), weight, _YAW, yaw)


def _spread(grid: SkinGrid, along_lip: Array) -> Array:
    """Return ``[N, 3]`` offsets that have the values ``[K, 3]`` at the lips' edge and fade away from it."""
    points = grid.points
    lip_x = points.x[grid.upper_lip]
    spread = [np.interp(points.x, lip_x, along_lip[:, axis], left=0.0, right=0.0) for axis in range(3)]
    fade = np.exp(-((np.abs(points.height - lm.LIP_LINE) / 1.7) ** 1.6)) * (np.cos(points.theta) > 0.3)
    return np.asarray(np.stack(spread, axis=-1) * fade[:, None], dtype=np.float64)


def _turned(positions: Array, weight: Array, axis: int, angle: float) -> Array:
    """Return positions ``[N, 3]`` skinned to a jaw turned by ``angle`` radians about its hinge."""
    hinge: Array = np.array(lm.JAW_HINGE, dtype=np.float64)
    skinned: Array = hinge + np.einsum("nrc,nc->nr", _blended(weight, axis, angle), positions - hinge)
    return skinned


def _turned_back(offsets: Array, weight: Array, axis: int, angle: float) -> Array:
    """Return the offsets ``[N, 3]`` before skinning that become ``offsets`` after it."""
    return np.asarray(np.linalg.solve(_blended(weight, axis, angle), offsets[:, :, None])[:, :, 0], dtype=np.float64)


def _blended(weight: Array, axis: int, angle: float) -> Array:
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = {
        _PITCH: np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]]),
        _YAW: np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]),
    }[axis]
    blended: Array = np.eye(3) + weight[:, None, None] * (turn - np.eye(3))
    return blended
