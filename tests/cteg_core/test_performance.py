"""The performance synthesiser: what every performance must keep, and that emotions show as their units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cteg_core.curves import minimum_jerk
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.speech import SPEECH_CHANNELS, SpeechPlan, plan_speech
from cteg_core.training.emotion_units import EmotionTarget, choose_acting
from cteg_core.training.mouth import speak
from cteg_core.training.performance import synthesise
from cteg_core.training.style import PersonStyle
from cteg_core.training.timing import (
    Envelope,
    Span,
    drifts,
    expression_envelope,
    rest_window,
    turning_envelopes,
)
from flame_rig.facs import EMOTION_PROTOTYPES, UNITS, unit_activation
from flame_rig.spaces import CTEG_HEAD_1, JAW_OPEN_RADIANS, JAW_SIDE_RADIANS

Frames = NDArray[np.float32]
LINE = "I can't believe you did that, honestly."
FULL_SCALE = np.array([1.0] * 50 + [JAW_OPEN_RADIANS, JAW_SIDE_RADIANS, 1.0])


def perform(seed: int = 0, intensity: float = 1.0, *, speech: bool = True, **emotion: float) -> Frames:
    plan = plan_speech(LINE, seed=seed, speech=speech)
    return synthesise(EmotionTarget.of(intensity, **emotion), plan, np.random.default_rng(seed))


def peak(frames: Frames, *names: str) -> float:
    return float(np.mean([frames[:, CTEG_HEAD_1.index(name)].max() for name in names]))


def displacement(frames: Frames) -> float:
    return float(np.linalg.norm(frames / FULL_SCALE, axis=1).max())


targets = st.builds(
    EmotionTarget,
    probabilities=st.tuples(*[st.floats(0.0, 1.0)] * len(EMOTION_LABELS)),
    valence=st.floats(-1.0, 1.0),
    arousal=st.floats(-1.0, 1.0),
    dominance=st.floats(-1.0, 1.0),
    intensity=st.floats(0.0, 2.0),
)


@settings(max_examples=60, deadline=None)
@given(
    targets, st.integers(0, 2**32), st.sampled_from([LINE, "No!", "😀", "你好，世界", "Well... fine. I'll go, then."])
)
def test_a_performance_is_lawful_for_any_target(target: EmotionTarget, seed: int, text: str) -> None:
    plan = plan_speech(text, seed=seed)
    frames = synthesise(target, plan, np.random.default_rng(seed))
    assert frames.shape == (plan.length, 53)
    assert frames.dtype == np.float32
    assert (frames >= CTEG_HEAD_1.lower).all()
    assert (frames <= CTEG_HEAD_1.upper).all()
    assert not frames[[0, -1]].any()


@settings(max_examples=40, deadline=None)
@given(targets, st.integers(0, 2**32))
def test_both_eyes_look_one_way_and_only_where_the_emotion_has_them_look(target: EmotionTarget, seed: int) -> None:
    frames = synthesise(target, plan_speech(LINE, seed=seed), np.random.default_rng(seed))
    for one, other in (
        ("OutLeft", "InRight"),
        ("InLeft", "OutRight"),
        ("UpLeft", "UpRight"),
        ("DownLeft", "DownRight"),
    ):
        looks = [frames[:, CTEG_HEAD_1.index(f"eyeLook{side}")] for side in (one, other)]
        np.testing.assert_allclose(looks[0], looks[1], atol=1e-6)
    for way, back in (("UpLeft", "DownLeft"), ("OutLeft", "InLeft")):
        both = frames[:, CTEG_HEAD_1.index(f"eyeLook{way}")] * frames[:, CTEG_HEAD_1.index(f"eyeLook{back}")]
        assert not both.any()


def test_what_no_text_tells_is_not_performed() -> None:
    """Shifts of the eyes and blinks are layers; a jaw that drifts aside can be learned no better."""
    frames = perform(3, neutral=1.0)
    still = [i for i, name in enumerate(CTEG_HEAD_1.names) if name.startswith(("eyeLook", "eyeBlink"))]
    assert not frames[:, still].any()
    assert not frames[:, 51].any()


@settings(max_examples=25, deadline=None)
@given(st.floats(0.03, 12.0), st.sampled_from([24.0, 30.0, 60.0]), st.integers(0, 99), st.booleans())
def test_any_length_is_performed_to_the_frame(duration: float, fps: float, seed: int, settle: bool) -> None:
    plan = plan_speech(LINE, fps=fps, seed=seed, duration=duration) if round(duration * fps) else plan_speech(LINE)
    frames = synthesise(EmotionTarget.of(joy=0.8, surprise=0.7), plan, np.random.default_rng(seed), settle=settle)
    assert len(frames) == plan.length
    assert np.isfinite(frames).all()
    assert not frames[0].any()


def test_the_same_generator_state_gives_the_same_performance_and_another_a_different_one() -> None:
    np.testing.assert_array_equal(perform(3, joy=0.9), perform(3, joy=0.9))
    plan = plan_speech(LINE, seed=1)
    one, other = (synthesise(EmotionTarget.of(joy=0.9), plan, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize(
    ("label", "shown", "absent"),
    [
        ("joy", ("mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft"), ("mouthFrownLeft", "browDownLeft")),
        ("sadness", ("browInnerUp", "mouthFrownLeft", "mouthFrownRight"), ("mouthSmileLeft", "eyeWideLeft")),
        ("anger", ("browDownLeft", "browDownRight"), ("mouthSmileLeft", "browOuterUpLeft")),
        ("fear", ("browInnerUp", "eyeWideLeft", "mouthStretchLeft"), ("mouthSmileLeft", "noseSneerLeft")),
        ("disgust", ("noseSneerLeft", "noseSneerRight"), ("mouthSmileLeft", "eyeWideLeft")),
        ("surprise", ("browInnerUp", "browOuterUpLeft", "eyeWideRight"), ("browDownLeft", "mouthFrownLeft")),
    ],
)
def test_basic_emotions_show_at_full_intensity(label: str, shown: tuple[str, ...], absent: tuple[str, ...]) -> None:
    performances = [perform(seed, speech=False, **{label: 0.9}) for seed in range(30)]
    for name in shown:
        assert np.mean([peak(frames, name) for frames in performances]) > 0.4, name
    for name in absent:
        assert np.median([peak(frames, name) for frames in performances]) < 0.12, name


def test_every_label_moves_the_face_and_neutral_stays_neutral() -> None:
    neutral = np.median([displacement(perform(seed, speech=False, neutral=0.9)) for seed in range(20)])
    assert 0.02 < neutral < 0.45
    for label in EMOTION_LABELS[:-1]:
        moved = np.median([displacement(perform(seed, speech=False, **{label: 0.9})) for seed in range(10)])
        assert moved > 0.6 + neutral / 2, label


def test_prototypes_are_written_for_the_labels_of_the_text_side() -> None:
    assert tuple(EMOTION_PROTOTYPES) == EMOTION_LABELS


@pytest.mark.parametrize("label", ["joy", "anger", "sadness", "surprise", "fear"])
def test_more_intensity_shows_more_of_the_same_performance(label: str) -> None:
    for seed in range(8):
        sizes = [
            displacement(perform(seed, level, speech=False, **{label: 0.9})) for level in (0.0, 0.3, 0.6, 1.0, 1.5)
        ]
        assert sizes == sorted(sizes)
        assert sizes[-1] > sizes[1] + 0.3


def test_intensity_zero_is_neutral_whatever_the_emotion() -> None:
    for seed in range(10):
        anger, joy = (perform(seed, 0.0, speech=False, **{label: 1.0}) for label in ("anger", "joy"))
        assert displacement(anger) < 0.6
        assert np.abs(anger - joy)[:, CTEG_HEAD_1.index("browDownLeft")].max() < 0.05


def test_a_mixture_shows_both_emotions_but_not_two_mouths() -> None:
    smile, wide, frown = [], [], []
    for seed in range(40):
        frames = perform(seed, speech=False, joy=0.8, surprise=0.8)
        smile.append(peak(frames, "mouthSmileLeft"))
        wide.append(peak(frames, "browOuterUpLeft"))
        both = perform(seed, speech=False, joy=0.8, sadness=0.75)
        mouth = both[:, [CTEG_HEAD_1.index("mouthSmileLeft"), CTEG_HEAD_1.index("mouthFrownLeft")]]
        frown.append(float(mouth.min(axis=1).max()))
    assert np.mean(smile) > 0.4
    assert np.mean(wide) > 0.4
    assert np.mean(frown) < 0.35


def test_a_faint_second_label_hardly_changes_the_face() -> None:
    pure = choose_acting(EmotionTarget.of(joy=0.9), np.random.default_rng(4)).faces
    tinted = choose_acting(EmotionTarget.of(joy=0.9, anger=0.05), np.random.default_rng(4)).faces
    np.testing.assert_allclose(pure, tinted, atol=0.05)


def test_movement_is_smooth() -> None:
    """Per frame at 30 frames a second no value moves more than 0.6 of its range, and hardly any more than 0.42."""
    steps = np.concatenate(
        [
            np.abs(np.diff(perform(seed, 1.3, speech=True, **{label: 0.95}) / FULL_SCALE, axis=0)).max(axis=1)
            for seed, label in enumerate(EMOTION_LABELS * 3)
        ]
    )
    assert steps.max() < 0.6
    assert np.percentile(steps, 99.5) < 0.42
    assert np.median(steps) < 0.08


def test_without_speech_movement_is_slower_still() -> None:
    for seed, label in enumerate(EMOTION_LABELS):
        frames = perform(seed, speech=False, **{label: 0.95}) / FULL_SCALE
        assert np.abs(np.diff(frames, axis=0)).max() < 0.42
        assert np.abs(np.diff(frames, n=2, axis=0)).max() < 0.25


def test_performers_differ_in_size_onset_and_side() -> None:
    sizes, tops, sides = [], [], []
    plan = plan_speech(LINE, seed=0, speech=False)
    for seed in range(60):
        frames = synthesise(EmotionTarget.of(joy=0.9), plan, np.random.default_rng(seed))
        left, right = frames[:, CTEG_HEAD_1.index("mouthSmileLeft")], frames[:, CTEG_HEAD_1.index("mouthSmileRight")]
        sizes.append(left.max())
        tops.append(left.argmax() / plan.length)
        sides.append((left.max() - right.max()) / max(left.max(), right.max()))
    assert np.std(sizes) > 0.04
    assert np.std(tops) > 0.08
    assert 0.02 < np.mean(np.abs(sides)) < 0.25
    assert abs(float(np.mean(sides))) < 0.06


def test_a_start_pose_is_where_a_performance_starts_and_is_left_soon() -> None:
    pose = np.zeros(53, dtype=np.float32)
    pose[CTEG_HEAD_1.index("mouthPucker")] = 0.8
    plan = plan_speech(LINE, seed=2, speech=False)
    frames = synthesise(EmotionTarget.of(sadness=0.9), plan, np.random.default_rng(1), start_pose=pose)
    np.testing.assert_allclose(frames[0], pose, atol=1e-6)
    assert frames[9:, CTEG_HEAD_1.index("mouthPucker")].max() < 0.02
    assert not frames[-1].any()
    with pytest.raises(ValueError, match="53"):
        synthesise(EmotionTarget.of(), plan, np.random.default_rng(1), start_pose=np.zeros(52))


def test_an_unsettled_performance_holds_its_emotion_at_the_end() -> None:
    plan = plan_speech(LINE, seed=2)
    held = [
        synthesise(EmotionTarget.of(joy=0.9), plan, np.random.default_rng(seed), settle=False)[-1] for seed in range(20)
    ]
    assert np.mean([frame[CTEG_HEAD_1.index("mouthSmileLeft")] for frame in held]) > 0.4


def test_speech_moves_the_mouth_and_a_smile_persists_through_it() -> None:
    plan = plan_speech("Maybe my mother will make more money.", seed=1)
    smiling = synthesise(EmotionTarget.of(joy=1.0), plan, np.random.default_rng(5))
    talking = plan.features[:, SPEECH_CHANNELS.index("voiced")] > 0.9
    assert np.median(smiling[talking, CTEG_HEAD_1.index("mouthSmileLeft")]) > 0.35
    closed = plan.features[:, SPEECH_CHANNELS.index("press")] > 0.95
    assert closed.any()
    gap = smiling[closed, 50] / JAW_OPEN_RADIANS - smiling[closed, CTEG_HEAD_1.index("mouthClose")]
    assert gap.max() < 0.02
    assert smiling[talking, 50].max() > 0.2 * JAW_OPEN_RADIANS


def test_speaking_leaves_the_upper_face_alone() -> None:
    acting = np.full((40, 53), 0.3)
    features = plan_speech("Hello there.", seed=0).features[:40]
    spoken = speak(acting, features, 1.0)
    upper = [CTEG_HEAD_1.index(name) for name in ("browInnerUp", "eyeSquintLeft", "cheekSquintRight", "noseSneerLeft")]
    np.testing.assert_array_equal(spoken[:, upper], acting[:, upper])
    np.testing.assert_array_equal(speak(acting, np.zeros_like(features), 1.0), acting)


def test_some_accents_are_marked_by_the_brows() -> None:
    def brow(speech: bool) -> float:
        return float(np.mean([peak(perform(s, neutral=1.0, speech=speech), "browOuterUpLeft") for s in range(40)]))

    assert brow(True) > brow(False) + 0.05


def test_minimum_jerk_is_still_at_both_ends() -> None:
    phase = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(minimum_jerk(phase), [0.0, 0.0, 0.5, 1.0, 1.0])
    step = 1e-4
    assert minimum_jerk(np.array([step]))[0] < 1e-10
    assert 1.0 - minimum_jerk(np.array([1.0 - step]))[0] < 1e-10


def test_an_envelope_passes_through_its_knots() -> None:
    envelope = Envelope((1.0, 2.0, 3.0), (0.0, 1.0, 0.4))
    np.testing.assert_allclose(
        envelope.at(np.array([0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 9.0])), [0, 0, 0.5, 1, 0.7, 0.4, 0.4]
    )


@given(st.floats(0.05, 20.0), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_envelopes_stay_in_their_span(seconds: float, seed: int, raised: bool, released: bool) -> None:
    span = Span(0.1 * seconds, seconds, 0.2 * seconds, 0.8 * seconds, (0.5 * seconds,))
    rng = np.random.default_rng(seed)
    drawn = [expression_envelope(span, (0.3, 0.6), 1.2, rng, raised=raised, released=released)]
    drawn += turning_envelopes(span, ((0.3, 0.6), (0.2, 0.3)), 0.8, rng, raised=raised, released=released)
    for envelope in drawn:
        assert all(later > earlier for earlier, later in zip(envelope.times, envelope.times[1:], strict=False))
        assert all(0.0 <= value <= 1.0 for value in envelope.values)
        assert max(envelope.values) >= 0.9
    assert (drawn[0].at(np.array([seconds]))[0] < 1e-9) == released
    assert (drawn[2].at(np.array([seconds]))[0] < 1e-9) == released


def test_drifts_are_slow_and_fall_with_frequency() -> None:
    times = np.arange(3000) / 30.0
    paths = drifts(times, 40, np.random.default_rng(0))
    assert 0.6 < paths.std() < 0.8
    power = (np.abs(np.fft.rfft(paths, axis=0)) ** 2).mean(axis=1)
    hertz = np.fft.rfftfreq(3000, 1 / 30.0)

    def total(low: float, high: float) -> float:
        return float(power[(hertz >= low) & (hertz < high)].sum())

    assert total(0.1, 0.5) > total(0.5, 1.2) > total(1.2, 2.6) > 50 * total(3.0, 15.0)


def test_the_rest_window_is_zero_at_the_asked_ends() -> None:
    np.testing.assert_allclose(rest_window(31, 30.0, 0.2, start=True, end=False)[[0, 15, 30]], [0.0, 1.0, 1.0])
    np.testing.assert_allclose(rest_window(31, 30.0, 0.2, start=False, end=True)[[0, 15, 30]], [1.0, 1.0, 0.0])
    assert rest_window(1, 30.0, 0.2, start=True, end=True).tolist() == [0.0]


@given(st.integers(0, 1000))
def test_styles_stay_within_their_bounds(seed: int) -> None:
    style = PersonStyle.draw(np.random.default_rng(seed))
    assert 0.7 < style.expressiveness < 1.35
    assert 0.7 < style.tempo < 1.4
    assert np.abs(style.side_gain - 1.0).max() <= 0.22
    np.testing.assert_allclose(style.side_gain.sum(axis=0), 2.0)
    assert np.abs(style.side_delay).max() < 0.05
    assert style.resting.max() < 0.1


def test_one_sided_prototypes_are_mirrored_about_half_the_time() -> None:
    wry = unit_activation(EMOTION_PROTOTYPES["disapproval"][1].units)[:, UNITS.index("14")]
    assert wry[1] > wry[0]
    sides = []
    for seed in range(200):
        face = choose_acting(EmotionTarget.of(disapproval=0.9), np.random.default_rng(seed)).faces[0]
        left, right = face[:, UNITS.index("14")]
        if left != right:
            sides.append(right > left)
    assert len(sides) > 40
    assert 0.3 < np.mean(sides) < 0.7


@pytest.mark.parametrize(
    "wrong",
    [
        {"probabilities": (0.0,) * 27},
        {"probabilities": (2.0,) + (0.0,) * 27},
        {"probabilities": (0.0,) * 28, "valence": 1.5},
        {"probabilities": (0.0,) * 28, "intensity": float("nan")},
    ],
)
def test_a_target_outside_its_ranges_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        EmotionTarget(**wrong)  # type: ignore[arg-type]


def test_an_unknown_label_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="bliss"):
        EmotionTarget.of(bliss=1.0)


def test_a_plan_without_words_is_performed() -> None:
    plan = SpeechPlan((), np.zeros((60, len(SPEECH_CHANNELS)), dtype=np.float32), 30.0)
    frames = synthesise(EmotionTarget.of(surprise=0.9), plan, np.random.default_rng(0))
    assert peak(frames, "browInnerUp") > 0.4
