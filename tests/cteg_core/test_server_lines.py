"""Many lines in one request, and texts that are read."""

from __future__ import annotations

import pytest

from cteg_core.clip import ExpressionClip
from cteg_core.clip_stream import ClipReceiver
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import ErrorCode, Failure, Notification, Request, Result
from cteg_core.performer import FinishedTake
from cteg_core.performing import READ_WORDS
from cteg_core.protocol import (
    TakesOfLines,
    TextEmotions,
    TextsToRead,
    cancel_params,
    failed_lines,
    progress_from_params,
)
from tests.cteg_core.server_client import Client, generate, server
from tests.fakes.fake_sidecar import FakePerformer


def lines_request(request_id: int, *texts: str, takes: int = 1) -> Request:
    return Request(request_id, "generate", TakesOfLines(tuple(DialogueLine(text) for text in texts), takes).to_params())


def clips_by_line(client: Client, takes: int) -> dict[int, tuple[ExpressionClip, ...]]:
    """Put the progress together, line by line; lines that are incomplete are left out."""
    receivers: dict[int, ClipReceiver] = {}
    for notification in client.progress:
        progress = progress_from_params(notification.params)
        receivers.setdefault(progress.line, ClipReceiver(takes)).receive(progress)
    return {line: receiver.finished() for line, receiver in sorted(receivers.items()) if len(receiver.clips) == takes}


def test_many_lines_are_one_batch_and_equal_to_each_alone() -> None:
    batches: list[int] = []

    class Counting(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            batches.append(len(requests))
            yield from super().perform(requests, cancelled)

    texts = "one", "two words", "now three words"
    with server(Counting) as client:
        client.greet()
        client.send(lines_request(3, *texts, takes=2))
        assert client.next() == Result(3, {"takes": 2, "errors": []})
        together = clips_by_line(client, 2)
        assert batches == [6]
        for index, text in enumerate(texts):
            client.progress.clear()
            client.send(generate(4, text, takes=2))
            client.next()
            alone = client.clips(2)
            assert not any("line" in notification.params for notification in client.progress)
            assert [clip.frames.tobytes() for clip in alone] == [clip.frames.tobytes() for clip in together[index]]
            assert [clip.seed for clip in alone] == [clip.seed for clip in together[index]]


def test_a_bad_line_costs_neither_the_others_nor_what_is_done_twice() -> None:
    performed: list[tuple[str, int]] = []

    class Noting(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            for event in super().perform(requests, cancelled):
                if isinstance(event, FinishedTake):
                    performed.append((requests[event.request_index].line.text, event.clip.seed))
                yield event

    texts = "one", "refuse this", "two", "memory runs out", "three", "bug in here"
    with server(Noting) as client:
        client.greet()
        client.send(lines_request(3, *texts, takes=2))
        answer = client.next()
        assert isinstance(answer, Result)
        failed = failed_lines(answer.result, len(texts))
        assert [(each.line, each.code) for each in failed] == [
            (1, ErrorCode.LINE_REFUSED), (3, ErrorCode.OUT_OF_MEMORY), (5, ErrorCode.INTERNAL_ERROR),
        ]  # fmt: skip
        assert failed[0].sentence == "The line is too sad; cheer it up."
        assert "shorten the text" in failed[1].sentence
        assert list(clips_by_line(client, 2)) == [0, 2, 4]
        assert sorted(performed) == sorted((text, seed) for text in ("one", "two", "three") for seed in (0, 1))
        client.send(generate(4, "fine"))
        assert client.next() == Result(4, {"takes": 1})


def test_a_line_that_is_none_costs_only_itself() -> None:
    request = lines_request(3, "one", "two", "three")
    request.params["lines"][1] = {"text": "\0"}
    request.params["lines"][2] = "three"
    with server() as client:
        client.greet()
        client.send(request)
        answer = client.next()
        assert isinstance(answer, Result)
        failed = failed_lines(answer.result, 3)
        assert [(each.line, each.code) for each in failed] == [
            (1, ErrorCode.LINE_REFUSED), (2, ErrorCode.INVALID_PARAMS),
        ]  # fmt: skip
        assert list(clips_by_line(client, 1)) == [0]


def test_a_batch_too_big_for_the_memory_is_performed_in_parts() -> None:
    batches: list[int] = []

    class Small(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            batches.append(len(requests))
            if len(requests) > 3:
                raise MemoryError
            yield from super().perform(requests, cancelled)

    with server(Small) as client:
        client.greet()
        client.send(lines_request(3, *(f"line {n}" for n in range(8))))
        assert client.next() == Result(3, {"takes": 1, "errors": []})
        assert list(clips_by_line(client, 1)) == list(range(8))
        assert batches == [8, 4, 2, 2, 4, 2, 2]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("std::bad_alloc"), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: out of memory"), ErrorCode.OUT_OF_MEMORY),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), ErrorCode.OUT_OF_MEMORY),
        (KeyError("allocate"), ErrorCode.INTERNAL_ERROR),
    ],
)
def test_every_librarys_way_to_run_out_of_memory_is_known(error: Exception, code: int) -> None:
    class Starving(FakePerformer):
        def perform(self, requests, cancelled):  # type: ignore[no-untyped-def]
            raise error

    with server(Starving) as client:
        client.greet()
        client.send(generate(3, "one"))
        answer = client.next()
        assert isinstance(answer, Failure)
        assert answer.code == code


def test_a_cancel_ends_all_lines_of_a_request() -> None:
    with server() as client:
        client.greet()
        client.send(lines_request(3, "one", "wait until cancelled", "two"), generate(4, "next"))
        client.send(Notification("$/cancelRequest", cancel_params(3)))
        assert client.next() == Failure(3, ErrorCode.CANCELLED, "Cancelled.")
        assert client.next() == Result(4, {"takes": 1})


@pytest.mark.parametrize(
    "params",
    [
        {"lines": [], "takes": 1},
        {"lines": "text", "takes": 1},
        {"lines": [{"text": "a"}] * 65, "takes": 1},
        {"lines": [{"text": "a"}] * 33, "takes": 2},
        {"lines": [{"text": "a"}], "takes": 0},
    ],
)
def test_a_request_of_too_many_lines_is_refused(params: dict[str, object]) -> None:
    with server() as client:
        client.greet()
        answer = client.ask(3, "generate", params)
        assert isinstance(answer, Failure)
        assert answer.code == ErrorCode.INVALID_PARAMS


def test_texts_are_read() -> None:
    long = "Well! " * 100
    with server() as client:
        client.greet()
        answer = client.ask(3, "read", TextsToRead(("Hello!!", "", "Hm.", long)).to_params())
        assert isinstance(answer, Result)
        hello, nothing, hm, mean = TextEmotions.from_params(answer.result, 4).emotions
        assert hello == EmotionRead.of(joy=0.5, neutral=0.25)
        assert nothing is None
        assert hm == EmotionRead.of(neutral=0.25)
        assert mean is not None
        # Each “Well!” counts two; nine parts of eleven with all the joy there is, and a tenth of one with a quarter.
        assert mean.strongest(1)[0] == ("joy", pytest.approx((9 * 22 * 1.0 + 2 * 0.25) / 200))


def test_a_text_is_read_with_what_was_said_before() -> None:
    long = "Well. " * 40
    with server() as client:
        client.greet()
        answer = client.ask(3, "read", TextsToRead(("Hm.", "Hm.", long), ("No!!", "", "No!!!!")).to_params())
        assert isinstance(answer, Result)
        reads = TextEmotions.from_params(answer.result, 3).emotions
        joys = [dict(read.strongest(28))["joy"] for read in reads if read is not None]
        # The long text is read in parts of 22, 22, 22 and 14: what was before is before the first only.
        assert joys == [0.5, 0.0, pytest.approx(22 / 80)]


def test_a_checkpoint_that_reads_no_emotion_says_so() -> None:
    class Silent:
        checkpoint_id = "silent-1"
        device = "cpu"
        perform = FakePerformer.perform

    with server(Silent) as client:  # type: ignore[arg-type]
        client.greet()
        answer = client.ask(3, "read", TextsToRead(("Hello!",)).to_params())
        assert isinstance(answer, Failure)
        assert answer.code == ErrorCode.CHECKPOINT_UNUSABLE
        assert "silent-1 reads no emotion from text" in answer.message


def test_texts_are_read_in_the_parts_in_which_they_are_performed() -> None:
    pytest.importorskip("torch")
    from cteg_core.model.parts import MAX_PART_WORDS

    assert READ_WORDS == MAX_PART_WORDS
