"""Measures of a face: what an observer with a ruler would note, from posed vertices of the project's head.

They are taken in the head's own frame, so that turning the head changes nothing, and given as
differences from the face at rest in units of the head's height (chin to crown).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.flame_model import JOINT_NAMES
from flame_rig.head import build_head
from flame_rig.head.grid import skin_grid

MEASURES: Final[tuple[str, ...]] = (
    "brow_inner_left", "brow_inner_right", "brow_outer_left", "brow_outer_right", "brow_distance",
    "lid_upper_left", "lid_upper_right", "lid_lower_left", "lid_lower_right",
    "cheek_left", "cheek_right", "nose_wing_left", "nose_wing_right",
    "corner_height_left", "corner_height_right", "mouth_width", "lip_gap",
    "lip_upper", "lip_thickness", "jaw_drop",
)  # fmt: skip
"""Heights are positive upwards; ``brow_distance``, ``mouth_width``, ``lip_gap``, ``lip_thickness`` are
lengths; ``jaw_drop`` is positive downwards; ``corner_height`` is taken from the middle of the mouth, so
that opening the jaw does not count as a frown. Left is the subject's."""

_METRE: Final = 0.01
_SKULL_STRIDE: Final = 50
# |x| and y of points on the skin at rest, centimetres
_SPOTS: Final[dict[str, tuple[float, float]]] = {
    "brow_inner": (1.4, 3.15),
    "brow_outer": (4.7, 3.2),
    "cheek": (3.9, -2.3),
    "nose_wing": (1.35, -4.1),
    "lip_upper": (0.55, -6.25),
    "lip_lower": (0.55, -7.55),
    "chin": (0.0, -9.6),
    "crown": (0.0, 11.0),
}
_SIDES: Final = (("left", 1.0), ("right", -1.0))


@dataclass(frozen=True)
class FaceMeasures:
    """Measures over time.

    Attributes:
        values: ``float64 [T, M]`` in the order of ``MEASURES``, relative to rest, in head heights.
        rest: ``float64 [M]`` the same measures of the face at rest, from the eyes' middle, in head heights.
    """

    values: NDArray[np.float64]
    rest: NDArray[np.float64]

    def of(self, *names: str) -> NDArray[np.float64]:
        """Return the mean ``[T]`` of the measures called ``names``."""
        mean: NDArray[np.float64] = self.values[:, _columns(names)].mean(axis=1)
        return mean

    def rest_of(self, *names: str) -> float:
        """Return the mean at rest of the measures called ``names``, in head heights."""
        return float(self.rest[_columns(names)].mean())


def _columns(names: tuple[str, ...]) -> list[int]:
    return [MEASURES.index(name) for name in names]


def measure_face(vertices: ArrayLike) -> FaceMeasures:
    """Measure posed vertices of the project's head.

    Args:
        vertices: ``[T, V, 3]`` metres, as ``flame_model.posed_vertices`` gives them for ``head.build_head()``.

    Raises:
        ValueError: the vertices are not this head's, or not finite.
    """
    model = build_head()
    points = np.asarray(vertices, dtype=np.float64)
    if points.ndim != 3 or points.shape[1:] != model.v_template.shape:
        wanted = f"[T, {len(model.v_template)}, 3]"
        raise ValueError(f"Faces to measure are {wanted}, the project's head's vertices; got {list(points.shape)}.")
    if not np.isfinite(points).all():
        raise ValueError("Faces to measure hold a NaN or an infinity.")
    landmarks, skull, template = _landmarks(), _skull(), model.v_template
    facing = _in_head_frame(points[:, list(landmarks.values())], points[:, skull], template[skull])
    lengths = _lengths({name: facing[:, column] for column, name in enumerate(landmarks)})
    rest = _lengths({name: template[None, vertex] for name, vertex in landmarks.items()})[0]
    height = template[landmarks["crown_left"], 1] - template[landmarks["chin_left"], 1]
    return FaceMeasures(values=(lengths - rest) / height, rest=rest / height)


@cache
def _landmarks() -> dict[str, int]:
    """Return the vertex of every landmark, named with its side."""
    grid = skin_grid()
    skin = build_head().v_template[: len(grid.points.theta)]
    in_front = np.flatnonzero(np.cos(grid.points.theta) > 0)
    found: dict[str, int] = {}
    for side, (name, sign) in enumerate(_SIDES):
        for spot, (x, y) in _SPOTS.items():
            place = np.array((sign * x, y)) * _METRE
            distance = np.linalg.norm(skin[in_front, :2] - place, axis=1)
            found[f"{spot}_{name}"] = int(in_front[distance.argmin()])
        lid_middle = len(grid.upper_lid[side]) // 2
        found[f"lid_upper_{name}"] = int(grid.upper_lid[side][lid_middle])
        found[f"lid_lower_{name}"] = int(grid.lower_lid[side][lid_middle])
        found[f"corner_{name}"] = int(grid.upper_lip[-1 if sign > 0 else 0])
    middle = len(grid.upper_lip) // 2
    return found | {"inside_upper": int(grid.upper_lip[middle]), "inside_lower": int(grid.lower_lip[middle])}


@cache
def _skull() -> NDArray[np.int64]:
    """Return some of the vertices that are rigid with the skull."""
    neck = build_head().weights[:, JOINT_NAMES.index("neck")] == 1.0
    still = ~build_head().exprdirs.any(axis=(1, 2)) & ~build_head().posedirs.any(axis=(1, 2))
    return np.flatnonzero(neck & still)[::_SKULL_STRIDE]


def _in_head_frame(
    points: NDArray[np.float64], skull: NDArray[np.float64], skull_at_rest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return points ``[T, K, 3]`` with the skull's rigid motion taken out (Kabsch 1976)."""
    centre, rest_centre = skull.mean(axis=1, keepdims=True), skull_at_rest.mean(axis=0)
    covariance = (skull - centre).swapaxes(1, 2) @ (skull_at_rest - rest_centre)
    left, _, right = np.linalg.svd(covariance)
    # the last axis is turned over where the best fit would be a mirror image
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    facing: NDArray[np.float64] = (points - centre) @ (left @ right) + rest_centre
    return facing


def _lengths(at: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the measures ``[T, M]`` in metres from landmarks ``[T, 3]``."""
    columns: dict[str, NDArray[np.float64]] = {
        "brow_distance": at["brow_inner_left"][:, 0] - at["brow_inner_right"][:, 0],
        "mouth_width": at["corner_left"][:, 0] - at["corner_right"][:, 0],
        "lip_gap": np.linalg.norm(at["inside_upper"] - at["inside_lower"], axis=1),
        "lip_upper": (at["lip_upper_left"] + at["lip_upper_right"])[:, 1] / 2,
        "jaw_drop": -at["chin_left"][:, 1],
    }
    # how much of the lips shows: their height less the gap between them
    lips = np.linalg.norm(at["lip_upper_left"] - at["lip_lower_left"], axis=1)
    columns["lip_thickness"] = lips - columns["lip_gap"]
    mouth_middle = (at["inside_upper"] + at["inside_lower"])[:, 1] / 2
    for side, _ in _SIDES:
        columns[f"corner_height_{side}"] = at[f"corner_{side}"][:, 1] - mouth_middle
        for name in ("brow_inner", "brow_outer", "lid_upper", "lid_lower", "cheek", "nose_wing"):
            columns[f"{name}_{side}"] = at[f"{name}_{side}"][:, 1]
    return np.stack([columns[name] for name in MEASURES], axis=-1)
