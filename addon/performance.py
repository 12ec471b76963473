"""A line on its way to a head in the interface: ticked by a timer, baked in one undo step when it is done.

The state lies in this module's memory: in a scene it would be saved, and brought back by undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy

from . import api
from .errors import CtegError
from .jobs import Job, JobState, run_to_end
from .rig import find_rig

_TICK_SECONDS: Final = 0.1
_UNDO_NAME_LETTERS: Final = 40


@dataclass(frozen=True)
class Outcome:
    """What came of the last thing that the user asked for: sentences to show beside the button."""

    sentences: tuple[str, ...]
    failed: bool = False


@dataclass(frozen=True)
class Performance:
    """A running job and where its takes will go.

    Data-blocks are named rather than held: undo and loading replace them while the job runs.
    """

    job: Job
    text: str
    head_name: str
    scene_name: str
    start_frame: int
    to_nla: bool


_current: Performance | None = None
_outcome: Outcome | None = None


def current() -> Performance | None:
    """Return what is being performed."""
    return _current


def outcome() -> Outcome | None:
    """Return what came of the last performance."""
    return _outcome


def follow(performance: Performance) -> None:
    """Tick a performance with a timer until it is done; one at a time."""
    global _current, _outcome
    _current, _outcome = performance, None
    bpy.app.timers.register(tick, first_interval=_TICK_SECONDS)


def finish(performance: Performance) -> None:
    """Wait for a performance and bake it: what :func:`follow` does, where timers never fire; raises CtegError."""
    run_to_end(performance.job)
    conclude(Outcome(_sentences(_bake(performance))))


def conclude(result: Outcome) -> None:
    """End what is running, and keep what there is to say about it."""
    global _current, _outcome
    if _current is not None:
        _current.job.cancel()
    _current, _outcome = None, result
    _redraw()


def cancel() -> None:
    """Give the running performance up, if there is one."""
    if _current is not None:
        conclude(Outcome(("Cancelled.",)))


def forget() -> None:
    """Give everything up: another file is being opened, or the add-on is being switched off."""
    global _outcome
    cancel()
    _outcome = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def tick() -> float | None:
    """Advance the running performance; return the seconds until the next time, None when it is over."""
    performance = _current
    if performance is None:
        return None
    try:
        before = performance.job.progress
        if performance.job.tick() is JobState.RUNNING:
            if performance.job.progress != before:
                _redraw()
            return _TICK_SECONDS
        conclude(Outcome(_sentences(_bake(performance))))
    except CtegError as error:
        conclude(Outcome((str(error),), failed=True))
    except Exception:
        conclude(Outcome(("Something in CTEG broke; Blender's console shows where.",), failed=True))
        raise
    return None


def _bake(performance: Performance) -> list[api.BakedTake]:
    rig = find_rig(bpy.data.objects.get(performance.head_name))
    scene = bpy.data.scenes.get(performance.scene_name)
    if rig is None or scene is None:
        raise CtegError(
            f"The head “{performance.head_name}” was renamed or deleted while its line was generated; try again."
        )
    clips = performance.job.result()
    baked = api.bake_takes(clips, rig, start_frame=performance.start_frame, to_nla=performance.to_nla, scene=scene)
    _push_undo(f"Perform “{performance.text[:_UNDO_NAME_LETTERS]}”")
    return baked


def _sentences(baked: list[api.BakedTake]) -> tuple[str, ...]:
    first = baked[0]
    done = f"Frames {first.frame_start} to {first.frame_end}: “{first.actions[0].name}”."
    if len(baked) > 1:
        done += f" {len(baked) - 1} more takes are kept as Actions."
    clip = api.clip_of(first.actions[0])
    return (done, *(clip.notes if clip is not None else ()), *first.notes)


def _push_undo(message: str) -> None:
    # A timer runs outside operators, so nothing else makes an undo step of its changes.
    window = next(iter(bpy.context.window_manager.windows), None)
    if window is not None:
        with bpy.context.temp_override(window=window):  # type: ignore[attr-defined]
            bpy.ops.ed.undo_push(message=message)


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                # The sidebar alone: drawing the view itself may take long.
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
