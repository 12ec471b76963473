"""``python -m demo.performance_sheet --out PNG``: twelve lines, a row each: what is said, what was read, eight moments.

Wants ``CTEG_SIDECAR``, as the add-on does, or ``--clips`` with what ``python -m cteg_core generate --script`` made.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
import numpy as np

from addon import api
from cteg_core.metrics.faithfulness import apex_of
from demo.caption import Label, render_labels, text_height, wrapped
from demo.console import Console
from demo.engines import use_cycles, write_png
from demo.moments import MOMENT_COUNT, moments
from demo.palette import save_palette_png
from demo.performed import LINES, performances, reading_of
from demo.sheet import BACKGROUND, FAINT_INK, INK, over, render_tile
from demo.takes import empty_scene, staged_head, take_of

ROWS: Final = 12
TILE: Final = 152
GUTTER: Final = 4
SAMPLES: Final = 8
TEXT_WIDTH: Final = 292
TEXT_COLUMNS: Final = 34
TEXT_ROWS: Final = 4
TEXT_SIZE: Final = 18
NOTE_SIZE: Final = 15
TIME_SIZE: Final = 13
MARGIN: Final = 14
TIME_INK: Final = (0.62, 0.64, 0.67)
LENS: Final = 97.0
"""Longer than the stage's: the face fills its small tile."""
RISE: Final = -0.012
"""How far the picture is shifted up, in its widths: the chin has room below it."""


@dataclass(frozen=True)
class Format:
    """How a sheet is made: pixels of a tile, paths a pixel."""

    tile: int = TILE
    samples: int = SAMPLES


def main(arguments: Sequence[str]) -> int:
    """Write the sheet; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.performance_sheet")
    parser.add_argument("--lines", type=Path, default=LINES, metavar="FILE", help="a script (default: the demo's own)")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="clips of the script's lines (default: the sidecar)")
    parser.add_argument("--rows", type=int, default=ROWS, help="how many of the lines (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tile", type=int, default=TILE, help="pixels a face is wide and high (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="paths a pixel (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        clips = performances(options.lines, options.clips, options.rows, options.seed, console)
        with console.step("Rendering the sheet"), console.blender_silenced():
            write_performance_sheet(clips, options.out, Format(options.tile, options.samples), console.sign)
    except api.CtegError as error:
        console.say(f"\n{error}")
        return 1
    for title, seconds in console.seconds.items():
        console.say(f"  {seconds:6.1f} s  {title}")
    console.say(f"  {options.out} ({options.out.stat().st_size / 1e6:.2f} MB)")
    return 0


def write_performance_sheet(
    clips: Sequence[api.ExpressionClip], path: Path, form: Format, report: Callable[[str], None]
) -> None:
    """Render a row of moments for each clip, the apex among them, and write them as one PNG of 256 colours."""
    scene = empty_scene()
    rig = staged_head(scene)
    assert scene.camera is not None
    lens: bpy.types.Camera = scene.camera.data  # type: ignore[assignment]
    lens.lens, lens.shift_y = LENS, RISE
    use_cycles(scene, (form.tile, form.tile), form.samples)
    write_png(scene)
    step = form.tile + GUTTER
    sheet = np.ones((len(clips) * step - GUTTER, TEXT_WIDTH + MOMENT_COUNT * step - GUTTER, 4), dtype=np.float32)
    sheet[..., :3] = BACKGROUND
    labels: list[Label] = []
    with tempfile.TemporaryDirectory() as folder:
        for row, clip in enumerate(clips):
            top = row * step
            labels += _row_labels(clip, top)
            take_of(clip, rig).play()
            apex = apex_of(clip.frames, clip.fps)
            for column, index in enumerate(moments(clip.frames, MOMENT_COUNT, apex)):
                left = TEXT_WIDTH + column * step
                seconds = index / clip.fps
                said = f"{seconds:.1f} s" + ("  apex" if index == apex else "")
                labels.append(Label(said, left + 6, top + 5, TIME_SIZE, TIME_INK))
                tile = render_tile(scene, seconds, Path(folder) / "tile.png")
                sheet[top : top + form.tile, left : left + form.tile] = tile
                report(f"picture {row * MOMENT_COUNT + column + 1} of {len(clips) * MOMENT_COUNT}")
        ink = render_labels(labels, (sheet.shape[1], sheet.shape[0]), Path(folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_palette_png(over(ink, sheet), path)


def _row_labels(clip: api.ExpressionClip, top: float) -> list[Label]:
    text = wrapped(f"“{clip.text}”", TEXT_COLUMNS, TEXT_ROWS)
    below = top + MARGIN + text_height(text, TEXT_SIZE) + 6
    return [
        Label(text, MARGIN, top + MARGIN, TEXT_SIZE, INK),
        Label(reading_of(clip), MARGIN, below, NOTE_SIZE, FAINT_INK),
    ]


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(code)
