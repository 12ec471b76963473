"""The one writer of animation: channels into a new Action of our own, never into an artist's."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import bpy
import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import ExpressionClip
from flame_rig.channels import Channels

from . import compat, nla
from .curves import Curve, curves_of, key_path, thinning
from .errors import CtegError
from .rig import Rig

__all__ = [
    "BakeError", "BakedTake", "Plan", "bake", "clip_of", "finished", "is_ours", "key_path", "mark", "planned",
    "shift", "thinned", "to_rest", "writing",
]  # fmt: skip

OWNER_MARK: Final = "cteg_owner"
"""Custom property of every Action that CTEG made; no other Action is ever changed or taken off a rig."""
OWNER: Final = "cteg"
CLIP: Final = "cteg_clip"
"""Custom property with the clip's JSON, from which the take can be baked again."""
RIG_NAME: Final = "cteg_rig"
LINE: Final = "cteg_line"
"""Custom property with the id of the line that the take is of, if it is of one."""
TAKE: Final = "cteg_take"
"""Custom property with the id of the take in the history."""

_KEYS_A_STEP: Final = 15_000

_Result = TypeVar("_Result")


class BakeError(CtegError):
    """A take cannot be baked; the message is a sentence for the user, and nothing was changed."""


@dataclass(frozen=True)
class BakedTake:
    """A take in an Action.

    Attributes:
        actions: the new Actions: one, or in Blender 4.2 and 4.3 one for the keys and one for the bones.
        frame_start, frame_end: first and last frame that have keys.
        notes: sentences for the user about what was left alone or will be cut off.
    """

    actions: tuple[bpy.types.Action, ...]
    frame_start: int
    frame_end: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """What is going to be written where; nothing has been changed yet.

    Attributes:
        rig: the head.
        curves: per data-block that is animated, none of them empty.
        sample_count: how many samples, one a frame.
        notes: as in :class:`BakedTake`.
    """

    rig: Rig
    curves: Mapping[compat.Animated, Sequence[Curve]]
    sample_count: int
    notes: tuple[str, ...]


def bake(
    channels: Channels,
    rig: Rig,
    name: str,
    start_frame: int,
    *,
    clip: ExpressionClip | None = None,
    to_nla: bool = False,
) -> BakedTake:
    """Write channels into a new Action and let the rig play it.

    Sample n becomes a key at frame ``start_frame + n``. The Action becomes the rig's active one, in place
    of none or of an older one of ours (which is kept); or it goes to the NLA, as a strip of exactly its frames.

    Args:
        channels: what to write, already at the scene's frame rate.
        rig: the head that performs.
        name: of the Action.
        start_frame: of the first sample.
        clip: stored with the Action, so that the take can be baked again.
        to_nla: add a strip rather than take the place of the active Action.

    Raises:
        BakeError: the rig plays an Action that is not ours, cannot be edited, or has none of the channels.
    """
    plan = planned(channels, rig, to_nla=to_nla)
    parts = finished(writing(plan, name, start_frame))
    take = BakedTake(compat.actions_of(parts), start_frame, start_frame + plan.sample_count - 1, plan.notes)
    mark(take, rig, clip)
    for part in parts:
        if to_nla:
            nla.push_active(part.owner, is_ours)
            nla.add_strip(part, take.frame_start, take.frame_end)
        else:
            compat.assign(part)
    return take


def planned(channels: Channels, rig: Rig, *, to_nla: bool) -> Plan:
    """Return what writing channels on a rig comes to.

    Args:
        channels: already at the scene's frame rate.
        rig: the head that performs.
        to_nla: whether it is to be a strip rather than the active Action.

    Raises:
        BakeError: the rig plays an Action that is not ours, cannot be edited, or has none of the channels.
    """
    curves, notes = curves_of(channels, rig)
    if not curves:
        raise BakeError(" ".join([f"Nothing on the head “{rig.name}” can be animated.", *notes]))
    for owner in curves:
        _refuse_unless_free(owner, rig, to_nla)
        notes += _hidden_strips(owner, curves[owner]) if to_nla else _hiding_strips(owner)
    return Plan(rig, curves, channels.sample_count, tuple(notes))


def thinned(plan: Plan, tolerance: float) -> Generator[None, None, Plan]:
    """Return a plan without the keys that lines between the others replace within ``tolerance``; 0 leaves out none.

    In steps, for a timer.
    """
    curves = {}
    for owner, wanted in plan.curves.items():
        curves[owner] = yield from thinning(wanted, tolerance)
    return replace(plan, curves=curves)


def writing(plan: Plan, name: str, start_frame: int) -> Generator[None, None, tuple[compat.ActionPart, ...]]:
    """Write a plan into a new Action, some curves a step; returns its parts, which nothing plays yet.

    The Action is kept in the file although nothing uses it. Given up before its end, none is left behind.
    """
    parts = compat.new_action_parts(name, list(plan.curves))
    actions = compat.actions_of(parts)
    frames = start_frame + np.arange(plan.sample_count)
    written = 0
    try:
        for action in actions:
            action.use_fake_user = True
        for part in parts:
            for curve in plan.curves[part.owner]:
                samples = slice(None) if curve.samples is None else curve.samples
                _fill(
                    part.new_curve(curve.data_path, curve.index, curve.group), frames[samples], curve.values[samples]
                )
                written += len(frames) if curve.samples is None else len(curve.samples)
                if written > _KEYS_A_STEP:
                    written = 0
                    yield
        yield
    except BaseException:
        for action in actions:
            # Undo, or another file, may have taken it already.
            with suppress(ReferenceError):
                bpy.data.actions.remove(action)
        raise
    return parts


def finished(work: Generator[Any, None, _Result]) -> _Result:
    """Do all steps of a piece of work at once, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: _Result = end.value
            return result


def mark(take: BakedTake, rig: Rig, clip: ExpressionClip | None, more: Mapping[str, Any] | None = None) -> None:
    """Mark a take's Actions as ours, and set the frames that they are played over; keep them in the file.

    Args:
        take: its Actions.
        rig: who performs it.
        clip: what it was baked from.
        more: further custom properties.
    """
    for action in take.actions:
        action[OWNER_MARK] = OWNER
        action[RIG_NAME] = rig.name
        if clip is not None:
            action[CLIP] = clip.to_json()
        for name, value in (more or {}).items():
            action[name] = value
        # Takes that no rig plays at the moment must survive saving.
        action.use_fake_user = True
        action.use_frame_range = True
        action.frame_start, action.frame_end = take.frame_start, take.frame_end


def shift(action: bpy.types.Action, frames: int) -> None:
    """Move all keys of an Action of ours in time; raises BakeError for one that is not ours."""
    if not is_ours(action):
        raise BakeError(f"The action “{action.name}” is not one of CTEG's takes, and stays as it is.")
    for curve in compat.all_curves(action):
        points = curve.keyframe_points
        coordinates = np.empty(2 * len(points), dtype=np.float32)
        points.foreach_get("co", coordinates)
        coordinates[::2] += frames
        points.foreach_set("co", coordinates)
        curve.update()
    action.frame_start, action.frame_end = action.frame_start + frames, action.frame_end + frames


def to_rest(owner: compat.Animated, data_paths: Iterable[str]) -> None:
    """Set what a take has moved back to rest, as far as nothing animates it any more.

    Blender leaves a property at the last value that it was animated to.
    """
    still = compat.all_animated_paths(owner) | compat.driven_paths(owner)
    for path in set(data_paths) - still:
        holder_path, _, name = path.rpartition(".")
        # A key or bone may be gone by now.
        with suppress(ValueError):
            holder: Any = owner.path_resolve(holder_path)
            if name == "value":
                setattr(holder, name, 0.0)
            else:
                setattr(holder, name, _REST_ROTATIONS[name])
    owner.update_tag()


_REST_ROTATIONS: Final = {
    "rotation_quaternion": (1.0, 0.0, 0.0, 0.0),
    "rotation_axis_angle": (0.0, 0.0, 1.0, 0.0),
    "rotation_euler": (0.0, 0.0, 0.0),
}


def is_ours(action: bpy.types.Action) -> bool:
    """Return whether CTEG made this Action."""
    return bool(action.get(OWNER_MARK) == OWNER)


def clip_of(action: bpy.types.Action) -> ExpressionClip | None:
    """Return the clip that a take was baked from; None where none is stored.

    Raises:
        BakeError: what is stored is not a clip.
    """
    text = action.get(CLIP)
    if text is None:
        return None
    try:
        return ExpressionClip.from_json(str(text))
    except ValueError as error:
        raise BakeError(f"The clip stored with the action “{action.name}” cannot be read. {error}") from None


def _refuse_unless_free(owner: compat.Animated, rig: Rig, to_nla: bool) -> None:
    overridden = next((mesh for _, mesh in rig.meshes if mesh.data.shape_keys == owner and mesh.library is None), None)
    if owner.library is not None and overridden is not None:
        raise BakeError(
            f"The shape keys of “{overridden.name}” are still those of {owner.library.filepath}; "
            "press Make Animatable in the Character panel, or call make_animatable."
        )
    if owner.library is not None:
        raise BakeError(
            f"The head “{rig.name}” is linked from {owner.library.filepath} and cannot be animated here; "
            "make a library override of it first."
        )
    animation = owner.animation_data
    if animation is None:
        return
    if animation.use_tweak_mode:
        raise BakeError(f"The head “{rig.name}” is in the tweak mode of the NLA editor; leave it and bake again.")
    action = animation.action
    if action is not None and not is_ours(action) and not to_nla:
        raise BakeError(
            f"“{owner.name}” already plays the action “{action.name}”, which is not one of CTEG's takes. "
            "Push it down to the NLA or unlink it, or add the take to the NLA instead."
        )


def _hiding_strips(owner: compat.Animated) -> list[str]:
    """Say so where the take, as the active Action, will play over strips."""
    animation = owner.animation_data
    if animation is None or not any(not track.mute and track.strips for track in animation.nla_tracks):
        return []
    return [f"The take plays over the strips that “{owner.name}” has in the NLA; add it to the NLA to see both."]


def _hidden_strips(owner: compat.Animated, curves: Sequence[Curve]) -> list[str]:
    """Say so where an artist's active Action will play over the new strip."""
    action = owner.animation_data.action if owner.animation_data is not None else None
    if action is None or is_ours(action):
        return []
    if compat.animated_paths(owner).isdisjoint(curve.data_path for curve in curves):
        return []
    return [f"The action “{action.name}” is active on “{owner.name}” and plays over the new strip."]


def _fill(curve: bpy.types.FCurve, frames: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    points = curve.keyframe_points
    points.add(len(frames))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    for name, choice in _KEYFRAME_KIND.items():
        # Blender takes the fast path only for the enum's own type, an unsigned byte.
        points.foreach_set(name, np.full(len(frames), choice, dtype=np.uint8))
    curve.update()


def _enum_value(property_name: str, identifier: str) -> int:
    choices: Any = bpy.types.Keyframe.bl_rna.properties[property_name]
    return int(choices.enum_items[identifier].value)


_KEYFRAME_KIND: Final[dict[str, int]] = {
    "interpolation": _enum_value("interpolation", "LINEAR"),
    "handle_left_type": _enum_value("handle_left_type", "AUTO_CLAMPED"),
    "handle_right_type": _enum_value("handle_right_type", "AUTO_CLAMPED"),
}
"""Straight between whole frames; the handles serve an artist who makes a curve smooth later."""

