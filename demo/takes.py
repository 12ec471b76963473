"""A head on its stage, and the takes that it can be made to play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import bpy
import numpy as np
from numpy.typing import NDArray

from addon import api
from demo.stage import set_stage

START_FRAME: Final = 1


@dataclass(frozen=True, eq=False)
class Take:
    """A take to show.

    Attributes:
        frames: ``float32 [T, 53]`` in ``cteg-head-1``.
        fps: of ``frames``.
        play: makes the head play it from ``START_FRAME`` on; returns the scene's last frame of it.
        note: a line about it.
    """

    frames: NDArray[np.float32]
    fps: float
    play: Callable[[], int]
    note: str


def empty_scene() -> bpy.types.Scene:
    """Open a new file with nothing in it and return its scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    assert scene is not None
    return scene


def staged_head(scene: bpy.types.Scene) -> api.Rig:
    """Put the project's head into an empty scene, with camera, light and backdrop."""
    rig = api.add_head()
    set_stage(scene, rig.mesh)
    scene.frame_start = scene.frame_end = START_FRAME
    return rig


def take_of(clip: api.ExpressionClip, rig: api.Rig) -> Take:
    """Return a clip as a take; playing it bakes one more Action, so save the file first."""

    def play() -> int:
        return api.bake(clip, rig, start_frame=START_FRAME, extend_range=False).frame_end

    return Take(clip.frames, clip.fps, play, describe(clip))


def describe(clip: api.ExpressionClip) -> str:
    """Return a take in a line: its seed, its length and the emotion that was read."""
    parts = [f"seed {clip.seed}", f"{clip.seconds:.1f} s"]
    if clip.emotion is not None:
        parts.append(", ".join(f"{label} {share:.2f}" for label, share in clip.emotion.strongest(2)))
        parts.append(f"valence {clip.emotion.valence:+.2f}, arousal {clip.emotion.arousal:+.2f}")
    return "  ·  ".join(parts)
