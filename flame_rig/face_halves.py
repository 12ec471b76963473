"""The upper and the lower half of a face, as parts of an expression space.

In the project's own space every component belongs to one half by its name. FLAME's components each move the whole
face; there a half is the nearest that the components come to moving that half alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel
from flame_rig.regions import FaceRegions, face_regions
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_SLICE

Array = NDArray[np.float64]

_UPPER_NAMES: Final = ("brow", "eyeBlink", "eyeSquint", "eyeWide", "cheekSquint", "noseSneer")
_GAZE: Final = "eyeLook"
_BLINK: Final = "eyeBlink"

_UPPER_REGIONS: Final = ("brow.L", "brow.R", "upper_lid.L", "upper_lid.R", "lower_lid.L", "lower_lid.R")
_LOWER_REGIONS: Final = ("upper_lip", "lower_lip", "jaw")
_RIDGE: Final = 1e-3
"""Share of the mean square motion that holds coefficients back which hardly show."""


@dataclass(frozen=True, eq=False)
class FaceHalves:
    """What the halves are in one expression space.

    Attributes:
        upper, lower: ``float64 [53, 53]``, matrices that take a frame to what each half has of it. What neither
            has (gaze) is no half's.
        blinks: columns that close the lids and do nothing else; none in a space that has no such components.
        lowest, highest: ``float64 [53]``, the range that values are kept in; infinite where none is known.
    """

    upper: Array
    lower: Array
    blinks: tuple[int, ...]
    lowest: Array
    highest: Array


def _halves_of_head() -> FaceHalves:
    names = CTEG_HEAD_1.names
    upper = np.array([name.startswith(_UPPER_NAMES) for name in names] + [False] * 3)
    gaze = np.array([name.startswith(_GAZE) for name in names] + [False] * 3)
    return FaceHalves(
        upper=np.diag(upper.astype(np.float64)),
        lower=np.diag((~upper & ~gaze).astype(np.float64)),
        blinks=tuple(column for column, name in enumerate(names) if name.startswith(_BLINK)),
        lowest=CTEG_HEAD_1.lower.astype(np.float64),
        highest=CTEG_HEAD_1.upper.astype(np.float64),
    )


HEAD_HALVES: Final = _halves_of_head()
"""The halves of the project's own space."""

UNKNOWN_HALVES: Final = FaceHalves(
    upper=np.zeros((FRAME_WIDTH, FRAME_WIDTH)),
    lower=np.zeros((FRAME_WIDTH, FRAME_WIDTH)),
    blinks=(),
    lowest=np.full(FRAME_WIDTH, -np.inf),
    highest=np.full(FRAME_WIDTH, np.inf),
)
"""Of a space that nothing is known of: weights change nothing."""


def halves_of_model(model: FlameModel) -> FaceHalves:
    """Return the halves of a model's own space.

    Raises:
        ValueError: a feature of an unnamed model's face could not be found; the sentence names it.
    """
    if model.space == CTEG_HEAD_1.id:
        return HEAD_HALVES
    return halves_of_face(model.v_template, model.exprdirs[:, :, :EXPRESSION_COUNT], face_regions(model))


def halves_of_face(vertices: Array, exprdirs: Array, regions: FaceRegions) -> FaceHalves:
    """Return the halves of a space whose components move a face.

    Each half's matrix takes coefficients to those whose motion is nearest, by least squares over the vertices, to
    the motion within that half; the two add up to the whole. The jaw is of the lower half.

    Args:
        vertices: ``[V, 3]`` at rest, y up.
        exprdirs: ``[V, 3, E]``, E at most 50: how far each component moves every vertex.
        regions: of the same face.
    """
    share = _upper_share(vertices, regions)
    motion = exprdirs.reshape(len(vertices) * 3, -1)
    moving = np.flatnonzero(np.abs(motion).max(axis=0, initial=0.0) > 0.0)
    upper, lower = np.zeros((FRAME_WIDTH, FRAME_WIDTH)), np.zeros((FRAME_WIDTH, FRAME_WIDTH))
    if len(moving):
        motion = motion[:, moving]
        gram = motion.T @ motion
        gram += _RIDGE * np.trace(gram) / len(moving) * np.eye(len(moving))
        mixed = np.linalg.solve(gram, motion.T @ (np.repeat(share, 3)[:, None] * motion))
        upper[np.ix_(moving, moving)] = mixed
        lower[np.ix_(moving, moving)] = np.eye(len(moving)) - mixed
    lower[JAW_SLICE, JAW_SLICE] = np.eye(3)
    unbounded = np.full(FRAME_WIDTH, np.inf)
    return FaceHalves(upper, lower, (), -unbounded, unbounded)


def _upper_share(vertices: Array, regions: FaceRegions) -> Array:
    """Return how far each vertex belongs to the upper half, ``[V]`` from 0 to 1.

    Lids and brows do, lips and jaw do not; in between (nose, cheeks) height decides.
    """
    over = np.sum([regions.mask(name) for name in _UPPER_REGIONS], axis=0)
    under = np.sum([regions.mask(name) for name in _LOWER_REGIONS], axis=0)
    lids = np.sum([regions.mask(f"lower_lid.{side}") for side in "LR"], axis=0)
    lip = regions.mask("upper_lip")
    if not lids.any() or not lip.any():
        raise ValueError("The face has no lids or no upper lip, so it has no upper and lower half.")
    top, bottom = (float(np.average(vertices[:, 1], weights=mask)) for mask in (lids, lip))
    height = np.clip((vertices[:, 1] - bottom) / (top - bottom), 0.0, 1.0)
    between = height * height * (3.0 - 2.0 * height)
    share: Array = over + np.clip(1.0 - over - under, 0.0, 1.0) * between
    return np.clip(share, 0.0, 1.0)
