"""Many lines performed together, so that a line that cannot be, or a memory that is full, costs no other line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, Performer, TakeRequest

Reason = TypeVar("Reason")
Deliver = Callable[[int, TakeRequest, FrameChunk | FinishedTake], None]
"""Gets what happens to a take of a line: the line's index, the take, the event."""


class LineBatch(Generic[Reason]):
    """Lines on their way through a model.

    Args:
        performer: the model.
        requests: the takes to perform, by their line's index.
        cancelled: asked while performing; see :class:`cteg_core.performer.Performer`.
        deliver: gets the events. Chunks of a take that a failed batch began come again from its first frame. What it
            raises counts as the batch's failure.
        explained: turns what was raised into a reason. No exception is kept: its traceback would hold the failed
            batch's memory while the halves are tried.
        fatal: exceptions that are no line's fault and end everything.
    """

    def __init__(
        self,
        performer: Performer,
        requests: Mapping[int, Sequence[TakeRequest]],
        cancelled: Callable[[], bool],
        deliver: Deliver,
        explained: Callable[[Exception], Reason],
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        self._performer = performer
        self._cancelled = cancelled
        self._deliver = deliver
        self._explained = explained
        self._fatal: tuple[type[Exception], ...] = (Cancelled, *fatal)
        self._unfinished = {line: {request.take: request for request in takes} for line, takes in requests.items()}
        self._failed: dict[int, Reason] = {}

    def perform(self) -> dict[int, Reason]:
        """Perform all lines; return those that failed, in their order, and why.

        Takes of a failed line that finished before are good. Raises Cancelled and what is fatal.
        """
        if self._unfinished:
            self._perform(tuple(self._unfinished))
        return dict(sorted(self._failed.items()))

    def _perform(self, lines: Sequence[int]) -> None:
        """Perform lines together; where that fails, the unfinished ones by halves, until one is alone with its fault.

        Halves find the one bad line in few steps, and a batch too big for the memory becomes one that fits.
        """
        failure = self._failure_of_batch(lines)
        if failure is None:
            return
        if len(lines) == 1:
            self._failed[lines[0]] = failure[0]
            return
        left = [line for line in lines if self._unfinished[line]]
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            if half:
                self._perform(half)

    def _failure_of_batch(self, lines: Sequence[int]) -> tuple[Reason] | None:
        try:
            self._batch(lines)
        except self._fatal:
            raise
        except Exception as error:
            return (self._explained(error),)
        return None

    def _batch(self, lines: Sequence[int]) -> None:
        owners = [(line, request) for line in lines for request in self._unfinished[line].values()]
        for event in self._performer.perform([request for _, request in owners], self._cancelled):
            line, request = owners[event.request_index]
            self._deliver(line, request, event)
            if isinstance(event, FinishedTake):
                del self._unfinished[line][request.take]
        forgotten = [take for line in lines for take in self._unfinished[line]]
        if forgotten:
            raise RuntimeError(f"The model ended without take {forgotten[0] + 1}.")
