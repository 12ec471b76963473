"""What flows between Blender and the sidecar: round trips, and hostile parameters."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.clip import Controls, ExpressionClip, Word
from cteg_core.clip_record import clip_from_record, clip_record
from cteg_core.clip_stream import ClipReceiver, ClipSender
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, MAX_TIMED_WORDS, DialogueLine
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import MAX_MESSAGE_BYTES, ErrorCode, Notification, RpcError, decode, encode
from cteg_core.protocol import (
    MAX_CHUNK_FRAMES,
    MAX_LINES,
    FailedLine,
    FramesProgress,
    Loaded,
    TakeHeader,
    TakesOfLine,
    TakesOfLines,
    TextEmotions,
    TextsToRead,
    Versions,
    cancel_params,
    cancelled_id,
    failed_lines,
    failed_lines_result,
    is_same_build,
    progress_from_params,
)

ANGRY = EmotionRead.of(anger=0.9)
LINE = DialogueLine("Get out!", "Mira", 1.5, Controls(ANGRY, 1.2, 2.0, False, False, 0.5), 7)


def over_the_wire(params: dict[str, Any]) -> dict[str, Any]:
    message = decode(encode(Notification("x", params))[:-1])
    assert isinstance(message, Notification)
    return dict(message.params)


WORDS = (Word("Get", 0.1, 1 / 3), Word("out!", 0.5, 0.7))


def clip_of(frame_count: int, text: str = "Get out!", words: tuple[Word, ...] = WORDS) -> ExpressionClip:
    frames = np.random.default_rng(frame_count).normal(size=(frame_count, 53)).astype(np.float32)
    notes = ("A note.",)
    return ExpressionClip(frames, 30.0, "cteg-head-1", text, words, ANGRY, LINE.controls, 7, "a-1", "stop-head", notes)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.1.0", "0.1.0", True),
        ("0.1.0", "0.1.0+h3f", True),
        ("0.1.0+h3f", "0.1.0", True),
        ("0.1.0+h3f", "0.1.0+h3f", True),
        ("0.1.0+h3f", "0.1.0+h40", False),
        ("0.1.0", "0.2.0", False),
        ("0.1.0", "0.2.0+h3f", False),
        ("0.1.0", "", False),
    ],
)
def test_builds_are_matched_exactly_and_a_checkout_by_its_release(one: str, other: str, same: bool) -> None:
    assert is_same_build(one, other) is same
    assert is_same_build(other, one) is same


def test_versions_survive_the_wire() -> None:
    versions = Versions(1, "0.1.0", {"torch": "2.13.0"})
    assert Versions.from_params(over_the_wire(versions.to_params())) == versions


def test_loaded_survives_the_wire() -> None:
    loaded = Loaded("cteg-1-abc", "cuda")
    assert Loaded.from_params(over_the_wire(loaded.to_params())) == loaded
    assert Loaded.from_params({}) == Loaded()


@given(
    st.floats(-1e6, 1e6),
    st.integers(0, 2**31 - 1),
    st.floats(0, 2),
    st.none() | st.floats(0.04, 3600),
    st.booleans(),
    st.integers(1, 64),
)
def test_a_line_survives_the_wire(
    start: float, seed: int, intensity: float, duration: float | None, speech: bool, takes: int
) -> None:
    words = tuple(Word(text, 0.1 + n / 3, 0.3 + n / 3) for n, text in enumerate(("Tu", "étais", "où")))
    controls = Controls(ANGRY, intensity, duration, speech, guidance=intensity, words=words)
    asked = TakesOfLine(DialogueLine("Tu étais où? 😀", "Zoë", start, controls, seed), takes)
    assert TakesOfLine.from_params(over_the_wire(asked.to_params())) == asked


def test_a_cancel_survives_the_wire() -> None:
    assert cancelled_id(over_the_wire(cancel_params("a"))) == "a"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("takes",), 0, ErrorCode.INVALID_PARAMS),
        (("takes",), 65, ErrorCode.INVALID_PARAMS),
        (("takes",), True, ErrorCode.INVALID_PARAMS),
        (("takes",), "1", ErrorCode.INVALID_PARAMS),
        (("line",), "Hello", ErrorCode.INVALID_PARAMS),
        (("line", "character"), 5, ErrorCode.INVALID_PARAMS),
        (("line", "start"), "soon", ErrorCode.INVALID_PARAMS),
        (("line", "start"), 10**400, ErrorCode.INVALID_PARAMS),
        (("line", "controls"), [], ErrorCode.INVALID_PARAMS),
        (("line", "controls", "intensity"), "loud", ErrorCode.INVALID_PARAMS),
        (("line", "controls", "emotion"), 3, ErrorCode.INVALID_PARAMS),
        (("line", "controls", "emotion", "probabilities"), [1], ErrorCode.INVALID_PARAMS),
        (("line", "controls", "intensity"), 50, ErrorCode.LINE_REFUSED),
        (("line", "controls", "guidance"), 50, ErrorCode.LINE_REFUSED),
        (("line", "controls", "words"), 5, ErrorCode.INVALID_PARAMS),
        (("line", "controls", "words"), [{"text": "Get", "start": 0.1}], ErrorCode.INVALID_PARAMS),
        (("line", "controls", "words"), [{"text": "Get", "start": 0.1, "end": 0.3}], ErrorCode.LINE_REFUSED),
        (("line", "text"), "", ErrorCode.LINE_REFUSED),
        (("line", "text"), None, ErrorCode.LINE_REFUSED),
        (("line", "text"), "a\0b", ErrorCode.LINE_REFUSED),
        (("line", "text"), "\ud800", ErrorCode.LINE_REFUSED),
        (("line", "seed"), 2**31, ErrorCode.LINE_REFUSED),
        (("line", "seed"), None, ErrorCode.LINE_REFUSED),
    ],
)
def test_hostile_lines_are_refused_by_code(path: tuple[str, ...], value: object, code: int) -> None:
    params = copy.deepcopy(TakesOfLine(LINE, 2).to_params())
    place = params
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(RpcError) as refusal:
        TakesOfLine.from_params(over_the_wire(params))
    assert refusal.value.code == code
    assert refusal.value.sentence.endswith(".")


def test_parameters_of_later_versions_are_left_alone() -> None:
    assert TakesOfLine.from_params(TakesOfLine(LINE).to_params() | {"mood": "later"}) == TakesOfLine(LINE)


def test_frames_survive_the_wire_to_the_bit() -> None:
    frames = np.random.default_rng(1).normal(size=(MAX_CHUNK_FRAMES, 53)).astype(np.float32)
    back = progress_from_params(over_the_wire(FramesProgress("r", 3, 128, frames).to_params()))
    assert isinstance(back, FramesProgress)
    assert (back.request_id, back.take, back.first_frame) == ("r", 3, 128)
    assert back.frames.tobytes() == frames.tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"frame_count": 0},
        {"frame_count": 65},
        {"frame_count": 2},
        {"first_frame": -1},
        {"first_frame": 200_000},
        {"take": 64},
        {"frames": "!"},
        {"frames": 5},
        {"id": None},
        {"clip": "x"},
    ],
)
def test_hostile_progress_is_refused(changes: dict[str, object]) -> None:
    params = FramesProgress(1, 0, 0, np.zeros((1, 53), dtype=np.float32)).to_params()
    with pytest.raises(RpcError):
        progress_from_params(params | changes)


def test_a_clip_survives_its_record() -> None:
    clip = clip_of(5)
    back = clip_from_record(over_the_wire(clip_record(clip)), clip.frames)
    assert back.to_json() == clip.to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"words": "Get"},
        {"words": []},
        {"word_times": "AAAA"},
        {"word_times": 5},
        {"notes": [5]},
        {"fps": 0},
        {"fps": "30"},
        {"text": 5},
        {"seed": -1},
        {"emotion": {"probabilities": [1]}},
        {"emotion": 5},
        {"controls": None},
        {"space": None},
    ],
)
def test_a_damaged_clip_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RpcError):
        clip_from_record(clip_record(clip_of(5)) | changes, clip_of(5).frames)


@pytest.mark.parametrize("letter", ["a", "“", "字", "\U0001f600", '"'])
def test_the_longest_line_and_its_clip_fit_a_message(letter: str) -> None:
    text = " ".join(letter * (MAX_TEXT_CHARACTERS // 2))
    assert len(encode(Notification("x", TakesOfLine(DialogueLine(text)).to_params()))) <= MAX_MESSAGE_BYTES
    words = tuple(Word(word, n / 3, (n + 1) / 3) for n, word in enumerate(text.split()))
    header = TakeHeader("r" * 64, 63, 1, clip_record(clip_of(1, text, words)))
    assert len(encode(Notification("x", header.to_params()))) <= MAX_MESSAGE_BYTES


@pytest.mark.parametrize("letter", ["a", "字", "\U0001f600"])
def test_the_most_words_with_their_times_fit_a_message(letter: str) -> None:
    text = " ".join("a" * MAX_TIMED_WORDS)
    words = tuple(
        Word(letter * (MAX_TEXT_CHARACTERS // MAX_TIMED_WORDS), 0.1 + n / 3, 0.3 + n / 3)
        for n in range(MAX_TIMED_WORDS)
    )
    line = DialogueLine(text, controls=Controls(words=words))
    assert len(encode(Notification("x", TakesOfLine(line).to_params()))) <= MAX_MESSAGE_BYTES
    clip = replace(clip_of(1, text, words), controls=line.controls)
    header = TakeHeader("r" * 64, 63, 1, clip_record(clip))
    assert len(encode(Notification("x", header.to_params()))) <= MAX_MESSAGE_BYTES


def test_a_clip_from_before_guidance_and_word_times_is_read_as_it_was_made() -> None:
    record = json.loads(clip_of(3).to_json())
    del record["controls"]["guidance"], record["controls"]["words"]
    back = ExpressionClip.from_json(json.dumps(record))
    assert (back.controls.guidance, back.controls.words) == (1.0, ())


def received(messages: list[FramesProgress | TakeHeader], takes: int) -> tuple[ExpressionClip, ...]:
    receiver = ClipReceiver(takes)
    for message in messages:
        receiver.receive(message)
    return receiver.finished()


@given(
    st.lists(st.integers(1, 150), max_size=4),
    st.integers(1, 300),
    st.lists(st.integers(0, 299), max_size=5),
)
def test_the_received_clip_is_the_finished_one_whatever_was_streamed(
    chunks: list[int], frame_count: int, changed: list[int]
) -> None:
    clip = clip_of(frame_count)
    sender = ClipSender(1, 0)
    promised = clip_of(600).frames.copy()
    promised[:frame_count] = clip.frames
    promised[changed] += 1
    messages: list[FramesProgress | TakeHeader] = []
    first = 0
    for count in chunks:
        messages += sender.frames(first, promised[first : first + count])
        first += count
    messages += sender.finish(clip)
    (back,) = received([progress_from_params(over_the_wire(message.to_params())) for message in messages], 1)
    assert back.to_json() == clip.to_json()


def test_frames_that_hold_are_not_sent_twice() -> None:
    clip = clip_of(300)
    sender = ClipSender(1, 0)
    assert len(list(sender.frames(0, clip.frames))) == 5
    (header,) = sender.finish(clip)
    assert isinstance(header, TakeHeader)


HEADER = TakeHeader(1, 0, 10, clip_record(clip_of(10)))
CHUNK = FramesProgress(1, 0, 0, clip_of(10).frames)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([replace(CHUNK, first_frame=1)], "frames of take 1 are missing"),
        ([CHUNK, replace(HEADER, frame_count=11)], "frames of take 1 are missing"),
        ([replace(CHUNK, take=2)], "take 3 was not under way"),
        ([CHUNK, HEADER, CHUNK], "take 1 was not under way"),
        ([CHUNK, HEADER], "take 2 never ended"),
        ([replace(CHUNK, frames=np.full((10, 53), np.nan)), HEADER], "finite"),
    ],
)
def test_takes_that_do_not_fit_together_are_refused(messages: list[FramesProgress | TakeHeader], said: str) -> None:
    with pytest.raises(RpcError, match=said):
        received(messages, 2)


def test_takes_may_come_in_turns() -> None:
    receiver = ClipReceiver(2)
    for take in (1, 0):
        receiver.receive(replace(CHUNK, take=take))
    assert receiver.frame_count == 20
    for take in (1, 0):
        receiver.receive(replace(HEADER, take=take))
    assert len(receiver.finished()) == 2


def test_many_lines_survive_the_wire() -> None:
    asked = TakesOfLines((LINE, DialogueLine("Stay.")), 3)
    assert TakesOfLines.from_params(over_the_wire(asked.to_params())) == asked


def test_the_line_of_progress_survives_the_wire() -> None:
    frames = np.zeros((1, 53), dtype=np.float32)
    for line in (0, MAX_LINES - 1):
        for sent in (FramesProgress(1, 0, 0, frames, line), TakeHeader(1, 0, 1, {}, line)):
            assert progress_from_params(over_the_wire(sent.to_params())).line == line
    with pytest.raises(RpcError, match="'line'"):
        progress_from_params(over_the_wire(FramesProgress(1, 0, 0, frames, MAX_LINES).to_params()))


def test_failed_lines_survive_the_wire() -> None:
    failed = (FailedLine(0, ErrorCode.LINE_REFUSED, "No."), FailedLine(4, ErrorCode.OUT_OF_MEMORY, "Fewer."))
    assert failed_lines(over_the_wire(failed_lines_result(2, failed)), 5) == failed
    assert failed_lines({"takes": 1}, 1) == ()


@pytest.mark.parametrize(
    "errors",
    [
        "none",
        [1],
        [{"line": 0, "code": 1, "message": "a"}] * 3,
        [{"line": 2, "code": 1, "message": "a"}],
        [{"line": 0, "code": "1", "message": "a"}],
        [{"line": 0, "code": 1}],
    ],
)
def test_hostile_errors_of_lines_are_refused(errors: object) -> None:
    with pytest.raises(RpcError):
        failed_lines({"errors": errors}, 2)


def test_emotions_of_texts_survive_the_wire() -> None:
    read = TextEmotions((ANGRY, None))
    assert TextEmotions.from_params(over_the_wire(read.to_params()), 2) == read
    with_before = TextsToRead(("a", "b"), ("", "c"))
    assert TextsToRead.from_params(over_the_wire(with_before.to_params())) == with_before
    with pytest.raises(RpcError, match="'before'"):
        TextsToRead.from_params({"texts": ["a", "b"], "before": ["c"]})
    assert TextsToRead.from_params(over_the_wire(TextsToRead(("é", "")).to_params())) == TextsToRead(("é", ""))


@pytest.mark.parametrize(
    "emotions",
    [None, [], [None, None], [5], [{"probabilities": [1.0]}],
     [{"probabilities": ["x"] * 28, "valence": 0, "arousal": 0, "dominance": 0}],
     [{"probabilities": ["inf"] * 28, "valence": 0, "arousal": 0, "dominance": 0}]],
)  # fmt: skip
def test_hostile_emotions_are_refused(emotions: object) -> None:
    with pytest.raises(RpcError):
        TextEmotions.from_params({"emotions": emotions}, 1)


@pytest.mark.parametrize("texts", [None, [], "a", [1], ["a"] * 65])
def test_hostile_texts_are_refused(texts: object) -> None:
    with pytest.raises(RpcError):
        TextsToRead.from_params({"texts": texts})
