"""The armature of a rig: a bone per joint, where the joints of the face at rest are.

Bones lie along +Y with roll 0, so that a bone's own axes are FLAME's and its rotation is the joint's.
The armature object is turned so that the face stands upright in Blender.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import bpy

from flame_rig.flame_model import FlameModel, joints_at_rest

from .errors import CtegError

BONE_LENGTH: Final = 0.12
"""A bone's length as a share of the face's height: only its direction matters."""

Y_UP_TO_Z_UP: Final = (math.pi / 2.0, 0.0, 0.0)


def build_armature(
    model: FlameModel, name: str, collection: bpy.types.Collection, units_per_metre: float
) -> bpy.types.Object:
    """Make and link an armature with a bone per joint of ``model``, in quaternion mode."""
    bone_data = bpy.data.armatures.new(name)
    armature = bpy.data.objects.new(name, bone_data)
    collection.objects.link(armature)
    joints = joints_at_rest(model) * units_per_metre
    height = float((model.v_template.max(axis=0) - model.v_template.min(axis=0)).max())
    length = BONE_LENGTH * height * units_per_metre
    with editing(bone_data) as edit_bones:
        bones: list[bpy.types.EditBone] = []
        for joint, joint_name in enumerate(model.joint_names):
            bone = edit_bones.new(joint_name)
            bone.head = joints[joint]
            bone.tail = joints[joint] + (0.0, length, 0.0)
            bone.roll = 0.0
            parent = int(model.parents[joint])
            if parent >= 0:
                bone.parent = bones[parent]
            bones.append(bone)
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    armature.rotation_euler = Y_UP_TO_Z_UP
    bone_data.display_type = "STICK"
    return armature


def bind(mesh: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Parent ``mesh`` to ``armature`` and let it deform the mesh by linear blend skinning."""
    mesh.parent = armature
    modifier: Any = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    # Dual quaternions would leave FLAME's skinning by millimetres.
    modifier.use_deform_preserve_volume = False


@contextmanager
def editing(armature: bpy.types.Armature) -> Iterator[bpy.types.ArmatureEditBones]:
    """Open an armature's bones for editing; the active object, its mode and the selection come back afterwards.

    Raises:
        CtegError: Blender is in a mode that cannot be left now.
    """
    view_layer = bpy.context.view_layer
    active, selected = view_layer.objects.active, list(view_layer.objects.selected)
    mode = active.mode if active is not None else "OBJECT"
    _set_mode("OBJECT")
    # Edit mode refuses an object that is hidden or in a hidden collection; this one is neither.
    helper = bpy.data.objects.new("CTEG bone edit", armature)
    bpy.context.scene.collection.objects.link(helper)
    try:
        view_layer.objects.active = helper
        bpy.ops.object.mode_set(mode="EDIT")
        yield armature.edit_bones
        bpy.ops.object.mode_set(mode="OBJECT")
    finally:
        bpy.data.objects.remove(helper)
        for thing in selected:
            thing.select_set(True)
        view_layer.objects.active = active
    _set_mode(mode)


def _set_mode(mode: str) -> None:
    active = bpy.context.view_layer.objects.active
    if active is None or active.mode == mode:
        return
    if not bpy.ops.object.mode_set.poll():  # type: ignore[call-arg]
        raise CtegError(f"Bones cannot be edited while “{active.name}” is in its present mode; leave that mode first.")
    target: Any = mode
    bpy.ops.object.mode_set(mode=target)
