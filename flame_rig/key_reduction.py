"""Key reduction: which samples of a curve to keep so that straight lines between them come near enough to the rest.

Turning points are kept where they stand out by more than twice the tolerance, so that peaks (a closed eye, a closed
mouth) keep their exact values. Between two of them each line goes to the farthest sample that it may: the wedge of
slopes that have missed nothing so far is followed until it is empty. That takes no more keys than the fewest that half
the tolerance could do with, on faces within about two percent of the fewest at all, and one pass over the samples; all
spans of all curves are followed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-12


def kept_keys(values: ArrayLike, tolerance: float) -> NDArray[np.int64]:
    """Return the samples of one curve to keep, in order; the first and the last are among them.

    Args:
        values: ``[N]``, or ``[N, D]`` where D components have to share their keys (a rotation's).
        tolerance: how far any sample of any component may lie off the lines between the kept ones.
    """
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim == 1:
        curve = curve[:, None]
    return kept_keys_of(curve, tolerance, [curve.shape[1]] if curve.ndim == 2 else None)[0]


def kept_keys_of(values: ArrayLike, tolerance: float, widths: Sequence[int] | None = None) -> list[NDArray[np.int64]]:
    """Return what :func:`kept_keys` does, for many curves of equal length at once.

    Args:
        values: ``[N, C]``, finite, N at least 1.
        tolerance: as there.
        widths: how many neighbouring columns each curve has; left out, one each.
    """
    columns = np.asarray(values, dtype=np.float64)
    if columns.ndim != 2 or not len(columns):
        raise ValueError(f"Values whose keys are reduced are [N, C]; got an array of shape {columns.shape}.")
    if not np.isfinite(columns).all():
        raise ValueError("Values whose keys are reduced must be finite numbers; got NaN or infinity.")
    if not tolerance >= 0.0:
        raise ValueError(f"A tolerance is 0 or more; got {tolerance}.")
    widths = [1] * columns.shape[1] if widths is None else list(widths)
    if sum(widths) != columns.shape[1] or min(widths, default=1) < 1:
        raise ValueError(f"Curves of {sum(widths)} columns were named, and there are {columns.shape[1]}.")
    if not widths:
        return []
    ends = np.cumsum(widths)
    kept = np.zeros((len(widths), len(columns)), dtype=bool)
    kept[:, [0, -1]] = True
    for curve, column in enumerate(np.searchsorted(ends, np.arange(columns.shape[1]), side="right")):
        kept[column, _turning_points(columns[:, curve], 2.0 * tolerance)] = True
    # A curve with fewer components than another repeats its last.
    last = ends - 1
    parts = [columns[:, np.minimum(ends - widths + part, last)].T.ravel() for part in range(max(widths))]
    _keep_between(parts, kept, tolerance)
    return [np.flatnonzero(row) for row in kept]


def _turning_points(signal: NDArray[np.float64], least: float) -> list[int]:
    """Return where a signal turns back by more than ``least``, and its highest and lowest sample."""
    if np.ptp(signal) <= least:
        return []
    slopes = np.diff(signal)
    sloped = np.flatnonzero(slopes)
    turns = sloped[:-1][slopes[sloped[:-1]] * slopes[sloped[1:]] < 0.0] + 1
    # Where an end is as high or low, it stands for the others: a plateau there needs no key of its own.
    ends = signal[[0, -1]]
    found = [int(signal.argmax())] if signal.max() > ends.max() else []
    found += [int(signal.argmin())] if signal.min() < ends.min() else []
    top = bottom = (float(signal[0]), 0)
    rising = falling = True
    indices = np.append(turns, len(signal) - 1)
    for here in zip(signal[indices].tolist(), indices.tolist(), strict=True):
        value = here[0]
        top, bottom = (here if value > top[0] else top), (here if value < bottom[0] else bottom)
        if rising and value < top[0] - least:
            found.append(top[1])
            rising, falling, bottom = False, True, here
        elif falling and value > bottom[0] + least:
            found.append(bottom[1])
            rising, falling, top = True, False, here
    return found


def _keep_between(parts: list[NDArray[np.float64]], kept: NDArray[np.bool_], tolerance: float) -> None:
    """Add the keys between those that are kept already.

    Args:
        parts: per component, the curves one behind the other: ``[curves * N]``.
        kept: ``bool [curves, N]``, changed in place; first and last of each curve are kept.
        tolerance: of every component.
    """
    flat = kept.ravel()
    fixed = np.flatnonzero(flat)
    # Between a curve's last sample and the next curve's first there is nothing.
    spans = (np.diff(fixed) > 1) & ~_straight(parts, flat, fixed, tolerance)[:-1]
    anchor, end = fixed[:-1][spans], fixed[1:][spans]
    probe, farthest = anchor + 1, anchor + 1
    wedges = [(np.full(len(anchor), -np.inf), np.full(len(anchor), np.inf)) for _ in parts]
    while len(anchor):
        lag = probe - anchor
        reached, is_open = np.ones(len(anchor), dtype=bool), probe < end
        narrowed = []
        for values, (lower, upper) in zip(parts, wedges, strict=True):
            rise = values[probe] - values[anchor]
            reached &= (rise <= upper * lag + _ROUNDING) & (rise >= lower * lag - _ROUNDING)
            lower, upper = np.maximum(lower, (rise - tolerance) / lag), np.minimum(upper, (rise + tolerance) / lag)
            is_open &= lower <= upper + _ROUNDING
            narrowed.append((lower, upper))
        farthest = np.where(reached, probe, farthest)
        # Where nothing farther can be reached, the farthest becomes the next key, and the next line starts there.
        anchor = np.where(is_open, anchor, farthest)
        probe = np.where(is_open, probe, anchor) + 1
        farthest = np.where(is_open, farthest, probe)
        flat[anchor] = True
        wedges = [(np.where(is_open, a, -np.inf), np.where(is_open, b, np.inf)) for a, b in narrowed]
        going_on = anchor < end
        if not going_on.all():
            anchor, end, probe, farthest = (part[going_on] for part in (anchor, end, probe, farthest))
            wedges = [(lower[going_on], upper[going_on]) for lower, upper in wedges]


def _straight(
    parts: list[NDArray[np.float64]], flat: NDArray[np.bool_], fixed: NDArray[np.int64], tolerance: float
) -> NDArray[np.bool_]:
    """Return whether one line will do from each of ``fixed`` to the next, ``bool [len(fixed)]``.

    Most channels of a performance rest for most of it, so that this settles most of their samples at once.
    """
    number = np.cumsum(flat) - 1
    start, end = fixed[number], np.append(fixed[1:], fixed[-1])[number]
    along = (np.arange(len(flat)) - start) / np.maximum(end - start, 1)
    off = np.zeros(len(flat), dtype=bool)
    for values in parts:
        off |= np.abs(values[start] + along * (values[end] - values[start]) - values) > tolerance
    missed: NDArray[np.bool_] = np.logical_or.reduceat(off, fixed)
    return ~missed
