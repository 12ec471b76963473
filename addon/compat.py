"""Everything that differs between Blender's versions, 4.2 to 5.2, and nothing else.

4.2 and 4.3: an Action animates one data-block and holds its curves itself. From 4.4 an Action has a
slot per data-block, and its curves lie in layer, strip and channel bag; 5.0 removed the old way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import bpy

HAS_SLOTS: Final = bpy.app.version >= (4, 4, 0)
_MATERIALS_ALWAYS_HAVE_NODES: Final = bpy.app.version >= (5, 0, 0)

WRONG_REST_VALUE: Final = (5, 0, 0) <= bpy.app.version < (5, 1, 0)
"""Whether the NLA takes 1 for the rest value of a shape key, so that strips fade from and combine with 1, not 0."""

LOWEST_TRACK_EXTRAPOLATION: Final = "HOLD" if WRONG_REST_VALUE else "NOTHING"
"""What strips with no track below them do outside their frames: nothing, so that the face is at rest there.

5.0 takes 1 for the rest value of a shape key, which tears the face apart; holding the strips' ends avoids it.
"""


Animated: TypeAlias = bpy.types.Key | bpy.types.Object
"""The data-blocks that a take animates."""


@dataclass(frozen=True)
class ActionPart:
    """What of a take animates one data-block.

    Attributes:
        owner: the data-block that is animated.
        action: the Action; with slots it is the same for every part of a take.
        slot: the owner's slot (an ``ActionSlot``), None where Blender has none.
    """

    owner: Animated
    action: bpy.types.Action
    slot: Any

    @property
    def key(self) -> str:
        """What tells it from the other parts of its Action, whatever is renamed."""
        return str(self.slot.handle) if self.slot is not None else ""

    def curves(self) -> Any:
        """Return the collection of the owner's F-curves."""
        return _bag(self).fcurves

    def new_curve(self, data_path: str, index: int, group: str) -> bpy.types.FCurve:
        """Add an empty F-curve, shown under ``group`` in the editors."""
        bag = _bag(self)
        curve: bpy.types.FCurve = bag.fcurves.new(data_path, index=index)
        curve.group = bag.groups.get(group) or bag.groups.new(group)
        return curve


def new_action_parts(name: str, owners: Sequence[Animated]) -> tuple[ActionPart, ...]:
    """Make what a take needs to animate ``owners``: one Action with a slot each, or an Action each."""
    if not HAS_SLOTS:
        return tuple(_unslotted_part(name, owner) for owner in owners)
    action = bpy.data.actions.new(name)
    strip: Any = action.layers.new("Layer").strips.new(type="KEYFRAME")
    parts = []
    for owner in owners:
        # Named after the data-block, or else the NLA finds no slot and plays nothing.
        slot = action.slots.new(id_type=owner.id_type, name=owner.name)
        strip.channelbag(slot, ensure=True)
        parts.append(ActionPart(owner, action, slot))
    return tuple(parts)


def part_of(action: bpy.types.Action, owner: Animated) -> ActionPart:
    """Return the part of ``action`` that ``owner`` is now assigned to."""
    return ActionPart(owner, action, owner.animation_data.action_slot if HAS_SLOTS else None)


def animated_paths(owner: Animated) -> set[str]:
    """Return the data paths that the owner's active Action animates; changes nothing, unlike ``ActionPart.curves``."""
    animation = owner.animation_data
    action = animation.action if animation is not None else None
    if action is None:
        return set()
    slot = owner.animation_data.action_slot if HAS_SLOTS else None
    return {curve.data_path for curve in curves_of_action(action, slot)}


def curves_of_action(action: bpy.types.Action, slot: Any) -> list[bpy.types.FCurve]:
    """Return what an Action animates of the data-block with ``slot``; changes nothing, unlike ``ActionPart.curves``."""
    plain: Any = action
    if not HAS_SLOTS:
        return list(plain.fcurves)
    if slot is None:
        return []
    bags = (strip.channelbag(slot) for layer in plain.layers for strip in layer.strips)
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def all_curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """Return all F-curves of an Action, whatever they animate."""
    slots: Any = getattr(action, "slots", (None,))
    return [curve for slot in slots for curve in curves_of_action(action, slot)]


def curves_of_strip(strip: bpy.types.NlaStrip) -> list[bpy.types.FCurve]:
    """Return the F-curves that an NLA strip plays; none for a strip that plays no Action."""
    action = strip.action
    return curves_of_action(action, strip.action_slot if HAS_SLOTS else None) if action is not None else []


def all_animated_paths(owner: Animated) -> set[str]:
    """Return the data paths that the owner's active Action or any of its NLA strips animates."""
    animation = owner.animation_data
    tracks = animation.nla_tracks if animation is not None else ()
    strips = [strip for track in tracks for strip in track.strips]
    strips += [inner for strip in strips for inner in strip.strips]
    return animated_paths(owner) | {curve.data_path for strip in strips for curve in curves_of_strip(strip)}


def driven_paths(owner: Animated) -> set[str]:
    """Return the data paths that the owner has drivers for."""
    animation = owner.animation_data
    return {driver.data_path for driver in animation.drivers} if animation is not None else set()


def assign(part: ActionPart) -> None:
    """Make a part its owner's active Action."""
    animation = part.owner.animation_data or part.owner.animation_data_create()
    animation.action = part.action
    if HAS_SLOTS:
        animation.action_slot = part.slot


def play(owner: Animated, action: bpy.types.Action | None) -> None:
    """Make an Action that the owner played before its active one again, or leave it with none.

    Blender finds the slot again by the name of the one that the owner had.
    """
    animation = owner.animation_data or owner.animation_data_create()
    animation.action = action


def assign_to_strip(strip: bpy.types.NlaStrip, part: ActionPart) -> None:
    """Make an NLA strip play a part."""
    if HAS_SLOTS:
        strip.action_slot = part.slot


def part_of_strip(strip: bpy.types.NlaStrip, owner: Animated) -> ActionPart:
    """Return what an NLA strip of ``owner`` plays; the strip must play an Action."""
    action: Any = strip.action
    return ActionPart(owner, action, strip.action_slot if HAS_SLOTS else None)


def actions_of(parts: Iterable[ActionPart]) -> tuple[bpy.types.Action, ...]:
    """Return the different Actions of some parts, in order."""
    return tuple(dict.fromkeys(part.action for part in parts))


def node_tree_of(material: bpy.types.Material) -> bpy.types.NodeTree:
    """Return a new material's node tree, with the shader that Blender puts there."""
    if not _MATERIALS_ALWAYS_HAVE_NODES:
        material.use_nodes = True
    tree = material.node_tree
    if tree is None:
        raise RuntimeError(f"Blender gave the material {material.name} no node tree.")
    return tree


def _unslotted_part(name: str, owner: Animated) -> ActionPart:
    action: Any = bpy.data.actions.new(f"{name} ({owner.id_type.title()})")
    action.id_root = owner.id_type
    return ActionPart(owner, action, None)


def _bag(part: ActionPart) -> Any:
    """Return what holds a part's ``fcurves`` and ``groups``."""
    if not HAS_SLOTS:
        return part.action
    strip: Any = part.action.layers[0].strips[0]
    return strip.channelbag(part.slot, ensure=True)
