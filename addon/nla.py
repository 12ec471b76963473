"""Strips in the NLA: takes placed in time, beside whatever the artist has there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

from . import compat

TRACK_NAME: Final = "CTEG"


def add_strip(part: compat.ActionPart, frame_start: int, frame_end: int) -> bpy.types.NlaStrip:
    """Add a strip that plays all frames of a part of a take where they are, at its own speed.

    It goes to a track of ours that has room there, or else to a new one on top; no other track is touched.
    """
    animation = part.owner.animation_data or part.owner.animation_data_create()
    # A strip of one frame would have no length.
    strip_end = max(frame_end, frame_start + 1)
    track = _track_with_room(animation, frame_start, strip_end)
    strip = track.strips.new(part.action.name, frame_start, part.action)
    compat.assign_to_strip(strip, part)
    # Blender may have guessed another range before it knew the slot.
    strip.action_frame_start, strip.action_frame_end = frame_start, strip_end
    strip.frame_start, strip.frame_end = frame_start, strip_end
    strip.blend_type = "REPLACE"
    lowest = track == animation.nla_tracks[0]
    strip.extrapolation = compat.LOWEST_TRACK_EXTRAPOLATION if lowest else "NOTHING"
    return strip


def push_active(owner: compat.Animated, may_push: Callable[[bpy.types.Action], bool]) -> None:
    """Turn the owner's active Action into a strip if ``may_push`` allows: it would hide every strip."""
    animation = owner.animation_data
    action = animation.action if animation is not None else None
    if action is None or not may_push(action):
        return
    part = compat.part_of(action, owner)
    animation.action = None
    add_strip(part, round(action.frame_start), round(action.frame_end))


def _track_with_room(animation: bpy.types.AnimData, start: int, end: int) -> bpy.types.NlaTrack:
    for track in animation.nla_tracks:
        ours = track.name.split(".")[0] == TRACK_NAME and not track.lock
        if ours and all(strip.frame_end <= start or end <= strip.frame_start for strip in track.strips):
            return track
    track = animation.nla_tracks.new()
    track.name = TRACK_NAME
    return track
