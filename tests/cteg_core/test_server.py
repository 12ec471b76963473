"""The server: its answers in process over real pipes, and its manners as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from cteg_core import __version__
from cteg_core.connection import MAX_WAITING_REQUESTS
from cteg_core.jsonrpc import (
    MAX_MESSAGE_BYTES,
    ErrorCode,
    Failure,
    Notification,
    Request,
    Result,
    bounded_lines,
)
from cteg_core.performer import Performer
from cteg_core.protocol import (
    PROTOCOL_VERSION,
    Loaded,
    Versions,
    cancel_params,
)
from tests.cteg_core.server_client import HELLO, Client, generate, server
from tests.fakes.fake_sidecar import LOAD_FAULTS, FakePerformer, fake_frames

FAKE_SIDECAR = Path(__file__).resolve().parents[1] / "fakes" / "fake_sidecar.py"


def test_a_line_is_performed() -> None:
    with server() as client:
        hello = client.ask(1, "initialize", HELLO)
        assert isinstance(hello, Result)
        versions = Versions.from_params(hello.result)
        assert (versions.protocol, versions.version) == (PROTOCOL_VERSION, __version__)
        assert set(versions.packages) == {"torch", "transformers", "safetensors"}
        assert client.ask(2, "load") == Result(2, Loaded("fake-000000", "cpu").to_params())
        client.send(generate(3, "seven words make seventy frames of this", takes=2, seed=2**31 - 1))
        assert client.next() == Result(3, {"takes": 2})
        clips = client.clips(2)
        assert [clip.seed for clip in clips] == [2**31 - 1, 0]
        for clip in clips:
            wanted = fake_frames(clip.text, clip.seed)
            wanted[-3:] *= 0.5
            assert clip.frames.tobytes() == wanted.tobytes()
            assert clip.words[6].text == "this"
        assert client.ask(4, "shutdown") == Result(4, {})


def test_the_same_request_gives_the_same_messages() -> None:
    def messages() -> list[Notification]:
        with server() as client:
            client.greet()
            client.send(generate(3, "same again please"))
            client.next()
            return client.progress

    assert messages() == messages()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("refuse this", ErrorCode.LINE_REFUSED, "The line is too sad; cheer it up."),
        ("memory runs out", ErrorCode.OUT_OF_MEMORY, "ran out of memory: ask for fewer takes"),
        ("bug in here", ErrorCode.INTERNAL_ERROR, "ZeroDivisionError: division by zero). See the log."),
    ],
)
def test_a_failed_line_says_why_and_the_next_is_performed(text: str, code: int, said: str) -> None:
    with server() as client:
        client.greet()
        client.send(generate(3, text))
        failure = client.next()
        assert isinstance(failure, Failure)
        assert (failure.id, failure.code) == (3, code)
        assert said in failure.message
        client.send(generate(4, "fine"))
        assert client.next() == Result(4, {"takes": 1})


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("no-torch", ErrorCode.PACKAGES_MISSING, f"({sys.executable}) cannot import torch: install"),
        ("no-checkpoint", ErrorCode.CHECKPOINT_UNUSABLE, "There is no checkpoint in /nowhere: give"),
        ("bad-checkpoint", ErrorCode.CHECKPOINT_UNUSABLE, "its SHA-256 differs; download it again."),
        ("load-bug", ErrorCode.INTERNAL_ERROR, "division by zero"),
        ("no-memory", ErrorCode.OUT_OF_MEMORY, "while it loaded the model: close what else needs much memory"),
    ],
)
def test_what_keeps_the_model_from_loading_is_said(fault: str, code: int, said: str) -> None:
    def load() -> Performer:
        raise LOAD_FAULTS[fault]

    with server(load) as client:
        client.ask(1, "initialize", HELLO)
        failure = client.ask(2, "load")
        assert isinstance(failure, Failure)
        assert failure.code == code
        assert said in failure.message
        client.send(generate(3, "anyway"))
        answer = client.next()
        assert isinstance(answer, Failure)
        assert answer.code == ErrorCode.NOT_LOADED


def test_another_checkpoint_than_the_one_asked_for_is_refused() -> None:
    with server() as client:
        client.ask(1, "initialize", HELLO)
        failure = client.ask(2, "load", Loaded("cteg-9-ffffff").to_params())
        assert isinstance(failure, Failure)
        assert failure.code == ErrorCode.CHECKPOINT_UNUSABLE
        assert "fake-000000, not cteg-9-ffffff" in failure.message


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b"rubbish", None, ErrorCode.PARSE_ERROR),
        (b"x" * (MAX_MESSAGE_BYTES + 5), None, ErrorCode.PARSE_ERROR),
        (b'{"jsonrpc":"2.0","id":9,"method":"eval","params":{}}', 9, ErrorCode.METHOD_NOT_FOUND),
        (b'{"jsonrpc":"2.0","id":9,"method":"generate","params":{}}', 9, ErrorCode.INVALID_PARAMS),
        (b'{"jsonrpc":"2.0","id":9,"method":"initialize","params":{"protocol":2,"version":"9"}}', 9,
         ErrorCode.VERSION_MISMATCH),
        (b'{"jsonrpc":"2.0","id":9,"method":"initialize"}', 9, ErrorCode.INVALID_PARAMS),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', "\ud800", ErrorCode.METHOD_NOT_FOUND),
    ],
)  # fmt: skip
def test_hostile_lines_get_one_failure_and_cost_nothing(line: bytes, request_id: object, code: int) -> None:
    with server() as client:
        client.greet()
        client.write(line + b"\n")
        failure = client.next()
        assert isinstance(failure, Failure)
        assert (failure.id, failure.code) == (request_id, code)
        client.send(generate(10, "fine"))
        assert client.next() == Result(10, {"takes": 1})


def test_nothing_is_done_before_initialize() -> None:
    with server() as client:
        for method in ("load", "generate"):
            failure = client.ask(1, method)
            assert isinstance(failure, Failure)
            assert failure.code == ErrorCode.NOT_INITIALIZED


def test_a_cancel_is_heard_while_a_line_is_performed() -> None:
    with server() as client:
        client.greet()
        client.send(generate(3, "wait until cancelled"), generate(4, "next"))
        client.send(Notification("$/cancelRequest", cancel_params(3)))
        assert client.next() == Failure(3, ErrorCode.CANCELLED, "Cancelled.")
        assert client.next() == Result(4, {"takes": 1})


def test_a_cancel_of_a_waiting_or_unknown_request() -> None:
    with server() as client:
        client.greet()
        client.send(generate(3, "wait until cancelled"), generate(4, "never performed"))
        client.send(*(Notification("$/cancelRequest", cancel_params(request_id)) for request_id in (4, 99, 3)))
        assert client.next() == Failure(3, ErrorCode.CANCELLED, "Cancelled.")
        assert client.next() == Failure(4, ErrorCode.CANCELLED, "Cancelled.")
        assert all(notification.params["id"] == 3 for notification in client.progress)


def test_every_request_of_a_flood_has_one_end() -> None:
    count = MAX_WAITING_REQUESTS + 40
    with server() as client:
        client.greet()
        client.send(generate(0, "wait until cancelled"), *(Request(n, "shut-down", {}) for n in range(1, count)))
        refused = [client.next() for _ in range(40)]
        assert {answer.code for answer in refused if isinstance(answer, Failure)} == {ErrorCode.BUSY}
        client.send(Notification("$/cancelRequest", cancel_params(0)))
        others = [client.next() for _ in range(MAX_WAITING_REQUESTS)]
        assert sorted(int(answer.id or 0) for answer in (*refused, *others)) == list(range(count))


def test_an_id_in_use_is_refused() -> None:
    with server() as client:
        client.greet()
        client.send(generate(3, "wait until cancelled"), generate(3, "twice"))
        failure = client.next()
        assert isinstance(failure, Failure)
        assert (failure.id, failure.code) == (None, ErrorCode.INVALID_REQUEST)
        client.send(Notification("$/cancelRequest", cancel_params(3)))
        assert client.next() == Failure(3, ErrorCode.CANCELLED, "Cancelled.")


def test_a_model_that_forgets_a_take_is_found_out() -> None:
    class Forgetful(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            yield from super().perform(requests[:1], cancelled)

    with server(Forgetful) as client:
        client.greet()
        client.send(generate(3, "two takes", takes=2))
        failure = client.next()
        assert isinstance(failure, Failure)
        assert failure.code == ErrorCode.INTERNAL_ERROR
        assert "without take 2" in failure.message


def test_shutdown_ends_what_waits() -> None:
    with server() as client:
        client.greet()
        client.send(generate(3, "wait until cancelled"), Request(4, "shutdown", {}), generate(5, "too late"))
        client.send(Notification("$/cancelRequest", cancel_params(3)))
        answers = [client.next() for _ in range(3)]
        assert [answer.id for answer in answers] == [3, 4, 5]
        assert isinstance(answers[2], Failure)
        assert answers[2].code == ErrorCode.CANCELLED


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """Run the fake sidecar as a process of its own."""
    child = subprocess.Popen(
        [sys.executable, str(FAKE_SIDECAR), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield child, Client(child.stdin.write, bounded_lines(child.stdout.read))
        finally:
            child.kill()


def test_prints_do_not_disturb_the_protocol() -> None:
    with process() as (child, client):
        client.greet()
        client.send(generate(3, "print much of it"))
        assert client.next() == Result(3, {"takes": 1})
        assert client.ask(4, "shutdown") == Result(4, {})
        assert child.wait(10) == 0
        assert child.stderr is not None
        errors = child.stderr.read()
    assert b"a library prints this" in errors
    assert b"and C code this" in errors


def test_the_log_is_a_file_too_and_holds_no_text_of_the_user(tmp_path: Path) -> None:
    log = tmp_path / "new folder" / "sidecar.log"
    with process("", str(log)) as (child, client):
        client.greet()
        client.send(generate(3, "secret confession"))
        client.next()
        client.ask(4, "shutdown")
        child.wait(10)
    text = log.read_text(encoding="utf-8")
    assert "request 3 generate: done" in text
    assert "secret" not in text


@pytest.mark.parametrize("text", ["hang inside a call", "wait until cancelled"])
def test_the_end_of_the_input_ends_the_process_in_mid_performance(text: str) -> None:
    with process() as (child, client):
        client.greet()
        client.send(generate(3, text))
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(5) == 0


def test_a_parent_that_dies_takes_the_sidecar_along() -> None:
    program = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        'child.stdin.write(b\'{"jsonrpc":"2.0","id":1,"method":"x"}\\n\'); child.stdin.flush()\n'
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.readline()\n"
        "os._exit(1)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(FAKE_SIDECAR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stderr is not None
        int(parent.stdout.readline())
        parent.stdin.write(b"die\n")
        parent.stdin.flush()
        assert parent.wait(5) == 1
        # The sidecar holds the other end of this pipe: it closes when the sidecar is gone.
        watcher = Thread(target=parent.stderr.read, daemon=True)
        watcher.start()
        watcher.join(5)
        assert not watcher.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupt_of_the_terminal_is_the_parents_business() -> None:
    with process() as (child, client):
        client.greet()
        child.send_signal(signal.SIGINT)
        client.send(generate(3, "still here"))
        assert client.next() == Result(3, {"takes": 1})
