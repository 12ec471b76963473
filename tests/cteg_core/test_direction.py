"""Lines on stage: what each clause is asked to show, and performances that turn from one emotion to the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cteg_core.clauses import Arc
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.speech import SpeechPlan, plan_speech
from cteg_core.training.affect import (
    DIRECTED_ARC_SHARE,
    DIRECTED_SHARE,
    INTENSITY_RANGE,
    condition_vector,
    draw_target,
    draw_targets,
    target_of,
)
from cteg_core.training.direction import direct, perform_arc
from cteg_core.training.emotion_units import EmotionTarget
from cteg_core.training.performance import synthesise
from cteg_core.training.text_data import LabelledLine
from cteg_core.training.timing import Span, arc_envelopes
from flame_rig.spaces import CTEG_HEAD_1

JOY, ANGER, NEUTRAL = (EMOTION_LABELS.index(label) for label in ("joy", "anger", "neutral"))
EYE = np.eye(len(EMOTION_LABELS))
TEXT = "You kept it all this time. Now get out of my house."
CLAUSES = ("You kept it all this time. ", "Now get out of my house.")
TURNING = LabelledLine(
    TEXT, tuple(0.5 * (EYE[JOY] + EYE[ANGER])), (0.0, 0.4, 0.1), "train", CLAUSES, (tuple(EYE[JOY]), tuple(EYE[ANGER]))
)
STEADY = LabelledLine(TEXT, tuple(EYE[JOY]), None, "train")
targets = st.builds(
    EmotionTarget,
    probabilities=st.tuples(*[st.floats(0.0, 1.0, width=32)] * len(EMOTION_LABELS)),
    valence=st.floats(-1.0, 1.0, width=32),
    arousal=st.floats(-1.0, 1.0, width=32),
    dominance=st.floats(-1.0, 1.0, width=32),
    intensity=st.floats(0.0, 2.0, width=32),
)


# Targets.


@settings(max_examples=40)
@given(targets)
def test_a_target_survives_its_condition(target: EmotionTarget) -> None:
    assert condition_vector(target).shape == (32,)
    assert target_of(condition_vector(target)) == target


def test_a_condition_that_strays_is_brought_back_into_range() -> None:
    odd = np.full(32, 1.0 + 1e-6, dtype=np.float32)
    odd[0], odd[-1] = -1e-7, -1e-7
    target = target_of(odd)
    assert (target.probabilities[0], target.probabilities[1], target.valence, target.intensity) == (0.0, 1.0, 1.0, 0.0)


def test_a_line_without_an_arc_is_one_clause_as_it_always_was() -> None:
    turned = 0
    for seed in range(300):
        clauses, drawn = draw_targets(STEADY, np.random.default_rng(seed))
        whole = draw_target(STEADY, np.random.default_rng(seed))
        turned += len(clauses) > 1
        if len(clauses) == 1:
            assert (clauses, drawn) == ((TEXT,), (whole,))
        else:
            assert clauses == CLAUSES
    # Only a director turns it, and not always.
    assert turned / 300 == pytest.approx(DIRECTED_SHARE * DIRECTED_ARC_SHARE, abs=0.06)


def test_the_clauses_of_an_arc_get_targets_of_their_own_at_one_intensity() -> None:
    as_written, intensities = [], []
    for seed in range(300):
        clauses, drawn = draw_targets(TURNING, np.random.default_rng(seed))
        assert "".join(clauses) == TEXT
        assert len(drawn) == len(clauses)
        assert len({target.intensity for target in drawn}) == 1
        intensities.append(drawn[0].intensity)
        strongest = [int(np.argmax(target.probabilities)) for target in drawn]
        as_written.append(strongest == [JOY, ANGER])
        if strongest == [JOY, ANGER] and drawn[0].probabilities[ANGER] < 0.1:
            # Their affect is their labels': the ratings are of the line as a whole.
            assert drawn[0].valence > 0.2 > -0.1 > drawn[1].valence
    assert np.mean(as_written) == pytest.approx(1.0 - DIRECTED_SHARE, abs=0.08)
    felt = [value for value in intensities if value > 0.0]
    assert INTENSITY_RANGE[0] <= min(felt) <= max(felt) <= INTENSITY_RANGE[1]
    assert 0.04 < np.mean(np.array(intensities) == 0.0) < 0.2


def test_a_clause_of_several_emotions_keeps_their_proportions() -> None:
    shares = 0.8 * EYE[JOY] + 0.2 * EYE[ANGER]
    line = LabelledLine(TEXT, tuple(shares), None, "train", CLAUSES, (tuple(shares), tuple(EYE[NEUTRAL])))
    seen = []
    for seed in range(200):
        _, drawn = draw_targets(line, np.random.default_rng(seed))
        as_written = len(drawn) == 2 and drawn[0].probabilities[JOY] >= 0.6 and drawn[1].probabilities[NEUTRAL] >= 0.6
        if as_written:
            seen.append(drawn[0].probabilities[ANGER])
    assert len(seen) > 100
    assert 0.15 - 1e-9 <= min(seen) <= max(seen) <= 0.25 + 1e-9  # a quarter of joy's, times a confidence of 0.6 to 1


# Arcs on stage.


def test_a_line_is_directed_to_the_frames_of_its_clauses() -> None:
    plan = plan_speech(TEXT, seed=3)
    boundary = 0.5 * (plan.words[5].end + plan.words[6].start)
    lengths = set()
    for seed in range(20):
        arc = direct(TURNING, plan, np.random.default_rng(seed))
        assert arc.emotions.shape == (len(arc.starts), 32)
        lengths.add(len(arc.starts))
        if len(arc.starts) == 2:
            assert arc.starts[1] == round(boundary * plan.fps)
    assert 2 in lengths


def conditions(*labels: str, intensity: float = 1.0) -> np.ndarray:
    return np.stack([condition_vector(EmotionTarget.of(intensity, **{label: 0.9})) for label in labels])


@pytest.fixture(scope="module")
def plan() -> SpeechPlan:
    return plan_speech(TEXT, seed=3, speech=False, duration=5.0)


def shown(frames: np.ndarray, *names: str) -> np.ndarray:
    """Return the mean of channels over time, ``[T]``."""
    return np.asarray(frames[:, [CTEG_HEAD_1.index(name) for name in names]].mean(axis=1))


def test_a_face_turns_where_its_arc_does(plan: SpeechPlan) -> None:
    arc = Arc(np.array([0, 75]), conditions("joy", "anger"))
    performances = np.stack([perform_arc(arc, plan, np.random.default_rng(seed)) for seed in range(24)])
    smile = np.mean([shown(frames, "mouthSmileLeft", "mouthSmileRight") for frames in performances], axis=0)
    frown = np.mean([shown(frames, "browDownLeft", "browDownRight") for frames in performances], axis=0)
    before, after = slice(30, 65), slice(95, 125)
    assert smile[before].max() > 0.4 > 0.1 > smile[after].max()
    assert frown[after].max() > 0.4 > 0.15 > frown[before].max()
    assert not performances[:, [0, -1]].any()


def test_an_arc_of_one_emotion_is_performed_as_that_emotion(plan: SpeechPlan) -> None:
    arc = Arc(np.array([0]), conditions("joy"))
    alone = synthesise(target_of(arc.emotions[0]), plan, np.random.default_rng(5))
    np.testing.assert_array_equal(perform_arc(arc, plan, np.random.default_rng(5)), alone)


def test_many_turns_are_lawful_smooth_and_held_at_the_end_where_they_do_not_settle(plan: SpeechPlan) -> None:
    arc = Arc(np.array([0, 30, 60, 90, 120]), conditions("joy", "fear", "anger", "sadness", "surprise", intensity=1.3))
    pose = np.zeros(53, dtype=np.float32)
    pose[CTEG_HEAD_1.index("mouthPucker")] = 0.8
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frames = perform_arc(arc, plan, rng, start_pose=pose, settle=False)
        assert frames.shape == (plan.length, 53)
        assert (frames >= CTEG_HEAD_1.lower).all()
        assert (frames <= CTEG_HEAD_1.upper).all()
        np.testing.assert_allclose(frames[0], pose, atol=1e-6)
        assert np.abs(np.diff(frames[9:, :50], axis=0)).max() < 0.42
        assert shown(frames, "browInnerUp", "browOuterUpLeft", "browOuterUpRight")[-1] > 0.2


def test_coming_back_to_an_emotion_comes_back_to_the_same_face(plan: SpeechPlan) -> None:
    arc = Arc(np.array([0, 50, 100]), conditions("joy", "neutral", "joy"))
    # The eyes look about.
    acting = [place for place, name in enumerate(CTEG_HEAD_1.names[:50]) if not name.startswith("eyeLook")]
    for seed in range(6):
        frames = perform_arc(arc, plan, np.random.default_rng(seed))[:, acting]
        first, second = frames[20:50].max(0), frames[110:145].max(0)
        both = np.maximum(first, second) > 0.35
        assert both.any()
        assert np.abs(first - second)[both].max() < 0.35


# Their courses in time.


@given(
    st.floats(2.0, 20.0),
    st.lists(st.floats(0.1, 1.0), min_size=2, max_size=5),
    st.floats(0.7, 1.4),
    st.integers(0, 1000),
    st.booleans(),
    st.booleans(),
)
def test_emotions_of_an_arc_follow_each_other(
    seconds: float, parts: list[float], tempo: float, seed: int, raised: bool, released: bool
) -> None:
    span = Span(0.1, seconds, 0.2 * seconds, 0.8 * seconds)
    edges = span.start + (span.end - span.start) * np.cumsum([0.0, *parts]) / sum(parts)
    turns = [float(edge) for edge in edges[1:-1]]
    onsets = [(0.3, 0.6)] * len(parts)
    rng = np.random.default_rng(seed)
    drawn = arc_envelopes(span, turns, onsets, tempo, rng, raised=raised, released=released)
    assert len(drawn) == len(parts)
    for envelope in drawn:
        assert all(later > earlier for earlier, later in pairwise(envelope.times))
        assert max(envelope.values) == 1.0
        assert all(value == 0.0 or 0.8 <= value <= 1.0 for value in envelope.values)
    middles = 0.5 * (edges[:-1] + edges[1:])
    for place, envelope in enumerate(drawn):
        at_middles = envelope.at(middles)
        assert at_middles[place] > 0.3
        others = np.delete(at_middles, place)
        assert others.max() < 1e-6
    for turn, (one, other) in zip(turns, pairwise(drawn), strict=True):
        fading, rising = one.at(np.array([turn - 0.01 * seconds, turn + 0.5])), other.at(np.array([turn - 0.5, turn]))
        assert fading[0] >= fading[1]
        assert rising[0] <= rising[1]
    first, last = drawn[0], drawn[-1]
    assert first.at(np.array([span.start]))[0] == (1.0 if raised else 0.0)
    assert (last.at(np.array([span.end]))[0] < 1e-9) == released


def test_a_crossfade_takes_a_third_of_a_second_and_lies_about_the_turn() -> None:
    span = Span(0.0, 6.0, 0.5, 5.5)
    for seed in range(20):
        one, other = arc_envelopes(
            span, [3.0], [(0.3, 0.5)] * 2, 1.0, np.random.default_rng(seed), raised=False, released=True
        )
        falls, gone = one.times[-2:]
        assert 0.25 <= gone - falls <= 0.45
        assert falls < 3.0 < gone
        assert other.times[0] == pytest.approx(falls)
