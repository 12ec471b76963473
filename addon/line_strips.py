"""Strips of lines in the NLA: found by the marks on their Actions, placed, moved and blended into one another.

A line has a strip on every data-block that its take animates (each mesh's keys, the bones), which are moved together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import bpy
import numpy as np

from . import compat, nla
from .actions import LINE, BakeError, is_ours

CHARACTER: Final = "cteg_character_name"
"""Custom property of a line's Action: whose track it goes to."""
LAYER: Final = "cteg_layer"
"""Custom property of a line's Action: what it adds to the face, which names its track too."""
START: Final = "cteg_start"
"""Custom property of a line's Action: the line's start, in frames and parts of one, as it was last placed."""
BLENDS: Final = "cteg_blends"
"""Custom property of a line's Action: frames to blend in and out where no neighbour asks for more."""

ALMOST: Final = 1e-3
"""Frames that are no difference: Blender keeps a strip's frames in single precision."""

_MOST_NAME_BYTES: Final = 55
"""Blender cuts the names of tracks after 63, and adds “.001” to the second of a name."""
_SET_BLENDS: Final = "cteg_set_blends_"
"""And the data-block's name, hashed: wanted and set blends of its strip, which tell whether an artist changed them."""
_MOST_LIFTS: Final = 100


@dataclass(frozen=True, eq=False)
class Placed:
    """A strip of ours, and where it lies.

    Attributes:
        owner: the data-block that it animates.
        animation: what holds the owner's tracks.
        track: the track that it, or the meta strip around it, is in.
        strip: the strip.
        action: what it plays.
        meta: the meta strip around it.
    """

    owner: compat.Animated
    animation: bpy.types.AnimData
    track: bpy.types.NlaTrack
    strip: bpy.types.NlaStrip
    action: bpy.types.Action
    meta: bpy.types.NlaStrip | None = None

    @property
    def why_closed(self) -> str | None:
        """Why it cannot be moved or taken away; None if it can."""
        if self.track.lock:
            return f"The track “{self.track.name}” of “{self.owner.name}” is locked; unlock it in the NLA editor first."
        if is_closed(self.track):
            return f"The track “{self.track.name}” of “{self.owner.name}” is linked; change it in the file it is from."
        if self.meta is not None:
            return f"The strip “{self.strip.name}” of “{self.owner.name}” is in a meta strip; take it out of it first."
        return None

    @property
    def shown_start(self) -> float:
        """Frame that the take's first sample plays at, or would if an artist had not cut the strip's beginning off."""
        strip = self.strip
        return float(strip.frame_start - (strip.action_frame_start - self.action.frame_start) * strip.scale)

    @property
    def last_start(self) -> float:
        """The line's start when it was last placed."""
        return float(self.action.get(START, self.shown_start))

    @property
    def away(self) -> float:
        """How many frames it has been moved since it was placed; parts of a frame that placing took do not count."""
        return min(abs(self.shown_start - self.last_start), abs(self.shown_start - round(self.last_start)))

    @property
    def line_start(self) -> float:
        """The line's start: the exact one, which may lie between frames, while the strip is where it was put."""
        return self.last_start if self.away < ALMOST else self.shown_start


def track_name(character: str, layer: str) -> str:
    """Return what the tracks of a character's layer are called, as Blender can store it."""
    tail = f" {layer}".encode()[: _MOST_NAME_BYTES // 2].decode(errors="ignore")
    room = _MOST_NAME_BYTES - len(tail.encode())
    return f"{nla.TRACK_NAME} {character}".encode()[:room].decode(errors="ignore").rstrip() + tail


def is_closed(track: bpy.types.NlaTrack) -> bool:
    """Return whether nothing in a track may be changed."""
    return bool(track.lock or track.is_override_data)


def owners_in(scene: bpy.types.Scene) -> Iterator[compat.Animated]:
    """Yield every data-block of a scene that a line may animate, once."""
    seen: set[int] = set()
    for thing in scene.objects:
        keys = thing.data.shape_keys if thing.type == "MESH" else None
        for owner in (thing, keys):
            if owner is not None and owner.animation_data is not None and owner.as_pointer() not in seen:
                seen.add(owner.as_pointer())
                yield owner


def placed_on(owners: Iterable[compat.Animated], line_id: str | None = None) -> list[Placed]:
    """Return the strips of a line (None: of all lines) on some data-blocks, lowest track first."""
    found = []
    for owner in owners:
        animation = owner.animation_data
        if animation is None:
            continue
        for track in animation.nla_tracks:
            for strip in track.strips:
                for meta, inner in ((None, strip), *((strip, inner) for inner in strip.strips)):
                    action = inner.action
                    if action is None or not is_ours(action) or not action.get(LINE):
                        continue
                    if line_id is None or action[LINE] == line_id:
                        found.append(Placed(owner, animation, track, inner, action, meta))
    return found


def own(placed: Iterable[Placed]) -> list[Placed]:
    """Return of each data-block and layer the strip that is the line's own: the one nearest to where it was put.

    An artist may have duplicated it, and a copy is the artist's.
    """
    nearest: dict[tuple[str, int, str], Placed] = {}
    for each in placed:
        key = (str(each.action[LINE]), each.owner.as_pointer(), str(each.action.get(LAYER, "")))
        known = nearest.get(key)
        if known is None or each.away < known.away:
            nearest[key] = each
    return list(nearest.values())


def why_closed(placed: Iterable[Placed]) -> str | None:
    """Return why one of some strips cannot be moved or taken away; None where all of them can."""
    return next((reason for reason in (each.why_closed for each in placed) if reason is not None), None)


def refuse_closed(placed: Iterable[Placed]) -> None:
    """Raise BakeError if one of some strips cannot be moved or taken away."""
    reason = why_closed(placed)
    if reason is not None:
        raise BakeError(reason)


def plant(part: compat.ActionPart, frame: int) -> bpy.types.NlaStrip:
    """Add a strip that plays all of a line's Action (marked already) from ``frame`` on, and let neighbours blend."""
    action = part.action
    frames = max(1, round(action.frame_end - action.frame_start))
    name = _name_of(action)
    animation = part.owner.animation_data or part.owner.animation_data_create()
    track = _track_with_room(animation, name, frame, frame + frames)
    strip = track.strips.new(action.name, frame, action)
    compat.assign_to_strip(strip, part)
    # Blender may have guessed another range before it knew the slot.
    strip.action_frame_start, strip.action_frame_end = action.frame_start, action.frame_start + frames
    strip.frame_start, strip.frame_end = frame, frame + frames
    strip.blend_type, strip.extrapolation, strip.use_auto_blend = "REPLACE", "NOTHING", False
    settle(part.owner, name)
    return strip


def move(placed: Placed, frames: float) -> None:
    """Move a strip by some frames, to another track of its layer where its own has no room there."""
    if abs(frames) < ALMOST:
        return
    strip, name = placed.strip, _name_of(placed.action)
    start, end = strip.frame_start + frames, strip.frame_end + frames
    if _slides(placed.track, strip, start, end):
        # Never with its end before its start, which Blender would correct.
        for side, value in (("frame_end", end), ("frame_start", start))[:: 1 if frames > 0 else -1]:
            setattr(strip, side, value)
        _shift_curves(strip, strip, frames)
    else:
        _replant(placed, _track_with_room(placed.animation, name, start, end, strip), frames)
    settle(placed.owner, name)


def remove(placed: Iterable[Placed]) -> None:
    """Take strips away, and their tracks where nothing is left in them; the Actions stay in the file."""
    to_settle: dict[tuple[int, str], compat.Animated] = {}
    for each in placed:
        to_settle[each.owner.as_pointer(), _name_of(each.action)] = each.owner
        _remove_strip(each)
    for (_, name), owner in to_settle.items():
        settle(owner, name)


def settle(owner: compat.Animated, name: str) -> None:
    """Let the strips of a character's layer blend in and out, across wherever two of them overlap."""
    for _ in range(_MOST_LIFTS):
        ranked = _ranked(owner, name)
        hidden = next((low for low in ranked if any(_hides(high, low) for high in ranked)), None)
        if hidden is None:
            break
        _replant(hidden[1], _new_track(hidden[1].animation, name), 0.0)
    for rank, placed in ranked:
        strip = placed.strip
        length = float(strip.frame_end - strip.frame_start)
        wanted = _wanted_blends(placed)
        blends = list(wanted)
        for other_rank, other in ranked:
            if other_rank < rank:
                crossing = _crossing(strip, other.strip)
                blends = [max(pair) for pair in zip(blends, crossing, strict=True)]
        too_long = max(1.0, sum(blends) / length)
        strip.blend_in = strip.blend_out = 0.0
        strip.blend_in, strip.blend_out = (blend / too_long for blend in blends)
        placed.action[_set_blends_of(owner)] = [*wanted, float(strip.blend_in), float(strip.blend_out)]


def _crossing(high: bpy.types.NlaStrip, low: bpy.types.NlaStrip) -> tuple[float, float]:
    """Return how long a strip has to blend in and out to cross over with one below it."""
    shared = min(high.frame_end, low.frame_end) - max(high.frame_start, low.frame_start)
    if shared <= 0.0:
        return 0.0, 0.0
    if high.frame_start > low.frame_start:
        # Within the other it comes and goes; else it takes over.
        return (shared / 4.0, shared / 4.0) if high.frame_end < low.frame_end else (shared, 0.0)
    return (0.0, shared) if high.frame_end < low.frame_end else (0.0, 0.0)


def _hides(high: tuple[int, Placed], low: tuple[int, Placed]) -> bool:
    above, below = high[1].strip, low[1].strip
    longer = above.frame_end - above.frame_start > below.frame_end - below.frame_start
    covers = above.frame_start <= below.frame_start and below.frame_end <= above.frame_end
    return high[0] > low[0] and longer and covers and low[1].why_closed is None


def _wanted_blends(placed: Placed) -> tuple[float, float]:
    """Return the blends that a strip has been asked for: an artist's, where someone changed them since."""
    asked = [float(value) for value in placed.action.get(BLENDS, (0.0, 0.0))]
    known = placed.action.get(_set_blends_of(placed.owner))
    if known is not None:
        now = (placed.strip.blend_in, placed.strip.blend_out)
        sides = zip(known[:2], known[2:], now, strict=True)
        asked = [wanted if abs(present - before) < ALMOST else present for wanted, before, present in sides]
    return asked[0], asked[1]


def _set_blends_of(owner: compat.Animated) -> str:
    return f"{_SET_BLENDS}{crc32(owner.name_full.encode()):08x}"


def _ranked(owner: compat.Animated, name: str) -> list[tuple[int, Placed]]:
    """Return the strips of a layer that play, each with the place of its track from below."""
    placed = [each for each in placed_on([owner]) if each.meta is None and _name_of(each.action) == name]
    tracks = [track.as_pointer() for track in owner.animation_data.nla_tracks] if placed else []
    return [
        (tracks.index(each.track.as_pointer()), each)
        for each in placed
        if not each.track.mute and not each.strip.mute and not is_closed(each.track)
    ]


def _name_of(action: bpy.types.Action) -> str:
    return track_name(str(action.get(CHARACTER, "")), str(action.get(LAYER, "")))


def _track_with_room(
    animation: bpy.types.AnimData, name: str, start: float, end: float, but: bpy.types.NlaStrip | None = None
) -> bpy.types.NlaTrack:
    pattern = re.compile(re.escape(name) + r"(\.\d{3,})?")
    for track in animation.nla_tracks:
        if pattern.fullmatch(track.name) and not is_closed(track):
            others = [strip for strip in track.strips if strip != but]
            # Not the track that it is in: there, Blender would have to see it gone first.
            if len(others) == len(track.strips) and all(s.frame_end <= start or end <= s.frame_start for s in others):
                return track
    return _new_track(animation, name)


def _new_track(animation: bpy.types.AnimData, name: str) -> bpy.types.NlaTrack:
    track = animation.nla_tracks.new()
    track.name = name
    return track


def _slides(track: bpy.types.NlaTrack, strip: bpy.types.NlaStrip, start: float, end: float) -> bool:
    """Return whether a strip gets from where it is to [start, end] without meeting another of its track."""
    low, high = min(start, strip.frame_start), max(end, strip.frame_end)
    return all(other.frame_end <= low or high <= other.frame_start for other in track.strips if other != strip)


_CARRIED: Final = (
    "scale", "repeat", "use_reverse", "blend_type", "extrapolation", "mute", "use_sync_length", "use_auto_blend",
    "select", "use_animated_influence", "use_animated_time", "use_animated_time_cyclic",
)  # fmt: skip
"""What an artist may have set on a strip, in an order that Blender takes."""


def _replant(placed: Placed, track: bpy.types.NlaTrack, frames: float) -> None:
    """Move a strip to another track, later by ``frames``, with all that was set on it."""
    old = placed.strip
    start, end = old.frame_start + frames, old.frame_end + frames
    new = track.strips.new(old.name, int(np.floor(start)), placed.action)
    compat.assign_to_strip(new, compat.part_of_strip(old, placed.owner))
    new.action_frame_start, new.action_frame_end = old.action_frame_start, old.action_frame_end
    for name in _CARRIED:
        setattr(new, name, getattr(old, name))
    new.frame_start, new.frame_end = start, end
    new.blend_in, new.blend_out = old.blend_in, old.blend_out
    new.influence = old.influence
    _shift_curves(old, new, frames)
    _remove_strip(placed)


def _shift_curves(old: bpy.types.NlaStrip, new: bpy.types.NlaStrip, frames: float) -> None:
    """Give the curves of a strip's influence and time to another (or the same), later by ``frames``."""
    for source in old.fcurves:
        target = new.fcurves.find(source.data_path)
        if target is None:
            continue
        while len(target.keyframe_points) < len(source.keyframe_points):
            target.keyframe_points.add(1)
        for from_point, to_point in zip(source.keyframe_points, target.keyframe_points, strict=False):
            to_point.interpolation = from_point.interpolation
            for name in ("co", "handle_left", "handle_right"):
                where = getattr(from_point, name)
                setattr(to_point, name, (where[0] + frames, where[1]))
        target.update()


def _remove_strip(placed: Placed) -> None:
    track, tracks = placed.track, placed.animation.nla_tracks
    track.strips.remove(placed.strip)
    if not track.strips:
        tracks.remove(track)
