"""Shaping: the halves of the face, smoothing, blinks; on the project's space and on mixtures like FLAME's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_rig.face_halves import HEAD_HALVES, halves_of_face, halves_of_model
from flame_rig.head import build_head
from flame_rig.regions import face_regions
from flame_rig.shaping import Shaping, shaped, smoothed
from flame_rig.spaces import CTEG_HEAD_1

UPPER = ["browInnerUp", "browDownLeft", "eyeWideRight", "eyeSquintLeft", "cheekSquintLeft", "noseSneerRight"]
LOWER = ["mouthSmileLeft", "mouthClose", "jawForward", "cheekPuff", "tongueOut"]
GAZE = ["eyeLookUpLeft", "eyeLookInRight"]
BLINK = CTEG_HEAD_1.index("eyeBlinkLeft")


def frames_of_seed(seed: int, count: int, sparse: bool) -> np.ndarray:
    """Seeded noise within the lawful range; sparse, most of it at rest and the rest at the limits."""
    noise = np.random.default_rng(seed).random((count, 53))
    return (CTEG_HEAD_1.lower + (noise > 0.8 if sparse else noise) * (CTEG_HEAD_1.upper - CTEG_HEAD_1.lower)).astype(
        np.float32
    )


FRAMES = st.builds(frames_of_seed, st.integers(0, 10_000), st.integers(1, 60), st.booleans())
WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 2.0])


def columns(names: list[str]) -> list[int]:
    return [CTEG_HEAD_1.index(name) for name in names]


def half_moved(count: int = 4) -> np.ndarray:
    frames = np.zeros((count, 53), dtype=np.float32)
    frames[:, :49] = 0.25
    frames[:, 50:52] = 0.05
    return frames


def blinking() -> np.ndarray:
    """Lids a quarter closed, a blink of a fifth of a second at frame 40, and a slow closing from frame 60."""
    frames = np.zeros((90, 53), dtype=np.float32)
    frames[:, BLINK] = 0.25
    frames[38:44, BLINK] = [0.5, 0.9, 1.0, 0.8, 0.6, 0.4]
    frames[60:85, BLINK] = 0.25 + 0.5 * np.hanning(25)
    return frames


@given(FRAMES)
def test_nothing_asked_changes_no_bit(frames: np.ndarray) -> None:
    assert shaped(frames, 30.0, Shaping()).tobytes() == frames.tobytes()


@given(FRAMES, WEIGHTS, WEIGHTS, st.sampled_from([0.0, 0.1, 1.0]))
def test_nothing_leaves_the_lawful_range(frames: np.ndarray, upper: float, lower: float, smoothing: float) -> None:
    done = shaped(frames, 30.0, Shaping(upper, lower, smoothing))
    assert (done >= CTEG_HEAD_1.lower - 1e-6).all()
    assert (done <= CTEG_HEAD_1.upper + 1e-6).all()
    assert done.shape == frames.shape
    assert done.dtype == np.float32


def test_the_halves_are_weighted_and_gaze_is_not() -> None:
    done = shaped(half_moved(), 30.0, Shaping(upper=2.0, lower=0.5))
    assert np.allclose(done[:, columns(UPPER)], 0.5)
    assert np.allclose(done[:, columns(LOWER)], 0.125)
    assert np.allclose(done[:, 50:52], 0.025)
    assert np.allclose(done[:, columns(GAZE)], 0.25)


def test_at_0_a_half_is_exactly_at_rest() -> None:
    done = shaped(half_moved(), 30.0, Shaping(lower=0.0))
    assert not done[:, columns(LOWER)].any()
    assert not done[:, 50:].any()
    assert (done[:, columns(UPPER)] == 0.25).all()
    assert not shaped(half_moved(), 30.0, Shaping(upper=0.0))[:, columns([*UPPER, "eyeBlinkLeft"])].any()


def test_every_component_is_of_one_half_or_gaze() -> None:
    both = np.diag(HEAD_HALVES.upper) + np.diag(HEAD_HALVES.lower)
    assert both[50:].tolist() == [1, 1, 1]
    assert {name for name, of in zip(CTEG_HEAD_1.names, both, strict=False) if of == 0} == {
        name for name in CTEG_HEAD_1.names if name.startswith("eyeLook")
    }
    assert both.max() == 1


class TestSmoothing:
    @given(FRAMES, st.sampled_from([0.05, 0.2, 1.0]))
    def test_first_and_last_frame_stay(self, frames: np.ndarray, seconds: float) -> None:
        done = shaped(frames, 30.0, Shaping(smoothing=seconds))
        assert np.array_equal(done[[0, -1]], frames[[0, -1]])

    def test_jitter_goes_and_a_slow_motion_stays(self) -> None:
        time = np.arange(120) / 30.0
        slow, jitter = 0.5 - 0.5 * np.cos(2 * np.pi * 0.25 * time), 0.2 * np.cos(2 * np.pi * 10.0 * time)
        done = smoothed((slow + jitter)[:, None], 30.0, 0.15)[10:-10, 0]
        assert np.abs(done - slow[10:-10]).max() < 0.02

    def test_it_is_symmetric_in_time(self) -> None:
        values = np.random.default_rng(0).random((50, 3))
        assert np.allclose(smoothed(values[::-1], 30.0, 0.3)[::-1], smoothed(values, 30.0, 0.3))

    def test_a_straight_line_stays_straight(self) -> None:
        line = np.linspace(0.0, 1.0, 40)[:, None]
        assert np.allclose(smoothed(line, 30.0, 0.5), line)

    @pytest.mark.parametrize("seconds", [0.0, 0.02, 1 / 30])
    def test_less_than_a_frame_does_nothing(self, seconds: float) -> None:
        frames = blinking()
        assert np.array_equal(shaped(frames, 30.0, Shaping(smoothing=seconds)), frames)

    def test_longer_than_the_clip_is_fine(self) -> None:
        frames = blinking()[37:44]
        assert np.isfinite(shaped(frames, 30.0, Shaping(smoothing=10.0))).all()


class TestBlinks:
    @pytest.mark.parametrize("seconds", [0.1, 0.3, 1.0])
    @pytest.mark.parametrize("upper", [0.25, 1.0, 2.0])
    def test_a_blink_keeps_its_peak_and_its_length(self, seconds: float, upper: float) -> None:
        done = shaped(blinking(), 30.0, Shaping(upper=upper, smoothing=seconds))[:, BLINK]
        assert done[40] == 1.0
        assert done[30:50].argmax() == 10
        assert (done[:36] < 0.55).all()

    def test_a_slow_closing_is_smoothed_and_weighted_like_everything_else(self) -> None:
        frames = blinking()
        done = shaped(frames, 30.0, Shaping(upper=0.5))[:, BLINK]
        assert np.allclose(done[55:], 0.5 * frames[55:, BLINK], atol=1e-6)
        assert shaped(frames, 30.0, Shaping(smoothing=0.4))[60:85, BLINK].max() < 0.75

    def test_a_flutter_of_the_lids_is_no_blink(self) -> None:
        frames = np.zeros((60, 53), dtype=np.float32)
        frames[30, BLINK] = 0.2
        assert shaped(frames, 30.0, Shaping(smoothing=0.2))[:, BLINK].max() < 0.1


class TestMixtures:
    """Components that each move the whole face, as FLAME's do."""

    HEAD = build_head()
    MIXING = np.linalg.qr(np.random.default_rng(0).normal(size=(49, 49)))[0]
    MIXED = dataclasses.replace(
        HEAD,
        space="flame-2020",
        exprdirs=np.concatenate([HEAD.exprdirs[:, :, :49] @ MIXING, HEAD.exprdirs[:, :, 49:50]], axis=2),
    )

    def motion(self, frames: np.ndarray) -> np.ndarray:
        """How far each vertex moves, ``[T, V]`` metres."""
        return np.linalg.norm(np.einsum("vcs,ts->tvc", self.MIXED.exprdirs[:, :, :50], frames[:, :50]), axis=-1)

    def frames_of(self, *names: str) -> np.ndarray:
        frames = np.zeros((1, 53))
        weights = np.zeros(49)
        weights[columns(list(names))] = 1.0
        frames[0, :49] = self.MIXING.T @ weights
        frames[0, 50] = 0.2
        return frames

    def test_without_its_lower_half_a_smile_goes_and_a_frown_of_the_brows_stays(self) -> None:
        halves = halves_of_face(self.MIXED.v_template, self.MIXED.exprdirs[:, :, :50], face_regions(self.HEAD))
        both = self.frames_of("mouthSmileLeft", "mouthSmileRight", "browInnerUp")
        brows = self.frames_of("browInnerUp")
        smile = self.frames_of("mouthSmileLeft", "mouthSmileRight")
        done = shaped(both, 30.0, Shaping(lower=0.0), halves)
        assert done[0, 50:].tolist() == [0, 0, 0]
        assert self.motion(done - brows).max() < 0.25 * self.motion(smile).max()
        done = shaped(both, 30.0, Shaping(upper=0.0), halves)
        assert self.motion(done - smile).max() < 0.4 * self.motion(brows).max()

    def test_weights_of_1_change_nothing_and_both_halves_are_the_whole(self) -> None:
        halves = halves_of_face(self.MIXED.v_template, self.MIXED.exprdirs[:, :, :50], face_regions(self.HEAD))
        frames = np.random.default_rng(1).normal(size=(3, 53))
        frames[:, 49] = 0.0
        assert np.allclose(shaped(frames, 30.0, Shaping(2.0, 2.0), halves), 2.0 * frames)

    def test_the_projects_own_space_needs_no_model(self) -> None:
        assert halves_of_model(self.HEAD) is HEAD_HALVES


@pytest.mark.parametrize("wrong", [{"upper": -0.1}, {"lower": 2.5}, {"smoothing": float("nan")}, {"smoothing": 99.0}])
def test_what_cannot_be_asked_is_a_sentence(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Shaping(**wrong)


def test_frames_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="53"):
        shaped(np.zeros((3, 52)), 30.0, Shaping(upper=0.5))
    with pytest.raises(ValueError, match="frame rate"):
        shaped(np.zeros((3, 53)), 0.0, Shaping(upper=0.5))
