"""What is being generated: a queue of lines, its progress, and its results on their way into history and scene.

The state lies in this module's memory: in a scene it would be saved, and brought back by undo. A timer ticks it; where
timers never fire, a plain loop does. All that a queue changes in the file becomes one undo step.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import bpy

from . import bake_queue, history, jobs, lines, notices, preferences, readings
from .errors import CtegError
from .jobs import Job, JobProgress, JobState
from .line_bake import bake_line_steps
from .notices import Outcome
from .redraw import redraw_sidebars
from .undo import push_undo
from .wishes import Wish

_TICK_SECONDS: Final = 0.1
_BUSY_SECONDS: Final = 0.01
"""Between ticks while takes wait to be baked."""
_PIECE_SECONDS: Final = 0.012
"""After so long in one tick the rest waits for the next: the interface has its turn."""
_MOST_TRIES: Final = 3
_EXCERPT_LETTERS: Final = 40


class LineState(Enum):
    """Where a line of the queue is."""

    WAITING = "Waiting"
    RUNNING = "Performing"
    BAKING = "Baking"


@dataclass
class _Order:
    """The lines of one press of Generate."""

    wishes: tuple[Wish, ...]
    job: Job
    taken_in: set[int] = field(default_factory=set)


@dataclass
class _Applying:
    """A take that is being baked, step by step."""

    wish: Wish
    take_id: str
    steps: Generator[None, None, None]


@dataclass
class _Queue:
    """Everything since the queue was last empty."""

    orders: list[_Order] = field(default_factory=list)
    to_apply: deque[tuple[Wish, str]] = field(default_factory=deque)
    applying: _Applying | None = None
    applied: list[tuple[Wish, str]] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    done: int = 0
    takes: int = 0
    said: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


_queue: _Queue | None = None
_failed: dict[str, str] = {}


def is_running() -> bool:
    """Return whether something is being generated or baked."""
    return _queue is not None


def progress() -> JobProgress | None:
    """Return how far the queue is, over everything since it was empty; None where nothing runs."""
    if _queue is None:
        return None
    parts = [order.job.progress for order in _queue.orders]
    running = next((part for part, order in zip(parts, _queue.orders, strict=True) if _runs(order)), None)
    message = running.message if running is not None else "Baking"
    left = [part.seconds_left for part, order in zip(parts, _queue.orders, strict=True) if _runs(order)]
    done, count = sum(part.lines_done for part in parts), sum(part.lines for part in parts)
    if running is not None and running.message.startswith("Performing") and count > 1:
        message = f"Performing line {min(done + 1, count)} of {count}"
    return JobProgress(
        message,
        sum(part.takes_done for part in parts),
        sum(part.takes for part in parts),
        sum(part.frames for part in parts),
        done,
        count,
        sum(part.frames_expected for part in parts),
        None if any(each is None for each in left) else sum(each or 0.0 for each in left),
    )


def state_of(line_id: str) -> tuple[LineState, float] | None:
    """Return where a line of the queue is, and which share of its frames is there; None where it is not in it."""
    if _queue is None:
        return None
    for order in _queue.orders:
        for index, wish in enumerate(order.wishes):
            if wish.line_id == line_id and not order.job.is_over(index):
                frames, expected = order.job.frames_of(index)
                state = LineState.RUNNING if frames else LineState.WAITING
                return state, min(0.99, frames / expected)
    applying = [_queue.applying.wish] if _queue.applying is not None else []
    if any(wish.line_id == line_id for wish in (*applying, *(wish for wish, _ in _queue.to_apply))):
        return LineState.BAKING, 1.0
    return None


def failure_of(line_id: str) -> str | None:
    """Return why a line could not be performed the last time; None where it could, or was not tried."""
    return _failed.get(line_id)


def start(wishes: Sequence[Wish]) -> None:
    """Add lines to the queue; the sidecar starts with the first one. Raises CtegError where it cannot be."""
    global _queue
    client = jobs.shared_client(preferences.sidecar_command_line())
    job = jobs.start_generate(client, [wish.request for wish in wishes], [wish.takes for wish in wishes])
    for wish in wishes:
        _failed.pop(wish.line_id, None)
    if _queue is None:
        _queue = _Queue()
        notices.clear()
    _queue.orders.append(_Order(tuple(wishes), job))


def follow() -> None:
    """Let a timer tick the queue until it is empty."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=_BUSY_SECONDS)


def finish(on_progress: Callable[[JobProgress], None] | None = None) -> Outcome:
    """Work the queue off and wait for it: what :func:`follow` does, where timers never fire.

    Raises CtegError with the first failure; the lines that were performed are done then all the same.
    """
    shown = None
    while _queue is not None:
        _step(wait=0.05)
        now = progress()
        if on_progress is not None and now is not None and now != shown:
            on_progress(now)
            shown = now
    said = notices.outcome() or Outcome(())
    if said.failed:
        raise CtegError(said.sentences[0])
    return said


def conclude(result: Outcome) -> None:
    """End what is running, and keep what there is to say about it."""
    global _queue
    queue, _queue = _queue, None
    if queue is not None:
        _put_back(queue)
        for order in queue.orders:
            order.job.cancel()
    notices.show(result)


def cancel() -> None:
    """Give up what is being generated, for good: what arrives late is dropped. Lines that are done stay done."""
    if _queue is None:
        return
    for order in _queue.orders:
        _take_in(_queue, order)
    if _queue.applied:
        push_undo("Generate")
    done = f" {_counted(_queue.done, 'line is', 'lines are')} done." if _queue.done else ""
    conclude(Outcome((f"Cancelled.{done}",)))


def forget() -> None:
    """Give everything up: another file is being opened, or the add-on is being switched off."""
    conclude(Outcome(()))
    notices.clear()
    _failed.clear()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def undo_begins() -> None:
    """Let go of what is half baked: undo and redo replace all that it holds."""
    if _queue is not None:
        _put_back(_queue)


def undone() -> None:
    """Apply again what undo or redo took back while the queue runs: the step it belongs to has not been made yet."""
    if _queue is not None:
        _queue.to_apply.extend(_queue.applied)
        _queue.applied.clear()


def tick() -> float | None:
    """Advance the queue; return the seconds until the next time, None when it is empty."""
    if _queue is None:
        # What was just performed is made ready for saving, so that saving takes no time.
        if history.pack_some(_PIECE_SECONDS):
            return _BUSY_SECONDS
        # A sidecar that does not heed a cancel is found out.
        return _TICK_SECONDS if jobs.poll_idle() else None
    try:
        before = progress()
        _step()
        if progress() != before:
            redraw_sidebars()
    except Exception as error:
        said = str(error) if isinstance(error, CtegError) else "Something in CTEG broke; Blender's console shows where."
        conclude(Outcome((said,), failed=True))
        if not isinstance(error, CtegError):
            raise
    return _BUSY_SECONDS if _queue is None or _bakes(_queue) else _TICK_SECONDS


def _step(wait: float = 0.0) -> None:
    queue = _queue
    if queue is None:
        return
    for order in queue.orders:
        order.job.tick(0.0 if _bakes(queue) else wait)
        _take_in(queue, order)
    end = time.monotonic() + _PIECE_SECONDS
    # What Bake has begun goes first: two bakes of one head would get in each other's way.
    while _bakes(queue) and not bake_queue.is_running():
        _apply_some(queue)
        if time.monotonic() >= end:
            break
    if not _bakes(queue) and not any(_runs(order) for order in queue.orders):
        _end(queue)


def _take_in(queue: _Queue, order: _Order) -> None:
    """Put the takes of lines that are over into the history."""
    for index, wish in enumerate(order.wishes):
        if index in order.taken_in or not order.job.is_over(index):
            continue
        order.taken_in.add(index)
        clips = order.job.clips_of(index)
        takes = [history.add(wish.line_id, clip) for clip in clips]
        if takes:
            queue.done += 1
            queue.takes += len(takes)
            readings.remember(clips[0])
            if wish.apply:
                queue.to_apply.append((wish, takes[0].take_id))
        elif (error := order.job.error_of(index)) is not None:
            queue.failed[wish.line_id] = _failed[wish.line_id] = _own_words(error)


def _own_words(error: jobs.JobError) -> str:
    """Return an error without the number that the line had in its job."""
    return str(error).partition("”: ")[2] or str(error)


def _bakes(queue: _Queue) -> bool:
    return bool(queue.to_apply) or queue.applying is not None


def _apply_some(queue: _Queue) -> None:
    """Do the next small step of choosing and baking."""
    if queue.applying is None:
        wish, take_id = queue.to_apply.popleft()
        queue.applying = _Applying(wish, take_id, _apply(queue, wish, take_id))
    applying = queue.applying
    try:
        next(applying.steps)
    except StopIteration:
        queue.applying = None
    except ReferenceError:
        # What it was being baked on is gone: found anew, it is there under another address, or says so.
        queue.applying = None
        queue.tries[applying.take_id] = queue.tries.get(applying.take_id, 0) + 1
        if queue.tries[applying.take_id] > _MOST_TRIES:
            raise
        queue.to_apply.appendleft((applying.wish, applying.take_id))
    except BaseException:
        queue.applying = None
        raise


def _put_back(queue: _Queue) -> None:
    applying, queue.applying = queue.applying, None
    if applying is not None:
        applying.steps.close()
        queue.to_apply.appendleft((applying.wish, applying.take_id))


def _apply(queue: _Queue, wish: Wish, take_id: str) -> Generator[None, None, None]:
    scene = wish.scene.scene()
    found = lines.find(wish.line_id, scene) if scene is not None else None
    if scene is None or found is None:
        queue.said.append(f"“{_excerpt(wish.request.text)}” was removed meanwhile; its takes were not baked.")
        return
    line = found[1]
    line.chosen_take = take_id
    if wish.bake:
        try:
            head = wish.head.thing() if wish.head is not None else None
            baked = yield from bake_line_steps(scene, line, head=head)
            queue.said += [note for note in baked.notes if note not in queue.said]
        except CtegError as error:
            queue.failed[wish.line_id] = _failed[wish.line_id] = f"{error} Its takes are kept; press Bake then."
    queue.applied.append((wish, take_id))


def _end(queue: _Queue) -> None:
    cancelled = any(order.job.state is JobState.CANCELLED for order in queue.orders)
    if queue.applied:
        push_undo("Generate" if len(queue.applied) > 1 else f"Perform “{_excerpt(queue.applied[0][0].request.text)}”")
    sentences: list[str] = []
    for order in queue.orders:
        sentences += [str(error) for error in order.job.errors]
    texts = {wish.line_id: wish.request.text for order in queue.orders for wish in order.wishes}
    in_jobs = {
        order.wishes[index].line_id
        for order in queue.orders
        for index in order.taken_in
        if order.job.error_of(index) is not None
    }
    sentences += [
        f"“{_excerpt(texts[line_id])}”: {said}" for line_id, said in queue.failed.items() if line_id not in in_jobs
    ]
    failed = bool(sentences)
    if queue.done:
        takes = f", {queue.takes} takes" if queue.takes > queue.done else ""
        baked = sum(wish.bake for wish, _ in queue.applied)
        sentences.append(
            f"{_counted(queue.done, 'line', 'lines')} performed{takes}" + (", and baked." if baked else ".")
        )
    if cancelled:
        sentences.append("The sidecar was stopped.")
    conclude(Outcome((*sentences, *queue.said), failed=failed))


def _runs(order: _Order) -> bool:
    return order.job.state is JobState.RUNNING


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT_LETTERS else text[:_EXCERPT_LETTERS].rstrip() + "…"
