"""The face at rest, below the strips of lines: what they fade from and to in Blender 5.0.

There the NLA takes 1 for the rest value of a shape key, and a strip that blends in would come from a torn face. A strip
of ours below all others that holds 0 gives it the right one. Other versions need none of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import bpy

from . import compat
from .actions import LINE, OWNER, OWNER_MARK

REST_TRACK: Final = "CTEG rest"
_REST: Final = "cteg_rest"
_WRONG_BLENDS: Final = ("COMBINE", "ADD", "SUBTRACT", "MULTIPLY")


def lay(owner: compat.Animated, data_paths: Iterable[str]) -> None:
    """Put rest below what is going to be planted on ``owner``, where this Blender needs it.

    Properties that a track of someone else's animates already are left to it.
    """
    if not compat.WRONG_REST_VALUE or not isinstance(owner, bpy.types.Key):
        return
    strip = _rest_strip(owner)
    if strip is None:
        wanted = set(data_paths) - compat.all_animated_paths(owner)
        if not wanted:
            return
        (part,) = compat.new_action_parts(f"{owner.name} at rest", [owner])
        _hold(part, wanted)
        part.action[OWNER_MARK], part.action[_REST] = OWNER, True
        part.action.use_frame_range, part.action.frame_start, part.action.frame_end = True, 0, 1
        animation = owner.animation_data or owner.animation_data_create()
        track = animation.nla_tracks.new()
        track.name = REST_TRACK
        strip = track.strips.new(part.action.name, 0, part.action)
        compat.assign_to_strip(strip, part)
        strip.action_frame_start, strip.action_frame_end = 0, 1
        strip.frame_start, strip.frame_end = 0, 1
        strip.blend_type, strip.extrapolation = "REPLACE", "HOLD"
        return
    _hold(compat.part_of_strip(strip, owner), set(data_paths) - compat.all_animated_paths(owner))


def take_up(owner: compat.Animated) -> None:
    """Take rest away again where no line is left to need it."""
    strip = _rest_strip(owner)
    animation = owner.animation_data
    actions = [each.action for track in animation.nla_tracks for each in track.strips] if animation is not None else []
    if strip is None or any(action is not None and action.get(LINE) for action in actions):
        return
    action: Any = strip.action
    animation.nla_tracks.remove(next(track for track in animation.nla_tracks if strip in list(track.strips)))
    if action.users == 0:
        bpy.data.actions.remove(action)


def warnings(owner: compat.Animated) -> list[str]:
    """Name the artist's strips that this Blender blends wrongly with a take."""
    animation = owner.animation_data
    if not compat.WRONG_REST_VALUE or not isinstance(owner, bpy.types.Key) or animation is None:
        return []
    names = [s.name for track in animation.nla_tracks for s in track.strips if s.blend_type in _WRONG_BLENDS]
    if animation.action is not None and animation.action_blend_type in _WRONG_BLENDS:
        names.append(animation.action.name)
    if not names:
        return []
    return [
        f"Blender {bpy.app.version_string} takes 1 for the rest value of shape keys, so these do not combine rightly "
        f"with takes on “{owner.name}”: {', '.join(names)}. Set them to Replace, or use Blender 5.1 or newer."
    ]


def _rest_strip(owner: compat.Animated) -> bpy.types.NlaStrip | None:
    animation = owner.animation_data
    tracks = list(animation.nla_tracks) if animation is not None else []
    strips = (strip for track in tracks for strip in track.strips)
    return next((strip for strip in strips if strip.action is not None and strip.action.get(_REST)), None)


def _hold(part: compat.ActionPart, data_paths: Iterable[str]) -> None:
    for path in sorted(data_paths):
        curve = part.new_curve(path, 0, "Shape Keys")
        curve.keyframe_points.insert(0, 0.0)
