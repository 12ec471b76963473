"""Regions of a face (brows, lids, nose, lips, cheeks, jaw) as soft masks, derived from the model itself.

Where a model's expressions are named as ARKit names them, a region is where its shapes move the face. Any other
model in the FLAME layout is measured: lids and lips lie along the edges of the openings that
:mod:`flame_rig.retarget.face_landmarks` finds, brows where expressions move the forehead above the lids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.arkit import ARKIT_SHAPES, JAW_ROTATION_SHAPES
from flame_rig.flame_model import FlameModel, joints_at_rest
from flame_rig.retarget.face_landmarks import FaceLandmarks, find_landmarks
from flame_rig.retarget.surface import Array, skin_of

SIDED_REGIONS: Final = ("brow", "upper_lid", "lower_lid", "cheek")
"""Regions that there is one of on each side: ``brow.L`` on the subject's left, ``brow.R`` on the right."""
MIDDLE_REGIONS: Final = ("nose", "upper_lip", "lower_lip", "jaw")
REGION_NAMES: Final[tuple[str, ...]] = (
    *(f"{region}.{side}" for region in SIDED_REGIONS for side in "LR"),
    *MIDDLE_REGIONS,
)

_SIDES: Final = (("L", "Left", 1.0), ("R", "Right", -1.0))
_SOFT: Final = (0.12, 0.5)
"""Shares of the largest motion between which a mask grows from 0 to 1."""

# Lengths as shares of the distance between the eyes' centres; pairs are where a mask begins to fade and where it ends.
_SEAM: Final = 0.12
"""Half the width of the strip in the midplane where left and right share."""
_LID: Final = (0.1, 0.22)
_LID_SPLIT: Final = 0.004
_LIP: Final = (0.09, 0.19)
_NOSE_ROOT: Final = (0.12, 0.22)
_NOSE_TIP: Final = (0.26, 0.42)
_BROW_BAND: Final = (0.09, 0.22)
_BROW_ABOVE_LID: Final = (0.2, 0.75)
_BROW_BEYOND_EYE: Final = 0.14
_CHEEK: Final = (0.16, 0.48)
_CHEEK_BEYOND_EYE: Final = 0.1
_CHEEK_DEPTH: Final = (1.0, 0.6)
_JAW_SHARE: Final = (0.25, 0.75)
_LIP_SPLIT: Final = (0.4, 0.6)


@dataclass(frozen=True, eq=False)
class FaceRegions:
    """Soft masks of one model.

    Attributes:
        names: R names, as ``REGION_NAMES``.
        masks: ``float64 [R, V]`` in [0, 1]; at each vertex they sum to at most 1.
    """

    names: tuple[str, ...]
    masks: Array

    def mask(self, name: str) -> Array:
        """Return a region's mask ``[V]``; raises KeyError if there is no such region."""
        if name not in self.names:
            raise KeyError(f"There is no region {name!r}; the regions are {', '.join(self.names)}.")
        found: Array = self.masks[self.names.index(name)]
        return found


def face_regions(model: FlameModel) -> FaceRegions:
    """Return the regions of a face.

    Raises:
        ValueError: a feature of an unnamed model could not be found; the sentence names it.
    """
    named = {name for name in ARKIT_SHAPES if name not in JAW_ROTATION_SHAPES} <= set(model.expr_names)
    found = _of_expressions(model) if named else _of_anatomy(model)
    lips = found["upper_lip"] + found["lower_lip"]
    lids = {side: found[f"upper_lid.{side}"] + found[f"lower_lid.{side}"] for side in "LR"}
    free = np.clip(1.0 - lips, 0.0, 1.0)
    for name in ("nose", "jaw"):
        found[name] = found[name] * free
    for side in "LR":
        found[f"brow.{side}"] = found[f"brow.{side}"] * np.clip(1.0 - lids[side], 0.0, 1.0)
        others = lids[side] + found["nose"] + found["jaw"]
        found[f"cheek.{side}"] = found[f"cheek.{side}"] * free * np.clip(1.0 - others, 0.0, 1.0)
    masks = np.clip(np.array([found[name] for name in REGION_NAMES]), 0.0, 1.0)
    return FaceRegions(REGION_NAMES, masks / np.maximum(masks.sum(axis=0), 1.0))


def _of_expressions(model: FlameModel) -> dict[str, Array]:
    """Return the masks where ARKit's shapes move the face; parts such as lashes move with it and count."""
    across, between = _across(model)
    skin = np.zeros(len(model.v_template))
    skin[skin_of(model).vertices] = 1.0
    found: dict[str, Array] = {}
    for side, suffix, sign in _SIDES:
        here = _soft(across * sign, -_SEAM * between, _SEAM * between)
        blink = model.exprdirs[:, 1, model.expr_names.index(f"eyeBlink{suffix}")]
        found[f"upper_lid.{side}"] = _share_of_largest(np.maximum(-blink, 0.0))
        found[f"lower_lid.{side}"] = _share_of_largest(np.maximum(blink, 0.0))
        brows = (f"browDown{suffix}", f"browOuterUp{suffix}", "browInnerUp")
        found[f"brow.{side}"] = _moved_by(model, brows) * here
        # a squint lifts the top of a cheek and a puff its bottom
        top, bottom = (_most_moved(model, name, here) for name in (f"cheekSquint{suffix}", "cheekPuff"))
        found[f"cheek.{side}"] = _cheek(model.v_template, 0.7 * top + 0.3 * bottom, between) * here * skin
    upper, lower = _moved_by(model, ("mouthRollUpper",)), _moved_by(model, ("mouthRollLower",))
    both = np.maximum(upper + lower, 1.0)
    found["upper_lip"], found["lower_lip"] = upper / both, lower / both
    root, tip = _nose_of_joints(model, skin > 0.0, between)
    found["nose"] = _nose(model.v_template, root, tip, between) * skin
    found["jaw"] = _soft(model.weights[:, model.joint_names.index("jaw")], *_JAW_SHARE) * skin
    return found


def _of_anatomy(model: FlameModel) -> dict[str, Array]:
    """Return the masks along the features that the model's geometry and skinning show."""
    skin = skin_of(model)
    landmarks = find_landmarks(model, skin)
    points, between = model.v_template[skin.vertices], landmarks.between_eyes
    across = _across(model)[0][skin.vertices]
    found: dict[str, Array] = {}
    for (side, _, sign), eye in zip(_SIDES, landmarks.eyes, strict=True):
        here = _soft(across * sign, -_SEAM * between, _SEAM * between)
        upper, lower = _distance_to(points, eye.upper), _distance_to(points, eye.lower)
        near = _fades(np.minimum(upper, lower), _LID, between)
        # beyond the canthi both edges are equally far, so what lies above their line decides
        over = points[:, 1] - np.interp(points[:, 0], *_by_first(eye.upper[[0, -1], :2]))
        above = _soft(lower - upper + 0.5 * over, -_LID_SPLIT * between, _LID_SPLIT * between)
        found[f"upper_lid.{side}"], found[f"lower_lid.{side}"] = near * above, near * (1.0 - above)
        found[f"brow.{side}"] = _brow(model, skin.vertices, eye.upper, between)
        corner = landmarks.lips[-1 if sign > 0 else 0]
        # in height between the lower lid's outer half and the corner of the mouth
        centre = (eye.lower[len(eye.lower) // 2 :].mean(axis=0) + corner) / 2.0
        centre[0] = eye.centre[0] + sign * _CHEEK_BEYOND_EYE * between
        found[f"cheek.{side}"] = _cheek(points, centre, between) * here
    near = _fades(_distance_to(points, landmarks.lips), _LIP, between)
    below = _soft(landmarks.jaw_share, *_JAW_SHARE)
    lower_half = _soft(landmarks.jaw_share, *_LIP_SPLIT)
    found["upper_lip"], found["lower_lip"] = near * (1.0 - lower_half), near * lower_half
    profile = landmarks.profile
    found["nose"] = _nose(points, profile["between the eyes"], profile["nose tip"], between)
    found["jaw"] = below * _under(points, landmarks)
    return {name: _on(model, skin.vertices, mask) for name, mask in found.items()}


def _brow(model: FlameModel, vertices: NDArray[np.int64], lid: Array, between: float) -> Array:
    """Return where, above a lid, expressions raise and lower the skin most."""
    points = model.v_template[vertices]
    motion = np.sqrt((model.exprdirs[vertices, 1] ** 2).sum(axis=1))
    low, high = np.sort(lid[[0, -1], 0]) + np.array([-1.0, 1.0]) * _BROW_BEYOND_EYE * between
    beside = _soft(points[:, 0], low - 0.1 * between, low) * (1.0 - _soft(points[:, 0], high, high + 0.1 * between))
    edge = np.interp(points[:, 0], *_by_first(lid[:, :2]))
    above = (points[:, 1] - edge) / between
    facing = points[:, 2] > lid[:, 2].min() - 0.2 * between
    searched = beside * facing * (above > _BROW_ABOVE_LID[0]) * (above < _BROW_ABOVE_LID[1]) * motion
    if not searched.any():
        raise ValueError(f"No brows were found: nothing above the lids of {model.name!r} moves.")
    height = float((searched**4 * above).sum() / (searched**4).sum())
    band: Array = beside * facing * _fades(np.abs(above - height) * between, _BROW_BAND, between)
    return band


def _cheek(points: Array, centre: Array, between: float) -> Array:
    """Return the disk about a cheek's centre as seen from the front, without the back of the head."""
    away = points - centre
    disk: Array = _fades(np.hypot(away[:, 0], away[:, 1]), _CHEEK, between)
    behind, front = (-depth * between for depth in _CHEEK_DEPTH)
    return disk * _soft(away[:, 2], behind, front)


def _nose(points: Array, root: Array, tip: Array, between: float) -> Array:
    """Return the cone from between the eyes to the tip of the nose, with the wings beside the tip."""
    axis = tip - root
    along = np.clip(((points - root) @ axis) / (axis @ axis), 0.0, 1.0)
    away = np.linalg.norm(points - (root + along[:, None] * axis), axis=1) / between
    inner, outer = (np.interp(along, (0.0, 1.0), ends) for ends in zip(_NOSE_ROOT, _NOSE_TIP, strict=True))
    share = np.clip((outer - away) / (outer - inner), 0.0, 1.0)
    mask: Array = share * share * (3.0 - 2.0 * share)
    return mask


def _nose_of_joints(model: FlameModel, skin: NDArray[np.bool_], between: float) -> tuple[Array, Array]:
    """Return the nose's root between the eyes and its tip, the foremost skin below."""
    joints = joints_at_rest(model)
    eyes = joints[[model.joint_names.index(name) for name in ("left_eye", "right_eye")]].mean(axis=0)
    offset = model.v_template - eyes
    middle = skin & (np.abs(offset[:, 0]) < 0.1 * between)
    depth = offset[:, 2]
    level = np.where(middle & (np.abs(offset[:, 1]) < 0.12 * between), depth, -np.inf)
    below = np.where(middle & (offset[:, 1] < 0.0) & (offset[:, 1] > -between), depth, -np.inf)
    root, tip = model.v_template[int(level.argmax())], model.v_template[int(below.argmax())]
    return np.array([eyes[0], *root[1:]]), np.array([eyes[0], *tip[1:]])


def _under(points: Array, landmarks: FaceLandmarks) -> Array:
    """Return 1 below the lip line, fading just above it, where an opening jaw still drags the cheeks."""
    height = float(landmarks.lips[:, 1].mean())
    return _soft(points[:, 1], height + 0.5 * landmarks.between_eyes, height + 0.1 * landmarks.between_eyes)


def _across(model: FlameModel) -> tuple[Array, float]:
    """Return each vertex's offset ``[V]`` to the left of the midplane, and the distance between the eyes."""
    joints = joints_at_rest(model)
    left, right = (joints[model.joint_names.index(name)] for name in ("left_eye", "right_eye"))
    across: Array = model.v_template[:, 0] - (left[0] + right[0]) / 2.0
    return across, float(np.linalg.norm(left - right))


def _moved_by(model: FlameModel, names: Iterable[str]) -> Array:
    """Return where any of some expressions moves the face, each relative to its own largest motion."""
    columns = [model.expr_names.index(name) for name in names]
    lengths = np.linalg.norm(model.exprdirs[:, :, columns], axis=1)
    largest: Array = np.max([_share_of_largest(lengths[:, column]) for column in range(len(columns))], axis=0)
    return largest


def _most_moved(model: FlameModel, name: str, where: Array) -> Array:
    """Return the place ``[3]`` at rest that an expression moves most, weighted by ``where``."""
    motion = np.linalg.norm(model.exprdirs[:, :, model.expr_names.index(name)], axis=1) * where
    place: Array = model.v_template[int(motion.argmax())]
    return place


def _share_of_largest(motion: Array) -> Array:
    largest = float(motion.max(initial=0.0))
    return _soft(motion / largest, *_SOFT) if largest > 0.0 else np.zeros_like(motion)


def _soft(values: Array, start: float, end: float) -> Array:
    """Return 0 up to ``start`` and 1 from ``end`` on, smooth between; ``start`` above ``end`` falls instead."""
    share = np.clip((values - start) / (end - start), 0.0, 1.0)
    smooth: Array = share * share * (3.0 - 2.0 * share)
    return smooth


def _fades(distances: Array, reach: tuple[float, float], between: float) -> Array:
    return _soft(distances, reach[1] * between, reach[0] * between)


def _distance_to(points: Array, line: Array) -> Array:
    """Return how far points ``[N, 3]`` are from a line ``[K, 3]`` of straight pieces."""
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-18)
    along = np.clip(((points[:, None] - start) * step).sum(axis=-1) / length, 0.0, 1.0)
    nearest: Array = np.linalg.norm(points[:, None] - start - along[..., None] * step, axis=-1).min(axis=1)
    return nearest


def _by_first(line: Array) -> tuple[Array, Array]:
    ordered = line[np.argsort(line[:, 0])]
    return ordered[:, 0], ordered[:, 1]


def _on(model: FlameModel, vertices: NDArray[np.int64], mask: Array) -> Array:
    whole = np.zeros(len(model.v_template))
    whole[vertices] = mask
    return whole
