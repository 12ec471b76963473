"""What the add-on can do, as functions: the interface, the command line, scripts and the demo all call these.

Every function raises :class:`CtegError` with a sentence for the user where it cannot do its work.
"""

from __future__ import annotations

from typing import Final

import bpy

from cteg_core.clip import ExpressionClip
from flame_rig.channels import channels_of_clip
from flame_rig.flame_model import FlameModel

from . import actions
from .actions import BakedTake, BakeError
from .errors import CtegError
from .rig import Rig, RigError, active_rig, build_rig, find_rig

__all__ = ["BakedTake", "CtegError", "Rig", "add_head", "bake", "find_rig", "scene_fps", "take_name"]

_NAME_BYTES: Final = 48
"""Bytes of an Action's name left for the text; Blender 4 cuts names after 63."""


def add_head(model: FlameModel | None = None, name: str = "CTEG Head") -> Rig:
    """Add a head that can perform to the scene, and make it active.

    Args:
        model: any face in the FLAME layout; None is the project's own head.
        name: the name of its mesh.
    """
    if model is None:
        from flame_rig.head import build_head

        model = build_head()
    return build_rig(model, name)


def bake(
    clip: ExpressionClip,
    rig: Rig | None = None,
    *,
    start_frame: int | None = None,
    name: str | None = None,
    to_nla: bool = False,
    extend_range: bool = True,
) -> BakedTake:
    """Bake a clip into a new Action of a head, at the scene's frame rate.

    Args:
        clip: what to perform; of the head's own expression space.
        rig: the head; None is the active one, or the scene's only one.
        start_frame: frame of the clip's start; None is the current frame.
        name: of the Action; None makes one from the clip's text and seed.
        to_nla: add a strip to the NLA rather than set the active Action.
        extend_range: let the scene's frame range grow to hold the take.
    """
    scene = _scene()
    rig = rig or _active_rig()
    if clip.space != rig.space:
        raise BakeError(
            f"The clip is of the expression space “{clip.space}” and the head “{rig.name}” of “{rig.space}”; "
            "numbers of one mean nothing in the other, so generate it with a checkpoint of the head's space."
        )
    try:
        channels = channels_of_clip(rig.rig_map, clip.frames, clip.fps, scene_fps(scene))
    except ValueError as error:
        raise BakeError(f"The clip cannot be baked. {error}") from None
    start = scene.frame_current if start_frame is None else start_frame
    take = actions.bake(channels, rig, name or take_name(clip), start, clip=clip, to_nla=to_nla)
    if extend_range:
        scene.frame_start = min(scene.frame_start, take.frame_start)
        scene.frame_end = max(scene.frame_end, take.frame_end)
    return take


def scene_fps(scene: bpy.types.Scene) -> float:
    """Return the scene's frames a second."""
    return float(scene.render.fps / scene.render.fps_base)


def take_name(clip: ExpressionClip) -> str:
    """Return the name of a take's Action: the line's first words and the seed."""
    words = clip.text.encode()
    if len(words) > _NAME_BYTES:
        words = words[: _NAME_BYTES - 3].decode(errors="ignore").rstrip().encode() + "…".encode()
    return f"{words.decode()} #{clip.seed}"


def _scene() -> bpy.types.Scene:
    scene = bpy.context.scene
    if scene is None:
        raise CtegError("Blender has no scene open.")
    return scene


def _active_rig() -> Rig:
    rig = active_rig(bpy.context)
    if rig is None:
        raise RigError("There is no head to perform: select one, or add one first.")
    return rig
