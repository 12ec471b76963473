"""The whole line as an H264 video, with the cheapest engine that looks right on this machine.

Measured at 512 x 512 on two cores without a GPU, processor seconds a frame: Workbench with the head's own colours 0.4,
Cycles with two denoised samples 1.8, EEVEE on software GL several times that.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import bpy

from demo.engines import use_cycles, use_workbench, write_h264

SIZE: Final = (512, 512)
PROBE_SECONDS: Final = 150
CYCLES_SAMPLES: Final = 2

_PROBE: Final = """
import bpy, sys
scene = bpy.context.scene
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.filepath = sys.argv[1]
bpy.ops.render.render(write_still=True)
"""


def workbench_renders(folder: Path) -> bool:
    """Return whether Workbench can render here, by trying: without a graphics library it ends the whole process."""
    picture = folder / "probe.png"
    try:
        subprocess.run(
            [sys.executable, "-c", _PROBE, str(picture)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return picture.is_file()


def use_video_engine(scene: bpy.types.Scene, size: tuple[int, int], *, workbench: bool) -> None:
    """Render with Workbench, or with as little of Cycles as looks right in motion."""
    if workbench:
        use_workbench(scene, size)
    else:
        use_cycles(scene, size, CYCLES_SAMPLES, quick=True)


def write_video(scene: bpy.types.Scene, path: Path, *, workbench: bool, on_frame: Callable[[int], None]) -> None:
    """Render the scene's frame range as an H264 MP4 of 512 x 512 pixels.

    Args:
        scene: staged, with a head that plays its take.
        path: of the video.
        workbench: whether to use Workbench, else Cycles.
        on_frame: told each frame that is done.
    """
    use_video_engine(scene, SIZE, workbench=workbench)
    write_h264(scene)
    scene.render.filepath = str(path)

    def tell(rendered: Any, *_: Any) -> None:
        on_frame(rendered.frame_current)

    bpy.app.handlers.render_post.append(tell)
    try:
        bpy.ops.render.render(animation=True, scene=scene.name)
    finally:
        bpy.app.handlers.render_post.remove(tell)
