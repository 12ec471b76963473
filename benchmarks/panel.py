"""From the button to baked strips: `python -m benchmarks.panel [--lines N] [--rounds N] [--json FILE]`.

Runs in Blender's module: ten lines of 4 s on one head, their sidecar warm, ticked as Blender's timers tick them, with
each pause that a tick asks for. Every call of ours is timed, since Blender's interface waits for it. There is no window
here, and so no undo push and no redraw, which are Blender's own work: `benchmarks.panel_window` times those. What the
panels' own code takes to draw is measured on a layout that draws nothing. `CTEG_SIDECAR` names the sidecar, as for
Blender.
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

LINES: Final = 10
SECONDS: Final = 4.0
ROUNDS: Final = 5
BOUND_SECONDS: Final = 3.0
BOUND_CALL: Final = 0.050
TEXTS: Final = (
    "You came back! I really thought that I had lost you.",
    "Do not ever do that to me again, do you hear me?",
    "I was in the kitchen when the phone rang, you know.",
    "And then nobody said a word for what felt like an hour.",
    "Well, that is the most ridiculous thing I ever heard.",
    "Please, sit down, there is something I have to tell you.",
    "No. I will not go back there, not for all the money.",
    "Look at that, the whole valley is covered in snow!",
    "I am so sorry, I did not know that she was your sister.",
    "Fine. Have it your way, but do not come to me later.",
)
"""Each of ten or eleven words, so that four seconds suit them."""


@dataclass(frozen=True)
class Call:
    """How long a call took, in seconds; on a busy machine it computes for less than it lasts."""

    lasted: float
    computed: float


class Watch:
    """The calls that Blender's main thread makes, by name."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Call]] = {}

    def call(self, name: str, work: Callable[..., Any], /, *given: Any, **named: Any) -> Any:
        """Make a call, and note its time under a name."""
        started, computed = time.perf_counter(), time.thread_time()
        try:
            return work(*given, **named)
        finally:
            call = Call(time.perf_counter() - started, time.thread_time() - computed)
            self.calls.setdefault(name, []).append(call)

    def longest(self, *names: str) -> Call:
        """Return the longest call of some names."""
        return max((call for name in names for call in self.calls[name]), key=lambda call: call.lasted)


def calibration() -> str:
    """Return the line of `benchmarks.calibration`, measured by the sidecar's Python, which has torch."""
    python = sidecar()[0]
    done = subprocess.run([python, "-m", "benchmarks.calibration"], capture_output=True, text=True)
    return done.stdout.strip() or f"no calibration: {done.stderr.strip().splitlines()[-1:]}"


def sidecar() -> list[str]:
    """Return the command of the sidecar."""
    from addon.sidecar import sidecar_command

    return sidecar_command()


def perform(scene: Any, watch: Watch) -> float:
    """Press Generate All, tick as the timer does until the strips are there, and return the seconds that it took."""
    from addon import performance
    from addon.wishes import wish_for

    def press() -> None:
        performance.start([wish_for(scene, line) for line in scene.cteg.lines])

    started = time.perf_counter()
    watch.call("press Generate All", press)
    while performance.is_running():
        pause = watch.call("tick of the queue", performance.tick)
        time.sleep(pause or 0.0)
    return time.perf_counter() - started


def afterwards(scene: Any, watch: Watch) -> None:
    """Do what an artist does with the takes, and note how long each call takes."""
    import bpy

    from addon import bake_queue, baking, history, line_strips, lines, performance

    while (pause := watch.call("tick after the queue", performance.tick)) is not None:
        time.sleep(pause)
    scene.cteg.active_line = 1
    line = scene.cteg.lines[1]
    for take in lines.takes_of(line)[:2]:
        watch.call("choose a take", bpy.ops.cteg.take_choose, take_id=take.take_id)
        watch.call("preview a take", bpy.ops.cteg.take_preview, take_id=take.take_id)
        watch.call("end a preview", bpy.ops.cteg.take_preview, take_id=take.take_id)
        watch.call("keep a take", bpy.ops.cteg.take_keep, take_id=take.take_id)
    watch.call("move a line by its start", setattr, line, "start", line.start + 2.0)
    watch.call("press Move Strips", bpy.ops.cteg.move_strips)
    watch.call("press Update from Strips, nothing moved", bpy.ops.cteg.update_from_strips)
    placed = line_strips.placed_on(line_strips.owners_in(scene))
    for each in sorted(placed, key=lambda each: -each.strip.frame_start):
        line_strips.move(each, 12.0)
    watch.call("press Update from Strips, all lines moved", bpy.ops.cteg.update_from_strips)
    bake_queue.start(scene, [each.line_id for each in scene.cteg.lines])
    while bake_queue.is_running():
        watch.call("tick of Bake", bake_queue.tick)
    assert len(baking.starts_of_lines(scene)) == len(scene.cteg.lines)
    watch.call("write the history on save", history.write)
    watch.call("press Remove from Timeline for all lines", bpy.ops.cteg.remove_baked)
    assert not baking.starts_of_lines(scene)


def draw_panels(watch: Watch) -> None:
    """Let the panels draw, on a layout that draws nothing."""
    from addon import panels
    from tests.addon.drawn import draw

    for panel in panels.CLASSES:
        if panel.__name__.startswith("CTEG_PT"):
            watch.call(f"draw {panel.__name__}", draw, panel)


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Return what came of it."""
    import bpy

    import addon
    from addon import api, baking, history, lines, performance

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    scene, watch = bpy.context.scene, Watch()
    rig = watch.call("Add Head", api.add_head, name="Anna")
    lines.add_character(scene, "ANNA", rig.mesh)
    for index in range(count):
        start = 1.0 + index * (SECONDS + 0.3) * lines.fps_of(scene)
        watch.call("add a line", lines.add, scene, TEXTS[index % len(TEXTS)], "ANNA", start=start, duration=SECONDS)
    cold = perform(scene, Watch())
    times = []
    for _ in range(rounds):
        for line in scene.cteg.lines:
            baking.remove_line(scene, line.line_id)
        history.forget()
        times.append(perform(scene, watch))
        outcome = performance.progress()
        assert outcome is None
        assert len(baking.starts_of_lines(scene)) == count, "not every line was baked"
        draw_panels(watch)
    seconds = [take.clip.seconds for line in scene.cteg.lines for take in lines.takes_of(line)]
    assert min(seconds) > 0.9 * SECONDS, f"the lines last {min(seconds):.2f} s at least"
    longest = watch.longest("press Generate All", "tick of the queue")
    afterwards(scene, watch)
    record = {
        "Blender": bpy.app.version_string,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "seconds, cold": cold,
        "seconds, warm, median": statistics.median(times),
        "seconds, warm, each": times,
        "longest call": asdict(longest),
        "longest of each": {name: asdict(watch.longest(name)) for name in watch.calls},
    }
    addon.unregister()
    return record


def main() -> int:
    """Print the table; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Before bpy is imported: nobody's own settings are read.
        os.environ["BLENDER_USER_RESOURCES"] = folder
        record = measure(given.lines, given.rounds)
    record["calibration"] = calibration()
    print(f"Blender {record['Blender']}, {record['cores']} cores; {record['calibration']}")
    warm, longest = record["seconds, warm, median"], record["longest call"]
    print(
        f"{given.lines} lines of {SECONDS:g} s, from the button to NLA strips: {warm:.2f} s warm "
        f"(bound {BOUND_SECONDS:g} s), {record['seconds, cold']:.2f} s cold"
    )
    print("each: " + ", ".join(f"{each:.2f}" for each in record["seconds, warm, each"]))
    print(f"longest call of ours while they are performed: {1000 * longest['lasted']:.1f} ms (bound 50 ms)")
    for name, call in sorted(record["longest of each"].items(), key=lambda item: -item[1]["lasted"]):
        print(f"  {1000 * call['lasted']:8.1f} ms, computing {1000 * call['computed']:8.1f} ms: {name}")
    if given.json is not None:
        given.json.write_text(json.dumps(record, indent=2), encoding="utf-8")
    missed = warm > BOUND_SECONDS or longest["lasted"] > BOUND_CALL
    sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    # Blender's module ends itself badly in some versions while Python classes are registered.
    code = main()
    os._exit(code)
