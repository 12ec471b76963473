"""Saves a file with a character of someone else's: ``blender -b --python someones_head.py -- FILE``.

It is the head of ours with nothing of ours left on it, its keys spelled as others spell them, and some of them missing.
"""

import importlib
import re
import sys

import bpy

MISSING = ("tongueOut", "cheekPuff", "mouthDimpleLeft", "mouthDimpleRight")
OWN_KEY = "smirk"
JAW = {"jawOpen": (0.34, 0.0, 0.0), "jawLeft": (0.0, 0.1, 0.0), "jawRight": (0.0, -0.1, 0.0)}
"""Turns of the jaw's bone that stand for the keys that our head does not have."""


def spelled(name):
    """Return a key's name in another spelling."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def posed(thing, turn):
    """Return where a head's vertices are while its jaw is turned."""
    armature = next(each for each in bpy.data.objects if each.type == "ARMATURE")
    bone = armature.pose.bones["jaw"]
    bone.rotation_mode, bone.rotation_euler = "XYZ", turn
    mesh = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    places = [0.0] * (3 * len(mesh.vertices))
    mesh.vertices.foreach_get("co", places)
    return places


shapes = importlib.import_module("flame_rig.arkit").ARKIT_SHAPES
for thing in list(bpy.data.objects):
    bpy.data.objects.remove(thing)
bpy.ops.cteg.add_head()
built = next(thing for thing in bpy.data.objects if thing.type == "MESH")
head = built.copy()
head.data = built.data.copy()
head.name = "Bert"
for name in list(head.keys()):
    del head[name]
opened = {name: posed(built, turn) for name, turn in JAW.items()}
head.modifiers.clear()
head.parent = None
keys = head.data.shape_keys
keys.animation_data_clear()
for key in list(keys.key_blocks)[1:]:
    if key.name not in shapes or key.name in MISSING:
        head.shape_key_remove(key)
    else:
        key.name = spelled(key.name)
bpy.context.scene.collection.objects.link(head)
for name, places in opened.items():
    head.shape_key_add(name=spelled(name), from_mix=False).data.foreach_set("co", places)
head.shape_key_add(name=OWN_KEY, from_mix=False)
for thing in list(bpy.data.objects):
    if thing != head:
        bpy.data.objects.remove(thing)
head.select_set(False)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[sys.argv.index("--") + 1])
