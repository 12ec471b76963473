"""The set-up that is running: a process of its own, listened to and never waited for. Needs no bpy.

There is at most one, in this module's memory; the state of the environment itself is on the disk.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from . import runtime_place
from .child_process import ChildProcess
from .runtime import worker
from .runtime.errors import SetupError
from .runtime.place import Place
from .runtime.progress import Progress
from .runtime.recipe import Recipe
from .runtime.wish import Wish

_PROGRAM: Final = Path(__file__).parent / "runtime"
_LINES_A_TICK: Final = 200
_EXCERPT_LINES: Final = 8
_SECONDS_TO_STOP: Final = 5.0


class SetupState(Enum):
    """Where a set-up is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Outcome:
    """How the last set-up ended: sentences for the user, none where all is said by the state."""

    sentences: tuple[str, ...]
    failed: bool = False


class SetupJob:
    """A set-up, or a removal, under way.

    Args:
        order: see ``runtime.worker.order``.
        python: what runs it; any Python from 3.11 on.
    """

    def __init__(self, order: bytes, python: Path | None = None) -> None:
        self.state = SetupState.RUNNING
        self.progress = Progress("Starting", 0.0)
        self.left: tuple[str, ...] = ()
        self.error = ""
        self._log: deque[str] = deque(maxlen=_EXCERPT_LINES)
        self._cancelled_at: float | None = None
        try:
            self._child = ChildProcess([str(python or sys.executable), "-I", "-B", str(_PROGRAM)])
        except OSError as error:
            raise SetupError(f"The set-up cannot be started ({error.strerror or error}).") from None
        self._child.send(order)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    @property
    def log_excerpt(self) -> tuple[str, ...]:
        """The last lines of the log."""
        return tuple(self._log)

    def tick(self, wait: float = 0.0) -> SetupState:
        """Take in what was said, and return where the set-up is; wait ``wait`` seconds for a word at most."""
        if self.state is not SetupState.RUNNING:
            return self.state
        try:
            for _ in range(_LINES_A_TICK):
                line = self._child.next_line(wait)
                if line is None:
                    break
                wait = 0.0
                self._receive(line)
        except EOFError:
            if self.state is SetupState.RUNNING:
                self._end_unsaid()
        if self._cancelled_at is not None and time.monotonic() - self._cancelled_at > _SECONDS_TO_STOP:
            self._end(SetupState.CANCELLED)
        return self.state

    def cancel(self) -> None:
        """Cut it off; it ends within moments, which :meth:`tick` tells."""
        if self.state is SetupState.RUNNING and self._cancelled_at is None:
            self._cancelled_at = time.monotonic()
            self.progress = Progress("Stopping", self.progress.fraction)
            self._tell_to_stop()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was told to stop."""
        return self._cancelled_at is not None

    def close(self) -> None:
        """End it at once, and wait until it is gone."""
        if self.state is SetupState.RUNNING:
            self.state = SetupState.CANCELLED
            self._child.close(b"stop\n")
        else:
            self._child.close()

    def _tell_to_stop(self) -> None:
        try:
            self._child.send(b"stop\n")
        except BrokenPipeError:
            self._end(SetupState.CANCELLED)

    def _receive(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            kind, what = next(iter(record.items()))
            if kind == worker.PROGRESS and not self.is_cancelled:
                self.progress = Progress.from_record(what)
            elif kind == worker.LOG:
                self._log.append(str(what))
            elif kind == worker.DONE:
                self.left = tuple(str(each) for each in what["left"])
                self._end(SetupState.DONE)
            elif kind == worker.FAILED:
                self.error = str(what)
                self._end(SetupState.FAILED)
            elif kind == worker.CANCELLED:
                self._end(SetupState.CANCELLED)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            self._log.append(line[:200].decode("utf-8", errors="replace"))

    def _end_unsaid(self) -> None:
        if self.is_cancelled:
            self._end(SetupState.CANCELLED)
            return
        words = next((line for line in reversed(self._child.stderr_tail()) if line), "")
        said = f" Its last words: “{words[:200]}”." if words else ""
        self.error = f"The set-up ended by itself.{said} Try again: what is finished is kept."
        self._end(SetupState.FAILED)

    def _end(self, state: SetupState) -> None:
        self.state = state
        self._child.end()


_job: SetupJob | None = None
_outcome = Outcome(())


def start(place: Place, recipe: Recipe, wish: Wish) -> SetupJob:
    """Start to set up; raises SetupError."""
    return _start(worker.order(worker.SET_UP, place, recipe, wish))


def start_removal(place: Place) -> SetupJob:
    """Start to remove what a set-up made; raises SetupError."""
    return _start(worker.order(worker.REMOVE, place))


def running() -> SetupJob | None:
    """Return the set-up that is running."""
    return _job


def outcome() -> Outcome:
    """Return how the last one ended."""
    return _outcome


def tick(wait: float = 0.0) -> bool:
    """Take in what the running set-up said; return whether it goes on."""
    global _job, _outcome
    if _job is None:
        return False
    if _job.tick(wait) is SetupState.RUNNING:
        return True
    job, _job = _job, None
    _outcome = Outcome((job.error,), failed=True) if job.error else Outcome(job.left)
    runtime_place.look_anew()
    return False


def note(outcome: Outcome) -> None:
    """Keep what happened, to be shown."""
    global _outcome
    _outcome = outcome


def close() -> None:
    """End the running set-up: the add-on is being switched off, or Blender ends."""
    global _job, _outcome
    if _job is not None:
        _job.close()
    _job, _outcome = None, Outcome(())


def _start(order: bytes) -> SetupJob:
    global _job, _outcome
    if _job is not None:
        raise SetupError("A set-up is running already.")
    _outcome = Outcome(())
    _job = SetupJob(order)
    return _job


atexit.register(close)
