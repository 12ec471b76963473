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
from demo.console import Console
from demo.sheet import Take, write_sheet
from demo.stage import set_stage, show_camera_view
from demo.video import workbench_renders, write_video

START_FRAME: Final = 1


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
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    assert scene is not None
    with console.step("Generating the performance"):
        clips = api.generate(
            wish.text, seed=wish.seed, takes=wish.takes, on_progress=lambda progress: console.sign(progress.message)
        )
    for clip in clips:
        console.say(f"    {describe(clip)}")
        for note in clip.notes:
            console.say(f"    {note}")
    with console.step("Building the head and baking"), console.blender_silenced():
        rig = api.add_head()
        set_stage(scene, rig.mesh)
        scene.frame_start = scene.frame_end = START_FRAME
        baked = api.bake_takes(clips, rig, start_frame=START_FRAME)
        scene.frame_set(START_FRAME)
        show_camera_view(bpy.data.screens)
        paths = [wish.path(".blend")]
        bpy.ops.wm.save_as_mainfile(filepath=str(paths[0]), compress=True, relative_remap=False)
    for note in dict.fromkeys(note for take in baked for note in take.notes):
        console.say(f"    {note}")
    for number, clip in enumerate(clips):
        paths.append(wish.path(".clip.json", number))
        paths[-1].write_text(clip.to_json(), encoding="utf-8")
    if wish.render:
        with console.step("Rendering the contact sheet"), console.blender_silenced():
            paths.append(wish.path(".png"))
            write_sheet(
                scene,
                [_shown(clip, rig) for clip in clips],
                clips[0].text,
                paths[-1],
                lambda done, total: console.sign(f"picture {done} of {total}"),
            )
    if wish.video:
        paths += _videos(wish, clips, rig, scene, console)
    return paths


def _videos(
    wish: Wish, clips: Sequence[api.ExpressionClip], rig: api.Rig, scene: bpy.types.Scene, console: Console
) -> list[Path]:
    with console.step("Rendering the video"):
        with tempfile.TemporaryDirectory() as folder:
            workbench = workbench_renders(Path(folder))
        if not workbench:
            console.say(
                "    Workbench cannot render here (on Debian: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri), "
                "so the video is made with Cycles, which takes longer."
            )
        paths = []
        for number, clip in enumerate(clips):
            _shown(clip, rig).show()
            scene.frame_start = START_FRAME
            scene.frame_end = last = START_FRAME + len(clip.frames) - 1
            paths.append(wish.path(".mp4", number))
            sign = partial(_sign_of_frame, console, last)
            with console.blender_silenced():
                write_video(scene, paths[-1], workbench=workbench, on_frame=sign)
        return paths


def _sign_of_frame(console: Console, last: int, frame: int) -> None:
    console.sign(f"frame {frame} of {last}")


def _shown(clip: api.ExpressionClip, rig: api.Rig) -> Take:
    """Return a take that can be made to play; the file is saved by then, so that another Action does no harm."""

    def show() -> None:
        api.bake(clip, rig, start_frame=START_FRAME, extend_range=False)

    return Take(
        frames=clip.frames,
        show=show,
        start=START_FRAME,
        fps=clip.fps,
        note=describe(clip),
    )


def describe(clip: api.ExpressionClip) -> str:
    """Return a take in a line: its seed, its length and the emotion that was read."""
    parts = [f"seed {clip.seed}", f"{clip.seconds:.1f} s"]
    if clip.emotion is not None:
        parts.append(", ".join(f"{label} {share:.2f}" for label, share in clip.emotion.strongest(2)))
        parts.append(f"valence {clip.emotion.valence:+.2f}, arousal {clip.emotion.arousal:+.2f}")
    return "  ·  ".join(parts)


if __name__ == "__main__":
    code = main()
    # Blender 4 may crash while Python shuts down, after all is done and written.
    sys.stdout.flush()
    os._exit(code)
