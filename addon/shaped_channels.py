"""A take's channels on a rig: shaped as the artist wants it, at the scene's frame rate."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import bpy
import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import ExpressionClip
from flame_rig.channels import Channels
from flame_rig.face_halves import HEAD_HALVES, UNKNOWN_HALVES, FaceHalves, halves_of_face
from flame_rig.regions import REGION_NAMES, FaceRegions
from flame_rig.rig_map import Inputs
from flame_rig.shaping import Shaping, shaped
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH, JAW_SIDE_RADIANS, JAW_SLICE, arkit_from_frames

from . import space_maps
from .actions import BakeError
from .rig import Rig
from .rig_mesh import REGION_PREFIX

_AT_REST: Final = 1e-9


def scene_fps(scene: bpy.types.Scene) -> float:
    """Return the scene's frames a second."""
    return float(scene.render.fps / scene.render.fps_base)


def channels_of(
    clip: ExpressionClip, rig: Rig, fps: float, shaping: Shaping | None = None
) -> tuple[Channels, tuple[str, ...]]:
    """Return a clip's channels on a rig at ``fps`` samples a second, and sentences for the user.

    What belongs to a half of the face that ``shaping`` leaves alone (weight 0) has no channel at all.

    Raises:
        BakeError: the clip cannot be performed on this rig.
    """
    shaping = shaping or Shaping()
    try:
        in_other_space = clip.space != rig.space
        if in_other_space and clip.space != CTEG_HEAD_1.id and shaping != Shaping():
            # A FLAME clip for another kind of head: in that head's own space halves and lids are known.
            clip = space_maps.clip_for(rig, clip)
        halves, notes = halves_for(clip, rig, shaping)
        frames = shaped(clip.frames, clip.fps, shaping, halves)
        done = replace(clip, frames=frames)
        channels = space_maps.channels_for(rig, done, fps)
        if shaping.leaves_alone:
            channels = _without_idle(channels, space_maps.channels_for(rig, _probe(done, shaping, halves, fps), fps))
    except ValueError as error:
        raise BakeError(f"The clip cannot be baked. {error}") from None
    on_arkit = rig.rig_map.inputs is Inputs.ARKIT and not in_other_space
    beyond = arkit_from_frames(done.frames)[1] if on_arkit else 0
    if beyond:
        notes = (f"{beyond} values are beyond what ARKit shapes can show, and were cut.", *notes)
    return channels, notes


def halves_for(clip: ExpressionClip, rig: Rig, shaping: Shaping) -> tuple[FaceHalves, tuple[str, ...]]:
    """Return what is upper and lower in a clip's space, and a sentence where that is asked for and not known."""
    if clip.space == CTEG_HEAD_1.id:
        return HEAD_HALVES, ()
    if shaping.upper == shaping.lower == 1.0:
        return UNKNOWN_HALVES, ()
    found = _halves_of_rig(rig) if clip.space == rig.space else None
    if found is not None:
        return found, ()
    return UNKNOWN_HALVES, (
        f"The upper and the lower half of the face cannot be told apart on “{rig.name}” for takes of the space "
        f"“{clip.space}”, so both play as they are.",
    )


def _halves_of_rig(rig: Rig) -> FaceHalves | None:
    """Return the halves of a head's own space, as its keys and its vertex groups show them; None where they do not."""
    groups = {group.index: group.name.removeprefix(REGION_PREFIX) for group in rig.mesh.vertex_groups}
    rows = {index: REGION_NAMES.index(name) for index, name in groups.items() if name in REGION_NAMES}
    blocks, names = rig.keys.key_blocks, rig.rig_map.key_names
    weights = rig.rig_map.key_weights
    if len(rows) < len(REGION_NAMES) or any(name not in blocks for name in names):
        return None
    masks = np.zeros((len(REGION_NAMES), len(rig.mesh.data.vertices)))
    for vertex in rig.mesh.data.vertices:
        for element in vertex.groups:
            if element.group in rows:
                masks[rows[element.group], vertex.index] = element.weight
    rest = _positions(rig.keys.reference_key)
    moved = np.stack([_positions(blocks[name]) - rest for name in names], axis=2)
    try:
        return halves_of_face(rest, moved @ weights, FaceRegions(REGION_NAMES, masks))
    except ValueError:
        return None


def _positions(key: bpy.types.ShapeKey) -> NDArray[np.float64]:
    flat = np.empty(len(key.data) * 3, dtype=np.float32)
    key.data.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _probe(clip: ExpressionClip, shaping: Shaping, halves: FaceHalves, fps: float) -> ExpressionClip:
    """Return a clip in which everything that ``shaping`` leaves of a face moves, one component a frame."""
    # One key may answer to several components, and the jaw to both signs.
    rows = np.concatenate([np.eye(FRAME_WIDTH), -np.eye(FRAME_WIDTH)[JAW_SLICE]])
    rows[:, JAW_SLICE] *= JAW_SIDE_RADIANS
    mixing = np.eye(FRAME_WIDTH) + (shaping.upper - 1.0) * halves.upper + (shaping.lower - 1.0) * halves.lower
    return replace(clip, frames=(rows @ mixing.T).astype(np.float32), fps=fps)


def _without_idle(channels: Channels, probed: Channels) -> Channels:
    """Return channels without those that do not move in ``probed``."""
    keys = np.flatnonzero(np.ptp(probed.key_values, axis=0) > _AT_REST)
    bones = np.flatnonzero(np.ptp(probed.bone_quaternions, axis=0).max(axis=-1, initial=0.0) > _AT_REST)
    return replace(
        channels,
        key_names=tuple(channels.key_names[key] for key in keys),
        key_values=channels.key_values[:, keys],
        key_meshes=tuple(channels.key_meshes[key] for key in keys),
        clamped=channels.clamped[keys],
        bone_names=tuple(channels.bone_names[bone] for bone in bones),
        bone_quaternions=channels.bone_quaternions[:, bones],
    )
