"""The rig map: which channels of a rig a frame of an expression space drives, and how much.

Both parts are linear in the 53 numbers of a frame: shape-key values, and the axis-angle vectors of
bones. So a map is data, can be stored with the rig, and is the same kind of thing for every rig.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel
from flame_rig.gaze import eye_vectors
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_SLICE

RIG_MAP_FORMAT: Final = 1
JAW_BONE: Final = "jaw"
EYE_BONES: Final[tuple[str, str]] = ("left_eye", "right_eye")


@dataclass(frozen=True, eq=False)
class RigMap:
    """Expression space to channels of one rig.

    K shape keys, B bones.

    Attributes:
        space: id of the expression space that the map reads.
        key_names: K names of shape keys.
        key_weights: ``float64 [K, 50]``; key values = ``key_weights @ expression``.
        bone_names: B names of bones.
        bone_weights: ``float64 [B, 3, 53]``; a bone's axis-angle vector (radians, in FLAME's axes)
            = ``bone_weights @ frame``.
    """

    space: str
    key_names: tuple[str, ...]
    key_weights: NDArray[np.float64]
    bone_names: tuple[str, ...]
    bone_weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        keys, bones = len(self.key_names), len(self.bone_names)
        for name, shape in (("key_weights", (keys, EXPRESSION_COUNT)), ("bone_weights", (bones, 3, FRAME_WIDTH))):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise ValueError(f"A rig map needs {name} of shape {list(shape)}; got {list(array.shape)}.")
            if not np.isfinite(array).all():
                raise ValueError(f"A rig map's {name} must be finite numbers.")
            object.__setattr__(self, name, array)
        for kind, names in (("shape key", self.key_names), ("bone", self.bone_names)):
            if len(set(names)) != len(names):
                raise ValueError(f"A rig map names a {kind} twice.")

    @classmethod
    def of_model(cls, model: FlameModel) -> RigMap:
        """Map a model's own space to the rig that is built from it.

        One shape key per expression component that moves a vertex, 1 : 1; the jaw bone takes the
        frame's jaw; in ``cteg-head-1`` the eye bones turn with the eyeLook components.
        """
        moving = np.abs(model.exprdirs[:, :, :EXPRESSION_COUNT]).max(axis=(0, 1), initial=0.0) > 0.0
        components = np.flatnonzero(moving)
        key_weights = np.zeros((len(components), EXPRESSION_COUNT))
        key_weights[np.arange(len(components)), components] = 1.0
        vectors: dict[str, NDArray[np.float64]] = {JAW_BONE: np.eye(FRAME_WIDTH)[JAW_SLICE]}
        if model.space == CTEG_HEAD_1.id:
            # The eyes' vectors are linear in the frame, so unit frames give their matrix.
            columns = eye_vectors(np.eye(FRAME_WIDTH))
            vectors |= {bone: columns[:, eye].T for eye, bone in enumerate(EYE_BONES)}
        bone_names = tuple(name for name in vectors if name in model.joint_names)
        return cls(
            space=model.space,
            key_names=tuple(model.expr_names[component] for component in components),
            key_weights=key_weights,
            bone_names=bone_names,
            bone_weights=np.array([vectors[name] for name in bone_names]).reshape(-1, 3, FRAME_WIDTH),
        )

    def to_json(self) -> str:
        """Return the map as JSON; weights of 0 are left out."""
        record = {
            "format": RIG_MAP_FORMAT,
            "space": self.space,
            "keys": {name: _sparse(row) for name, row in zip(self.key_names, self.key_weights, strict=True)},
            "bones": {
                name: [_sparse(row) for row in rows]
                for name, rows in zip(self.bone_names, self.bone_weights, strict=True)
            },
        }
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RigMap:
        """Read what :meth:`to_json` wrote; raises ValueError with a sentence on anything else."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise ValueError(f"This is not a rig map: it is not JSON ({error}).") from None
        if not isinstance(record, dict) or record.get("format") != RIG_MAP_FORMAT:
            raise ValueError(f"This is not a rig map of format {RIG_MAP_FORMAT} that this version can read.")
        try:
            keys, bones = dict(record["keys"]), dict(record["bones"])
            key_weights = [_dense(row, EXPRESSION_COUNT) for row in keys.values()]
            bone_weights = [[_dense(row, FRAME_WIDTH) for row in rows] for rows in bones.values()]
            return cls(
                space=str(record["space"]),
                key_names=tuple(keys),
                key_weights=np.array(key_weights).reshape(len(keys), EXPRESSION_COUNT),
                bone_names=tuple(bones),
                bone_weights=np.array(bone_weights).reshape(len(bones), 3, FRAME_WIDTH),
            )
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise ValueError(f"This rig map is incomplete or damaged: {error!r}.") from None


def _sparse(row: NDArray[np.float64]) -> dict[str, float]:
    return {str(component): float(row[component]) for component in np.flatnonzero(row)}


def _dense(row: Any, width: int) -> NDArray[np.float64]:
    weights = np.zeros(width)
    for component, weight in row.items():
        index = int(component)
        if not 0 <= index < width:
            raise IndexError(f"component {index} of {width}")
        weights[index] = float(weight)
    return weights
