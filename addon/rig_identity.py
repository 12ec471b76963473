"""Identity: keys ``Shape###`` that change who the face is, and bones that follow them when told to.

A bone's place at rest cannot be animated without moving the skin, so the bones are fitted on request.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_model import FlameModel

from . import rig_armature
from .errors import CtegError

JOINTS: Final = "cteg_joints"
"""Custom property of a rig's mesh: each joint's name and the vertices whose weighted mean it is."""

_NAME: Final = re.compile(r"Shape\d{3,}")


class IdentityError(CtegError):
    """The bones cannot be fitted; the message is a sentence for the user, and nothing was changed."""


def identity_name(component: int) -> str:
    """Return the key's name for an identity component, as the SMPL-X add-ons write it."""
    return f"Shape{component:03}"


def store_joints(mesh: bpy.types.Object, model: FlameModel) -> None:
    """Keep with the mesh how its joints follow from its vertices."""
    record = {}
    for name, row in zip(model.joint_names, model.joint_regressor, strict=True):
        vertices = np.flatnonzero(row)
        record[name] = {"vertices": vertices.tolist(), "weights": row[vertices].tolist()}
    mesh[JOINTS] = json.dumps(record)


def joint_names(mesh: bpy.types.Object) -> tuple[str, ...]:
    """Return the joints' names in the model's order; raises IdentityError where none are stored."""
    return tuple(_stored_joints(mesh))


def fit_bones(mesh: bpy.types.Object, armature: bpy.types.Object) -> float:
    """Move the bones to where the joints of the present identity are; animation and pose stay as they are.

    What counts is the Basis key and the values of the keys ``Shape###``, not the expression.

    Returns:
        How far the bone that moved most was moved, in Blender units.

    Raises:
        IdentityError: the mesh or the armature was changed so that its joints cannot be told.
    """
    bone_data: Any = armature.data
    if bone_data.library is not None:
        raise IdentityError(
            f"The bones of “{armature.name}” are linked from {bone_data.library.filepath}; fit them in that file."
        )
    joints = _joints_now(mesh)
    missing = [name for name in joints if name not in bone_data.bones]
    if missing:
        raise IdentityError(f"The bones {', '.join(missing)} are missing from “{armature.name}”; nothing was fitted.")
    farthest = 0.0
    with rig_armature.editing(bone_data) as bones:
        # Heads are absolute in edit mode, so parents and children may come in any order.
        for name, place in joints.items():
            bone: Any = bones[name]
            shift = place - np.array(bone.head)
            farthest = max(farthest, float(np.linalg.norm(shift)))
            bone.head, bone.tail = place, np.array(bone.tail) + shift
    return farthest


def _joints_now(mesh: bpy.types.Object) -> dict[str, NDArray[np.float64]]:
    face = _identity_shape(mesh)
    joints = {}
    for name, (vertices, weights) in _stored_joints(mesh).items():
        if vertices.max(initial=0) >= len(face):
            raise IdentityError(
                f"Vertices were removed from “{mesh.name}”, so where the joint “{name}” belongs can no longer be told."
            )
        joints[name] = weights @ face[vertices]
    return joints


def _identity_shape(mesh: bpy.types.Object) -> NDArray[np.float64]:
    keys = mesh.data.shape_keys
    if keys is None:
        raise IdentityError(f"“{mesh.name}” has no shape keys, so there is no identity to fit bones to.")
    basis = _places(keys.reference_key)
    face = basis.copy()
    for key in keys.key_blocks:
        if _NAME.fullmatch(key.name) and not key.mute and key.value != 0.0:
            face += key.value * (_places(key) - basis)
    return face


def _places(key: bpy.types.ShapeKey) -> NDArray[np.float64]:
    flat = np.empty(len(key.data) * 3, dtype=np.float32)
    key.data.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _stored_joints(mesh: bpy.types.Object) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    try:
        record: dict[str, Any] = json.loads(str(mesh.get(JOINTS, "")))
        joints = {
            str(name): (np.array(row["vertices"], dtype=np.int64), np.array(row["weights"], dtype=np.float64))
            for name, row in record.items()
        }
        if any(vertices.shape != weights.shape or vertices.ndim != 1 for vertices, weights in joints.values()):
            raise ValueError("a joint has not a weight for each vertex")
        return joints
    except (ValueError, TypeError, KeyError, AttributeError):
        raise IdentityError(
            f"“{mesh.name}” does not say where its joints belong: it was made by an older version or changed by hand. "
            "Add a new head."
        ) from None
