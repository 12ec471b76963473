"""The server's end of the pipes: requests in order, cancelling out of order, one answer to each.

A reader thread takes the bytes apart, so that a cancel is heard while the main thread computes and the
end of the input is noticed even then. It never waits for the main thread: what finds the queue full is
refused at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cteg_core.jsonrpc import (
    ErrorCode,
    Failure,
    Message,
    MessageId,
    Notification,
    Request,
    Result,
    RpcError,
    bounded_lines,
    decode,
    encode,
)
from cteg_core.protocol import CANCEL, PROGRESS, FramesProgress, TakeHeader, cancelled_id

MAX_WAITING_REQUESTS: Final = 256


class Disconnected(Exception):  # noqa: N818 - the other side's right, not an error
    """Nobody reads the answers any more."""


class Call:
    """A request that waits for its one answer."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self.request = request
        self._connection = connection
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Note that the answer is no longer wanted."""
        self._cancelled.set()

    def is_cancelled(self) -> bool:
        """Whether the other side cancelled the request."""
        return self._cancelled.is_set()

    def progress(self, progress: FramesProgress | TakeHeader) -> None:
        """Tell of something done on the way to the answer."""
        self._connection.send(Notification(PROGRESS, progress.to_params()))

    def answer(self, result: Mapping[str, Any]) -> None:
        """End the request well; raises RuntimeError where it ended already."""
        self._connection.end(self, Result(self.request.id, result))

    def fail(self, code: int, sentence: str) -> None:
        """End the request badly; raises RuntimeError where it ended already."""
        self._connection.end(self, Failure(self.request.id, code, sentence))


class Connection:
    """Requests from ``read`` (up to n bytes, none at the end), answers to ``write`` (all of them)."""

    def __init__(
        self, read: Callable[[int], bytes], write: Callable[[bytes], None], at_end: Callable[[], None]
    ) -> None:
        self._read = read
        self._write = write
        self._at_end = at_end
        self._calls: dict[MessageId, Call] = {}
        self._waiting: queue.Queue[Call | None] = queue.Queue(MAX_WAITING_REQUESTS + 1)
        self._state_lock = threading.Lock()
        self._write_lock = threading.Lock()

    def start(self) -> None:
        """Start to read; ``at_end`` is called on the reading thread when the input ends."""
        threading.Thread(target=self._read_all, name="cteg-requests", daemon=True).start()

    def next_call(self) -> Call | None:
        """Wait for the next request; None when there will be no more."""
        return self._waiting.get()

    def waiting_calls(self) -> Iterator[Call]:
        """Yield the requests that wait now, without waiting for more."""
        while True:
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                return
            if call is not None:
                yield call

    def send(self, message: Message) -> None:
        """Write a message; raises Disconnected where nobody reads any more."""
        line = encode(message)
        try:
            with self._write_lock:
                self._write(line)
        except OSError as error:
            raise Disconnected(f"The answers cannot be written: {error}.") from error

    def end(self, call: Call, message: Result | Failure) -> None:
        """Send the one answer of a call.

        Raises RuntimeError where it was answered already, Disconnected where it cannot be written.
        """
        with self._state_lock:
            if self._calls.get(call.request.id) is not call:
                raise RuntimeError(f"Request {call.request.id} was answered already.")
            del self._calls[call.request.id]
        self.send(message)

    def _read_all(self) -> None:
        try:
            for line in bounded_lines(self._read):
                try:
                    self._receive(decode(line))
                except RpcError as error:
                    self.send(Failure(error.request_id, error.code, error.sentence))
        except (OSError, Disconnected):
            pass  # A broken pipe ends the input as its end does.
        self._at_end()
        self._waiting.put(None)

    def _receive(self, message: Message) -> None:
        match message:
            case Request():
                self._queue(message)
            case Notification(method, params) if method == CANCEL:
                with self._state_lock:
                    call = self._calls.get(cancelled_id(params))
                if call is not None:
                    call.cancel()
            case _:
                pass  # The protocol lets either side ignore notifications that it does not know.

    def _queue(self, request: Request) -> None:
        call = Call(self, request)
        with self._state_lock:
            if request.id in self._calls:
                raise RpcError(ErrorCode.INVALID_REQUEST, f"A request with the id {request.id!r} is still under way.")
            if len(self._calls) >= MAX_WAITING_REQUESTS:
                sentence = f"{MAX_WAITING_REQUESTS} requests are waiting; ask again when some are done."
                raise RpcError(ErrorCode.BUSY, sentence, request.id)
            self._calls[request.id] = call
        self._waiting.put(call)
