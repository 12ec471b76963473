"""Camera, light and backdrop around a head, sized to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import bpy
from mathutils import Vector

from addon import compat
from demo.engines import use_cycles

FRAME_RATE: Final = 30
STILL_SIZE: Final = (512, 512)
STILL_SAMPLES: Final = 16
HEAD_HEIGHT: Final = 0.30
"""Metres from the shoulders' cut to the crown, for which the tables below are meant; all scales with it."""

LENS: Final = 85.0
CAMERA_DISTANCE: Final = 0.92
CAMERA_TARGET_RISE: Final = 0.008
"""How far above the middle of the head the camera looks, metres."""

BACKDROP_COLOR: Final = (0.30, 0.34, 0.40)
AMBIENT_COLOR: Final = (0.62, 0.66, 0.72)
AMBIENT_STRENGTH: Final = 0.42


@dataclass(frozen=True)
class Lamp:
    """An area light: where it stands and how wide it is (metres, z up, the face towards -y), watts, linear RGB."""

    name: str
    place: tuple[float, float, float]
    size: float
    power: float
    color: tuple[float, float, float]


LAMPS: Final = (
    Lamp("Key", (-0.32, -0.45, 0.32), 0.22, 2.3, (1.0, 0.94, 0.86)),
    Lamp("Fill", (0.42, -0.30, 0.08), 0.25, 0.7, (0.88, 0.93, 1.0)),
    Lamp("Rim", (0.25, 0.40, 0.35), 0.15, 1.5, (1.0, 1.0, 1.0)),
)
"""Three-point light: a warm key from the subject's right, a cool fill, and a rim from behind."""


def set_stage(scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    """Put a camera, three lights, a backdrop and plain colours around ``head``, whose file is otherwise empty."""
    corners = [head.matrix_world @ Vector(corner) for corner in head.bound_box]
    low, high = (Vector([pick(axis) for axis in zip(*corners, strict=True)]) for pick in (min, max))
    scale = (high.z - low.z) / HEAD_HEIGHT
    middle = (low + high) / 2
    for lamp in LAMPS:
        _add_lamp(scene, lamp, middle, scale)
    _add_camera(scene, middle + Vector((0, 0, CAMERA_TARGET_RISE * scale)), scale)
    _add_backdrop(scene, middle, scale)
    _set_world(scene)
    _set_output(scene)


def show_camera_view(screens: Any) -> None:
    """Have every 3D view of the file open through the camera, shaded as the render is lit."""
    for screen in screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                for space in area.spaces:
                    if space.type == "VIEW_3D":
                        space.region_3d.view_perspective = "CAMERA"
                        space.shading.type = "MATERIAL"


def _add_lamp(scene: bpy.types.Scene, lamp: Lamp, middle: Vector, scale: float) -> None:
    light: Any = bpy.data.lights.new(lamp.name, "AREA")
    light.energy = lamp.power * scale**2
    light.size = lamp.size * scale
    light.color = lamp.color
    thing = bpy.data.objects.new(lamp.name, light)
    thing.location = middle + Vector(lamp.place) * scale
    _look_at(thing, middle)
    scene.collection.objects.link(thing)


def _add_camera(scene: bpy.types.Scene, target: Vector, scale: float) -> None:
    camera = bpy.data.cameras.new("Camera")
    camera.lens = LENS
    camera.clip_start = 0.01 * scale
    thing = bpy.data.objects.new("Camera", camera)
    thing.location = target + Vector((0, -CAMERA_DISTANCE * scale, 0))
    _look_at(thing, target)
    scene.collection.objects.link(thing)
    scene.camera = thing


def _add_backdrop(scene: bpy.types.Scene, middle: Vector, scale: float) -> None:
    half, depth = 1.6 * scale, 0.75 * scale
    mesh = bpy.data.meshes.new("Backdrop")
    corners = [(-half, depth, -half), (half, depth, -half), (half, depth, half), (-half, depth, half)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    material: Any = bpy.data.materials.new("Backdrop")
    material.diffuse_color = (*BACKDROP_COLOR, 1.0)
    shader: Any = compat.node_tree_of(material).nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*BACKDROP_COLOR, 1.0)
    shader.inputs["Roughness"].default_value = 1.0
    mesh.materials.append(material)
    thing = bpy.data.objects.new("Backdrop", mesh)
    thing.location = middle
    thing.hide_select = True
    scene.collection.objects.link(thing)


def _set_world(scene: bpy.types.Scene) -> None:
    world = scene.world or bpy.data.worlds.new("World")
    scene.world = world
    if world.node_tree is None:
        world.use_nodes = True
    tree: Any = world.node_tree
    background = tree.nodes["Background"]
    background.inputs["Color"].default_value = (*AMBIENT_COLOR, 1.0)
    background.inputs["Strength"].default_value = AMBIENT_STRENGTH


def _set_output(scene: Any) -> None:
    scene.render.fps = FRAME_RATE
    scene.render.fps_base = 1.0
    use_cycles(scene, STILL_SIZE, STILL_SAMPLES)


def _look_at(thing: bpy.types.Object, target: Vector) -> None:
    thing.rotation_euler = (target - thing.location).to_track_quat("-Z", "Y").to_euler()
