"""The client with many lines and with texts to read, against real sidecars. Needs no bpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from addon.sidecar import LinesUnderWay, ReadUnderWay, SidecarClient, SidecarState, TakesUnderWay
from addon.under_way import generate_requests, read_requests
from cteg_core.clip import Controls, Likeness, Word
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, MAX_TIMED_WORDS, DialogueLine
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import MAX_MESSAGE_BYTES, ErrorCode, Request, encode
from cteg_core.protocol import MAX_TAKES, TakesOfLine
from tests.addon.sidecars import GOOD, PATIENCE, nothing_left, until


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Hold every test to leave no descriptor, thread or process."""
    with nothing_left():
        yield


@pytest.fixture
def client() -> Iterator[SidecarClient]:
    with closing(SidecarClient(GOOD, PATIENCE)) as client:
        yield client


def lines_of(*texts: str) -> list[DialogueLine]:
    return [DialogueLine(text, seed=index) for index, text in enumerate(texts)]


def finish(client: SidecarClient, under_way: LinesUnderWay | TakesUnderWay | ReadUnderWay) -> None:
    until(lambda: under_way.is_over, lambda: client.poll(0.05))


def under_way(line: DialogueLine, takes: int = 1) -> TakesUnderWay:
    return TakesUnderWay(TakesOfLine(line, takes))


def test_lines_come_back_in_their_order_with_their_seeds(client: SidecarClient) -> None:
    asked = client.submit_lines(lines_of("one", "two words", "three words here"), takes=2)
    finish(client, asked)
    for index, line in enumerate(asked.lines):
        assert line.clips is not None
        assert [clip.seed for clip in line.clips] == [index, index + 1]
        assert line.clips[0].text == line.asked.line.text
    assert asked.frame_count == 2 * (10 + 20 + 30)
    assert client.is_idle or client.state is SidecarState.READY


def test_a_batch_is_equal_to_each_line_alone(client: SidecarClient) -> None:
    lines = lines_of("one", "two words")
    together = client.submit_lines(lines)
    alone = [client.submit(line) for line in lines]
    for each in (together, *alone):
        finish(client, each)
    for line, single in zip(together.lines, alone, strict=True):
        assert line.clips is not None
        assert single.clips is not None
        assert np.array_equal(line.clips[0].frames, single.clips[0].frames)


def test_a_bad_line_has_its_own_error(client: SidecarClient) -> None:
    asked = client.submit_lines(lines_of("one", "refuse this", "two", "bug here"))
    finish(client, asked)
    errors = [line.error for line in asked.lines]
    assert (errors[0], errors[2]) == (None, None)
    assert errors[1] is not None
    assert errors[3] is not None
    assert (str(errors[1]), errors[1].code) == ("The line is too sad; cheer it up.", ErrorCode.LINE_REFUSED)
    assert errors[3].code == ErrorCode.INTERNAL_ERROR
    assert [line.clips is not None for line in asked.lines] == [True, False, True, False]


def test_a_line_is_there_before_its_batch_is_done(client: SidecarClient) -> None:
    asked = client.submit_lines(lines_of("quick one", "wait for good"))
    until(lambda: asked.lines[1].frame_count > 0, lambda: client.poll(0.05))
    assert asked.lines[0].clips is not None
    assert not asked.is_over
    client.cancel(asked)
    assert asked.lines[0].clips is not None
    assert (asked.lines[0].cancelled, asked.lines[1].cancelled) == (False, True)
    until(lambda: client.is_idle, lambda: client.poll(0.05))


def test_one_line_of_a_batch_can_be_given_up(client: SidecarClient) -> None:
    asked = client.submit_lines(lines_of("one", "two"))
    client.cancel(asked.lines[0])
    finish(client, asked)
    assert asked.lines[0].clips is None
    assert asked.lines[1].clips is not None


def test_a_cancel_frees_the_sidecar_at_once_for_what_comes_next(client: SidecarClient) -> None:
    asked = client.submit_lines(lines_of(*["wait " + "for it " * 40] * 40))
    until(lambda: asked.frame_count > 0, lambda: client.poll(0.05))
    pid = client.pid
    client.cancel(asked)
    after = client.submit(DialogueLine("next"))
    finish(client, after)
    assert after.clips is not None
    assert client.pid == pid
    assert all(line.clips is None and line.error is None for line in asked.lines)


def test_more_lines_than_a_request_holds_are_all_performed(client: SidecarClient) -> None:
    asked = client.submit_lines([DialogueLine("word", seed=n) for n in range(150)], takes=2)
    finish(client, asked)
    assert [line.clips[1].seed for line in asked.lines if line.clips is not None] == list(range(1, 151))


@pytest.mark.parametrize(
    ("lines", "takes", "wanted"),
    [(1, 1, [1]), (64, 1, [64]), (65, 1, [64, 1]), (5, 30, [2, 2, 1]), (3, 64, [1, 1, 1]), (0, 1, [])],
)
def test_a_request_holds_at_most_64_takes(lines: int, takes: int, wanted: list[int]) -> None:
    requests = generate_requests([under_way(DialogueLine("a"), takes) for _ in range(lines)])
    assert [len(request.lines) for request in requests] == wanted
    assert MAX_TAKES == 64


def test_a_request_fits_a_message() -> None:
    words = tuple(Word("a", n / 2, n / 2 + 0.3) for n in range(MAX_TIMED_WORDS))
    timed = DialogueLine("a " * MAX_TIMED_WORDS, controls=Controls(words=words))
    everything = Controls(
        EmotionRead((1 / 3,) * 28, -1 / 3, 1 / 7, -1 / 9), 1 / 3, 1e-1 / 0.3, True, False, 2 / 3, 1 / 7,
        like=(Likeness(2**31 - 1, 1 / 7),) * 16, context="\\" * 500,
    )  # fmt: skip
    full = DialogueLine('"', "\\" * 200, -1 / 3e-9, everything, 2**31 - 1)
    alone = [len(encode(Request(1, "generate", request.params()))) for request in generate_requests([under_way(full)])]
    assert alone[0] < 4 * (1 + 200 + 500) + 4000
    assert len(list(generate_requests([under_way(full)] * 64))) == 1
    long = DialogueLine("😀" * MAX_TEXT_CHARACTERS)
    requests = list(generate_requests([under_way(line) for line in [timed, long, long] * 8]))
    assert sum(len(request.lines) for request in requests) == 24
    assert all(len(encode(Request(1, "generate", request.params()))) <= MAX_MESSAGE_BYTES for request in requests)
    read = ReadUnderWay(("\\" * MAX_TEXT_CHARACTERS,) * 100)
    texts = list(read_requests(read))
    assert sum(len(request.texts) for request in texts) == 100
    assert all(len(encode(Request(1, "read", request.params()))) <= MAX_MESSAGE_BYTES for request in texts)


def test_texts_are_read_in_their_order(client: SidecarClient) -> None:
    texts = ["!" * (n % 5) + "Hm" for n in range(150)]
    read = client.submit_read([*texts, "", "x" * (MAX_TEXT_CHARACTERS + 1)])
    finish(client, read)
    assert read.emotions is not None
    assert [dict(emotion.strongest(28))["joy"] if emotion else None for emotion in read.emotions] == [
        *((n % 5) / 4 for n in range(150)), None, None,
    ]  # fmt: skip


def test_texts_are_read_with_what_was_said_before(client: SidecarClient) -> None:
    read = client.submit_read(["Hm"] * 100, ["!" * (n % 5) for n in range(100)])
    finish(client, read)
    assert read.emotions is not None
    joys = [dict(emotion.strongest(28))["joy"] for emotion in read.emotions if emotion]
    assert joys == [n % 5 / 4 for n in range(100)]


def test_nothing_to_read_is_read_at_once(client: SidecarClient) -> None:
    assert client.submit_read([]).emotions == ()
    assert client.pid is None


def test_texts_are_read_before_lines_that_wait(client: SidecarClient) -> None:
    lines = client.submit_lines([DialogueLine("wait " * 20)] * 200)
    read = client.submit_read(["Hello!"])
    until(lambda: client.state is SidecarState.READY, lambda: client.poll(0.05))
    finish(client, read)
    assert read.emotions is not None
    assert not lines.is_over
    client.cancel(lines)


def test_a_read_can_be_given_up(client: SidecarClient) -> None:
    read = client.submit_read(["Hello!"])
    client.cancel(read)
    assert client.is_idle
    after = client.submit_read(["Hello!!"])
    finish(client, after)
    assert read.emotions is None
    assert after.emotions is not None
