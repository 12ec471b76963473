"""Correctives as keyframes, for file formats and programs that know no drivers; and back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import bpy
import numpy as np

from flame_rig.channels import Channels, sign_continuous

from . import actions, compat, rig_identity
from .actions import BakedTake, BakeError
from .rig import Rig
from .rig_correctives import (
    corrective_columns,
    corrective_name,
    drive_correctives,
    driven_columns,
    undrive_correctives,
)

_PLAYED_BEFORE: Final = {"KEY": "cteg_keys_played_before", "OBJECT": "cteg_bones_played_before"}
"""Custom property of an Action with baked correctives, by its owner's kind: the Action whose place it took, or ""."""


def bake_correctives(rig: Rig, frame_start: int, frame_end: int, name: str | None = None) -> BakedTake:
    """Put keyframes in the place of the drivers of a rig's correctives.

    Every frame from ``frame_start`` to ``frame_end`` of the active scene is played, with all that moves the bones
    then (Actions, NLA, constraints). A new Action of ours gets the correctives and what else it must play because
    it takes another's place: the other animated keys and, where the bones play a take of ours, the bones.
    :func:`restore_correctives` undoes it.

    Args:
        rig: the head.
        frame_start, frame_end: first and last frame.
        name: of the Action; None makes one from the head's name.

    Raises:
        BakeError: nothing is driven, the frames are none, or the head's keys play an Action that is not ours.
    """
    keys, scene = rig.keys, bpy.context.scene
    if scene is None:
        raise BakeError("Blender has no scene open.")
    columns = driven_columns(keys)
    if not columns:
        raise BakeError(f"The correctives of “{rig.name}” have no drivers, so there is nothing to bake.")
    if frame_end < frame_start:
        raise BakeError(f"Frames {frame_start} to {frame_end} are none: the end comes before the start.")
    joint_names = rig_identity.joint_names(rig.mesh)
    before = {owner: _active_action(owner) for owner in (keys, rig.armature)}
    channels = _played(rig, scene, range(frame_start, frame_end + 1), columns)
    undrive_correctives(keys, columns)
    try:
        take = actions.bake(channels, rig, name or f"{rig.name} baked", frame_start)
    except BakeError:
        drive_correctives(keys, rig.armature, joint_names, columns)
        raise
    for owner, action in before.items():
        baked = _active_action(owner)
        if baked in take.actions:
            # A custom property cannot hold None.
            baked[_PLAYED_BEFORE[owner.id_type]] = action or ""
    return take


def is_baked(rig: Rig) -> bool:
    """Return whether correctives of a rig have keyframes, or nothing, in the place of their drivers."""
    keys = rig.mesh.data.shape_keys
    return keys is not None and bool(set(corrective_columns(keys)) - set(driven_columns(keys)))


def restore_correctives(rig: Rig) -> int:
    """Drive a rig's correctives by its bones again, and play what played before they were baked.

    The baked Action stays in the file.

    Returns:
        How many correctives got their drivers back.
    """
    keys = rig.keys
    missing = sorted(set(corrective_columns(keys)) - set(driven_columns(keys)))
    joint_names = rig_identity.joint_names(rig.mesh)
    for owner in (keys, rig.armature):
        action = _active_action(owner)
        before = action.get(_PLAYED_BEFORE[owner.id_type]) if action is not None else None
        if before is not None:
            compat.play(owner, before or None)
    drive_correctives(keys, rig.armature, joint_names, missing)
    return len(missing)


def _played(rig: Rig, scene: bpy.types.Scene, frames: range, columns: Sequence[int]) -> Channels:
    """Play ``frames`` and return what has to be written; the scene's frame is the same afterwards."""
    keys, armature = rig.keys, rig.armature
    bones = [bone.name for bone in armature.pose.bones] if _plays_ours(armature) else []
    values = np.empty((len(frames), len(keys.key_blocks)), dtype=np.float32)
    rotations = np.empty((len(frames), len(bones), 4))
    row = np.empty(values.shape[1], dtype=np.float32)
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        for sample, number in enumerate(frames):
            scene.frame_set(number)
            depsgraph = bpy.context.evaluated_depsgraph_get()
            keys.evaluated_get(depsgraph).key_blocks.foreach_get("value", row)
            values[sample] = row
            pose = armature.evaluated_get(depsgraph).pose
            for column, bone in enumerate(bones):
                rotation: Any = pose.bones[bone].matrix_basis.to_quaternion()
                rotations[sample, column] = rotation
    finally:
        scene.frame_set(frame, subframe=subframe)
    wanted = {actions.key_path(corrective_name(column)) for column in columns} | compat.animated_paths(keys)
    written = [
        index
        for index, key in enumerate(keys.key_blocks)
        if actions.key_path(key.name) in wanted or np.ptp(values[:, index]) > 0.0
    ]
    return Channels(
        key_names=tuple(keys.key_blocks[index].name for index in written),
        key_values=values[:, written].astype(np.float64),
        bone_names=tuple(bones),
        bone_quaternions=sign_continuous(rotations),
        fps=scene.render.fps / scene.render.fps_base,
        clamped=np.zeros(len(written), dtype=np.int64),
        key_meshes=("",) * len(written),
    )


def _active_action(owner: compat.Animated) -> bpy.types.Action | None:
    animation = owner.animation_data
    return animation.action if animation is not None else None


def _plays_ours(owner: compat.Animated) -> bool:
    action = _active_action(owner)
    return action is not None and actions.is_ours(action)
