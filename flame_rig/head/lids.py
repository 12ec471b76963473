"""How the lids open: the height of each lid's edge along the eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flame_rig.head import landmarks as lm
from flame_rig.head.grid import SkinPoints
from flame_rig.head.numerics import Array

UPPER_OPENING: Final = 0.70
"""Height of the upper lid's edge above the lid line at rest: below the iris's top, which it covers."""
LOWER_OPENING: Final = 0.90
_UPPER_DECAY: Final = 1.75
_LOWER_DECAY: Final = 1.5
"""An opening must stay below the decay length, or the skin folds over itself."""
_SEAL: Final = -0.70 * LOWER_OPENING
"""Where both lids meet in a blink, as a height of the lower lid's own curve."""
_STAND_DECAY: Final = 0.9
_UPPER_PEAK, _UPPER_POWER = 0.46, 0.70
_LOWER_PEAK, _LOWER_POWER = 0.56, 0.85


@dataclass(frozen=True)
class Lids:
    """The lids' openings, closure and distance from the eyeball (see ``LidMove``) at every skin point, ``[N]``."""

    upper: Array
    lower: Array
    blink: Array
    upper_out: Array
    lower_out: Array


def _almond(x: Array, peak: float, power: float) -> Array:
    """Return a lid's curve: 0 at the canthi, 1 at ``peak`` of the way from the inner one."""
    along = np.clip((np.abs(x) - lm.INNER_CANTHUS_X) / (lm.OUTER_CANTHUS_X - lm.INNER_CANTHUS_X), 0.0, 1.0)
    ramp = np.where(along < peak, along / peak, (1 - along) / (1 - peak))
    curve: Array = np.sin(np.clip(ramp, 0.0, 1.0) * np.pi / 2) ** power
    return curve


def lid_shift(points: SkinPoints, lids: Lids) -> Array:
    """Return dy ``[N]`` that opens the lids; in a blink both share one curve, so that the seal is exact."""
    distance = np.abs(points.height - lm.EYE_LINE)
    upper_curve = _almond(points.x, _UPPER_PEAK, _UPPER_POWER)
    lower_curve = _almond(points.x, _LOWER_PEAK, _LOWER_POWER)
    seal = lids.blink * _SEAL * lower_curve
    above = ((1 - lids.blink) * lids.upper * upper_curve + seal) * np.exp(-distance / _UPPER_DECAY)
    below = (-(1 - lids.blink) * lids.lower * lower_curve + seal) * np.exp(-distance / _LOWER_DECAY)
    return _by_lid(points, above, below)


def lid_stand(points: SkinPoints, lids: Lids) -> Array:
    """Return dz ``[N]``: how far the lids leave the sphere that they rest on."""
    fade = np.exp(-(((points.height - lm.EYE_LINE) / _STAND_DECAY) ** 2)) * _almond(points.x, 0.5, 0.8)
    return _by_lid(points, lids.upper_out * fade, lids.lower_out * fade)


def _by_lid(points: SkinPoints, above: Array, below: Array) -> Array:
    ax = np.abs(points.x)
    between = (ax > lm.INNER_CANTHUS_X - 1e-6) & (ax < lm.OUTER_CANTHUS_X + 1e-6)
    return np.where(between, np.where(points.eye_side > 0, above, np.where(points.eye_side < 0, below, 0.0)), 0.0)
