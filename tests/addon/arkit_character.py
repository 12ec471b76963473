"""A character of someone else's: head, teeth and lashes with ARKit keys in three spellings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy

from addon.rig import Rig, find_rig
from flame_rig.arkit import ARKIT_SHAPES

HEAD_KEYS = (*ARKIT_SHAPES, "smirk")
TEETH_KEYS = ("Jaw_Open", "Jaw_L", "Jaw_R", "Jaw_Forward")
LASH_KEYS = ("lashes.eyeBlink_L", "lashes.eyeBlink_R", "lashes.eyeWide_L", "lashes.eyeWide_R")


def keyed_mesh(name: str, keys: Sequence[str], collection: bpy.types.Collection | None = None) -> bpy.types.Object:
    """A triangle with keys that each lift its first corner by 1."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new(name, mesh)
    (collection or bpy.context.scene.collection).objects.link(thing)
    thing.shape_key_add(name="Basis", from_mix=False)
    for key_name in keys:
        key = thing.shape_key_add(name=key_name, from_mix=False)
        key.data[0].co.z = 1.0
        key.value = 0.0
    return thing


def three_meshes(collection: bpy.types.Collection | None = None) -> list[bpy.types.Object]:
    """Lashes, head and teeth, in an order that does not help."""
    parts = {"Lashes": LASH_KEYS, "Head": HEAD_KEYS, "Teeth": TEETH_KEYS}
    return [keyed_mesh(name, keys, collection) for name, keys in parts.items()]


def armature_with(*bones: str) -> bpy.types.Object:
    """An armature whose bones point up and back, rolled by an odd angle."""
    armature = bpy.data.objects.new("Skeleton", bpy.data.armatures.new("Skeleton"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name in bones:
        bone = armature.data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = (0, 0, 0), (0.1, 0.3, 0.9), 0.7
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def saved_character(path: Path) -> None:
    """Save a file with a registered character in the collection “Char”, and leave an empty one open."""
    from addon.characters import register_character

    collection = bpy.data.collections.new("Char")
    bpy.context.scene.collection.children.link(collection)
    register_character(three_meshes(collection))
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)


def linked_collection(path: Path) -> bpy.types.Collection:
    """Link the saved character's collection."""
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["Char"]
    return wanted.collections[0]


def override(collection: bpy.types.Collection) -> Rig:
    """Override a linked character, as Object > Library Override > Make does, and find it."""
    before = set(bpy.data.objects)
    if collection.name not in bpy.context.scene.collection.children:
        bpy.context.scene.collection.children.link(collection)
    collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    head = next(thing for thing in set(bpy.data.objects) - before if thing.name.startswith("Head"))
    rig = find_rig(head)
    assert rig is not None
    return rig


def shown(thing: bpy.types.Object) -> dict[str, float]:
    """The evaluated value of every key of a mesh."""
    keys = thing.data.shape_keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {key.name: key.value for key in keys.key_blocks}
