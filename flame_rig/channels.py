"""Channels: what is animated on a rig, sample by sample, at the scene's frame rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.resample import resample_rotations, resample_values
from flame_rig.rig_map import RigMap
from flame_rig.spaces import FRAME_WIDTH

KEY_LIMIT: Final = 10.0
"""Shape keys hold no value beyond ±10: the hard limit of Blender's sliders."""


@dataclass(frozen=True, eq=False)
class Channels:
    """One performance on one rig.

    N samples, K shape keys, B bones.

    Attributes:
        key_names: K names of shape keys.
        key_values: ``float64 [N, K]``.
        bone_names: B names of bones.
        bone_quaternions: ``float64 [N, B, 4]`` rotations (w, x, y, z) in FLAME's axes, relative to
            the parent's, without jumps of sign.
        fps: samples a second.
        clamped: ``int64 [K]`` how many samples of each key lay beyond ``KEY_LIMIT``.
        key_meshes: K labels of the mesh that each key belongs to, as in the rig map.
    """

    key_names: tuple[str, ...]
    key_values: NDArray[np.float64]
    bone_names: tuple[str, ...]
    bone_quaternions: NDArray[np.float64]
    fps: float
    clamped: NDArray[np.int64]
    key_meshes: tuple[str, ...]

    @property
    def sample_count(self) -> int:
        """How many samples there are, N."""
        return len(self.key_values)


def channels_of_clip(rig_map: RigMap, frames: ArrayLike, source_fps: float, target_fps: float) -> Channels:
    """Turn the frames of a clip into a rig's channels at another frame rate.

    Sample n lies ``n / target_fps`` seconds after the clip's start; the last sample holds the clip's last
    frame even if that falls between two samples.

    Args:
        rig_map: the rig's map, of the clip's own expression space.
        frames: ``[T, 53]``, T at least 1.
        source_fps: the clip's frames a second.
        target_fps: the scene's frames a second.
    """
    frames = np.asarray(frames, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Frames are [T, {FRAME_WIDTH}]; got an array of shape {frames.shape}.")
    if not np.isfinite(frames).all():
        raise ValueError("The frames of a clip must be finite numbers; got NaN or infinity.")
    values, vectors = rig_map.evaluate(frames)
    values = resample_values(values, source_fps, target_fps)
    rotations = resample_rotations(sign_continuous(quaternions(vectors)), source_fps, target_fps)
    return Channels(
        key_names=rig_map.key_names,
        key_values=np.clip(values, -KEY_LIMIT, KEY_LIMIT),
        bone_names=rig_map.bone_names,
        bone_quaternions=rotations,
        fps=target_fps,
        clamped=(np.abs(values) > KEY_LIMIT).sum(axis=0),
        key_meshes=rig_map.key_meshes,
    )


def with_bones(channels: Channels, more: Channels) -> Channels:
    """Return ``channels`` with the bones of ``more`` beside its own; both have the same samples.

    Raises ValueError where they have not, or name the same bone.
    """
    if channels.sample_count != more.sample_count or channels.fps != more.fps:
        raise ValueError("Bones can only be added from channels of the same length and frame rate.")
    both = set(channels.bone_names) & set(more.bone_names)
    if both:
        raise ValueError(f"The bone “{min(both)}” is animated twice.")
    return replace(
        channels,
        bone_names=channels.bone_names + more.bone_names,
        bone_quaternions=np.concatenate([channels.bone_quaternions, more.bone_quaternions], axis=1),
    )


def quaternions(vectors: ArrayLike) -> NDArray[np.float64]:
    """Turn axis-angle vectors ``[..., 3]`` (radians) into unit quaternions ``[..., 4]`` (w, x, y, z)."""
    vector = np.asarray(vectors, dtype=np.float64)
    half = np.linalg.norm(vector, axis=-1, keepdims=True) / 2.0
    # np.sinc(x) is sin(pi x) / (pi x), exact at 0.
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * vector], axis=-1)


def sign_continuous(rotations: ArrayLike) -> NDArray[np.float64]:
    """Return quaternions ``[T, ..., 4]`` with each one's sign chosen so that neighbours in time are close.

    ``q`` and ``-q`` are one rotation, but curves that jump from one to the other pass through others.
    """
    rotation = np.array(rotations, dtype=np.float64)
    flips = np.where((rotation[1:] * rotation[:-1]).sum(axis=-1) < 0.0, -1.0, 1.0)
    rotation[1:] *= np.cumprod(flips, axis=0)[..., None]
    return rotation
