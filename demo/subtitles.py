"""What is said, set below a face in a square video: objects before the camera, which every engine can render."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import bpy

from addon import compat
from demo.sheet import BACKGROUND

PLATE_SHARE: Final = 0.175
"""Of the picture's height, that the words have."""
TEXT_SHARE: Final = 0.038
"""Height of a line of text, of the picture's height."""
_DISTANCE: Final = 0.3
"""Metres from the camera, before everything else."""
_LIFT: Final = 1e-3
_LINE_SPACING: Final = 1.2
_INK: Final = (0.92, 0.92, 0.92)


@dataclass(frozen=True)
class Subtitle:
    """Text that is shown from one frame to another."""

    text: str
    first: int
    last: int


def add_subtitles(scene: bpy.types.Scene, subtitles: Sequence[Subtitle]) -> None:
    """Put a plate along the lower edge of a square picture, and on it each text for its time, centred."""
    camera: Any = scene.camera
    width = _DISTANCE * camera.data.sensor_width / camera.data.lens
    middle_x, middle_y = camera.data.shift_x * width, camera.data.shift_y * width
    bottom = middle_y - 0.5 * width
    mesh = bpy.data.meshes.new("Plate")
    left, right, top = middle_x - 0.6 * width, middle_x + 0.6 * width, bottom + PLATE_SHARE * width
    low = bottom - 0.1 * width
    mesh.from_pydata([(left, low, 0), (right, low, 0), (right, top, 0), (left, top, 0)], [], [(0, 1, 2, 3)])
    _add(scene, camera, bpy.data.objects.new("Plate", mesh), (0.0, 0.0, -_DISTANCE - _LIFT), _linear(BACKGROUND))
    for number, subtitle in enumerate(subtitles, start=1):
        curve: Any = bpy.data.curves.new(f"Subtitle {number}", "FONT")
        curve.body = subtitle.text
        curve.size = TEXT_SHARE * width
        curve.space_line = _LINE_SPACING
        curve.align_x, curve.align_y = "CENTER", "CENTER"
        thing: Any = bpy.data.objects.new(curve.name, curve)
        _add(scene, camera, thing, (middle_x, bottom + 0.5 * PLATE_SHARE * width, -_DISTANCE), _INK)
        _show(thing, subtitle)


def _add(scene: bpy.types.Scene, camera: Any, thing: Any, place: tuple[float, float, float], colour: Any) -> None:
    material: Any = bpy.data.materials.new(thing.name)
    # Workbench shows these two, Cycles what glows.
    material.diffuse_color = thing.color = (*colour, 1.0)
    tree: Any = compat.node_tree_of(material)
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (*colour, 1.0)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    thing.data.materials.append(material)
    thing.parent = camera
    thing.location = place
    for kind in ("diffuse", "glossy", "transmission", "shadow"):
        setattr(thing, f"visible_{kind}", False)
    scene.collection.objects.link(thing)


def _show(thing: Any, subtitle: Subtitle) -> None:
    for frame, hidden in ((subtitle.first - 1, True), (subtitle.first, False), (subtitle.last, True)):
        thing.hide_render = hidden
        thing.keyframe_insert("hide_render", frame=frame)


def _linear(colour: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in colour)
