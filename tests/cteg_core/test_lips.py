"""Lips that are shut after decoding, where words press them together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.lips import seal_lips
from cteg_core.metrics.faithfulness import posed
from cteg_core.visemes import SPEECH_CHANNELS, SPEECH_WIDTH
from flame_rig.measures import measure_face
from flame_rig.spaces import CTEG_HEAD_1, JAW_OPEN_RADIANS

CLOSE = CTEG_HEAD_1.index("mouthClose")
JAW_PITCH = 50
PRESS = SPEECH_CHANNELS.index("press")


def pressing(*amounts: float) -> np.ndarray:
    speech = np.zeros((len(amounts), SPEECH_WIDTH), np.float32)
    speech[:, PRESS] = amounts
    return speech


def open_mouths(*jaw: float) -> np.ndarray:
    frames = np.full((len(jaw), 53), 0.1, np.float32)
    frames[:, JAW_PITCH] = np.array(jaw) * JAW_OPEN_RADIANS
    return frames


def test_the_mouth_closes_by_what_the_jaw_is_open_and_the_words_press() -> None:
    sealed = seal_lips(open_mouths(0.8, 0.8, 0.0, 0.4), pressing(1.0, 0.5, 1.0, 0.0))
    np.testing.assert_allclose(sealed[:, CLOSE], [0.8, 0.4, 0.1, 0.1], atol=1e-6)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9), st.integers(0, 12)
)
def test_nothing_else_moves_and_nothing_opens(rows: list[tuple[float, float, float]], planned: int) -> None:
    jaw, press, closed = (np.array(column) for column in zip(*rows, strict=True))
    frames = open_mouths(*jaw)
    frames[:, CLOSE] = closed
    before = frames.copy()
    sealed = seal_lips(frames, pressing(*np.resize(press, planned)))
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(np.delete(sealed, CLOSE, 1), np.delete(frames, CLOSE, 1))
    assert (sealed[:, CLOSE] >= frames[:, CLOSE]).all()
    assert (sealed[:, CLOSE] <= 1.0).all()
    np.testing.assert_array_equal(sealed[planned:], frames[planned:])
    np.testing.assert_array_equal(seal_lips(sealed, pressing(*np.resize(press, planned))), sealed)


def test_sealed_lips_meet_on_the_head() -> None:
    frames = np.zeros((5, 53), np.float32)
    frames[:, JAW_PITCH] = np.linspace(0.2, 1.0, 5) * JAW_OPEN_RADIANS
    opened, sealed = (measure_face(posed(f)).of("lip_gap") for f in (frames, seal_lips(frames, pressing(*[1.0] * 5))))
    assert (opened > 0.01).all()
    assert (sealed <= 0.0).all()  # head heights beyond the gap of the face at rest


@pytest.mark.parametrize(
    ("frames", "speech"),
    [
        (np.zeros((3, 52)), pressing(1.0)),
        (np.zeros(53), pressing(1.0)),
        (np.zeros((3, 53)), np.zeros((3, SPEECH_WIDTH + 1))),
        (np.zeros((3, 53)), np.zeros(3)),
    ],
)
def test_other_shapes_are_refused(frames: np.ndarray, speech: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Lips are sealed"):
        seal_lips(frames, speech)
