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
from typing import Final

from cteg_core.clip import ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.protocol import MAX_TAKES

from .errors import CtegError
from .sidecar import SidecarClient, SidecarState, TakesUnderWay, sidecar_command

_EXCERPT_LETTERS: Final = 40
_TICK_SECONDS: Final = 0.05
_SIGN_OF_LIFE_SECONDS: Final = 1.0


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
    """

    message: str
    takes_done: int
    takes: int
    frames: int

    @property
    def fraction(self) -> float:
        """Share of the takes that is done, 0 to 1."""
        return self.takes_done / self.takes


class Job:
    """Lines to perform one after the other; a line that fails does not cost the others.

    Make one with :func:`start_generate`.
    """

    def __init__(self, client: SidecarClient, lines: Sequence[DialogueLine], takes: int) -> None:
        self.lines = tuple(lines)
        self.takes = takes
        self._client = client
        self._clips: dict[int, tuple[ExpressionClip, ...]] = {}
        self._errors: list[JobError] = []
        self._state = JobState.RUNNING
        self._line_index = 0
        self._under_way: TakesUnderWay | None = client.submit(self.lines[0], takes)

    @property
    def state(self) -> JobState:
        """Where the job is."""
        return self._state

    @property
    def errors(self) -> tuple[JobError, ...]:
        """What failed so far, at most one error a line."""
        return tuple(self._errors)

    @property
    def progress(self) -> JobProgress:
        """How far the job is."""
        done = [clip for clips in self._clips.values() for clip in clips]
        frames = sum(len(clip.frames) for clip in done)
        takes_done = len(done)
        if self._under_way is not None:
            frames += self._under_way.receiver.frame_count
            takes_done += len(self._under_way.receiver.clips)
        return JobProgress(self._message(), takes_done, self.takes * len(self.lines), frames)

    def tick(self, wait: float = 0.0) -> JobState:
        """Do what there is to do, and return where the job is; wait ``wait`` seconds for news at most."""
        if self._state is not JobState.RUNNING or self._under_way is None:
            return self._state
        self._client.poll(wait)
        under_way = self._under_way
        if not under_way.is_over:
            return self._state
        self._under_way = None
        if under_way.clips is not None:
            self._clips[self._line_index] = under_way.clips
        elif under_way.error is not None:
            self._errors.append(JobError(f"{self._line_in_words()}: {under_way.error}", self._line_index))
        else:
            self._state = JobState.CANCELLED
            return self._state
        # Without a code it was the process that failed, and the next line would fail as this one did.
        process_failed = under_way.error is not None and under_way.error.code is None
        if process_failed or self._line_index + 1 == len(self.lines) or self._client.state is SidecarState.STOPPED:
            self._state = JobState.FAILED if self._errors else JobState.DONE
        else:
            self._line_index += 1
            self._under_way = self._client.submit(self.lines[self._line_index], self.takes)
        return self._state

    def cancel(self) -> None:
        """Give the job up for good; lines that are done stay."""
        if self._state is not JobState.RUNNING:
            return
        if self._under_way is not None:
            self._client.cancel(self._under_way)
            self._under_way = None
        self._state = JobState.CANCELLED

    def clips_of(self, line_index: int) -> tuple[ExpressionClip, ...]:
        """Return the takes of a line that is done, else nothing."""
        return self._clips.get(line_index, ())

    def result(self) -> list[ExpressionClip]:
        """Return all clips, line by line and take by take.

        Raises:
            JobError: the job failed (the first error), was cancelled, or is still running.
        """
        if self._errors:
            raise self._errors[0]
        if self._state is not JobState.DONE:
            raise JobError(f"The job is {self._state.value}: it has no result.")
        return [clip for index in range(len(self.lines)) for clip in self._clips[index]]

    def _message(self) -> str:
        if self._state is not JobState.RUNNING:
            return str(self._state.value).capitalize()
        if self._client.state is not SidecarState.READY:
            return str(self._client.state.value)
        if len(self.lines) == 1:
            return "Performing the line"
        return f"Performing line {self._line_index + 1} of {len(self.lines)}"

    def _line_in_words(self) -> str:
        text = self.lines[self._line_index].text
        excerpt = text if len(text) <= _EXCERPT_LETTERS else text[:_EXCERPT_LETTERS].rstrip() + "…"
        number = f"Line {self._line_index + 1}" if len(self.lines) > 1 else "The line"
        return f"{number} “{excerpt}”"


def start_generate(client: SidecarClient, lines: Sequence[DialogueLine], takes: int = 1) -> Job:
    """Start to perform ``takes`` takes of every line; raises JobError where there is nothing to do."""
    global _latest
    if not lines:
        raise JobError("There is no line to perform: add one first.")
    if not 1 <= takes <= MAX_TAKES:
        raise JobError(f"A line is performed 1 to {MAX_TAKES} times at once; {takes} were asked for.")
    _latest = Job(client, lines, takes)
    return _latest


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


_latest: Job | None = None
_client: SidecarClient | None = None


def running_job() -> Job | None:
    """Return the job that was started last, while it runs."""
    return _latest if _latest is not None and _latest.state is JobState.RUNNING else None


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
        _client = SidecarClient(command)
    return _client


def close_shared_client() -> None:
    """End the shared sidecar, if it runs, and the running job with it."""
    global _client
    if (job := running_job()) is not None:
        job.cancel()
    if _client is not None:
        _client.close()
        _client = None


atexit.register(close_shared_client)
