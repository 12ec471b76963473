"""The one writer of animation: channels into a new Action of our own, never into an artist's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import bpy
import numpy as np
from mathutils import Euler, Quaternion
from numpy.typing import NDArray

from cteg_core.clip import ExpressionClip
from flame_rig.channels import Channels

from . import compat, nla
from .errors import CtegError
from .rig import Rig

OWNER_MARK: Final = "cteg_owner"
"""Custom property of every Action that CTEG made; no other Action is ever changed or taken off a rig."""
OWNER: Final = "cteg"
CLIP: Final = "cteg_clip"
"""Custom property with the clip's JSON, from which the take can be baked again."""
RIG_NAME: Final = "cteg_rig"

_KEY_GROUP: Final = "Shape Keys"
_SLIDER_TOLERANCE: Final = 1e-6


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
class _Curve:
    """One F-curve to be: ``values`` is ``float64 [N]``, one per frame."""

    data_path: str
    index: int
    group: str
    values: NDArray[np.float64]


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
    notes: list[str] = []
    curves: dict[compat.Animated, list[_Curve]] = _curves_of_keys(channels, rig, notes)
    if rig.bones is not None:
        curves[rig.bones] = list(_bone_curves(channels, rig.bones, notes))
    elif channels.bone_names:
        notes += _listed("The armature is gone, so the motion of these bones is lost", channels.bone_names)
    owners = [owner for owner, wanted in curves.items() if wanted]
    if not owners:
        raise BakeError(" ".join([f"Nothing on the head “{rig.name}” can be animated.", *notes]))
    for owner in owners:
        _refuse_unless_free(owner, rig, to_nla)
        notes += _hidden_strips(owner, curves[owner]) if to_nla else _hiding_strips(owner)
    parts = compat.new_action_parts(name, owners)
    frames = start_frame + np.arange(channels.sample_count)
    for part in parts:
        for curve in curves[part.owner]:
            _fill(part.new_curve(curve.data_path, curve.index, curve.group), frames, curve.values)
    take = BakedTake(compat.actions_of(parts), start_frame, int(frames[-1]), tuple(notes))
    for action in take.actions:
        _mark(action, take, rig, clip)
    for part in parts:
        if to_nla:
            nla.push_active(part.owner, is_ours)
            nla.add_strip(part, take.frame_start, take.frame_end)
        else:
            compat.assign(part)
    return take


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


def key_path(name: str) -> str:
    """Return the data path of a shape key's value, from its ``Key`` data-block."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def _curves_of_keys(channels: Channels, rig: Rig, notes: list[str]) -> dict[compat.Animated, list[_Curve]]:
    faults = _KeyFaults()
    curves: dict[compat.Animated, list[_Curve]] = {}
    for label, mesh in rig.meshes:
        keys = rig.keys if mesh == rig.mesh else mesh.data.shape_keys
        columns = [column for column, owner in enumerate(channels.key_meshes) if owner == label]
        if keys is None:
            faults.missing += [f"{label}/{channels.key_names[column]}" for column in columns]
            continue
        prefix = f"{label}/" if rig.others else ""
        curves[keys] = list(_key_curves(channels, columns, keys, prefix, faults))
        if mesh.show_only_shape_key:
            notes.append(f"“{mesh.name}” shows one shape key alone (the pin beside its keys); the rest does not show.")
    gone = sorted(set(channels.key_meshes) - {label for label, _ in rig.meshes})
    notes += _listed("These meshes of the character are gone, so their motion is lost", gone)
    notes += faults.sentences()
    return curves


@dataclass
class _KeyFaults:
    """Names of the keys whose motion is lost or will not show, gathered over all meshes."""

    missing: list[str] = field(default_factory=list)
    driven: list[str] = field(default_factory=list)
    muted: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        return [
            *_listed("These shape keys are missing from the head, so their motion is lost", self.missing),
            *_listed("These shape keys have drivers and were left alone", self.driven),
            *_listed("These shape keys are muted, so their motion does not show", self.muted),
            *_listed("These shape keys leave the range of their sliders and are cut off there (frames)", self.cut_off),
        ]


def _key_curves(
    channels: Channels, columns: Sequence[int], keys: bpy.types.Key, prefix: str, faults: _KeyFaults
) -> Iterator[_Curve]:
    driven = compat.driven_paths(keys)
    for column in columns:
        name = channels.key_names[column]
        key, path, shown = keys.key_blocks.get(name), key_path(name), prefix + name
        if key is None:
            faults.missing.append(shown)
        elif path in driven:
            faults.driven.append(shown)
        else:
            values = channels.key_values[:, column]
            beyond = (values < key.slider_min - _SLIDER_TOLERANCE) | (values > key.slider_max + _SLIDER_TOLERANCE)
            count = int(beyond.sum()) + int(channels.clamped[column])
            if count:
                faults.cut_off.append(f"{shown} ({count})")
            if key.mute:
                faults.muted.append(shown)
            yield _Curve(path, 0, _KEY_GROUP, values)


def _bone_curves(channels: Channels, armature: bpy.types.Object, notes: list[str]) -> Iterator[_Curve]:
    driven = compat.driven_paths(armature)
    missing: list[str] = []
    left_alone: list[str] = []
    locked: list[str] = []
    for column, name in enumerate(channels.bone_names):
        bone = armature.pose.bones.get(name)
        if bone is None:
            missing.append(name)
            continue
        property_name, values = _rotation_values(bone.rotation_mode, channels.bone_quaternions[:, column])
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].{property_name}'
        if path in driven:
            left_alone.append(name)
        elif any(bone.lock_rotation):
            locked.append(name)
        else:
            for index in range(values.shape[1]):
                yield _Curve(path, index, name, values[:, index])
    notes += _listed("These bones are missing from the head, so their motion is lost", missing)
    notes += _listed("The rotations of these bones have drivers and were left alone", left_alone)
    notes += _listed("The rotations of these bones are locked and were left alone", locked)


def _rotation_values(mode: str, rotations: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
    """Return the property that a bone in rotation mode ``mode`` turns by, and its values ``[N, 3 or 4]``."""
    if mode == "QUATERNION":
        return "rotation_quaternion", rotations
    if mode == "AXIS_ANGLE":
        sine = np.linalg.norm(rotations[:, 1:], axis=1)
        turned = sine[:, None] > 0.0
        axis = np.where(turned, rotations[:, 1:] / np.where(turned, sine[:, None], 1.0), (0.0, 1.0, 0.0))
        return "rotation_axis_angle", np.column_stack([2.0 * np.arctan2(sine, rotations[:, 0]), axis])
    eulers: list[Euler] = []
    order: Any = mode
    for rotation in rotations:
        # Near the last angles rather than within ±180 degrees, so that curves do not jump.
        eulers.append(Quaternion(rotation).to_euler(order, *eulers[-1:]))
    return "rotation_euler", np.array(eulers, dtype=np.float64)


def _listed(sentence: str, names: Sequence[str]) -> list[str]:
    return [f"{sentence}: {', '.join(names)}."] if names else []


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


def _hidden_strips(owner: compat.Animated, curves: Sequence[_Curve]) -> list[str]:
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


def _mark(action: bpy.types.Action, take: BakedTake, rig: Rig, clip: ExpressionClip | None) -> None:
    action[OWNER_MARK] = OWNER
    action[RIG_NAME] = rig.name
    if clip is not None:
        action[CLIP] = clip.to_json()
    # Takes that no rig plays at the moment must survive saving.
    action.use_fake_user = True
    action.use_frame_range = True
    action.frame_start, action.frame_end = take.frame_start, take.frame_end
