"""Which frames of a performance go onto a contact sheet."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.spaces import CTEG_HEAD_1

MOMENT_COUNT: Final = 8
_BLINKS: Final = tuple(CTEG_HEAD_1.names.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight"))
_BLINK_COST: Final = 3.0
"""How much less a closed eye makes a moment worth; a sheet of shut eyes shows no acting."""
_MARGIN: Final = 0.2
"""Share of a stretch at either end from which no moment is taken."""


def moments(frames: NDArray[np.float32], count: int = MOMENT_COUNT, apex: int | None = None) -> tuple[int, ...]:
    """Return the indices of ``count`` telling frames in order: the first, the last, and between them
    the strongest from the middle of each of ``count - 2`` equal stretches.

    Args:
        frames: ``[T, 53]`` in ``cteg-head-1``; with fewer frames than ``count`` some are taken twice.
        count: at least 3.
        apex: a frame that must be among them, in the place of the one that its stretch would show.
    """
    last = len(frames) - 1
    strength = np.abs(frames).sum(axis=1)
    closed = frames[:, _BLINKS].sum(axis=1)
    worth = strength - (1.0 + _BLINK_COST) * closed
    length = last / (count - 2)
    inner = []
    for stretch in range(count - 2):
        # Off the stretch's ends, or two neighbours could show the same moment.
        first = int(length * (stretch + _MARGIN))
        end = max(int(length * (stretch + 1.0 - _MARGIN)), first)
        inner.append(first + int(np.argmax(worth[first : end + 1])))
    if apex is not None and 0 < apex < last:
        inner[min(int(apex / length), count - 3)] = apex
    return (0, *inner, last)
