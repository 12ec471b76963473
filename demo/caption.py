"""Text on a picture, set in Blender's own font, which has letters for most of the world's writing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from addon import compat
from demo.engines import use_cycles, write_png
from demo.pixels import load_pixels

_SAMPLES: Final = 16
_LINE_SPACING: Final = 1.25


@dataclass(frozen=True)
class Label:
    """A piece of text on a picture.

    Attributes:
        text: one or more lines.
        left, top: where its first line begins, pixels from the picture's upper left corner.
        size: height of a line, pixels.
        color: linear RGB.
    """

    text: str
    left: float
    top: float
    size: float
    color: tuple[float, float, float]


def wrapped(text: str, columns: int, lines: int) -> str:
    """Break text into at most ``lines`` lines of ``columns`` letters (a wide letter counts twice).

    White space becomes single blanks and control characters are left out. What does not fit is replaced by an ellipsis
    and the count of the words that are missing.
    """
    clean = "".join(" " if letter.isspace() else letter for letter in text if _can_be_set(letter))
    words = clean.split()
    rows = [""]
    for index, word in enumerate(words):
        # A word wider than a row (Chinese has no blanks) is cut; only its first piece has a blank before it.
        for number, piece in enumerate(_pieces(word, columns)):
            gap = " " if rows[-1] and number == 0 else ""
            if width(rows[-1] + gap + piece) <= columns:
                rows[-1] += gap + piece
            elif len(rows) < lines:
                rows.append(piece)
            else:
                return "\n".join([*rows[:-1], f"{rows[-1]} … ({len(words) - index} more words)"])
    return "\n".join(rows)


def width(text: str) -> int:
    """Return how many columns a text takes; East Asian wide letters and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def text_height(text: str, size: float) -> int:
    """Return the pixels that the lines of a text take from top to bottom."""
    return round((text.count("\n") + 1) * size * _LINE_SPACING)


def render_labels(labels: Sequence[Label], size: tuple[int, int], folder: Path) -> NDArray[np.float32]:
    """Render labels on nothing.

    Args:
        labels: what to write.
        size: the picture's width and height, pixels.
        folder: for the rendered file.

    Returns:
        ``float32 [height, width, 4]`` straight alpha, first row at the top.
    """
    scene = bpy.data.scenes.new("Labels")
    _set_camera(scene, size)
    for label in labels:
        _add_label(scene, label)
    use_cycles(scene, size, _SAMPLES, denoised=False)
    write_png(scene, alpha=True)
    scene.render.film_transparent = True
    path = folder / "labels.png"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    bpy.data.scenes.remove(scene)
    return load_pixels(path)


def _set_camera(scene: bpy.types.Scene, size: tuple[int, int]) -> None:
    """Look straight at a plane on which one unit is a pixel, y upwards from the picture's upper edge."""
    columns, rows = size
    camera = bpy.data.cameras.new("Labels")
    camera.type = "ORTHO"
    camera.ortho_scale = max(size)
    camera.clip_end = 100.0
    thing = bpy.data.objects.new("Labels", camera)
    thing.location = (columns / 2, -rows / 2, 10.0)
    scene.collection.objects.link(thing)
    scene.camera = thing


def _add_label(scene: bpy.types.Scene, label: Label) -> None:
    curve: Any = bpy.data.curves.new("Label", "FONT")
    curve.body = label.text
    curve.size = label.size
    curve.space_line = _LINE_SPACING
    curve.align_y = "TOP"
    curve.materials.append(_glowing(label.color))
    thing = bpy.data.objects.new("Label", curve)
    thing.location = (label.left, -label.top, 0.0)
    scene.collection.objects.link(thing)


def _glowing(color: tuple[float, float, float]) -> bpy.types.Material:
    material = bpy.data.materials.new("Label")
    tree: Any = compat.node_tree_of(material)
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (*color, 1.0)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return material


def _can_be_set(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Cn", "Co")


def _pieces(word: str, columns: int) -> list[str]:
    """Cut a word into pieces that are no wider than a row."""
    pieces = [""]
    for letter in word:
        if width(pieces[-1] + letter) > columns:
            pieces.append("")
        pieces[-1] += letter
    return pieces
