"""A line's chosen take onto its head, as the scene's bake settings say."""

from __future__ import annotations

from typing import Any

import bpy

from . import lines
from .actions import BakedTake
from .errors import CtegError
from .rig import find_rig


def bake_line(scene: bpy.types.Scene, line: lines.Line, *, head: bpy.types.Object | None = None) -> BakedTake:
    """Bake the chosen take of a line; no sidecar is needed.

    Raises CtegError where there is nothing to bake, or no head.

    Args:
        scene: the line's.
        line: one of its lines.
        head: who performs where neither the bake's target nor the character says so; None is the scene's only head.
    """
    take = lines.chosen_take(line)
    if take is None:
        raise CtegError("This line has no take yet: generate it first.")
    target = lines.head_of(scene, line)
    if head is not None and not line.character and lines.settings_of(scene).bake.target is None:
        target = head
    rig = find_rig(target) or lines.rig_of(scene, line)
    try:
        from . import baking
    except ImportError:  # Until it has landed.
        from . import api

        return api.bake(
            take.clip, rig, start_frame=round(line.start), to_nla=lines.settings_of(scene).bake.to_nla, scene=scene
        )
    return baking.bake_take(take.clip, rig, scene, placement_of(scene, line), lines.shaping_of(line))


def placement_of(scene: bpy.types.Scene, line: lines.Line) -> Any:
    """Return where a line's take goes."""
    from .baking import Placement

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
    )
