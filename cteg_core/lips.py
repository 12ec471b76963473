"""Lips that meet: a layer after decoding shuts what is left open where words press the lips together.

Lips meet for a bilabial (p, b, m), and a decoder trained on distances goes a part of the way only: closures are short,
and their depth is a performer's. What closes the lips over an open jaw is
a product of the speech plan and the jaw, both known once a line is decoded, so it can be exact.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.curves import Array
from cteg_core.visemes import SPEECH_CHANNELS, SPEECH_WIDTH
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_OPEN_RADIANS

_CLOSE: Final = CTEG_HEAD_1.index("mouthClose")
_JAW_PITCH: Final = EXPRESSION_COUNT
_PRESS: Final = SPEECH_CHANNELS.index("press")


def lip_closure(press: NDArray[np.floating], jaw_pitch: NDArray[np.floating]) -> Array:
    """Return the mouthClose that keeps pressed lips together over an open jaw, ``[T]``.

    mouthClose at 1 shuts the lips of a jaw that is open by 1 (ARKit's definition of it).

    Args:
        press: ``[T]`` in [0, 1], how firmly words hold the lips together.
        jaw_pitch: ``[T]`` radians.
    """
    return np.asarray(press, dtype=np.float64) * np.asarray(jaw_pitch, dtype=np.float64) / JAW_OPEN_RADIANS


def seal_lips(frames: NDArray[np.floating], speech: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return frames of ``cteg-head-1`` whose lips are shut at least as far as the words press them together.

    Args:
        frames: ``[T, 53]``.
        speech: ``[P, SPEECH_WIDTH]``, the plan's features for the first P frames; nothing is said after them.

    Returns:
        ``float32 [T, 53]``; mouthClose alone is changed, and never made smaller. The input is left as it was.

    Raises:
        ValueError: frames or features of another shape.
    """
    sealed = np.array(frames, dtype=np.float32)
    if sealed.ndim != 2 or sealed.shape[1] != FRAME_WIDTH:
        raise ValueError(f"Lips are sealed in frames [T, {FRAME_WIDTH}]; got an array of shape {sealed.shape}.")
    if np.ndim(speech) != 2 or np.shape(speech)[1] != SPEECH_WIDTH:
        raise ValueError(f"Lips are sealed by speech features [P, {SPEECH_WIDTH}]; got shape {np.shape(speech)}.")
    said = sealed[: len(speech)]  # a view
    closure = lip_closure(speech[: len(said), _PRESS], said[:, _JAW_PITCH])
    said[:, _CLOSE] = np.maximum(said[:, _CLOSE], closure)
    return sealed
