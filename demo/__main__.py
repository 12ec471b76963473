"""``python -m demo``: performs a line and leaves a .blend, the clips, a picture and a video in a folder."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import bpy

from addon import api
from addon.api import scene_fps
from demo.console import Console
from demo.sheet import write_sheet
from demo.stage import show_camera_view
from demo.takes import START_FRAME, Take, describe, empty_scene, staged_head, take_of
from demo.video import workbench_renders, write_video

MAX_VIDEO_FRAMES: Final = 1800
"""A minute; a chapter of text would render for hours."""


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    text: str
    folder: Path
    seed: int
    takes: int
    video: bool
    render: bool

    def path(self, suffix: str, take: int = 0) -> Path:
        """Return where a file of a take goes; takes are counted from 0, and the first has no number."""
        return self.folder / (f"demo{suffix}" if take == 0 else f"demo-{take + 1}{suffix}")


def main() -> int:
    """Run the demo; return the exit code."""
    wish = read_wish(sys.argv[1:])
    console = Console()
    started = time.monotonic()
    try:
        paths = run(wish, console)
    except api.CtegError as error:
        console.say(f"\n{error}")
        return 1
    except OSError as error:
        console.say(f"\nThe results could not be written: {error}")
        return 1
    console.say("")
    for title, seconds in console.seconds.items():
        console.say(f"  {seconds:6.1f} s  {title}")
    console.say(f"  {time.monotonic() - started:6.1f} s  in all, seed {wish.seed}")
    for path in paths:
        console.say(f"  {path}")
    return 0


def read_wish(arguments: Sequence[str]) -> Wish:
    """Read the command line as run.py writes it."""
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("text")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--no-video", action="store_true")
    parser.add_argument("--no-render", action="store_true")
    options = parser.parse_args(arguments)
    return Wish(
        text=options.text,
        folder=options.out,
        seed=options.seed,
        takes=options.takes,
        video=not (options.no_video or options.no_render),
        render=not options.no_render,
    )


def run(wish: Wish, console: Console) -> list[Path]:
    """Do what was asked for; return the files that were written.

    Raises:
        CtegError: the line cannot be performed; the message says why.
        OSError: a file cannot be written.
    """
    wish.folder.mkdir(parents=True, exist_ok=True)
    scene = empty_scene()
    with console.step("Generating the performance"):
        clips = api.generate(
            wish.text, seed=wish.seed, takes=wish.takes, on_progress=lambda progress: console.sign(progress.message)
        )
    for clip in clips:
        console.say(f"    {describe(clip)}")
        for note in clip.notes:
            console.say(f"    {note}")
    with console.step("Building the head and baking"), console.blender_silenced():
        rig = staged_head(scene)
        baked = api.bake_takes(clips, rig, start_frame=START_FRAME)
        scene.frame_set(START_FRAME)
        show_camera_view(bpy.data.screens)
        paths = [wish.path(".blend")]
        _keep_no_backup()
        bpy.ops.wm.save_as_mainfile(filepath=str(paths[0]), compress=True, relative_remap=False)
    for note in dict.fromkeys(note for take in baked for note in take.notes):
        console.say(f"    {note}")
    for number, clip in enumerate(clips):
        paths.append(wish.path(".clip.json", number))
        paths[-1].write_text(clip.to_json(), encoding="utf-8")
    takes = [take_of(clip, rig) for clip in clips]
    if wish.render:
        with console.step("Rendering the contact sheet"), console.blender_silenced():
            paths.append(wish.path(".png"))
            write_sheet(
                scene,
                takes,
                clips[0].text,
                paths[-1],
                lambda done, total: console.sign(f"picture {done} of {total}"),
            )
    if wish.video:
        paths += _videos(wish, takes, scene, console)
    return paths


def _keep_no_backup() -> None:
    """Leave no demo.blend1 when a demo is made again in the same folder."""
    preferences = bpy.context.preferences
    assert preferences is not None
    preferences.filepaths.save_version = 0


def _videos(wish: Wish, takes: Sequence[Take], scene: bpy.types.Scene, console: Console) -> list[Path]:
    with console.step("Rendering the video"):
        with tempfile.TemporaryDirectory() as folder:
            workbench = workbench_renders(Path(folder))
        if not workbench:
            console.say(
                "    Workbench cannot render here (on Debian: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri), "
                "so the video is made with Cycles, which takes longer."
            )
        paths = []
        for number, take in enumerate(takes):
            last = take.play()
            scene.frame_start = START_FRAME
            scene.frame_end = min(last, START_FRAME + MAX_VIDEO_FRAMES - 1)
            if scene.frame_end < last:
                console.say(
                    f"    The line is long: the video shows its first {MAX_VIDEO_FRAMES / scene_fps(scene):.0f} s, "
                    "and demo.blend holds all of it."
                )
            paths.append(wish.path(".mp4", number))
            sign = partial(_sign_of_frame, console, scene.frame_end)
            with console.blender_silenced():
                write_video(scene, paths[-1], workbench=workbench, on_frame=sign)
        return paths


def _sign_of_frame(console: Console, last: int, frame: int) -> None:
    console.sign(f"frame {frame} of {last}")


if __name__ == "__main__":
    code = main()
    # Blender 4 may crash while Python shuts down, after all is done and written.
    sys.stdout.flush()
    os._exit(code)
