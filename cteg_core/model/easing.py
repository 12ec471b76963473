"""How performances begin, end and go on from one another: curves over frames."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

EASE_IN_SECONDS: Final = 5 / 30
EASE_OUT_SECONDS: Final = 12 / 30
JOIN_SECONDS: Final = 12 / 30
"""A part takes over from where the last one ended within this time."""


def eased(frames: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """Let the first of ``frames`` ``[T, 53]`` rise from the rest face and the last ones settle into it, exactly."""
    count = len(frames)
    window = np.ones(count, dtype=np.float32)
    rise, fall = (min(round(seconds * fps), count // 3) for seconds in (EASE_IN_SECONDS, EASE_OUT_SECONDS))
    window[: rise + 1] *= _smoothstep(rise + 1)
    window[count - fall - 1 :] *= _smoothstep(fall + 1)[::-1]
    return frames * window[:, None]


def joined(last: NDArray[np.float32], frames: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """Let ``frames`` ``[T, 53]`` go on from ``last`` ``[53]``: the gap between the two fades away.

    The network knows its start frame, and still leaves it by up to a quarter of a smile in one frame.
    """
    fade = np.zeros(len(frames), dtype=np.float32)
    count = min(round(JOIN_SECONDS * fps), len(frames))
    fade[:count] = _smoothstep(count + 1)[:0:-1]
    faded: NDArray[np.float32] = frames + fade[:, None] * (last - frames[0])
    return faded


def _smoothstep(count: int) -> NDArray[np.float32]:
    t = np.linspace(0.0, 1.0, count, dtype=np.float32) if count > 1 else np.zeros(count, dtype=np.float32)
    return t * t * (3.0 - 2.0 * t)
