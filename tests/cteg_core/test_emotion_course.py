"""The emotion of each frame: in batches, in parts, in what decoding is told, and as the network takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from cteg_core.clauses import Arc
from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS, EmotionRead
from cteg_core.evaluation.running import SLACK_FRAMES, TakePlan, perform_batch
from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, Scaling
from cteg_core.model.conditions import ConditionEmbedding
from cteg_core.model.decoding import Lines, Step, decode
from cteg_core.model.emotion_reading import LineRead
from cteg_core.model.generator import Generator
from cteg_core.model.network import CtegNetwork
from cteg_core.model.parts import LEARNED_INTENSITY, MAX_PART_WORDS, Part, emotion_condition, part_conditions
from cteg_core.performer import FinishedTake, TakeRequest
from cteg_core.speech import plan_speech
from cteg_core.training.batches import NO_DROPOUT, Batch, at_frame_rate, make_batch
from cteg_core.training.corpus import CorpusItem
from flame_rig.spaces import CTEG_HEAD_1
from tests.fakes.tiny_bert import tiny_encoder, tiny_head
from tests.fakes.tiny_networks import TINY, conditions_of, network_of

TEXT = "You kept it all this time. Now get out of my house."
CLAUSES = ("You kept it all this time. ", "Now get out of my house.")
JOY, ANGER = EmotionRead.of(joy=0.9), EmotionRead.of(anger=0.9)


# The network.


def test_a_course_that_stands_still_is_the_lines_emotion() -> None:
    torch.manual_seed(0)
    embedding = ConditionEmbedding(TINY)
    plain = conditions_of(2, 7, TINY)
    utterance = torch.zeros(2, TINY.utterance_latent)
    same = replace(plain, emotion_course=plain.emotion.unsqueeze(1).expand(-1, 7, -1))
    with torch.no_grad():
        torch.testing.assert_close(embedding(same, utterance), embedding(plain, utterance))


def test_a_course_changes_the_frames_that_it_changes_at_and_none_where_it_is_withheld() -> None:
    torch.manual_seed(0)
    embedding = ConditionEmbedding(TINY)
    plain = conditions_of(2, 7, TINY)
    course = plain.emotion.unsqueeze(1).repeat(1, 7, 1)
    turned = course.clone()
    turned[0, 4:] = 1.0 - turned[0, 4:]
    utterance = torch.zeros(2, TINY.utterance_latent)
    with torch.no_grad():
        before = embedding(replace(plain, emotion_course=course), utterance)
        after = embedding(replace(plain, emotion_course=turned), utterance)
        moved = (before - after).abs().amax(-1) > 1e-4
        unknown = [
            embedding(replace(plain, emotion_course=c, emotion_known=torch.zeros(2)), utterance)
            for c in (course, turned)
        ]
    assert moved.tolist() == [[False] * 4 + [True] * 3, [False] * 7]
    assert torch.equal(*unknown)


# Batches for training.


def item_of(arc: Arc, length: int) -> CorpusItem:
    frames = np.zeros((length, 53), dtype=np.float32)
    return CorpusItem(frames, np.zeros((length, 8), np.float32), arc.mean(length), arc, frames[0], True, False, 0)


def condition(index: int) -> np.ndarray:
    return np.eye(32, dtype=np.float32)[index]


def test_a_batch_tells_the_emotion_of_the_frame_that_each_position_predicts() -> None:
    steady = item_of(Arc(np.array([0]), condition(3)[None]), 9)
    turning = item_of(Arc(np.array([0, 4]), np.stack([condition(1), condition(2)])), 6)
    batch = make_batch(
        [steady, turning], torch.zeros(2, 3, 12), torch.ones(2, 3, dtype=torch.bool),
        Scaling(torch.zeros(53), torch.ones(53)), 30.0, NO_DROPOUT, torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert batch.conditions is not None
    course = batch.conditions.emotion_course
    assert course is not None
    assert course.shape == (2, 11, 32)
    # Position 0 holds the start marker; position 1 predicts frame 0.
    assert not course[:, 0].any()
    np.testing.assert_array_equal(course[0, 1:], np.tile(condition(3), (10, 1)))
    np.testing.assert_array_equal(course[1, 1:7].argmax(-1), [1, 1, 1, 1, 2, 2])
    np.testing.assert_allclose(batch.conditions.emotion[1], (4 * condition(1) + 2 * condition(2)) / 6, atol=1e-6)


@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0])
def test_a_performance_at_another_rate_turns_at_the_same_time(rate: float) -> None:
    turning = item_of(Arc(np.array([0, 45]), np.stack([condition(1), condition(2)])), 90)
    other = at_frame_rate(turning, 30.0, rate)
    course = other.arc.over(len(other.frames)).argmax(-1)
    assert int(np.flatnonzero(course == 2)[0]) / rate == pytest.approx(1.5, abs=1e-6)


# Parts, and what decoding is told.


def part(arc: Arc, seed: int = 0) -> Part:
    return Part(TEXT, plan_speech(TEXT, seed=seed), arc, JOY, fixed_length=False, last=True)


def test_parts_are_told_what_to_act_frame_by_frame_at_the_lines_intensity() -> None:
    joy, anger = emotion_condition(JOY), emotion_condition(ANGER)
    assert joy.shape == (31,)
    steady, turning = part(Arc(np.array([0]), joy[None])), part(Arc(np.array([0, 40]), np.stack([joy, anger])), 1)
    positions = max(steady.plan.length, turning.plan.length) + 31
    told = part_conditions([steady, turning], [0.5, 2.0], positions, 30.0, torch.device("cpu"))
    course = told.emotion_course
    assert course is not None
    assert course.shape == (2, positions, 32)
    np.testing.assert_allclose(course[0, 1:, :-1], np.tile(joy, (positions - 1, 1)))
    np.testing.assert_allclose(course[1, 1:41, :-1], np.tile(joy, (40, 1)))
    np.testing.assert_allclose(course[1, 41:, :-1], np.tile(anger, (positions - 41, 1)))
    np.testing.assert_allclose(course[:, 1:, -1], np.tile([[0.5], [LEARNED_INTENSITY]], (1, positions - 1)))
    np.testing.assert_allclose(told.emotion[0], [*joy, 0.5], atol=1e-6)
    length = turning.plan.length
    np.testing.assert_allclose(told.emotion[1, :-1], (40 * joy + (length - 40) * anger) / length, atol=1e-5)


def watch(monkeypatch: pytest.MonkeyPatch, module: str) -> list[Lines]:
    """Return the list that what is decoded by ``module`` will be added to."""
    decoded: list[Lines] = []

    def watched(network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        decoded.append(lines)
        return decode(network, lines, cancelled)

    monkeypatch.setattr(f"cteg_core.{module}.decode", watched)
    return decoded


class Reading:
    """A reader that finds joy in the first clause of ``TEXT`` and anger in the second, and neutral elsewhere."""

    def __init__(self) -> None:
        self.given: list[tuple[tuple[str, ...], tuple[str, ...] | None]] = []

    def read_lines(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[LineRead, ...]:
        self.given.append((tuple(texts), None if before is None else tuple(before)))
        neutral = EmotionRead.of(neutral=1.0)
        return tuple(
            LineRead(ANGER, CLAUSES, (JOY, ANGER)) if text == TEXT else LineRead(neutral, (text,), (neutral,))
            for text in texts
        )


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    reading = Reading()
    monkeypatch.setattr("cteg_core.model.generator.EmotionReader", lambda encoder, head: reading)
    return reading


def checkpoint(steadying: torch.Tensor | None = None, **changes: object) -> Checkpoint:
    return Checkpoint(
        CheckpointInfo("tiny", CTEG_HEAD_1.id, 30.0, {}, {}, {}, "CC0-1.0"),
        network_of(replace(TINY, d_text=16, **changes)),  # type: ignore[arg-type]
        tiny_head(),
        torch.full((28,), 0.5),
        Scaling(torch.zeros(53), torch.full((53,), 0.2)),
        steadying=torch.zeros(2, 53) if steadying is None else steadying,
    )


def take(line: DialogueLine, made: Checkpoint, fps: float | None = None) -> ExpressionClip:
    events = Generator(made, tiny_encoder(), "cpu", fps=fps).perform([TakeRequest(line, 0, line.seed)], lambda: False)
    return next(event.clip for event in events if isinstance(event, FinishedTake))


def shown(lines: Lines) -> list[str]:
    """Return the labels that a line is told to show, one after the other."""
    course = lines.conditions.emotion_course
    assert course is not None
    strongest = course[0, 1:, :28].argmax(-1).tolist()
    changes = [n for n, label in enumerate(strongest) if n == 0 or strongest[n - 1] != label]
    return [EMOTION_LABELS[strongest[n]] for n in changes]


def test_a_line_is_acted_clause_by_clause_and_says_what_was_read_of_it_whole(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = watch(monkeypatch, "model.generator")
    clip = take(DialogueLine(TEXT, controls=Controls(context="She opens the box.")), checkpoint())
    assert shown(decoded[0]) == ["joy", "anger"]
    course = decoded[0].conditions.emotion_course
    assert course is not None
    turn = int((course[0, 1:, EMOTION_LABELS.index("anger")] > 0).nonzero()[0]) / 30
    assert clip.words[5].end <= turn <= clip.words[6].start  # between "time." and "Now"
    assert clip.emotion is not None
    assert clip.emotion.basic == "anger"
    assert reading.given == [((TEXT,), ("She opens the box.",))]


def test_an_emotion_that_is_asked_for_lasts_all_line_and_nothing_is_read(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = watch(monkeypatch, "model.generator")
    take(DialogueLine(TEXT, controls=Controls(emotion=EmotionRead.of(fear=0.8), context="Night.")), checkpoint())
    assert shown(decoded[0]) == ["fear"]
    assert reading.given == []


def test_only_the_first_part_of_a_line_has_the_lines_context(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    take(DialogueLine(" ".join(["word"] * (2 * MAX_PART_WORDS)), controls=Controls(context="Night.")), checkpoint())
    (texts, before), = reading.given  # fmt: skip
    assert len(texts) == 2
    assert before == ("Night.", "")


def test_steadying_takes_part_in_every_take_at_the_takes_frame_rate(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = CTEG_HEAD_1.index("browInnerUp")
    widths = torch.zeros(2, 53)
    widths[0, column] = 2.0
    line = DialogueLine(TEXT, controls=Controls(blinks=False, duration=2.0))
    plain, steady = take(line, checkpoint()), take(line, checkpoint(widths))
    others = np.arange(53) != column
    assert plain.frames[:, others].tobytes() == steady.frames[:, others].tobytes()
    roughness = [np.abs(np.diff(clip.frames[:, column], n=2)).mean() for clip in (plain, steady)]
    assert roughness[1] < 0.8 * roughness[0]
    silent = replace(line, controls=replace(line.controls, speech=False))
    assert take(silent, checkpoint()).frames.tobytes() == take(silent, checkpoint(widths)).frames.tobytes()

    asked: list[float] = []

    def watched(frames: np.ndarray, given: np.ndarray) -> np.ndarray:
        asked.append(float(given[column]))
        return frames

    monkeypatch.setattr("cteg_core.model.generator.steadied", watched)
    take(line, checkpoint(widths, frame_rate=True), fps=60.0)
    assert asked == [4.0]


def test_a_take_on_held_out_conditions_holds_the_last_emotion_while_it_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded = watch(monkeypatch, "evaluation.running")
    arcs = [Arc(np.array([0]), condition(3)[None]), Arc(np.array([0, 4]), np.stack([condition(1), condition(2)]))]
    items = [item_of(arcs[0], 8), item_of(arcs[1], 12)]
    batch: Batch = make_batch(
        items, torch.zeros(2, 3, 12), torch.ones(2, 3, dtype=torch.bool), Scaling(torch.zeros(53), torch.ones(53)),
        30.0, NO_DROPOUT, torch.Generator().manual_seed(0),
    )  # fmt: skip
    perform_batch(network_of(TINY), batch, [0, 1], TakePlan(2, seed=1))
    course = decoded[0].conditions.emotion_course
    assert course is not None
    assert course.shape == (4, 12 + SLACK_FRAMES + 1, 32)
    strongest = course[:, 1:].argmax(-1)
    assert (strongest[:2] == 3).all()
    assert (strongest[2:, :4] == 1).all()
    assert (strongest[2:, 4:] == 2).all()


def test_every_basic_emotion_has_a_condition_of_its_own() -> None:
    labels = ("joy", "sadness", "anger", "fear", "disgust", "surprise", "neutral")
    conditions = np.stack([emotion_condition(EmotionRead.of(**{label: 0.7})) for label in labels])
    assert len(labels) == len(BASIC_EMOTIONS)
    assert [EMOTION_LABELS[i] for i in conditions[:, :28].argmax(1)] == list(labels)
