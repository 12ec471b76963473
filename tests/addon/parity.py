"""How far a rig in Blender is from the float64 forward model: what the tests bound and the benchmark prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Quaternion
from numpy.typing import NDArray

from addon.rig import Rig
from flame_rig.channels import quaternions
from flame_rig.flame_model import FlameModel, posed_vertices
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT
from tests.addon.heads import evaluated_vertices

ROTATION_MODES = ("QUATERNION", "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE")


@dataclass(frozen=True)
class RandomPoses:
    """Expressions ``[N, E]`` and axis-angle vectors of every joint ``[N, J, 3]``."""

    expressions: NDArray[np.float64]
    vectors: NDArray[np.float64]


def random_poses(model: FlameModel, count: int, seed: int = 0) -> RandomPoses:
    """Draw expressions of the lawful range, or of a standard deviation, and joints of 0.4 rad an axis."""
    rng = np.random.default_rng(seed)
    known = model.exprdirs.shape[2]
    if model.space == CTEG_HEAD_1.id:
        lower, upper = (limit[:EXPRESSION_COUNT] for limit in (CTEG_HEAD_1.lower, CTEG_HEAD_1.upper))
        expressions = rng.uniform(lower, upper, (count, known))
    else:
        expressions = rng.normal(size=(count, known))
    return RandomPoses(expressions, rng.normal(scale=0.4, size=(count, len(model.parents), 3)))


def set_expression(rig: Rig, names: Sequence[str], values: NDArray[np.float64]) -> None:
    """Set the keys that the rig has."""
    for name, value in zip(names, values.tolist(), strict=True):
        if name in rig.keys.key_blocks:
            rig.keys.key_blocks[name].value = value


def set_pose(rig: Rig, names: Sequence[str], vectors: NDArray[np.float64], mode: str = "QUATERNION") -> None:
    """Turn the bones ``names`` by axis-angle vectors ``[J, 3]``, in a rotation mode."""
    for name, vector in zip(names, vectors, strict=True):
        bone, rotation = rig.armature.pose.bones[name], Quaternion(quaternions(vector))
        bone.rotation_mode = mode
        bone.rotation_quaternion = rotation
        if mode == "AXIS_ANGLE":
            axis, angle = rotation.to_axis_angle()
            bone.rotation_axis_angle = (angle, *axis)
        elif mode != "QUATERNION":
            bone.rotation_euler = rotation.to_euler(mode)


def worst_error(
    rig: Rig, model: FlameModel, poses: RandomPoses, mode: str = "QUATERNION", identity: Sequence[float] = ()
) -> float:
    """Return the farthest that any vertex in any pose lies from the forward model, in metres.

    The forward model's joints are at the identity's rest. Expressions count as far as the rig has keys for them.
    """
    keyed = np.array([name in rig.keys.key_blocks for name in model.expr_names])
    expressions = poses.expressions * keyed
    wanted = posed_vertices(model, expressions, poses.vectors, identity, joints="identity")
    worst = 0.0
    for expression, vectors, expected in zip(expressions, poses.vectors, wanted, strict=True):
        set_expression(rig, model.expr_names, expression)
        set_pose(rig, model.joint_names, vectors, mode)
        bpy.context.view_layer.update()
        got = evaluated_vertices(rig) / rig.units_per_metre
        worst = max(worst, float(np.linalg.norm(got - expected, axis=1).max()))
    return worst
