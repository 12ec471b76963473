"""Clauses of a text, and arcs: where within a line the emotion turns, and which frames each emotion holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cteg_core.clauses import FEWEST_WORDS, SHORTEST_SECONDS, Arc, arc_of, clauses_of
from cteg_core.clip import Word
from cteg_core.speech import SpeechPlan, plan_speech, spoken_words

ONE, OTHER, THIRD = np.eye(3)
speech_like = st.text(st.sampled_from("ab c’'.,!?…—- ;:\n\"”)。，é1"), max_size=60)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("No, wait. You kept it? All this time.", ("No, wait. ", "You kept it? ", "All this time.")),
        ("I hate you—no, I don't.", ("I hate you—", "no, I don't.")),
        ('"Go home!" she said. Then nothing.', ('"Go home!" ', "she said. ", "Then nothing.")),
        ("Well... fine - if you insist", ("Well... fine - ", "if you insist")),
        ("It is 3.14 exactly, or nearly so", ("It is 3.14 exactly, ", "or nearly so")),
        ("You kept all of it. Really.", ("You kept all of it. Really.",)),
        ("Oh. You kept all of it.", ("Oh. You kept all of it.",)),
        ("我 爱 你，他 不 爱 你。", ("我 爱 你，", "他 不 爱 你。")),
        ("A half-truth is no lie", ("A half-truth is no lie",)),
        ("?!", ("?!",)),
        ("", ("",)),
    ],
)
def test_a_text_is_cut_after_its_clauses(text: str, clauses: tuple[str, ...]) -> None:
    assert clauses_of(text) == clauses


@given(st.one_of(st.text(max_size=60), speech_like))
def test_clauses_put_together_are_the_text_and_cut_no_word(text: str) -> None:
    clauses = clauses_of(text)
    assert "".join(clauses) == text
    assert tuple(word for clause in clauses for word in spoken_words(clause)) == spoken_words(text)
    assert len(clauses) == 1 or min(len(spoken_words(clause)) for clause in clauses) >= FEWEST_WORDS


# Arcs.


def test_an_arc_holds_each_emotion_from_its_frame_on() -> None:
    arc = Arc(np.array([0, 3]), np.stack([ONE, OTHER]))
    np.testing.assert_array_equal(arc.over(5), [ONE, ONE, ONE, OTHER, OTHER])
    np.testing.assert_array_equal(arc.over(2), [ONE, ONE])
    np.testing.assert_allclose(arc.mean(4), [0.75, 0.25, 0.0])
    assert arc.over(5).dtype == arc.mean(4).dtype == np.float32


@pytest.mark.parametrize(
    ("starts", "count"), [((), 0), ((1,), 1), ((0, 4, 4), 3), ((0, 4, 2), 3), ((0, 4), 1), ((0,), 2)]
)
def test_an_arc_out_of_order_or_short_of_emotions_is_refused(starts: tuple[int, ...], count: int) -> None:
    with pytest.raises(ValueError, match="increase from frame 0"):
        Arc(np.array(starts, dtype=np.int64), np.zeros((count, 3)))


@given(st.sets(st.integers(1, 99), max_size=5), st.integers(1, 50))
def test_the_mean_of_an_arc_is_that_of_its_frames(turns: set[int], held: int) -> None:
    starts = np.array([0, *sorted(turns)])
    arc = Arc(starts, np.random.default_rng(len(turns)).random((len(starts), 4)))
    count = int(starts[-1]) + held
    np.testing.assert_allclose(arc.mean(count), arc.over(count).mean(axis=0), atol=1e-5)


def test_an_arc_turns_at_the_same_time_at_another_rate() -> None:
    arc = Arc(np.array([0, 60, 61]), np.stack([ONE, OTHER, THIRD]))
    assert arc.at_rate(2.0, 240).starts.tolist() == [0, 120, 122]
    slower = arc.at_rate(0.8, 96)
    assert slower.starts.tolist() == [0, 48, 49]
    np.testing.assert_array_equal(slower.emotions, arc.emotions)
    # Of two that fall on one frame the last holds it; what no frame is left for is left out.
    crowded = arc.at_rate(0.1, 12)
    assert crowded.starts.tolist() == [0, 6]
    np.testing.assert_array_equal(crowded.emotions, [ONE, THIRD])
    assert arc.at_rate(1.0, 50).starts.tolist() == [0]
    np.testing.assert_array_equal(Arc(np.array([0, 1]), np.stack([ONE, OTHER])).at_rate(0.25, 3).emotions, [OTHER])


@given(st.sets(st.integers(1, 99), max_size=5), st.floats(0.2, 4.0), st.integers(1, 400))
def test_an_arc_at_any_rate_is_an_arc_over_its_frames(turns: set[int], factor: float, count: int) -> None:
    starts = np.array([0, *sorted(turns)])
    arc = Arc(starts, np.eye(len(starts)))
    other = arc.at_rate(factor, count)
    assert other.starts[-1] < count
    for frame, emotion in enumerate(other.over(count)):
        # What a frame shows is what was shown at its time, give or take the rounding of a turn.
        first, last = (min(100, max(0, math.floor((frame + by) / factor))) for by in (-0.51, 0.51))
        assert arc.over(101)[first].argmax() <= emotion.argmax() <= arc.over(101)[last].argmax()


def timed(*times: tuple[float, float], seconds: float = 4.0) -> SpeechPlan:
    """Return a plan of 30 frames a second with words said at ``times``."""
    words = tuple(Word(f"w{i}", start, end) for i, (start, end) in enumerate(times))
    return plan_speech(" ".join(word.text for word in words), words=words, duration=seconds)


def test_a_line_turns_halfway_between_the_words_of_two_clauses() -> None:
    plan = timed((0.5, 0.7), (0.8, 1.1), (1.9, 2.1), (2.2, 2.5))
    arc = arc_of(plan, ("w0 w1. ", "w2 w3"), np.stack([ONE, OTHER]))
    assert arc.starts.tolist() == [0, 45]  # (1.1 + 1.9) / 2 seconds
    np.testing.assert_array_equal(arc.emotions, [ONE, OTHER])


def test_a_clause_too_short_for_a_face_of_its_own_shares_one_by_its_time() -> None:
    plan = timed((0.2, 0.4), (0.5, 0.9), (1.1, 1.2), (1.3, 1.35), (1.45, 1.6), (1.7, 2.0))
    arc = arc_of(plan, ("w0 w1. ", "w2 w3. ", "w4 w5"), np.stack([ONE, OTHER, THIRD]))
    # The second clause lasts from frame 30 to 42, 0.4 s.
    assert arc.starts.tolist() == [0, 42]
    np.testing.assert_allclose(arc.emotions, [ONE * 30 / 42 + OTHER * 12 / 42, THIRD], atol=1e-6)


def test_a_short_first_clause_is_joined_by_the_next() -> None:
    plan = timed((0.0, 0.2), (0.2, 0.4), (0.6, 0.9), (1.0, 2.0))
    arc = arc_of(plan, ("w0 w1. ", "w2 w3"), np.stack([ONE, OTHER]))
    # It lasts until frame 15 of 120.
    assert arc.starts.tolist() == [0]
    np.testing.assert_allclose(arc.emotions, [ONE * 15 / 120 + OTHER * 105 / 120], atol=1e-6)


def test_where_words_and_plan_differ_clauses_share_the_time_by_their_words() -> None:
    plan = timed((0.5, 0.7), (0.8, 1.1), (1.9, 2.1), (2.2, 2.5))
    arc = arc_of(plan, ("one two. ", "three four five six"), np.stack([ONE, OTHER]))
    assert arc.starts.tolist() == [0, 40]
    wordless = arc_of(plan_speech("..."), ("...",), ONE[None])
    assert wordless.starts.tolist() == [0]


def test_as_many_emotions_as_clauses_are_needed() -> None:
    plan = timed((0.5, 0.7))
    for clauses, count in ((("w0",), 2), ((), 0)):
        with pytest.raises(ValueError, match=f"got {count} for {len(clauses)}"):
            arc_of(plan, clauses, np.zeros((count, 3)))


@settings(max_examples=60)
@given(speech_like, st.integers(0, 99), st.sampled_from([24.0, 30.0, 60.0]), st.sampled_from([None, 1.0, 8.0]))
def test_an_arc_covers_every_frame_with_a_mixture_of_its_clauses(
    text: str, seed: int, fps: float, seconds: float | None
) -> None:
    plan = plan_speech(text, fps=fps, seed=seed, duration=seconds)
    clauses = clauses_of(text)
    emotions = np.random.default_rng(seed).dirichlet(np.ones(4), size=len(clauses))
    arc = arc_of(plan, clauses, emotions)
    frames = arc.over(plan.length)
    assert frames.shape == (plan.length, 4)
    np.testing.assert_allclose(frames.sum(axis=1), 1.0, atol=1e-5)
    assert frames.min() >= emotions.min() - 1e-6
    assert frames.max() <= emotions.max() + 1e-6
    if len(arc.starts) > 1:
        stretches = np.diff([*arc.starts, plan.length])
        assert stretches.min() >= SHORTEST_SECONDS * fps - 1
