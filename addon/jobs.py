"""Running work: lines on their way through the sidecar. Kept in this module's memory, never in a scene.

The interface ticks a job from a timer; background mode and scripts run it to its end in a loop. Nothing else
differs between them.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import groupby
from typing import Final

from cteg_core.clip import ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.protocol import MAX_TAKES
from cteg_core.speech import plan_speech

from . import sidecar_log
from .errors import CtegError
from .sidecar import SidecarClient, SidecarError, SidecarState, TakesUnderWay, sidecar_command

_EXCERPT_LETTERS: Final = 40
_TICK_SECONDS: Final = 0.05
_SIGN_OF_LIFE_SECONDS: Final = 1.0
_MODEL_FPS: Final = 30.0
"""Frames a second of the default model; another's estimates are off by the ratio until frames come."""
_TELLING_SECONDS: Final = 0.3
"""Less time than this says nothing about the pace."""

_frames_a_second: float | None = None
"""The pace of the last job that told one."""


class JobError(CtegError):
    """A job, or a line of it, failed; the message is a sentence that names the line and what to do.

    Attributes:
        line_index: which of the job's lines; None where it was no line's fault.
    """

    def __init__(self, sentence: str, line_index: int | None = None) -> None:
        super().__init__(sentence)
        self.line_index = line_index


class JobState(Enum):
    """Where a job is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes:
        message: what is being done, for the user.
        takes_done, takes: finished takes and all of them, over all lines.
        frames: frames decoded so far.
        lines_done, lines: lines that are over, and all of them.
        frames_expected: about how many frames it will be in all.
        seconds_left: about how long it will take; None while nothing tells.
    """

    message: str
    takes_done: int
    takes: int
    frames: int
    lines_done: int = 0
    lines: int = 1
    frames_expected: int = 0
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1."""
        if self.takes_done >= self.takes or self.frames_expected <= 0:
            return self.takes_done / self.takes
        return min(0.99, self.frames / self.frames_expected)


class Job:
    """Lines to perform, handed to the sidecar together; a line that fails does not cost the others.

    Make one with :func:`start_generate`.
    """

    def __init__(self, client: SidecarClient, lines: Sequence[DialogueLine], takes: Sequence[int]) -> None:
        self.lines = tuple(lines)
        self.takes = tuple(takes)
        self._client = client
        self._errors: dict[int, JobError] = {}
        self._said: list[JobError] = []
        self._state = JobState.RUNNING
        self._expected = [count * _expected_frames(line) for line, count in zip(self.lines, self.takes, strict=True)]
        self._first_frame_at: float | None = None
        self._under_way: list[TakesUnderWay] = []
        # Lines with as many takes each travel together, in their order.
        for count, indices in groupby(range(len(self.lines)), key=self.takes.__getitem__):
            self._under_way += client.submit_lines([self.lines[index] for index in indices], count).lines

    @property
    def state(self) -> JobState:
        """Where the job is."""
        return self._state

    @property
    def errors(self) -> tuple[JobError, ...]:
        """What failed so far; where the sidecar itself failed, one error for all lines that it cost."""
        return tuple(self._said)

    def error_of(self, line_index: int) -> JobError | None:
        """Return why a line failed; None where it did not."""
        return self._errors.get(line_index)

    def is_over(self, line_index: int) -> bool:
        """Return whether nothing more will come of a line."""
        return self._state is not JobState.RUNNING or self._under_way[line_index].is_over

    def frames_of(self, line_index: int) -> tuple[int, int]:
        """Return how many frames of a line came so far, and about how many it will be."""
        under_way = self._under_way[line_index]
        return under_way.frame_count, under_way.frame_count if under_way.is_over else self._expected[line_index]

    @property
    def progress(self) -> JobProgress:
        """How far the job is."""
        frames = sum(line.frame_count for line in self._under_way)
        expected = sum(
            line.frame_count if line.is_over else max(line.frame_count, count)
            for line, count in zip(self._under_way, self._expected, strict=True)
        )
        return JobProgress(
            self._message(),
            sum(len(line.receiver.clips) for line in self._under_way),
            sum(self.takes),
            frames,
            sum(line.is_over for line in self._under_way),
            len(self.lines),
            expected,
            self._seconds_left(frames, expected),
        )

    def tick(self, wait: float = 0.0) -> JobState:
        """Do what there is to do, and return where the job is; wait ``wait`` seconds for news at most."""
        if self._state is not JobState.RUNNING:
            return self._state
        self._client.poll(wait)
        if self._first_frame_at is None and any(line.frame_count for line in self._under_way):
            self._first_frame_at = time.monotonic()
        for index, line in enumerate(self._under_way):
            if line.error is not None and index not in self._errors:
                self._note(index, line.error)
        if all(line.is_over for line in self._under_way):
            self._end()
        return self._state

    def cancel(self) -> None:
        """Give the job up for good; lines that are done stay."""
        if self._state is not JobState.RUNNING:
            return
        for line in self._under_way:
            self._client.cancel(line)
        self._state = JobState.CANCELLED

    def clips_of(self, line_index: int) -> tuple[ExpressionClip, ...]:
        """Return the takes of a line that is done, else nothing."""
        return self._under_way[line_index].clips or ()

    def result(self) -> list[ExpressionClip]:
        """Return all clips, line by line and take by take.

        Raises:
            JobError: the job failed (the first error), was cancelled, or is still running.
        """
        if self._said:
            raise self._said[0]
        if self._state is not JobState.DONE:
            raise JobError(f"The job is {self._state.value}: it has no result.")
        return [clip for index in range(len(self.lines)) for clip in self.clips_of(index)]

    def _note(self, index: int, error: SidecarError) -> None:
        said = JobError(f"{self._line_in_words(index)}: {error}", index)
        # Without a code, or with the sidecar gone, it was the process that failed: one sentence for all lines.
        process_failed = error.code is None or self._client.state is SidecarState.STOPPED
        if not (process_failed and any(str(other).endswith(f": {error}") for other in self._said)):
            self._said.append(said)
        self._errors[index] = said

    def _end(self) -> None:
        global _frames_a_second
        if any(line.cancelled for line in self._under_way):
            self._state = JobState.CANCELLED
            return
        self._state = JobState.FAILED if self._errors else JobState.DONE
        seconds = time.monotonic() - self._first_frame_at if self._first_frame_at is not None else 0.0
        if seconds > _TELLING_SECONDS:
            _frames_a_second = sum(line.frame_count for line in self._under_way) / seconds

    def _seconds_left(self, frames: int, expected: int) -> float | None:
        rate = _frames_a_second
        if self._first_frame_at is not None:
            seconds = time.monotonic() - self._first_frame_at
            rate = frames / seconds if seconds > _TELLING_SECONDS else rate
        if not rate or self._client.state is not SidecarState.READY:
            return None
        return max(0.0, (expected - frames) / rate)

    def _message(self) -> str:
        if self._state is not JobState.RUNNING:
            return str(self._state.value).capitalize()
        if self._client.state is not SidecarState.READY:
            return str(self._client.state.value)
        if len(self.lines) == 1:
            return "Performing the line"
        done = sum(line.is_over for line in self._under_way)
        return f"Performing line {min(done + 1, len(self.lines))} of {len(self.lines)}"

    def _line_in_words(self, index: int) -> str:
        text = self.lines[index].text
        excerpt = text if len(text) <= _EXCERPT_LETTERS else text[:_EXCERPT_LETTERS].rstrip() + "…"
        number = f"Line {index + 1}" if len(self.lines) > 1 else "The line"
        return f"{number} “{excerpt}”"


def _expected_frames(line: DialogueLine) -> int:
    seconds = planned_seconds(line.text, line.seed, line.controls.duration)
    return max(1, round(_MODEL_FPS * seconds))


@lru_cache(maxsize=1024)
def planned_seconds(text: str, seed: int = 0, duration: float | None = None) -> float:
    """Return about how long a line will last; a line that cannot be performed lasts no time."""
    try:
        return plan_speech(text, fps=_MODEL_FPS, seed=seed, duration=duration, speech=False).length / _MODEL_FPS
    except ValueError:
        return 0.0


def start_generate(client: SidecarClient, lines: Sequence[DialogueLine], takes: int | Sequence[int] = 1) -> Job:
    """Start to perform every line; raises JobError where there is nothing to do.

    Args:
        client: the sidecar's.
        lines: what to perform.
        takes: of every line, or of each.
    """
    if not lines:
        raise JobError("There is no line to perform: add one first.")
    counts = [takes] * len(lines) if isinstance(takes, int) else list(takes)
    for count in counts:
        if not 1 <= count <= MAX_TAKES:
            raise JobError(f"A line is performed 1 to {MAX_TAKES} times at once; {count} were asked for.")
    job = Job(client, lines, counts)
    _started[:] = [other for other in _started if other.state is JobState.RUNNING] + [job]
    return job


def run_to_end(job: Job, on_progress: Callable[[JobProgress], None] | None = None) -> list[ExpressionClip]:
    """Run a job to its end and return its result; raises JobError as :meth:`Job.result` does.

    Args:
        job: a running job.
        on_progress: called at every change, and once a second at least.
    """
    shown, shown_at = None, 0.0
    try:
        while job.tick(_TICK_SECONDS) is JobState.RUNNING:
            progress, now = job.progress, time.monotonic()
            if on_progress is not None and (progress != shown or now - shown_at >= _SIGN_OF_LIFE_SECONDS):
                on_progress(progress)
                shown, shown_at = progress, now
    except BaseException:
        job.cancel()
        raise
    if on_progress is not None:
        on_progress(job.progress)
    return job.result()


_started: Final[list[Job]] = []
_client: SidecarClient | None = None


def running_job() -> Job | None:
    """Return the job that was started last, while it runs."""
    return next((job for job in reversed(_started) if job.state is JobState.RUNNING), None)


def shared_client(preference: str = "") -> SidecarClient:
    """Return the one client of this Blender; another command than last time ends the old sidecar.

    Args:
        preference: the sidecar's command in the add-on's preferences; see ``sidecar.sidecar_command``.

    Raises:
        SidecarError: no command is set up.
    """
    global _client
    command = sidecar_command(preference)
    if _client is None or list(_client.command) != command:
        close_shared_client()
        _client = SidecarClient(command, log_file=sidecar_log.chosen())
    return _client


def warm_client() -> SidecarClient | None:
    """Return the shared client where its sidecar has its model loaded; it is not started for this."""
    return _client if _client is not None and _client.state is SidecarState.READY else None


def poll_idle() -> bool:
    """Let the shared client see to what was given up; return whether there is more to see to."""
    if _client is None or _client.is_idle:
        return False
    _client.poll()
    return not _client.is_idle


def close_shared_client() -> None:
    """End the shared sidecar, if it runs, and the running jobs with it."""
    global _client
    for job in _started:
        job.cancel()
    _started.clear()
    if _client is not None:
        _client.close()
        _client = None


atexit.register(close_shared_client)
