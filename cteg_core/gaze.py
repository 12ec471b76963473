"""Where the eyes look while a line is spoken: on the listener, and away now and then, by saccades.

Figures from Eyes Alive (Lee, Badler and Badler 2002): time on and off the listener, magnitudes, directions. Amplitudes
are capped well below theirs, because the head, which would take a part of a large shift, does not turn.

Nothing in a text says when the eyes go where. A network that learns from such shifts predicts their mean, which is a
stare; so the shifts are a seeded layer that is added after decoding, as blinks are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.curves import Array, minimum_jerk
from cteg_core.layers import frames_to_layer
from flame_rig.spaces import CTEG_HEAD_1

FULL_LOOK_DEGREES: Final = 25.0
"""Eye rotation at an eyeLook weight of 1."""
LARGEST_DEGREES: Final = 9.0
MUTUAL_SECONDS: Final = 3.1
AWAY_SECONDS: Final = 0.9
_SHORTEST_FIXATION: Final = 0.45
_DIRECTION_SHARES: Final = np.cumsum([15.5, 6.5, 17.7, 7.4, 16.8, 7.9, 20.4, 7.8])
"""Per cent of shifts to the right, up-right, up, up-left, left, down-left, down, down-right."""
_FASTEST_SECONDS: Final = 0.10
"""A saccade of this size takes about 45 ms; three frames keep it smooth at 30 frames a second."""
_FIDGET_DEGREES: Final = 0.9
_LOOKS: Final = tuple(
    (CTEG_HEAD_1.index(f"eyeLook{one}"), CTEG_HEAD_1.index(f"eyeLook{other}"))
    for one, other in (
        ("OutLeft", "InRight"), ("InLeft", "OutRight"), ("UpLeft", "UpRight"), ("DownLeft", "DownRight"),
    )
)  # fmt: skip
"""The two eyes' columns of a look to the subject's left, right, up and down."""


def add_gaze(frames: NDArray[np.floating], fps: float, seed: int) -> NDArray[np.float32]:
    """Return frames of ``cteg-head-1`` whose eyes shift besides what the frames have them do; both eyes turn together.

    Args:
        frames: ``[T, 53]``. The first and the last one are left as they are.
        fps: frames a second.
        seed: the same seed gives the same shifts.

    Returns:
        ``float32 [T, 53]``; the input is left as it was.

    Raises:
        ValueError: frames of another shape, or a rate that is not above 0.
    """
    shifted = frames_to_layer(frames, fps, "Shifts of the eyes")
    if not len(shifted):
        return shifted
    rng = np.random.default_rng([0x6A2E, seed & 0xFFFF_FFFF_FFFF_FFFF])
    path = gaze_path(np.arange(len(shifted)) / fps, rng)
    moving = np.flatnonzero(np.abs(path).max(axis=1) > 1e-9)
    left, right, up, down = (shifted[:, columns].mean(axis=1, dtype=np.float64) for columns in _LOOKS)
    aim = path + FULL_LOOK_DEGREES * np.stack((left - right, up - down), axis=1)
    for columns, weight in zip(_LOOKS, _look_weights(aim), strict=True):
        for column in columns:
            shifted[moving, column] = np.minimum(weight[moving], 1.0)
    return shifted


def gaze_path(times: Array, rng: np.random.Generator) -> Array:
    """Return ``[T, 2]`` degrees to the subject's left and up, starting at (0, 0) and back there by the end.

    Args:
        times: ``[T]`` seconds, increasing from 0.
        rng: source of the draws.
    """
    seconds = float(times[-1])
    moves: list[tuple[float, float, float]] = []  # when, then the new direction
    now = 0.2 + rng.random() * MUTUAL_SECONDS
    while now < seconds - 0.5:
        magnitude = min(LARGEST_DEGREES, -6.9 * np.log(max(rng.random() * 15.0, 0.5) / 15.7))
        octant = int(np.searchsorted(_DIRECTION_SHARES, rng.random() * _DIRECTION_SHARES[-1], side="right"))
        angle = np.pi - octant * np.pi / 4  # the subject's right is at 180 degrees when left is positive
        moves.append((now, float(magnitude * np.cos(angle)), float(magnitude * np.sin(angle))))
        now += _SHORTEST_FIXATION + float(rng.exponential(AWAY_SECONDS / 2))
        left, up = rng.normal(0.0, _FIDGET_DEGREES, size=2)
        moves.append((now, float(left), float(up)))
        now += _SHORTEST_FIXATION + float(rng.exponential(MUTUAL_SECONDS))
    latest = max(0.0, seconds - 0.3)
    moves = [move for move in moves if move[0] < latest - _FASTEST_SECONDS]
    moves.append((latest, 0.0, 0.0))
    path = np.zeros((len(times), 2))
    before = np.zeros(2)
    for start, *aim in moves:
        step = np.array(aim) - before
        duration = _FASTEST_SECONDS + 0.004 * float(np.abs(step).max())
        path += minimum_jerk((times - start) / duration)[:, None] * step
        before = np.array(aim)
    return path


def _look_weights(path: Array) -> tuple[NDArray[np.float64], ...]:
    """Return the strengths of units 61 (left), 62 (right), 63 (up), 64 (down), each ``[T]``, for degrees ``[T, 2]``."""
    left, up = path.T / FULL_LOOK_DEGREES
    return np.maximum(left, 0.0), np.maximum(-left, 0.0), np.maximum(up, 0.0), np.maximum(-up, 0.0)
