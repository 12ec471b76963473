"""The speech plan: word times, lengths, and mouth targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cteg_core.clip import Word
from cteg_core.speech import (
    SPEECH_CHANNELS,
    SPEECH_WIDTH,
    check_word_times,
    features_of_words,
    plan_speech,
    spoken_words,
)
from cteg_core.visemes import VISEMES, syllable_count, visemes_of_word

OPEN, ROUND, PRESS, BITE = (SPEECH_CHANNELS.index(name) for name in ("open", "round", "press", "bite"))
VOICED, ACCENT = SPEECH_CHANNELS.index("voiced"), SPEECH_CHANNELS.index("accent")


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("mob", "M AA M"),
        ("phone", "F OW w T"),
        ("cake", "K EH y K"),
        ("wanted", "W AE T T IH T"),
        ("wishes", "W IH SH IH S"),
        ("don't", "T OW T"),
        ("Über", "AH M ER"),
        ("NOOOO", "T OW w"),
        ("42", "F AO R T UW"),
        ("你好", ""),
        ("", ""),
    ],
)
def test_spelling_becomes_visemes(word: str, sounds: str) -> None:
    assert visemes_of_word(word) == tuple(sounds.split())


@pytest.mark.parametrize(("word", "count"), [("mother", 2), ("banana", 3), ("strengths", 1), ("hmm", 1), ("你", 0)])
def test_syllables_are_vowel_sounds(word: str, count: int) -> None:
    assert syllable_count(word) == count


@given(st.text(max_size=40))
def test_any_word_gives_known_visemes(word: str) -> None:
    assert set(visemes_of_word(word)) <= set(VISEMES)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120), st.integers(0, 2**40), st.sampled_from([24.0, 25.0, 29.97, 30.0, 60.0]))
def test_a_plan_is_lawful_for_any_text(text: str, seed: int, fps: float) -> None:
    plan = plan_speech(text, fps=fps, seed=seed)
    assert plan.features.shape == (plan.length, SPEECH_WIDTH)
    assert plan.features.dtype == np.float32
    assert plan.features.min() >= 0.0
    assert plan.features.max() <= 1.0
    assert not plan.features[[0, -1]].any()
    times = [t for word in plan.words for t in (word.start, word.end)]
    assert times == sorted(times)
    if times:
        assert times[0] > 0.2
        assert times[-1] < plan.length / fps - 0.4


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 40.0), st.sampled_from([24.0, 29.97, 30.0]), st.integers(0, 99))
def test_a_wished_duration_is_met_to_the_frame(duration: float, fps: float, seed: int) -> None:
    plan = plan_speech("Tell me, what did you do?", fps=fps, seed=seed, duration=duration)
    assert plan.length == round(duration * fps)
    assert 0 <= plan.words[0].start < plan.words[-1].end <= plan.length / fps + 1e-9


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), 1e9])
def test_an_impossible_duration_is_refused(duration: float) -> None:
    with pytest.raises(ValueError, match=r"last|duration"):
        plan_speech("Hello.", duration=duration)


def test_an_impossible_frame_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="frame rate"):
        plan_speech("Hello.", fps=0.0)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    text = "Nobody told me, and now it is too late."
    first, again, other = (plan_speech(text, seed=seed) for seed in (5, 5, 6))
    assert first.words == again.words
    np.testing.assert_array_equal(first.features, again.features)
    assert first.words != other.words


def test_speech_runs_at_conversational_rate() -> None:
    words = "The quick brown fox jumps over the lazy dog while seven sleepy neighbours watch it from the window"
    syllables = sum(syllable_count(word) for word in words.split())
    for seed in range(20):
        plan = plan_speech(words, seed=seed)
        rate = syllables / (plan.words[-1].end - plan.words[0].start)
        assert 3.6 <= rate <= 6.5
        assert plan.length <= 400


def test_punctuation_makes_a_pause() -> None:
    def gap(text: str) -> float:
        words = plan_speech(text, seed=1).words
        return words[1].start - words[0].end

    assert gap("Stop it") == pytest.approx(0.0)
    assert gap("Stop, it") > 0.1
    assert gap("Stop. It") > 0.3
    assert gap("Stop... It") > 0.4


def test_lips_close_for_m_bite_for_f_round_for_oo_and_open_for_ah() -> None:
    words = (Word("mama", 0.5, 1.0), Word("foo", 1.5, 1.8))
    features = features_of_words(words, length=75, fps=30.0)
    closures = features[:, PRESS]
    assert closures[15:30].max() > 0.85
    assert features[closures > 0.85, OPEN].max() < 0.2
    assert features[15:30, OPEN].max() > 0.4
    assert features[15:31, ROUND].max() < 0.05
    assert features[42:50, BITE].max() > 0.85
    assert features[45:56, ROUND].max() > 0.6
    assert features[36:40].max() < 0.05


def test_stress_marks_its_word_and_opens_it_wider() -> None:
    words = (Word("la", 0.5, 0.8), Word("la", 1.2, 1.5))
    features = features_of_words(words, length=60, fps=30.0, accents=(0.0, 1.0))
    assert features[12:26, ACCENT].max() < 0.1
    assert features[36:46, ACCENT].max() > 0.9
    assert features[36:46, OPEN].max() > features[15:25, OPEN].max() + 0.05


def test_unspeakable_text_gets_a_silent_plan() -> None:
    for text in ("", "😀😀", "...", "\x00"):
        plan = plan_speech(text)
        assert plan.words == ()
        assert not plan.features.any()
        assert 1.7 <= plan.length / plan.fps <= 2.5


def test_other_scripts_take_time_without_mouth_shapes() -> None:
    plan = plan_speech("你好，世界。")
    assert [word.text for word in plan.words] == ["你好", "世界"]
    assert plan.features[:, VOICED].max() > 0.9
    assert not plan.features[:, :VOICED].any()


def test_speech_off_keeps_length_and_words() -> None:
    spoken, silent = (plan_speech("Please come home.", seed=3, speech=on) for on in (True, False))
    assert spoken.words == silent.words
    assert spoken.length == silent.length
    assert spoken.features.any()
    assert not silent.features.any()


def test_features_change_smoothly() -> None:
    for seed in range(20):
        features = plan_speech("Maybe my mother forgot about the beautiful food before you fought.", seed=seed).features
        steps = np.abs(np.diff(features, axis=0)).max(axis=0)
        assert steps[OPEN] < 0.5
        assert steps.max() < 0.8


# Word times that are given.


def test_given_times_are_the_plan_and_the_mouth_follows_them() -> None:
    words = (Word("Mama", 1.0, 1.4), Word("met", 2.5, 2.8), Word("Bob", 4.0, 4.3))
    plan = plan_speech("Mama met Bob.", words=words)
    assert plan.words == words
    assert 4.3 + 0.5 < plan.length / plan.fps < 4.3 + 1.0
    voiced = plan.features[:, VOICED] > 0.5
    times = np.arange(plan.length) / plan.fps
    inside = np.any([(times > w.start + 0.05) & (times < w.end - 0.05) for w in words], axis=0)
    outside = np.all([(times < w.start - 0.05) | (times > w.end + 0.05) for w in words], axis=0)
    assert voiced[inside].all()
    assert not voiced[outside].any()
    # The lips close where the word with an m or b begins.
    closed = [times[(times > w.start - 0.1) & (times < w.end)][0] for w in words]
    for start, word in zip(closed, words, strict=True):
        near = (times >= start) & (times < word.start + 0.15)
        assert plan.features[near, PRESS].max() > 0.7


def test_a_plan_with_given_times_ends_where_it_is_asked_to() -> None:
    words = (Word("Stop", 0.5, 0.9), Word("it", 0.9, 1.1))
    assert plan_speech("Stop it!", words=words, duration=3.0).length == 90
    silent = plan_speech("Stop it!", words=words, duration=3.0, speech=False)
    assert silent.words == words
    assert not silent.features.any()
    with pytest.raises(ValueError, match=r"last word ends at 1\.1 s, after the line does at 1 s"):
        plan_speech("Stop it!", words=words, duration=1.0)


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (((0.5, 0.9), (0.7, 1.2)), "before word 1 ends"),
        (((1.0, 1.2), (0.2, 0.4)), "before word 1 ends"),
        (((-0.1, 0.2), (0.3, 0.4)), "seconds from the line's start"),
        (((0.5, 0.5), (0.6, 0.7)), "a word ends later"),
        (((0.5, 0.4), (0.6, 0.7)), "a word ends later"),
        (((float("nan"), 0.4), (0.6, 0.7)), "seconds from the line's start"),
        (((0.1, 0.4), (0.6, float("inf"))), "seconds from the line's start"),
    ],
)
def test_impossible_word_times_are_refused(times: tuple[tuple[float, float], ...], sentence: str) -> None:
    words = tuple(Word("word", start, end) for start, end in times)
    with pytest.raises(ValueError, match=sentence):
        check_word_times(words)
    with pytest.raises(ValueError, match=sentence):
        plan_speech("word word", words=words)


def test_times_that_overlap_by_rounding_are_accepted() -> None:
    check_word_times((Word("a", 0.1, 0.31), Word("b", 0.3, 0.5)))


@given(st.text(max_size=80))
def test_planned_words_are_the_spoken_words(text: str) -> None:
    assert tuple(word.text for word in plan_speech(text).words) == spoken_words(text)
