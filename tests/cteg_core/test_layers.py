"""Blinks: shape, rate, placement, and how they share the lids with other shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cteg_core.clip import Word
from cteg_core.layers import LID_CLOSING, add_blinks, blink_closure
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.measures import measure_face
from flame_rig.spaces import CTEG_HEAD_1

BLINKS = [CTEG_HEAD_1.index("eyeBlinkLeft"), CTEG_HEAD_1.index("eyeBlinkRight")]
WORDS = tuple(
    Word("word", 0.4 + 0.3 * i + (0.6 if i >= 5 else 0.0), 0.7 + 0.3 * i + (0.6 if i >= 5 else 0.0)) for i in range(9)
)


def starts(closure: np.ndarray) -> list[int]:
    """Frames at which a closure leaves 0."""
    return (np.flatnonzero((closure[1:] > 0) & (closure[:-1] == 0)) + 1).tolist()


@settings(deadline=None)
@given(st.integers(0, 2**63), st.integers(1, 400), st.sampled_from([24.0, 25.0, 29.97, 30.0, 60.0]))
def test_a_closure_is_lawful_and_leaves_the_ends_alone(seed: int, length: int, fps: float) -> None:
    closure = blink_closure(length, fps, seed, WORDS)
    assert closure.shape == (length,)
    assert closure.min() >= 0.0
    assert closure.max() <= 1.0
    times = np.arange(length) / fps
    assert not closure[(times < 0.1 - 1e-9) | (times > times[-1] - 0.1 + 1e-9)].any()


@pytest.mark.parametrize("fps", [24.0, 29.97, 30.0, 60.0])
def test_every_blink_closes_fully_and_faster_than_it_opens(fps: float) -> None:
    blinks = 0
    for seed in range(40):
        closure = blink_closure(round(20 * fps), fps, seed)
        for start in starts(closure):
            shut = start + int(np.argmax(closure[start:] == 1.0))
            assert closure[shut] == 1.0
            hold = int(np.argmax(closure[shut:] < 1.0))
            opened = shut + hold + int(np.argmax(closure[shut + hold :] == 0.0))
            assert (shut - start) / fps <= 0.09
            assert 1 <= hold <= 0.085 * fps + 1
            assert 0.1 <= (opened - shut - hold) / fps <= 0.25
            blinks += 1
    assert blinks > 100


def test_the_rate_is_that_of_people_at_rest_and_talking() -> None:
    """17 a minute at rest, 26 talking (Bentivoglio et al. 1997), within 15 %."""
    minute = 1800
    words = tuple(Word("word", 0.25 * i, 0.25 * i + (0.2 if i % 8 else 0.1)) for i in range(240))
    resting = np.mean([len(starts(blink_closure(minute, 30.0, seed))) for seed in range(80)])
    talking = np.mean([len(starts(blink_closure(minute, 30.0, seed, words))) for seed in range(80)])
    assert 0.85 * 17 < resting < 1.15 * 17
    assert 0.85 * 26 < talking < 1.15 * 26


def test_blinks_gather_at_the_ends_of_phrases() -> None:
    first_phrase_end, line_end = WORDS[4].end, WORDS[-1].end
    times = [start / 30.0 for seed in range(400) for start in starts(blink_closure(150, 30.0, seed, WORDS))]
    near = [min(abs(time - first_phrase_end), abs(time - line_end)) < 0.2 for time in times]
    assert np.mean(near) > 2 * 0.8 / 5.0


def test_the_same_seed_blinks_the_same_and_another_differently() -> None:
    one, again, other = (blink_closure(900, 30.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_blink_on_a_resting_face_is_eye_blink_alone() -> None:
    rest = np.zeros((600, 53), dtype=np.float32)
    frames = add_blinks(rest, 30.0, 7)
    assert not rest.any()
    np.testing.assert_array_equal(frames[:, BLINKS[0]], frames[:, BLINKS[1]])
    np.testing.assert_array_equal(frames[:, BLINKS[0]], blink_closure(600, 30.0, 7))
    assert not np.delete(frames, BLINKS, axis=1).any()


def test_closed_lids_meet_whatever_else_they_do() -> None:
    """Squint 0.6 and cheek 0.5 take 0.6 * 0.351 + 0.5 * 0.195 = 0.3081 of the opening; the blink adds 0.6919."""
    frames = np.zeros((600, 53), dtype=np.float32)
    frames[:, CTEG_HEAD_1.index("eyeSquintLeft")] = 0.6
    frames[:, CTEG_HEAD_1.index("cheekSquintLeft")] = 0.5
    frames[:, CTEG_HEAD_1.index("eyeWideRight")] = 0.9
    blinked = add_blinks(frames, 30.0, 7)
    shut = blink_closure(600, 30.0, 7) == 1.0
    assert shut.any()
    np.testing.assert_allclose(blinked[shut, BLINKS[0]], 0.6919, atol=1e-6)
    np.testing.assert_allclose(blinked[shut, BLINKS[1]], 1.0)
    assert not blinked[shut, CTEG_HEAD_1.index("eyeWideRight")].any()
    np.testing.assert_array_equal(blinked[:, CTEG_HEAD_1.index("eyeSquintLeft")], np.float32(0.6))


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_blinks_never_open_lids_and_never_close_more_than_shut(
    seed: int, squint: float, cheek: float, lid: float
) -> None:
    frames = np.zeros((300, 53), dtype=np.float32)
    for name, amount in (("eyeSquintLeft", squint), ("cheekSquintLeft", cheek), ("eyeBlinkLeft", lid)):
        frames[:, CTEG_HEAD_1.index(name)] = amount
    blinked = add_blinks(frames, 30.0, seed)
    assert (blinked[:, BLINKS[0]] >= frames[:, BLINKS[0]]).all()
    taken = LID_CLOSING["eyeSquint"] * squint + LID_CLOSING["cheekSquint"] * cheek
    assert (blinked[:, BLINKS[0]] + taken <= max(1.0, lid + taken) + 1e-5).all()


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        add_blinks(np.zeros((4, 52)), 30.0, 0)
    with pytest.raises(ValueError, match="frame rate"):
        add_blinks(np.zeros((4, 53)), 0.0, 0)


def test_the_closing_shares_are_those_of_the_head() -> None:
    head = build_head()
    frames = np.zeros((len(LID_CLOSING) + 1, 53))
    for row, shape in enumerate(LID_CLOSING, start=1):
        frames[row, [CTEG_HEAD_1.index(shape + side) for side in ("Left", "Right")]] = 1.0
    measured = measure_face(posed_vertices(head, frames[:, :50], pose_of_frames(head, frames), joints="identity"))
    opening = measured.of("lid_upper_left") - measured.of("lid_lower_left")
    rest = measured.rest_of("lid_upper_left") - measured.rest_of("lid_lower_left")
    np.testing.assert_allclose(-opening[1:] / rest, list(LID_CLOSING.values()), atol=0.01)
