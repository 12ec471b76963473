"""SpaceMap: how frames of the project's space and of a FLAME model's become one another.

Solved once for a FLAME model (:mod:`~flame_rig.retarget.solve`), stored as JSON with the rig, shown to the user with
its residuals.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.retarget.bounded import bounded_least_squares
from flame_rig.retarget.surface import Array
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_SLICE

SPACE_MAP_FORMAT: Final = 1
MAX_CHARACTERS: Final = 4_000_000
"""A map has about 170,000."""
MOST_SIGMA: Final = 5.0
"""No coefficient of FLAME's is asked for beyond so many standard deviations of the faces that it was learnt from."""

By = Literal["expression", "jaw", "expression and eye joints", "eye joints", "nothing"]
_BYS: Final = ("expression", "jaw", "expression and eye joints", "eye joints", "nothing")


@dataclass(frozen=True)
class ShapeFit:
    """How well a FLAME model makes one ARKit shape.

    Attributes:
        name: the ARKit shape.
        by: what makes it; ``nothing`` (and ``eye joints``, as far as skin goes) leaves its column zero.
        size_mm: root mean square of the shape's own displacement over the face (weighted as the fit is).
        mean_mm, max_mm: what the fit misses, over the face's front.
        explained: share of the shape's motion that the fit makes, 1 at best; what decides ``by``.
        largest: the largest coefficient, standard deviations.
    """

    name: str
    by: By
    size_mm: float
    mean_mm: float
    max_mm: float
    explained: float
    largest: float


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """Frames of ``cteg-head-1`` to frames of a FLAME space, and back.

    Attributes:
        flame_space: id of the FLAME model's expression space.
        fingerprint: of the FLAME model (``fingerprint.model_fingerprint``): the map holds for no other.
        expression: ``[50, 50]``; FLAME's coefficients = ``expression`` @ the head's.
        jaw_expression: ``[50, 3]``; what is added per radian of the head's jaw (pitch, yaw, roll).
        jaw_gain: ``[3]`` radians of FLAME's jaw per radian of the head's.
        gram, cross: ``[50, 50]``; the head's coefficients w of FLAME's e minimise w' ``gram`` w / 2 - w' ``cross`` e.
        readable: ``bool [50]``, the head's components that FLAME's skin tells; the others stay 0 on the way back.
        fits: a row for each of the 52 ARKit shapes, in Apple's order.
    """

    flame_space: str
    fingerprint: str
    expression: Array
    jaw_expression: Array
    jaw_gain: Array
    gram: Array
    cross: Array
    readable: NDArray[np.bool_]
    fits: tuple[ShapeFit, ...]

    def __post_init__(self) -> None:
        square = (EXPRESSION_COUNT, EXPRESSION_COUNT)
        for name, shape in (
            ("expression", square),
            ("jaw_expression", (EXPRESSION_COUNT, 3)),
            ("jaw_gain", (3,)),
            ("gram", square),
            ("cross", square),
        ):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"A space map needs {name} of shape {list(shape)}, finite; got {list(array.shape)}.")
            object.__setattr__(self, name, array)
        readable = np.asarray(self.readable, dtype=bool)
        if readable.shape != (EXPRESSION_COUNT,) or (np.diag(self.gram)[readable] <= 0.0).any():
            raise ValueError("A space map reads components of the head's that it has no shapes of.")
        if (self.jaw_gain <= 0.0).any():
            raise ValueError("A space map's jaw must turn the same way on both faces.")
        object.__setattr__(self, "readable", readable)

    @property
    def head_space(self) -> str:
        """Id of the project's own space."""
        return CTEG_HEAD_1.id

    def to_flame(self, frames: ArrayLike) -> NDArray[np.float32]:
        """Turn frames ``[T, 53]`` of ``cteg-head-1`` into frames of ``flame_space``.

        Linear, with coefficients kept within ±``MOST_SIGMA``. Gaze is in neither: a FLAME rig's eye joints take
        ``gaze.eye_vectors`` of the head's frames.
        """
        head = checked_frames(frames)
        mapped = np.empty_like(head)
        coefficients = head[:, :EXPRESSION_COUNT] @ self.expression.T + head[:, JAW_SLICE] @ self.jaw_expression.T
        mapped[:, :EXPRESSION_COUNT] = np.clip(coefficients, -MOST_SIGMA, MOST_SIGMA)
        mapped[:, JAW_SLICE] = head[:, JAW_SLICE] * self.jaw_gain
        return mapped.astype(np.float32)

    def to_head(self, frames: ArrayLike) -> NDArray[np.float32]:
        """Turn frames ``[T, 53]`` of ``flame_space`` into frames of ``cteg-head-1``, all of them at once.

        The jaw is divided by its gain and kept in range; what FLAME's expression then does to the skin is made of
        the head's shapes by bounded least squares, each in [0, 1]. Shapes that FLAME's skin does not tell stay 0.
        """
        flame = checked_frames(frames)
        mapped = np.zeros_like(flame)
        jaw = np.clip(flame[:, JAW_SLICE] / self.jaw_gain, CTEG_HEAD_1.lower[JAW_SLICE], CTEG_HEAD_1.upper[JAW_SLICE])
        expression = flame[:, :EXPRESSION_COUNT] - jaw @ self.jaw_expression.T
        upper = np.where(self.readable, CTEG_HEAD_1.upper[:EXPRESSION_COUNT], 0.0)
        mapped[:, :EXPRESSION_COUNT] = bounded_least_squares(
            self.gram, expression @ self.cross.T, np.zeros(EXPRESSION_COUNT), upper
        )
        mapped[:, JAW_SLICE] = jaw
        return mapped.astype(np.float32)

    def marked(self) -> tuple[str, ...]:
        """Return the ARKit shapes that the model cannot make: their columns are zero."""
        return tuple(fit.name for fit in self.fits if fit.by == "nothing")

    def to_json(self) -> str:
        """Return the map as JSON."""
        record = {
            "format": SPACE_MAP_FORMAT,
            "flame_space": self.flame_space,
            "fingerprint": self.fingerprint,
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            "readable": self.readable.tolist(),
            "fits": [asdict(fit) for fit in self.fits],
        }
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> SpaceMap:
        """Read what :meth:`to_json` wrote; raises ValueError with a sentence on anything else."""
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"This is not a space map: it has {len(text)} characters.")
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"This is not a space map: it is not JSON ({error}).") from None
        if not isinstance(record, dict) or record.get("format") != SPACE_MAP_FORMAT:
            raise ValueError(f"This is not a space map of format {SPACE_MAP_FORMAT} that this version can read.")
        try:
            return cls(
                flame_space=str(record["flame_space"]),
                fingerprint=str(record["fingerprint"]),
                **{name: np.array(record[name], dtype=np.float64) for name in _ARRAYS},
                readable=np.array(record["readable"], dtype=bool),
                fits=tuple(_fit(row) for row in record["fits"]),
            )
        except KeyError as error:
            raise ValueError(f"This space map is incomplete or damaged: it has no {error}.") from None
        except (TypeError, OverflowError, ValueError) as error:
            raise ValueError(f"This space map is incomplete or damaged: {str(error).rstrip('.')}.") from None


_ARRAYS: Final = ("expression", "jaw_expression", "jaw_gain", "gram", "cross")


def _fit(row: Any) -> ShapeFit:
    if row["by"] not in _BYS:
        raise ValueError(f"nothing is made by {row['by']!r}")
    numbers = {name: float(row[name]) for name in ("size_mm", "mean_mm", "max_mm", "explained", "largest")}
    return ShapeFit(name=str(row["name"]), by=row["by"], **numbers)


def checked_frames(frames: ArrayLike) -> Array:
    """Return frames ``[T, 53]`` as ``float64``; raises ValueError for another shape or numbers that are not finite."""
    array = np.asarray(frames, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Frames are [T, {FRAME_WIDTH}]; got an array of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("The frames of a clip must be finite numbers; got NaN or infinity.")
    return array
