"""What Blender's own work adds to the panel's: `CTEG_BLENDER=... python -m benchmarks.panel_window [--json FILE]`.

`benchmarks.panel` times our calls where there is no window. Here is a window, on a screen of its own: ten lines are
performed and baked on one head while Blender draws, and undo pushes and redraws are timed apart from our calls. Needs
what `tests/gui` needs, and torch for the machine's calibration. `CTEG_SIDECAR` names the sidecar. How long a redraw
takes is a matter of what draws: the renderer is printed, and one without a graphics card is slow.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__" and "bpy" in sys.modules:
    # Blender runs this file by its path.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.panel import LINES, SECONDS, TEXTS, Watch

REPEATS: Final = 20
PATIENCE: Final = 420.0
UNDO: Final = "undo push at the end of Generate"


def main() -> int:
    """Start Blender with its window, let it measure, and print the table."""
    from tests.gui.window import SCREEN, missing_tools, screen

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if missing := missing_tools():
        print(missing, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, screen() as display:
        result = Path(folder, "result.json")
        environment = dict(os.environ, DISPLAY=display, BLENDER_USER_RESOURCES=folder)
        words = (os.environ["CTEG_BLENDER"], "--factory-startup", "--window-geometry", "0", "0", *map(str, SCREEN),
                 "--python-exit-code", "1", "--python", str(Path(__file__).resolve()), "--", str(result))  # fmt: skip
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        if not result.is_file():
            print(done.stdout, done.stderr, file=sys.stderr)
            return 1
        record = json.loads(result.read_text(encoding="utf-8"))
    machine = subprocess.run((sys.executable, "-m", "benchmarks.calibration"), capture_output=True, text=True)
    record["calibration"] = machine.stdout.strip() or "no calibration"
    print(f"Blender {record['Blender']}, {record['cores']} cores; {record['calibration']}")
    print(f"drawn by {record['renderer']}")
    print(f"{LINES} lines of {SECONDS:g} s, from the button to NLA strips, while it draws: {record['seconds']:.2f} s")
    for name, times in record["milliseconds"].items():
        print(f"  {statistics.median(times):8.1f} ms, at most {max(times):8.1f} ms of {len(times)}: {name}")
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=2), encoding="utf-8")
    return 0


def measure(result: Path) -> Generator[float]:
    """Measure inside Blender, from a timer; yields the seconds until it wants to go on."""
    import bpy
    import gpu

    import addon
    from addon import api, bake_queue, baking, history, lines, performance, undo
    from addon.wishes import wish_for

    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    addon.register()
    watch, pushes = Watch(), Watch()
    for module in (performance, bake_queue):
        module.push_undo = lambda message: pushes.call(UNDO, undo.push_undo, message)  # type: ignore[attr-defined]
    window = bpy.context.window_manager.windows[0]
    area = max((each for each in window.screen.areas if each.type == "VIEW_3D"), key=lambda each: each.width)
    area.spaces[0].show_region_ui = True
    scene = window.scene
    with bpy.context.temp_override(window=window):
        rig = api.add_head(name="Anna")
    lines.add_character(scene, "ANNA", rig.mesh)
    for index in range(LINES):
        start = 1.0 + index * (SECONDS + 0.3) * lines.fps_of(scene)
        lines.add(scene, TEXTS[index % len(TEXTS)], "ANNA", start=start, duration=SECONDS)
    yield 1.0
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "CTEG"
    for _ in ("cold", "warm"):
        for line in scene.cteg.lines:
            baking.remove_line(scene, line.line_id)
        history.forget()
        watch.calls.clear()
        pushes.calls.clear()
        yield 0.5
        started = time.perf_counter()
        performance.start([wish_for(scene, line) for line in scene.cteg.lines])
        while performance.is_running():
            undone = len(pushes.calls.get(UNDO, ()))
            pause = watch.call("tick of the queue", performance.tick)
            if len(pushes.calls.get(UNDO, ())) > undone:
                watch.calls.setdefault("tick of the queue that pushes undo, whole", []).append(
                    watch.calls["tick of the queue"].pop()
                )
            yield pause or 0.0
        seconds = time.perf_counter() - started
    assert len(baking.starts_of_lines(scene)) == LINES, "not every line was baked"
    window_alone: dict[str, Any] = {"window": window, "screen": window.screen}
    with bpy.context.temp_override(**window_alone):
        for repeat in range(REPEATS):
            # Something has to have changed, or there is nothing to write down.
            scene.cteg.lines[repeat % LINES].start += 1.0
            pushes.call("undo push after one line was moved", bpy.ops.ed.undo_push, message="A line was moved")
    yield 0.1
    redraws = (
        ("redraw of the sidebar, as our calls ask for", "DRAW", sidebar),
        ("redraw of the whole window", "DRAW_WIN_SWAP", sidebar),
        ("next frame of the head's animation, not drawn", "ANIM_STEP", sidebar),
    )
    for name, kind, region in redraws:
        with bpy.context.temp_override(**window_alone, area=area, region=region):
            for _ in range(REPEATS):
                pushes.call(name, bpy.ops.wm.redraw_timer, type=kind, iterations=1)
        yield 0.1
    every = {**watch.calls, **pushes.calls}
    record = {
        "Blender": bpy.app.version_string,
        "renderer": gpu.platform.renderer_get(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "seconds": seconds,
        "milliseconds": {name: [1000 * call.lasted for call in calls] for name, calls in every.items()},
    }
    addon.unregister()
    result.write_text(json.dumps(record), encoding="utf-8")


def in_blender(result: Path) -> None:
    """Let a timer of Blender's measure, and end Blender after it."""
    import traceback

    import bpy

    steps = measure(result)

    def tick() -> float | None:
        try:
            return max(0.001, next(steps))
        except StopIteration:
            code = 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)

    bpy.context.preferences.view.show_splash = False
    bpy.app.timers.register(tick, first_interval=1.0)


if __name__ == "__main__":
    if "bpy" in sys.modules:
        in_blender(Path(sys.argv[sys.argv.index("--") + 1]))
    else:
        sys.exit(main())
