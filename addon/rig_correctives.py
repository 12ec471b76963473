"""Pose correctives: shape keys that drivers turn with the bones, in every rotation mode and without scripts.

The drivers' expressions are plain arithmetic, which Blender evaluates itself: they work in a file whose
scripts may not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import bpy

from . import compat

CORRECTIVE_TERMS: Final[tuple[str, ...]] = (
    "-2*(y*y+z*z)", "2*(x*y-w*z)", "2*(x*z+w*y)",
    "2*(x*y+w*z)", "-2*(x*x+z*z)", "2*(y*z-w*x)",
    "2*(x*z-w*y)", "2*(y*z+w*x)", "-2*(x*x+y*y)",
)  # fmt: skip
"""R - I, row by row, of the rotation with the unit quaternion w, x, y, z; -w, -x, -y, -z give the same."""

_NAME: Final = re.compile(r"Pose(\d{3,})")


def corrective_name(column: int) -> str:
    """Return the key's name for a column of ``posedirs``, as the SMPL-X add-ons write it."""
    return f"Pose{column:03}"


def corrective_columns(keys: bpy.types.Key) -> tuple[int, ...]:
    """Return the columns of ``posedirs`` that ``keys`` has a corrective key for, in the keys' order."""
    found = (_NAME.fullmatch(key.name) for key in keys.key_blocks)
    return tuple(int(match[1]) for match in found if match is not None)


def drive_correctives(
    keys: bpy.types.Key, armature: bpy.types.Object, joint_names: Sequence[str], columns: Iterable[int]
) -> None:
    """Drive the keys of ``columns`` of ``posedirs`` from the rotations of the bones that they belong to."""
    for column in columns:
        joint, term = 1 + column // 9, CORRECTIVE_TERMS[column % 9]
        driver = keys.key_blocks[corrective_name(column)].driver_add("value").driver
        driver.type = "SCRIPTED"
        for axis in (letter for letter in "wxyz" if letter in term):
            variable = driver.variables.new()
            variable.name = axis
            # Unlike a property path, a transform keeps its meaning in every rotation mode of the bone.
            variable.type = "TRANSFORMS"
            target = variable.targets[0]
            target.id = armature
            target.bone_target = joint_names[joint]
            target.transform_type = f"ROT_{axis.upper()}"
            target.transform_space = "LOCAL_SPACE"
            target.rotation_mode = "QUATERNION"
        driver.expression = term


def undrive_correctives(keys: bpy.types.Key, columns: Iterable[int]) -> None:
    """Remove the drivers of the keys of ``columns``; their values stay as they are."""
    for column in columns:
        keys.key_blocks[corrective_name(column)].driver_remove("value")


def driven_columns(keys: bpy.types.Key) -> tuple[int, ...]:
    """Return those of :func:`corrective_columns` whose keys have a driver."""
    driven = compat.driven_paths(keys)
    names = {column: corrective_name(column) for column in corrective_columns(keys)}
    return tuple(column for column, name in names.items() if f'key_blocks["{name}"].value' in driven)
