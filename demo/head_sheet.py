"""``python -m demo.head_sheet PICTURE``: the head in its telling faces, each from three sides."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from demo.caption import Label, render_labels
from demo.console import Console
from demo.engines import use_cycles, use_eevee, write_png
from demo.faces import FACES, show_face
from demo.pixels import load_pixels, save_pixels
from demo.sheet import BACKGROUND, GUTTER, INK
from demo.takes import empty_scene, staged_head

VIEWS: Final[dict[str, float]] = {"front": 0.0, "three-quarter": 38.0, "side": 90.0}
"""Degrees that the head is turned to its left, away from the camera."""
LENS, LIFT = 99.0, -0.012
"""A longer lens than the stage's, and how far it is shifted up in widths of the picture: the face fills the tile."""
COLUMNS: Final = 7
NAME_SIZE: Final = 20
SAMPLES: Final = 24


def main(arguments: Sequence[str]) -> int:
    """Render the sheet; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.head_sheet")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--tile", type=int, default=208, help="pixels a face is wide and high")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="paths a pixel")
    parser.add_argument("--columns", type=int, default=COLUMNS)
    parser.add_argument("--faces", nargs="+", choices=FACES, default=list(FACES), metavar="FACE")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), metavar="VIEW")
    parser.add_argument("--eevee", action="store_true", help="render with EEVEE rather than Cycles")
    options = parser.parse_args(arguments)
    console = Console()
    with console.step("the head from all sides"), console.blender_silenced():
        write_head_sheet(
            options.picture, options.faces, options.views, options.tile, options.samples, options.columns, options.eevee
        )
    console.say(str(options.picture))
    return 0


def write_head_sheet(
    picture: Path,
    faces: Sequence[str],
    views: Sequence[str],
    tile: int,
    samples: int = SAMPLES,
    columns: int = COLUMNS,
    eevee: bool = False,
) -> None:
    """Render ``FACES`` from ``VIEWS`` (one below the other, the name on top) and write them as one PNG."""
    scene = empty_scene()
    rig = staged_head(scene)
    camera: Any = scene.camera
    camera.data.lens, camera.data.shift_y = LENS, LIFT
    (use_eevee if eevee else use_cycles)(scene, (tile, tile), samples)
    write_png(scene)
    columns = min(columns, len(faces))
    step = tile + GUTTER
    rows = -(-len(faces) // columns)
    block = len(views) * step + GUTTER
    sheet = np.ones((rows * block - 2 * GUTTER, columns * step - GUTTER, 4), dtype=np.float32)
    sheet[..., :3] = BACKGROUND
    labels = []
    with tempfile.TemporaryDirectory() as folder:
        for number, face in enumerate(faces):
            row, column = divmod(number, columns)
            show_face(rig, FACES[face])
            for depth, view in enumerate(views):
                rig.armature.rotation_euler.z = math.radians(VIEWS[view])
                top = row * block + depth * step
                sheet[top : top + tile, column * step : column * step + tile] = _rendered(scene, Path(folder))
            labels.append(Label(face, column * step + 8, row * block + 6, NAME_SIZE, INK))
        ink = render_labels(labels, (sheet.shape[1], sheet.shape[0]), Path(folder))
    alpha = ink[..., 3:]
    sheet[..., :3] = ink[..., :3] * alpha + sheet[..., :3] * (1.0 - alpha)
    picture.parent.mkdir(parents=True, exist_ok=True)
    save_pixels(sheet, picture)


def _rendered(scene: bpy.types.Scene, folder: Path) -> NDArray[np.float32]:
    scene.render.filepath = str(folder / "tile.png")
    bpy.ops.render.render(write_still=True, scene=scene.name)
    return load_pixels(folder / "tile.png")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(code)
