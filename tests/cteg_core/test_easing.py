"""How performances begin, end and go on from one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.model.easing import EASE_IN_SECONDS, EASE_OUT_SECONDS, JOIN_SECONDS, eased, joined

RATES = (24.0, 30.0, 60.0)


@given(st.integers(1, 200), st.sampled_from(RATES))
def test_a_clip_rises_from_rest_and_settles_there_and_is_left_alone_between(count: int, fps: float) -> None:
    window = eased(np.ones((count, 53), dtype=np.float32), fps)[:, 0]
    assert window[0] == window[-1] == 0.0
    assert ((window >= 0.0) & (window <= 1.0)).all()
    peak = int(window.argmax())
    assert (np.diff(window[: peak + 1]) >= 0.0).all()
    assert (np.diff(window[peak:]) <= 0.0).all()
    rise, fall = round(EASE_IN_SECONDS * fps), round(EASE_OUT_SECONDS * fps)
    if count >= 3 * fall:
        assert (window[rise : count - fall] == 1.0).all()
        assert window[rise - 1] < 1.0
        assert window[count - fall] < 1.0


@pytest.mark.parametrize("fps", RATES)
def test_the_gap_between_two_parts_fades_away(fps: float) -> None:
    last, frames = np.full(53, 2.0, dtype=np.float32), np.full((90, 53), 1.0, dtype=np.float32)
    course = joined(last, frames, fps)[:, 0]
    fade = round(JOIN_SECONDS * fps)
    assert course[0] == 2.0
    assert (np.diff(course[: fade + 1]) < 0.0).all()
    assert (course[fade:] == 1.0).all()
    assert np.abs(np.diff(course)).max() < 2.0 / fade  # no jump: a smooth step is at its steepest 1.5 over its length


def test_a_part_that_goes_on_exactly_is_not_changed() -> None:
    frames = np.random.default_rng(0).standard_normal((20, 53)).astype(np.float32)
    np.testing.assert_array_equal(joined(frames[0], frames, 30.0), frames)


def test_a_part_of_a_frame_starts_where_the_last_ended() -> None:
    last = np.full(53, 2.0, dtype=np.float32)
    np.testing.assert_array_equal(joined(last, np.zeros((1, 53), dtype=np.float32), 30.0)[0], last)
