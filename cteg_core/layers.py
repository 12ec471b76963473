"""Layers that are added to frames after decoding: blinks (:mod:`cteg_core.gaze` is another)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import FRAME_WIDTH, Word
from flame_rig.spaces import CTEG_HEAD_1

TALKING_PER_MINUTE: Final = 26.0
RESTING_PER_MINUTE: Final = 17.0
"""Blinks a minute (Bentivoglio et al. 1997); intervals are log-normal."""
SHORTEST_GAP_SECONDS: Final = 1.0
QUIET_EDGE_SECONDS: Final = 0.1
"""No blink moves the lids this close to the first or last frame."""
CLOSING_SECONDS: Final = 0.08
CLOSED_SECONDS: Final = (0.03, 0.05)
OPENING_SECONDS: Final = (0.15, 0.20)
"""Closing 76 ms and about half the opening's time (Kwon et al. 2013), opening like a decaying exponential (Trutoiu)."""
DOUBLE_SHARE: Final = 0.12
_DOUBLE_GAP_SECONDS: Final = 0.08
_INTERVAL_SPREAD: Final = 0.45
_SNAP_SECONDS: Final = 0.6
_OPENING_DECAY: Final = 3.2

LID_CLOSING: Final[dict[str, float]] = {
    "eyeSquint": 0.351, "cheekSquint": 0.195, "eyeLookDown": 0.231, "browDown": 0.062, "mouthSmile": 0.044,
}  # fmt: skip
"""Share of the eye's opening that a full shape takes away, measured at the middle of the lids of the project's head."""
LID_OPENING: Final = ("eyeWide", "eyeLookUp")
"""Shapes that open the lids further than rest: eyeBlink alone could not close them."""
_SIDES: Final = ("Left", "Right")
_BLINK_COLUMNS: Final = tuple(CTEG_HEAD_1.index(f"eyeBlink{side}") for side in _SIDES)
_OPENING_COLUMNS: Final = tuple([CTEG_HEAD_1.index(f"{shape}{side}") for shape in LID_OPENING] for side in _SIDES)
_CLOSING_COLUMNS: Final = tuple([CTEG_HEAD_1.index(f"{shape}{side}") for shape in LID_CLOSING] for side in _SIDES)
_CLOSING_SHARES: Final = np.array(list(LID_CLOSING.values()), dtype=np.float32)


def frames_to_layer(frames: NDArray[np.floating], fps: float, layer: str) -> NDArray[np.float32]:
    """Return a copy of frames ``float32 [T, 53]``; raises ValueError for other shapes and for rates not above 0."""
    copied = np.array(frames, dtype=np.float32)
    if copied.ndim != 2 or copied.shape[1] != FRAME_WIDTH:
        raise ValueError(f"{layer} are added to frames [T, {FRAME_WIDTH}]; got an array of shape {copied.shape}.")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"{layer} need a frame rate above 0; got {fps}.")
    return copied


def add_blinks(frames: NDArray[np.floating], fps: float, seed: int, words: Sequence[Word] = ()) -> NDArray[np.float32]:
    """Return frames of ``cteg-head-1`` with seeded blinks.

    Lids are never opened: eyeBlink is the larger of the blink and what it was. A blink closes the opening that the
    other shapes leave, so that squinting lids meet and do not cross; wide eyes and a look up give way while it lasts.

    Args:
        frames: ``[T, 53]``.
        fps: frames a second.
        seed: the same seed gives the same blinks.
        words: word times; blinks gather at pauses and the ends of phrases, and come more often while talking.

    Returns:
        ``float32 [T, 53]``; the input is left as it was.

    Raises:
        ValueError: frames of another shape, or a rate that is not above 0.
    """
    frames = frames_to_layer(frames, fps, "Blinks")
    closure = blink_closure(len(frames), fps, seed, words)
    for blink, opening, closing in zip(_BLINK_COLUMNS, _OPENING_COLUMNS, _CLOSING_COLUMNS, strict=True):
        taken = np.minimum(frames[:, closing] @ _CLOSING_SHARES, 1.0)
        frames[:, blink] = np.maximum(frames[:, blink], closure * (1.0 - taken))
        frames[:, opening] *= (1.0 - closure)[:, None]
    return frames


def blink_closure(length: int, fps: float, seed: int, words: Sequence[Word] = ()) -> NDArray[np.float32]:
    """Return how far blinks close the lids, ``float32 [T]`` from 0 (as they are) to 1 (closed)."""
    rng = np.random.default_rng([0xB117, seed & 0xFFFF_FFFF_FFFF_FFFF])
    times = np.arange(length) / fps
    closure = np.zeros(length)
    for start in _blink_starts((length - 1) / fps, words, rng):
        # The peak is put on a frame: between two frames a blink would seem not to close.
        peak = int(np.ceil((start + CLOSING_SECONDS) * fps))
        hold = max(rng.uniform(*CLOSED_SECONDS), 1.01 / fps)
        opening = rng.uniform(*OPENING_SECONDS)
        closure = np.maximum(closure, _blink_curve(times - peak / fps, hold, opening))
    return closure.astype(np.float32)


def _blink_curve(since_closed: NDArray[np.float64], hold: float, opening: float) -> NDArray[np.float64]:
    """Return the closure at times since the lids met: ease in, hold, then open like a decaying exponential."""
    closing = np.clip(1.0 + since_closed / CLOSING_SECONDS, 0.0, 1.0)
    opened = np.clip((since_closed - hold) / opening, 0.0, 1.0)
    end = np.exp(-_OPENING_DECAY)
    lifted = (np.exp(-_OPENING_DECAY * opened) - end) / (1.0 - end)
    return np.asarray(np.minimum(closing * closing * (3.0 - 2.0 * closing), lifted))


def _blink_starts(seconds: float, words: Sequence[Word], rng: np.random.Generator) -> list[float]:
    """Return when blinks start: log-normal intervals, drawn towards phrase ends, with some doubles."""
    longest = CLOSING_SECONDS + CLOSED_SECONDS[1] + OPENING_SECONDS[1] + 2 * QUIET_EDGE_SECONDS
    first, last = QUIET_EDGE_SECONDS, seconds - longest + QUIET_EDGE_SECONDS
    # Doubles count as two, so intervals between first blinks are longer by their share.
    mean = (1.0 + DOUBLE_SHARE) * 60.0 / (TALKING_PER_MINUTE if words else RESTING_PER_MINUTE)
    middle = np.log(mean) - 0.5 * _INTERVAL_SPREAD**2
    pauses = _phrase_ends(words)
    starts: list[float] = []
    # The line joins a life of blinking at a random moment of an interval.
    now = float(rng.uniform(0.0, 1.0) * np.exp(rng.normal(middle, _INTERVAL_SPREAD)))
    while now < last:
        nearest = min(pauses, key=lambda pause: abs(pause - now), default=now)
        when = nearest + rng.uniform(-0.05, 0.12) if abs(nearest - now) < _SNAP_SECONDS else now
        earliest = starts[-1] + SHORTEST_GAP_SECONDS if starts else first
        when = max(when, earliest)
        double = rng.random() < DOUBLE_SHARE
        if when <= last:
            starts.append(float(when))
            again = when + longest - 2 * QUIET_EDGE_SECONDS + _DOUBLE_GAP_SECONDS
            if double and again <= last:
                starts.append(float(again))
        now = max(now, when) + max(SHORTEST_GAP_SECONDS, float(np.exp(rng.normal(middle, _INTERVAL_SPREAD))))
    return starts


def _phrase_ends(words: Sequence[Word]) -> list[float]:
    """Return the times at which a phrase ends: the last word's end, and those before a pause."""
    ends = [one.end for one, other in pairwise(words) if other.start - one.end > 0.1]
    return ends + [word.end for word in words[-1:]]
