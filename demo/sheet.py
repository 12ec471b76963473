"""The contact sheet: telling moments of each take side by side, with the line under them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
import numpy as np
from numpy.typing import NDArray

from addon.api import scene_fps
from demo.caption import Label, render_labels, text_height, wrapped
from demo.engines import use_cycles, write_png
from demo.moments import moments
from demo.pixels import load_pixels, save_pixels
from demo.takes import START_FRAME, Take

GUTTER: Final = 6
MARGIN: Final = 28
LINE_TO_NOTE: Final = 10
BACKGROUND: Final = (0.10, 0.11, 0.13)
"""sRGB, as stored in the file."""
INK: Final = (0.90, 0.90, 0.90)
FAINT_INK: Final = (0.32, 0.34, 0.37)
LINE_SIZE: Final = 40
LINE_COLUMNS: Final = 74
LINE_COUNT: Final = 3
NOTE_SIZE: Final = 24
TIME_SIZE: Final = 20
SAMPLES: Final = 8


@dataclass(frozen=True)
class Layout:
    """How tiles lie on a sheet: ``columns`` in a row, each ``tile`` pixels wide and high."""

    columns: int
    tile: int


ONE_TAKE: Final = Layout(columns=4, tile=384)
ONE_ROW: Final = Layout(columns=8, tile=256)
"""A row per take."""


def write_sheet(
    scene: bpy.types.Scene,
    takes: Sequence[Take],
    text: str,
    path: Path,
    on_tile: Callable[[int, int], None],
    layout: Layout | None = None,
) -> None:
    """Render the telling moments of some takes with Cycles and write them as one PNG.

    Args:
        scene: staged, with the head in it.
        takes: at least one.
        text: the line, written under the pictures.
        path: of the PNG.
        on_tile: told how many tiles are done, and of how many.
        layout: of the tiles; None puts a single take on two rows and several takes on a row each.
    """
    layout = layout or (ONE_TAKE if len(takes) == 1 else ONE_ROW)
    labels: list[Label] = []
    tiles: list[NDArray[np.float32]] = []
    picks = [moments(take.frames) for take in takes]
    total = sum(len(chosen) for chosen in picks)
    use_cycles(scene, (layout.tile, layout.tile), SAMPLES)
    write_png(scene)
    with tempfile.TemporaryDirectory() as folder:
        for take, chosen in zip(takes, picks, strict=True):
            take.play()
            for index in chosen:
                seconds = index / take.fps
                left, top = _place(len(tiles), layout)
                labels.append(Label(f"{seconds:.1f} s", left + 10, top + 10, TIME_SIZE, FAINT_INK))
                tiles.append(render_tile(scene, seconds, Path(folder) / "tile.png"))
                on_tile(len(tiles), total)
        rows = -(-len(tiles) // layout.columns)
        columns = layout.columns * (layout.tile + GUTTER) - GUTTER
        line = wrapped(f"“{text}”", LINE_COLUMNS * columns // (4 * 384), LINE_COUNT)
        note = "\n".join(take.note for take in takes)
        line_top = rows * (layout.tile + GUTTER) + MARGIN - GUTTER
        note_top = line_top + text_height(line, LINE_SIZE) + LINE_TO_NOTE
        height = note_top + text_height(note, NOTE_SIZE) + MARGIN - LINE_TO_NOTE
        labels.append(Label(line, MARGIN, line_top, LINE_SIZE, INK))
        labels.append(Label(note, MARGIN, note_top, NOTE_SIZE, FAINT_INK))
        sheet = np.ones((height, columns, 4), dtype=np.float32)
        sheet[..., :3] = BACKGROUND
        for number, tile in enumerate(tiles):
            left, upper = _place(number, layout)
            sheet[upper : upper + layout.tile, left : left + layout.tile] = tile
        ink = render_labels(labels, (columns, height), Path(folder))
    save_pixels(over(ink, sheet), path)


def _place(number: int, layout: Layout) -> tuple[int, int]:
    row, column = divmod(number, layout.columns)
    return column * (layout.tile + GUTTER), row * (layout.tile + GUTTER)


def render_tile(scene: bpy.types.Scene, seconds: float, path: Path) -> NDArray[np.float32]:
    """Render the moment of a playing take; return the picture as ``load_pixels`` does."""
    scene.frame_set(START_FRAME + round(seconds * scene_fps(scene)))
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    return load_pixels(path)


def over(ink: NDArray[np.float32], paper: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a picture with what :func:`demo.caption.render_labels` made laid over it."""
    alpha = ink[..., 3:]
    result = paper.copy()
    result[..., :3] = ink[..., :3] * alpha + paper[..., :3] * (1.0 - alpha)
    return result
