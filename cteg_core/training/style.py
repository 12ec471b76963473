"""Who is acting: the traits that one performer keeps through a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.facs import UNITS

_RESTING_UNITS: Final[tuple[tuple[str, float], ...]] = (
    ("12", 0.07), ("15", 0.06), ("4", 0.07), ("1", 0.06), ("7", 0.06), ("24", 0.07), ("17", 0.04), ("2", 0.05),
    ("14", 0.06), ("5", 0.04),
)  # fmt: skip
"""Units that a face at ease may hold a trace of, and the most it holds."""

_ASYMMETRIC: Final = np.array([unit not in {"61", "62", "63", "64", "30L", "30R", "43"} for unit in UNITS])
"""Eyes move together, and droop together: no habit makes them differ."""


@dataclass(frozen=True, eq=False)
class PersonStyle:
    """The habits of one performer.

    Attributes:
        expressiveness: factor on every expression.
        tempo: factor on durations; below 1 is quicker.
        side_gain: ``[2, U]`` factor on each unit's left and right half.
        side_delay: ``[2, U]`` seconds by which each half lags.
        resting: ``[2, U]`` small strengths that the face holds while awake.
        articulation: factor on mouth movement.
        brow_beats: how likely an accent is marked by the brows, 0 to 1.
        restlessness: factor on micro-movement.
    """

    expressiveness: float
    tempo: float
    side_gain: NDArray[np.float64]
    side_delay: NDArray[np.float64]
    resting: NDArray[np.float64]
    articulation: float
    brow_beats: float
    restlessness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> PersonStyle:
        """Draw a performer.

        Expressions differ between sides by some 10 % of their strength, and up to some 60 ms in time; spreads
        are our judgement within what spontaneous smiles show (Schmidt et al. 2006).
        """
        normal = rng.normal(size=4)
        lean = 0.07 * normal[0] + 0.06 * rng.normal(size=len(UNITS))
        lean = np.clip(lean, -0.22, 0.22) * _ASYMMETRIC
        lag = np.clip(0.018 * rng.normal(size=len(UNITS)), -0.045, 0.045) * _ASYMMETRIC
        resting = np.zeros((2, len(UNITS)))
        held = rng.random((len(_RESTING_UNITS), 2))
        for (unit, most), (amount, chance) in zip(_RESTING_UNITS, held, strict=True):
            if chance < 0.35:
                resting[:, UNITS.index(unit)] = most * amount
        return cls(
            expressiveness=float(np.clip(np.exp(0.14 * normal[1]), 0.75, 1.3)),
            tempo=float(np.clip(np.exp(0.14 * normal[2]), 0.75, 1.35)),
            side_gain=1.0 + np.stack([lean, -lean]),
            side_delay=np.stack([lag, -lag]),
            resting=resting,
            articulation=float(np.clip(1.0 + 0.15 * normal[3], 0.65, 1.35)),
            brow_beats=float(rng.uniform(0.10, 0.45)),
            restlessness=float(rng.uniform(0.6, 1.4)),
        )
