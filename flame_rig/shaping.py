"""Shaping of a finished performance: how much each half of the face moves, and how softly.

Works on frames, so it needs no network and can be undone by shaping the same frames again. Gaze belongs to neither
half: it is a layer of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.face_halves import HEAD_HALVES, FaceHalves

MOST_WEIGHT: Final = 2.0
MOST_SMOOTHING: Final = 10.0

_BLINK_SECONDS: Final = 0.5
"""Closures of the lids that last longer are acting, and are shaped like everything else."""
_BLINK_HEIGHT: Final = 0.3
"""How far above the lids around it a closure must go to be a blink."""
_BLINK_SHARE: Final = 0.8
"""And how much of the whole closure that must be."""


@dataclass(frozen=True)
class Shaping:
    """What an artist changes about a take without generating it anew.

    Attributes:
        upper: weight of brows, lids and the upper cheeks, 0 to 2. Blinks close the eyes whatever it is, except at 0,
            which leaves this half alone.
        lower: weight of mouth, jaw and the lower cheeks, 0 to 2; 0 leaves them to a lip sync.
        smoothing: seconds that a symmetric low-pass is wide (at half its height); 0 changes no bit.
    """

    upper: float = 1.0
    lower: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("upper", MOST_WEIGHT), ("lower", MOST_WEIGHT), ("smoothing", MOST_SMOOTHING)):
            value = getattr(self, name)
            if not 0.0 <= value <= most:
                raise ValueError(f"“{name}” is from 0 to {most:g}; got {value}.")

    @property
    def leaves_alone(self) -> bool:
        """Whether some half of the face is not to be animated at all."""
        return self.upper == 0.0 or self.lower == 0.0


def shaped(
    frames: ArrayLike, fps: float, shaping: Shaping, halves: FaceHalves = HEAD_HALVES
) -> NDArray[np.floating]:
    """Return frames with their halves weighted and their motion smoothed.

    First and last frame stay where smoothing found them, and so do the peaks of blinks. No value leaves the lawful
    range of its component that was within it.

    Args:
        frames: ``[T, 53]``.
        fps: frames a second.
        shaping: what to do; ``Shaping()`` returns the frames as they are.
        halves: what is upper and lower in the frames' expression space.

    Returns:
        ``[T, 53]`` of the frames' own type.
    """
    given = np.asarray(frames)
    if given.ndim != 2 or given.shape[1] != len(halves.upper):
        raise ValueError(f"Frames to shape are [T, {len(halves.upper)}]; got an array of shape {given.shape}.")
    if not (np.isfinite(fps) and fps > 0.0):
        raise ValueError(f"A frame rate is a positive number of frames a second; got {fps}.")
    if shaping == Shaping() or not len(given):
        return given
    source = given.astype(np.float64)
    base, blinks = _without_blinks(source, fps, shaping, halves)
    moved = smoothed(base, fps, shaping.smoothing)
    moved = moved + (shaping.upper - 1.0) * (moved @ halves.upper.T) + (shaping.lower - 1.0) * (moved @ halves.lower.T)
    if shaping.upper > 0.0:
        for column, blink in blinks.items():
            moved[:, column] = _with_blinks(moved[:, column], source[:, column], blink)
    moved = np.clip(moved, np.minimum(halves.lowest, source), np.maximum(halves.highest, source))
    return moved.astype(given.dtype if np.issubdtype(given.dtype, np.floating) else np.float64)


def smoothed(values: ArrayLike, fps: float, seconds: float) -> NDArray[np.float64]:
    """Return values ``[T, C]`` through a symmetric low-pass (a raised cosine) of ``seconds`` at half its height.

    The first and last row stay; no value leaves the range of its column. Less than a frame changes nothing.
    """
    source = np.asarray(values, dtype=np.float64)
    half = seconds * fps
    reach = int(np.ceil(half)) - 1
    if reach < 1 or len(source) < 3:
        return source
    kernel = np.cos(0.5 * np.pi * np.arange(-reach, reach + 1) / half) ** 2
    kernel /= kernel.sum()
    # Turned about its ends, a curve comes out of a symmetric filter with its ends where they were.
    padded = np.pad(source, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    soft: NDArray[np.float64] = np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], axis=1)
    soft = np.clip(soft, source.min(axis=0), source.max(axis=0))
    soft[[0, -1]] = source[[0, -1]]
    return soft


def _without_blinks(
    source: NDArray[np.float64], fps: float, shaping: Shaping, halves: FaceHalves
) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """Return the frames with blinks taken out, and how far each blink goes beyond that: ``{column: [T]}``."""
    base, blinks = source.copy(), {}
    window = 2 * int(max(_BLINK_SECONDS, shaping.smoothing) * fps / 2.0) + 1
    for column in halves.blinks:
        closure = source[:, column]
        above = closure - _opened(closure, window)
        for start, end in _stretches(above > 0.0):
            if not _is_blink(closure, above, start, end, window):
                above[start:end] = 0.0
        base[:, column] -= above
        blinks[column] = above
    return base, blinks


def _is_blink(
    closure: NDArray[np.float64], above: NDArray[np.float64], start: int, end: int, window: int
) -> bool:
    """Return whether what goes ``above`` the slow motion of a lid is a blink, not the tip of a slow closing."""
    if start == 0 or end == len(closure):
        # Cut off by the clip's end, which has to stay as it is.
        return False
    height = float(above[start:end].max())
    before, after = closure[max(0, start - window) : start].min(), closure[end : end + window].min()
    return height >= max(_BLINK_HEIGHT, _BLINK_SHARE * float(closure[start:end].max() - max(before, after)))


def _with_blinks(
    base: NDArray[np.float64], before: NDArray[np.float64], blink: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a lid's closure with its blinks put back, each scaled so that its peak is the one it had."""
    whole = base.copy()
    for start, end in _stretches(blink > 0.0):
        peak = start + int(before[start:end].argmax())
        gain = max(0.0, (before[peak] - base[peak]) / blink[peak])
        whole[start:end] += gain * blink[start:end]
        whole[peak] = max(before[peak], base[peak])
    return whole


def _opened(signal: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return a signal without its peaks narrower than ``window`` samples (a morphological opening)."""
    pad = window // 2
    for lowest in (True, False):
        views = np.lib.stride_tricks.sliding_window_view(np.pad(signal, pad, mode="edge"), window)
        signal = np.asarray(views.min(axis=1) if lowest else views.max(axis=1), dtype=np.float64)
    return signal


def _stretches(where: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
