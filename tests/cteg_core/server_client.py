"""A server on a thread of this process, and a bare client of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

from cteg_core import __version__
from cteg_core.clip import ExpressionClip
from cteg_core.clip_stream import ClipReceiver
from cteg_core.connection import Connection
from cteg_core.dialogue import DialogueLine
from cteg_core.jsonrpc import Failure, Message, Notification, Request, Result, bounded_lines, decode, encode
from cteg_core.performer import Performer
from cteg_core.protocol import PROTOCOL_VERSION, TakesOfLine, Versions, progress_from_params
from cteg_core.server import Server
from tests.fakes.fake_sidecar import FakePerformer

HELLO = Versions(PROTOCOL_VERSION, __version__, {}).to_params()


@dataclass
class Client:
    """A bare client: writes messages, waits for answers."""

    write: Callable[[bytes], object]
    lines: Iterator[bytes]
    progress: list[Notification] = field(default_factory=list)

    def send(self, *messages: Message) -> None:
        self.write(b"".join(encode(message) for message in messages))

    def next(self) -> Result | Failure:
        """Return the next answer, putting notifications aside."""
        for line in self.lines:
            message = decode(line)
            if isinstance(message, Result | Failure):
                return message
            assert isinstance(message, Notification)
            self.progress.append(message)
        raise EOFError

    def ask(self, request_id: int, method: str, params: dict[str, object] | None = None) -> Result | Failure:
        self.send(Request(request_id, method, params or {}))
        return self.next()

    def greet(self) -> None:
        assert isinstance(self.ask(-1, "initialize", HELLO), Result)
        assert isinstance(self.ask(-2, "load"), Result)

    def clips(self, takes: int) -> tuple[ExpressionClip, ...]:
        receiver = ClipReceiver(takes)
        for notification in self.progress:
            receiver.receive(progress_from_params(notification.params))
        return receiver.finished()


@contextmanager
def server(load: Callable[[], Performer] = FakePerformer) -> Iterator[Client]:
    """Run a server on a thread of this process, between two pipes."""
    requests_out, requests_in = os.pipe()
    answers_out, answers_in = os.pipe()
    connection = Connection(
        lambda count: os.read(requests_out, count), lambda data: _write_all(answers_in, data), lambda: None
    )
    thread = Thread(target=Server(connection, load, "See the log.").run, daemon=True)
    connection.start()
    thread.start()
    try:
        yield Client(
            lambda data: _write_all(requests_in, data), bounded_lines(lambda count: os.read(answers_out, count))
        )
    finally:
        os.close(requests_in)
        thread.join(10)
        assert not thread.is_alive()
        for descriptor in (requests_out, answers_out, answers_in):
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def generate(request_id: int, text: str, takes: int = 1, seed: int = 0) -> Request:
    return Request(request_id, "generate", TakesOfLine(DialogueLine(text, seed=seed), takes).to_params())
