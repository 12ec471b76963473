"""``python -m demo.gallery PICTURE LINE...``: several lines under one another, as the README shows them.

Wants ``CTEG_SIDECAR``, as the add-on does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from addon import api
from demo.console import Console
from demo.pixels import load_pixels, save_pixels
from demo.sheet import ONE_ROW, write_sheet
from demo.takes import empty_scene, staged_head, take_of


def main(arguments: Sequence[str]) -> int:
    """Perform each line once and write the picture; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.gallery")
    parser.add_argument("picture", type=Path)
    parser.add_argument("lines", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    console = Console()
    try:
        write_gallery(options.picture, options.lines, options.seed, console)
    except api.CtegError as error:
        console.say(f"\n{error}")
        return 1
    console.say(str(options.picture))
    return 0


def write_gallery(picture: Path, lines: Sequence[str], seed: int, console: Console) -> None:
    """Perform lines with the same seed and write a row of moments for each; raises CtegError."""
    scene = empty_scene()
    rig = staged_head(scene)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for line in lines:
            with console.step(line):
                clip = api.generate(line, seed=seed)[0]
                path = Path(folder) / "row.png"
                with console.blender_silenced():
                    write_sheet(
                        scene,
                        [take_of(clip, rig)],
                        clip.text,
                        path,
                        lambda done, total: console.sign(f"picture {done} of {total}"),
                        layout=ONE_ROW,
                    )
                rows.append(load_pixels(path))
    picture.parent.mkdir(parents=True, exist_ok=True)
    save_pixels(np.concatenate(rows), picture)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(code)
