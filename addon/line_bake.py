"""A line's chosen take onto its head, as the scene's bake settings say."""

from __future__ import annotations

from collections.abc import Generator

import bpy

from . import actions, baking, lines, notices
from .actions import BakedTake
from .baking import Placement
from .errors import CtegError
from .rig import find_rig


def bake_line(scene: bpy.types.Scene, line: lines.Line, *, head: bpy.types.Object | None = None) -> BakedTake:
    """Bake the chosen take of a line; no sidecar is needed.

    Args:
        scene: the line's.
        line: one of its lines.
        head: who performs where neither the bake's target nor the character says so; None is the scene's only head.

    Raises CtegError where there is nothing to bake, or no head.
    """
    return actions.finished(bake_line_steps(scene, line, head=head))


def bake_line_steps(
    scene: bpy.types.Scene, line: lines.Line, *, head: bpy.types.Object | None = None
) -> Generator[None, None, BakedTake]:
    """Do what :func:`bake_line` does in small steps, for a timer; see ``baking.bake_steps``."""
    take = lines.chosen_take(line)
    if take is None:
        raise CtegError("This line has no take yet: generate it first.")
    target = lines.head_of(scene, line)
    settings = lines.settings_of(scene).bake
    if head is not None and not line.character and settings.target is None:
        target = head
    rig = find_rig(target) or lines.rig_of(scene, line)
    placement = placement_of(scene, line, take.take_id)
    baked = yield from baking.bake_steps(take.clip, rig, scene, placement, lines.shaping_of(line))
    if settings.extend_range:
        scene.frame_start = min(scene.frame_start, baked.frame_start)
        scene.frame_end = max(scene.frame_end, baked.frame_end)
    return baked


def placement_of(scene: bpy.types.Scene, line: lines.Line, take_id: str = "") -> Placement:
    """Return where a line's take goes."""
    settings = lines.settings_of(scene).bake
    return Placement(
        line_id=line.line_id,
        character=line.character,
        layer=settings.layer or "acting",
        start_frame=line.start,
        blend_in=settings.blend_in,
        blend_out=settings.blend_out,
        to_nla=settings.to_nla,
        tolerance=settings.tolerance,
        take_id=take_id,
    )


def follow_start(line: lines.Line) -> None:
    """Move what a line plays to where it starts now; where that is locked, the panel says so."""
    if not line.line_id:
        return
    try:
        baking.move_line(line.id_data, line.line_id, line.start)
    except CtegError as error:
        notices.say(str(error), failed=True)
