"""A take shown on a head before it is baked: one marked, solo track that leaves everything else as it was.

What was there before is written down with the preview's own Action, so that it can be put back whatever happened in
between: undo, an automatic save that was opened again, a renamed head.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from bpy.app.handlers import persistent

from cteg_core.clip import ExpressionClip
from flame_rig.shaping import Shaping

from . import actions, compat
from .curves import Curve
from .rig import Rig
from .shaped_channels import channels_of, scene_fps

TRACK_NAME: Final = "CTEG preview"
MARK: Final = "cteg_preview"
"""Custom property of a preview's Action: what was there before, as JSON."""


@dataclass(frozen=True)
class Preview:
    """What is shown.

    Attributes:
        take_id: the take's id in the history.
        head: name of the mesh that performs it.
        frame_start, frame_end: first and last frame of the take.
        notes: sentences about what of it does not show.
        action: name of the Action that shows it.
    """

    take_id: str
    head: str
    frame_start: int
    frame_end: int
    notes: tuple[str, ...]
    action: str


_current: Preview | None = None


def show(
    clip: ExpressionClip,
    rig: Rig,
    scene: bpy.types.Scene,
    start_frame: float,
    shaping: Shaping | None = None,
    take_id: str = "",
) -> None:
    """Show a take on a head until :func:`stop`; what is shown already goes first.

    Args:
        clip: the take.
        rig: who performs it.
        scene: whose frame rate counts.
        start_frame: of the take; it is shown from the whole frame nearest to it.
        shaping: what is done to it.
        take_id: its id in the history.

    Raises:
        BakeError: the rig cannot perform it, or is linked or in tweak mode.
    """
    global _current
    stop()
    channels, notes = channels_of(clip, rig, scene_fps(scene), shaping)
    plan = actions.planned(channels, rig, to_nla=True)
    if compat.WRONG_REST_VALUE:
        plan = actions.Plan(plan.rig, _with_rest(plan), plan.sample_count, plan.notes)
    start = round(start_frame)
    before = {owner: _state_of(owner, plan.curves[owner]) for owner in plan.curves}
    parts = actions.finished(actions.writing(plan, TRACK_NAME, start))
    for action in compat.actions_of(parts):
        action.use_fake_user = False
        action[MARK] = json.dumps({part.key: before[part.owner] for part in parts if part.action == action})
    end = start + max(1, plan.sample_count - 1)
    for part in parts:
        _play(part, start, end)
    said = (*notes, *plan.notes)
    _current = Preview(take_id, rig.name, start, start + plan.sample_count - 1, said, parts[0].action.name)


def stop() -> None:
    """Take every preview away, and put back what was there before; nothing happens where there is none."""
    global _current
    _current = None
    shown = [action for action in bpy.data.actions if action.get(MARK) is not None and action.library is None]
    if not shown:
        return
    for owner in _owners():
        for track in [track for track in owner.animation_data.nla_tracks if _shows(track)]:
            _put_back(owner, track, _record(compat.part_of_strip(track.strips[0], owner)))
    for action in shown:
        bpy.data.actions.remove(action)


def current() -> Preview | None:
    """Return what is shown, None where nothing is (any more)."""
    if _current is None or _current.action not in bpy.data.actions or _current.head not in bpy.data.objects:
        return None
    return _current


def is_shown(take_id: str) -> bool:
    """Return whether this take is the one that is shown."""
    shown = current()
    return shown is not None and shown.take_id == take_id


def register() -> None:
    """Let previews go before the file is saved or closed, after undo, and with their head."""
    for handlers, handler in _handlers():
        if handler not in handlers:
            handlers.append(handler)


def unregister() -> None:
    """Take the preview and the handlers away."""
    stop()
    for handlers, handler in _handlers():
        if handler in handlers:
            handlers.remove(handler)


def _handlers() -> list[tuple[list[Any], Any]]:
    on = bpy.app.handlers
    return [
        (on.save_pre, _stop),
        (on.load_pre, _stop),
        # A file that was saved automatically, or by a Blender that ended badly, may hold one.
        (on.load_post, _stop),
        (on.undo_post, _stop),
        (on.redo_post, _stop),
        (on.depsgraph_update_post, _stop_without_head),
    ]


@persistent  # type: ignore[untyped-decorator]
def _stop(*_: object) -> None:
    stop()


@persistent  # type: ignore[untyped-decorator]
def _stop_without_head(*_: object) -> None:
    if _current is None:
        return
    head = bpy.data.objects.get(_current.head)
    if head is None or not head.users_scene:
        stop()


def _with_rest(plan: actions.Plan) -> dict[compat.Animated, list[Curve]]:
    """Return the plan's curves, and rest for keys that other Actions move: alone, they would go to 1 in Blender 5.0."""
    curves: dict[compat.Animated, list[Curve]] = {}
    for owner, wanted in plan.curves.items():
        curves[owner] = list(wanted)
        if isinstance(owner, bpy.types.Key):
            others = compat.all_animated_paths(owner) - {curve.data_path for curve in wanted}
            flat = np.zeros(plan.sample_count)
            keys = (path for path in sorted(others) if path.endswith(".value"))
            curves[owner] += [Curve(path, 0, "Shape Keys", flat, np.array([0])) for path in keys]
    return curves


def _play(part: compat.ActionPart, start: int, end: int) -> None:
    owner = part.owner
    animation = owner.animation_data or owner.animation_data_create()
    # Alone, a body would lose the motion that its own Action gives it; the track on top is enough where that does
    # not move the same bones.
    hidden = bool(compat.animated_paths(owner) & {curve.data_path for curve in part.curves()})
    others_alone = any(track.is_solo for track in animation.nla_tracks)
    track = animation.nla_tracks.new()
    track.name = TRACK_NAME
    strip = track.strips.new(TRACK_NAME, start, part.action)
    compat.assign_to_strip(strip, part)
    strip.action_frame_start, strip.action_frame_end = start, end
    strip.frame_start, strip.frame_end = start, end
    strip.blend_type, strip.extrapolation, strip.use_auto_blend = "REPLACE", "HOLD", False
    if isinstance(owner, bpy.types.Key) or hidden or others_alone:
        track.is_solo = True
    animation.use_nla = True
    owner.update_tag()


def _state_of(owner: compat.Animated, curves: Iterable[Curve]) -> dict[str, Any]:
    """Return what is needed to put a data-block back: its NLA's state, and the values that Blender will overwrite."""
    animation = owner.animation_data
    state: dict[str, Any] = {"values": _values(owner, {*(curve.data_path for curve in curves), *_active_paths(owner)})}
    if animation is not None:
        solo = next((place for place, track in enumerate(animation.nla_tracks) if track.is_solo), None)
        active = next((place for place, track in enumerate(animation.nla_tracks) if track.active), None)
        # Tracks may share a name; the preview's comes on top, so that places stay.
        state["nla"] = {"on": animation.use_nla, "solo": solo, "active": active}
    return state


def _active_paths(owner: compat.Animated) -> Iterator[str]:
    # Paths to custom properties are left to the Action, which sets them again.
    return (path for path in compat.animated_paths(owner) if not path.endswith("]"))


def _values(owner: compat.Animated, data_paths: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in data_paths:
        with suppress(ValueError, TypeError):
            value: Any = owner.path_resolve(path)
            values[path] = value if isinstance(value, (bool, int, float, str)) else [float(part) for part in value]
    return values


def _put_back(owner: compat.Animated, track: bpy.types.NlaTrack, state: dict[str, Any]) -> None:
    animation = owner.animation_data
    animation.nla_tracks.remove(track)
    nla = state.get("nla")
    if nla is not None:
        animation.use_nla = bool(nla["on"])
        for place, other in enumerate(animation.nla_tracks):
            if place == nla["solo"]:
                other.is_solo = True
            if place == nla["active"]:
                animation.nla_tracks.active = other
    elif not (animation.action or animation.nla_tracks or animation.drivers):
        owner.animation_data_clear()
    for path, value in state.get("values", {}).items():
        holder_path, _, name = path.rpartition(".")
        # A key or bone may be gone, or an artist may have changed a bone's rotation mode.
        with suppress(ValueError, TypeError, AttributeError):
            holder = owner.path_resolve(holder_path) if holder_path else owner
            setattr(holder, name, value)
    owner.update_tag()


def _record(part: compat.ActionPart) -> dict[str, Any]:
    """Return what :func:`_state_of` told of a part's owner; nothing where someone changed it beyond reading."""
    try:
        record = json.loads(str(part.action.get(MARK)))
    except ValueError:
        return {}
    state = record.get(part.key) if isinstance(record, dict) else None
    return state if isinstance(state, dict) else {}


def _shows(track: bpy.types.NlaTrack) -> bool:
    return any(strip.action is not None and strip.action.get(MARK) is not None for strip in track.strips)


def _owners() -> Iterator[compat.Animated]:
    """Yield every animated data-block of the file that may show a preview."""
    for collection in (bpy.data.shape_keys, bpy.data.objects):
        for owner in collection:
            if owner.animation_data is not None and owner.library is None:
                yield owner
