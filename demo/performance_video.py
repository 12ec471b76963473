"""``python -m demo.performance_video --out MP4``: six lines one after another, each with what is said below the face.

Wants ``CTEG_SIDECAR``, as the add-on does, or ``--clips`` with what ``python -m cteg_core generate --script`` made.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
from numpy.typing import NDArray

from addon import api
from demo.caption import wrapped
from demo.console import Console
from demo.engines import write_h264
from demo.performed import LINES, performances
from demo.subtitles import Subtitle, add_subtitles
from demo.takes import START_FRAME, empty_scene, staged_head, take_of
from demo.video import use_video_engine, workbench_renders

COUNT: Final = 6
SIZE: Final = 480
FPS: Final = 24
PAUSE_SECONDS: Final = 0.5
RISE: Final = -0.075
"""How far the picture is shifted down, in its widths, so that the words have room below the face."""


@dataclass(frozen=True, eq=False)
class Reel:
    """Performances one after another.

    Attributes:
        clip: all of them as one, the face resting between.
        spans: seconds from which to which each of them lasts.
    """

    clip: api.ExpressionClip
    spans: tuple[tuple[float, float], ...]


def main(arguments: Sequence[str]) -> int:
    """Write the video; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.performance_video")
    parser.add_argument("--lines", type=Path, default=LINES, metavar="FILE", help="a script (default: the demo's own)")
    parser.add_argument("--out", type=Path, required=True, metavar="MP4")
    parser.add_argument("--clips", type=Path, metavar="DIR", help="clips of the script's lines (default: the sidecar)")
    parser.add_argument("--count", type=int, default=COUNT, help="how many of the lines (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=SIZE, help="pixels, wide and high (default: %(default)s)")
    parser.add_argument("--fps", type=int, default=FPS, help="frames a second (default: %(default)s)")
    parser.add_argument("--cycles", action="store_true", help="use Cycles even where Workbench can render")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        clips = performances(options.lines, options.clips, options.count, options.seed, console)
    except api.CtegError as error:
        console.say(f"\n{error}")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        workbench = not options.cycles and workbench_renders(Path(folder))
    title = f"Rendering the video with {'Workbench' if workbench else 'Cycles'}"
    with console.step(title), console.blender_silenced():
        frames = write_reel(clips, options.out, options.size, options.fps, workbench=workbench, console=console)
    for name, seconds in console.seconds.items():
        console.say(f"  {seconds:6.1f} s  {name}")
    size = options.out.stat().st_size / 1e6
    console.say(f"  {options.out} ({frames} frames, {frames / options.fps:.1f} s, {size:.2f} MB)")
    return 0


def write_reel(
    clips: Sequence[api.ExpressionClip], path: Path, size: int, fps: int, *, workbench: bool, console: Console
) -> int:
    """Render clips one after another as an H264 video; return how many frames it has."""
    reel = reel_of(clips)
    scene: Any = empty_scene()
    rig = staged_head(scene)
    scene.render.fps = fps
    scene.camera.data.shift_y = RISE
    use_video_engine(scene, (size, size), workbench=workbench)
    subtitles = [
        Subtitle(wrapped(clip.text, 46, 3), START_FRAME + round(start * fps), START_FRAME + round(end * fps))
        for clip, (start, end) in zip(clips, reel.spans, strict=True)
    ]
    add_subtitles(scene, subtitles)
    scene.frame_start, scene.frame_end = START_FRAME, take_of(reel.clip, rig).play()
    write_h264(scene)
    path.parent.mkdir(parents=True, exist_ok=True)
    scene.render.filepath = str(path.resolve())

    def tell(rendered: Any, *_: Any) -> None:
        console.sign(f"frame {rendered.frame_current} of {scene.frame_end}")

    bpy.app.handlers.render_post.append(tell)
    try:
        bpy.ops.render.render(animation=True, scene=scene.name)
    finally:
        bpy.app.handlers.render_post.remove(tell)
    return int(scene.frame_end - scene.frame_start + 1)


def reel_of(clips: Sequence[api.ExpressionClip], pause: float = PAUSE_SECONDS) -> Reel:
    """Join clips of one space and frame rate; raises ValueError for none, or for others.

    Between two of them the face goes from the one's last frame to rest and on to the other's first.
    """
    if len({(clip.space, clip.fps) for clip in clips}) != 1:
        raise ValueError("A reel is made of clips of one space and one frame rate; got others, or none.")
    fps = clips[0].fps
    parts: list[NDArray[np.float32]] = []
    spans = []
    for clip in clips:
        parts.append(_eased(parts[-1][-1] if parts else clip.frames[0], clip.frames[0], round(pause * fps)))
        start = sum(map(len, parts)) / fps
        parts.append(clip.frames)
        spans.append((start, start + clip.seconds))
    parts.append(_eased(parts[-1][-1], clips[-1].frames[-1], round(pause * fps)))
    text = " ".join(clip.text for clip in clips)
    return Reel(api.ExpressionClip(np.concatenate(parts), fps, clips[0].space, text), tuple(spans))


def _eased(before: NDArray[np.float32], after: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    weights = np.abs(np.linspace(-1.0, 1.0, count, dtype=np.float32))[:, None]
    halves = np.arange(count)[:, None] < count / 2
    return np.asarray(weights * np.where(halves, before, after), dtype=np.float32)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(code)
