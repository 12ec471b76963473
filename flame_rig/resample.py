"""Resampling of channels to another frame rate, without losing the peaks of blinks.

Plain interpolation on a coarser grid steps over a short peak: a blink that closes the eye for one
sample would stay half open. So every local extremum is moved to the sample nearest to it, by at
most half a frame, where a smooth curve hardly changes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_SAMPLES: Final = 1_000_000
"""Nine hours at 30 frames a second; more is a mistake in a frame rate."""

_SAME_RATE: Final = 1e-9
_WHOLE_FRAME: Final = 1e-6
"""How close to a whole frame the end of a clip counts as that frame (frame rates such as 30000/1001 are not exact)."""


def sample_positions(count: int, source_fps: float, target_fps: float) -> NDArray[np.float64]:
    """Return where, in samples of the source, the samples of the target lie.

    Args:
        count: samples of the source, at least 1.
        source_fps, target_fps: samples a second.

    Returns:
        ``float64 [N]``: 0, then steps of ``source_fps / target_fps``, and at the end ``count - 1`` itself,
        even if that is not a whole number of steps away: the last sample is always kept.
    """
    for fps in (source_fps, target_fps):
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"A frame rate is a positive number of frames a second; got {fps}.")
    if count < 1:
        raise ValueError("There is nothing to resample: the clip has no frames.")
    if abs(source_fps - target_fps) <= _SAME_RATE * source_fps:
        return np.arange(count, dtype=np.float64)
    steps = (count - 1) * target_fps / source_fps
    if steps >= MAX_SAMPLES:
        raise ValueError(
            f"{count} frames at {source_fps:g} frames a second would become {steps:.0f} at {target_fps:g}; "
            "check the scene's frame rate."
        )
    target_count = int(np.ceil(steps - _WHOLE_FRAME)) + 1
    positions = np.arange(target_count, dtype=np.float64) * float(source_fps / target_fps)
    positions[-1] = count - 1
    return positions


def resample_values(values: ArrayLike, source_fps: float, target_fps: float) -> NDArray[np.float64]:
    """Resample independent values: linear between samples, with every local extremum kept.

    Where two extrema fall on one target sample, the one farther from 0 (the face at rest) stays.

    Args:
        values: ``[T, C]``.

    Returns:
        ``float64 [N, C]``; equal to ``values`` at equal rates; first and last rows are always those of ``values``.
    """
    source = np.asarray(values, dtype=np.float64)
    if source.ndim != 2:
        raise ValueError(f"Values to resample are [T, C]; got an array of shape {source.shape}.")
    positions = sample_positions(len(source), source_fps, target_fps)
    if len(positions) == len(source) and (positions == np.arange(len(source))).all():
        return source.copy()
    samples = np.arange(len(source))
    resampled = np.empty((len(positions), source.shape[1]))
    for channel in range(source.shape[1]):
        signal = source[:, channel]
        resampled[:, channel] = np.interp(positions, samples, signal)
        targets, sources = _moved_extrema(signal, positions)
        resampled[targets, channel] = signal[sources]
    return resampled


def resample_rotations(quaternions: ArrayLike, source_fps: float, target_fps: float) -> NDArray[np.float64]:
    """Resample rotations along the great circle, keeping every local extremum of the angle.

    Args:
        quaternions: ``[T, B, 4]`` unit quaternions (w, x, y, z), each bone's without jumps of sign.

    Returns:
        ``float64 [N, B, 4]`` unit quaternions without jumps of sign; first and last kept.
    """
    source = np.asarray(quaternions, dtype=np.float64)
    if source.ndim != 3 or source.shape[2] != 4:
        raise ValueError(f"Rotations to resample are [T, B, 4]; got an array of shape {source.shape}.")
    positions = sample_positions(len(source), source_fps, target_fps)
    if len(positions) == len(source) and (positions == np.arange(len(source))).all():
        return source.copy()
    before = np.minimum(np.floor(positions).astype(np.int64), len(source) - 1)
    after = np.minimum(before + 1, len(source) - 1)
    resampled = _slerp(source[before], source[after], (positions - before)[:, None])
    for bone in range(source.shape[1]):
        rotations = source[:, bone]
        angle = 2.0 * np.arctan2(np.linalg.norm(rotations[:, 1:], axis=1), np.abs(rotations[:, 0]))
        targets, sources = _moved_extrema(angle, positions)
        resampled[targets, bone] = rotations[sources]
    return resampled


def _moved_extrema(
    signal: NDArray[np.float64], positions: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return target samples and the source samples ``(each int64 [M])`` whose extrema they take over."""
    slopes = np.sign(np.diff(signal))
    sloped = np.flatnonzero(slopes)
    turns = np.flatnonzero(slopes[sloped[:-1]] * slopes[sloped[1:]] < 0)
    # An extremum may be flat: it runs from the end of one slope to the start of the next.
    first, last = sloped[turns] + 1, sloped[turns + 1]
    inner = len(positions) - 2
    if inner < 1 or not len(turns):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    step = positions[1] - positions[0]
    targets = np.clip(np.rint((first + last) / (2.0 * step)).astype(np.int64), 1, inner)
    weakest_first = np.argsort(np.abs(signal[last]), kind="stable")
    return targets[weakest_first], last[weakest_first]


def _slerp(start: NDArray[np.float64], end: NDArray[np.float64], fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate quaternions ``[N, B, 4]`` by ``fraction [N, 1]`` (Shoemake 1985)."""
    cosine = np.clip((start * end).sum(axis=-1), -1.0, 1.0)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    weight_start = np.where(near, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / safe)
    weight_end = np.where(near, fraction, np.sin(fraction * angle) / safe)
    mixed = weight_start[..., None] * start + weight_end[..., None] * end
    unit: NDArray[np.float64] = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
    return unit
