"""The rig map: which channels of a rig a frame of an expression space drives, and how much.

Channels are linear in the map's inputs: the 53 numbers of a frame themselves, or the 52 ARKit weights that they mean.
So a map is data, can be stored with the rig, and is the same kind of thing for every rig.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_model import FlameModel
from flame_rig.gaze import eye_vectors
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_SLICE, arkit_from_frames

JAW_BONE: Final = "jaw"
EYE_BONES: Final[tuple[str, str]] = ("left_eye", "right_eye")


class Inputs(Enum):
    """What the channels of a map are linear in."""

    FRAME = "frame"
    """The frame: shape keys read its 50 expression coefficients, bones all 53 numbers."""
    ARKIT = "arkit"
    """The ARKit weights that a frame of ``cteg-head-1`` means, in Apple's order, each within [0, 1]."""

    @property
    def key_width(self) -> int:
        """How many inputs a shape key's weights have."""
        return EXPRESSION_COUNT if self is Inputs.FRAME else len(ARKIT_SHAPES)

    @property
    def bone_width(self) -> int:
        """How many inputs a bone's weights have."""
        return FRAME_WIDTH if self is Inputs.FRAME else len(ARKIT_SHAPES)


@dataclass(frozen=True, eq=False)
class RigMap:
    """Expression space to channels of one rig.

    K shape keys, B bones; I and J inputs: 50 and 53 for ``Inputs.FRAME``, 52 and 52 for ``Inputs.ARKIT``.

    Attributes:
        space: id of the expression space that the map reads.
        key_names: K names of shape keys.
        key_weights: ``float64 [K, I]``; key values = ``key_weights @ inputs + key_offsets``, held to ``key_limits``.
        bone_names: B names of bones.
        bone_weights: ``float64 [B, 3, J]``; a bone's axis-angle vector (radians, in the bone's own axes, which on a
            rig of ours are FLAME's) = ``bone_weights @ inputs``.
        inputs: what the weights multiply.
        key_meshes: K labels of the mesh that each key belongs to; "" is the rig's only one.
        key_offsets: ``float64 [K]``; left out, zeros.
        key_limits: ``float64 [K, 2]``, lowest and highest value; left out, none.
    """

    space: str
    key_names: tuple[str, ...]
    key_weights: NDArray[np.float64]
    bone_names: tuple[str, ...]
    bone_weights: NDArray[np.float64]
    inputs: Inputs = Inputs.FRAME
    key_meshes: tuple[str, ...] = ()
    key_offsets: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    key_limits: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    def __post_init__(self) -> None:
        keys, bones = len(self.key_names), len(self.bone_names)
        if not self.key_meshes:
            object.__setattr__(self, "key_meshes", ("",) * keys)
        if not np.size(self.key_offsets):
            object.__setattr__(self, "key_offsets", np.zeros(keys))
        if not np.size(self.key_limits):
            object.__setattr__(self, "key_limits", np.tile((-np.inf, np.inf), (keys, 1)))
        shapes = {
            "key_weights": (keys, self.inputs.key_width),
            "bone_weights": (bones, 3, self.inputs.bone_width),
            "key_offsets": (keys,),
            "key_limits": (keys, 2),
        }
        for name, shape in shapes.items():
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise ValueError(f"A rig map needs {name} of shape {list(shape)}; got {list(array.shape)}.")
            if not (np.isfinite(array).all() or (name == "key_limits" and not np.isnan(array).any())):
                raise ValueError(f"A rig map's {name} must be finite numbers.")
            object.__setattr__(self, name, array)
        if (self.key_limits[:, 0] > self.key_limits[:, 1]).any():
            raise ValueError("A rig map has a shape key whose lower limit lies above its upper one.")
        if len(self.key_meshes) != keys:
            raise ValueError(f"A rig map needs a mesh for each of its {keys} shape keys; got {len(self.key_meshes)}.")
        if self.inputs is Inputs.ARKIT and self.space != CTEG_HEAD_1.id:
            raise ValueError(f"ARKit weights are read from frames of “{CTEG_HEAD_1.id}”, not of “{self.space}”.")
        keys_of_meshes = list(zip(self.key_meshes, self.key_names, strict=True))
        for kind, names in (("shape key", keys_of_meshes), ("bone", list(self.bone_names))):
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

    def evaluate(self, frames: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the values of the keys ``float64 [T, K]`` and the vectors of the bones ``[T, B, 3]`` (radians).

        Args:
            frames: ``[T, 53]`` of the map's space.
        """
        frames = np.asarray(frames, dtype=np.float64)
        if self.inputs is Inputs.ARKIT:
            arkit, _ = arkit_from_frames(frames)
            key_inputs = bone_inputs = arkit.astype(np.float64)
        else:
            key_inputs, bone_inputs = frames[:, :EXPRESSION_COUNT], frames
        values = key_inputs @ self.key_weights.T + self.key_offsets
        lower, upper = self.key_limits.T
        return np.clip(values, lower, upper), np.einsum("brc,tc->tbr", self.bone_weights, bone_inputs)

    def to_json(self) -> str:
        """Return the map as JSON of the newest format; weights of 0 are left out."""
        from flame_rig.rig_map_json import dumps

        return dumps(self)

    @classmethod
    def from_json(cls, text: str) -> RigMap:
        """Read what :meth:`to_json` wrote, now or in an older format; raises ValueError with a sentence otherwise."""
        from flame_rig.rig_map_json import loads

        return loads(text)


def eyes_map(bones: tuple[str, ...] = EYE_BONES) -> RigMap:
    """Return a map of ``cteg-head-1`` that turns eye bones (of ``EYE_BONES``) and moves nothing else.

    For rigs of other spaces, whose frames hold no gaze.
    """
    columns = eye_vectors(np.eye(FRAME_WIDTH))
    weights = [columns[:, EYE_BONES.index(bone)].T for bone in bones]
    return RigMap(
        space=CTEG_HEAD_1.id,
        key_names=(),
        key_weights=np.zeros((0, EXPRESSION_COUNT)),
        bone_names=bones,
        bone_weights=np.array(weights).reshape(-1, 3, FRAME_WIDTH),
    )
