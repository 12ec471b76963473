"""The armature of a rig, and the drivers that turn its pose into correctives.

Bones lie along +Y with roll 0, so that a bone's own axes are FLAME's and its rotation is the joint's.
The armature object is turned so that the face stands upright in Blender.
"""

from __future__ import annotations

import math
from typing import Any, Final

import bpy

from flame_rig.flame_model import FlameModel, joints_at_rest

from .rig_mesh import corrective_name

BONE_LENGTH: Final = 0.12
"""A bone's length as a share of the face's height: only its direction matters."""

Y_UP_TO_Z_UP: Final = (math.pi / 2.0, 0.0, 0.0)

CORRECTIVE_TERMS: Final[tuple[str, ...]] = (
    "-2*(y*y+z*z)", "2*(x*y-w*z)", "2*(x*z+w*y)",
    "2*(x*y+w*z)", "-2*(x*x+z*z)", "2*(y*z-w*x)",
    "2*(x*z-w*y)", "2*(y*z+w*x)", "-2*(x*x+y*y)",
)  # fmt: skip
"""R - I, row by row, of the rotation with the unit quaternion w, x, y, z."""


def build_armature(model: FlameModel, name: str, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make and link an armature with a bone per joint of ``model``, in quaternion mode.

    Needs object mode: bones can only be made in edit mode, which is entered and left here.
    """
    context = bpy.context
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    joints = joints_at_rest(model)
    length = BONE_LENGTH * float((model.v_template.max(axis=0) - model.v_template.min(axis=0)).max())
    bones: list[bpy.types.EditBone] = []
    for joint, joint_name in enumerate(model.joint_names):
        bone = armature.data.edit_bones.new(joint_name)
        bone.head = joints[joint]
        bone.tail = joints[joint] + (0.0, length, 0.0)
        bone.roll = 0.0
        parent = int(model.parents[joint])
        if parent >= 0:
            bone.parent = bones[parent]
        bones.append(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    for pose_bone in armature.pose.bones:
        pose_bone.rotation_mode = "QUATERNION"
    armature.rotation_euler = Y_UP_TO_Z_UP
    armature.data.display_type = "STICK"
    return armature


def bind(mesh: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Parent ``mesh`` to ``armature`` and let it deform the mesh by linear blend skinning."""
    mesh.parent = armature
    modifier: Any = mesh.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    # Dual quaternions would leave FLAME's skinning by millimetres.
    modifier.use_deform_preserve_volume = False


def drive_correctives(
    mesh: bpy.types.Object, armature: bpy.types.Object, model: FlameModel, columns: tuple[int, ...]
) -> None:
    """Drive the keys of ``columns`` of ``posedirs`` from the rotations of the bones that they belong to."""
    keys = mesh.data.shape_keys.key_blocks
    for column in columns:
        joint, term = 1 + column // 9, CORRECTIVE_TERMS[column % 9]
        driver = keys[corrective_name(column)].driver_add("value").driver
        driver.type = "SCRIPTED"
        for axis in (letter for letter in "wxyz" if letter in term):
            variable = driver.variables.new()
            variable.name = axis
            # Unlike a property path, a transform keeps its meaning in every rotation mode of the bone.
            variable.type = "TRANSFORMS"
            target = variable.targets[0]
            target.id = armature
            target.bone_target = model.joint_names[joint]
            target.transform_type = f"ROT_{axis.upper()}"
            target.transform_space = "LOCAL_SPACE"
            target.rotation_mode = "QUATERNION"
        driver.expression = term
