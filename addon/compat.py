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

LOWEST_TRACK_EXTRAPOLATION: Final = "HOLD" if (5, 0, 0) <= bpy.app.version < (5, 1, 0) else "NOTHING"
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
    action: Any = animation.action if animation is not None else None
    if action is None:
        return set()
    if not HAS_SLOTS:
        return {curve.data_path for curve in action.fcurves}
    slot = owner.animation_data.action_slot
    bags = (strip.channelbag(slot) for layer in action.layers for strip in layer.strips) if slot is not None else ()
    return {curve.data_path for bag in bags if bag is not None for curve in bag.fcurves}


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
