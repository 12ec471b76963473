"""How strengths move through time: minimum-jerk ramps, onset-apex-offset envelopes, slow drifts.

Everything works on arrays of times in seconds and has continuous velocity and acceleration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cteg_core.curves import Array, minimum_jerk


@dataclass(frozen=True)
class Envelope:
    """A strength over time: still at every knot, minimum-jerk between.

    Attributes:
        times: seconds, increasing.
        values: the strength at each knot; held before the first and after the last.
    """

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, times: Array) -> Array:
        """Return the strength at ``times`` (any shape)."""
        value = np.full(times.shape, self.values[0])
        for i in range(len(self.times) - 1):
            step = self.values[i + 1] - self.values[i]
            if step:
                value += step * minimum_jerk((times - self.times[i]) / (self.times[i + 1] - self.times[i]))
        return value


ONSET_SECONDS: Final[dict[str, tuple[float, float]]] = {
    "brief": (0.24, 0.40),
    "smile": (0.40, 0.70),
    "slow": (0.55, 0.90),
    "plain": (0.30, 0.55),
}
"""Rise to the apex by kind. Smiles 0.4-0.7 s (Schmidt et al. 2003); surprise and fear under 260 ms to 0.3 s (Yan et al.
2013); grief and tenderness slower (judgement)."""
FASTEST_ONSET: Final = 0.23
"""Seconds; a quicker rise of a whole face reads as a cut at 30 frames a second."""
OFFSET_SECONDS: Final = (0.70, 1.20)
"""Fall from the apex: 0.7-1.2 s for smiles; 0.2 s looks less genuine than 1 s (Krumhuber and Kappas 2005)."""
CROSSFADE_SECONDS: Final = (0.25, 0.45)
"""From one emotion to the next at a clause boundary: attitudes change within 150-250 ms; a little longer here, so that
the change reads at 30 frames a second."""

_KIND_OF_LABEL: Final[dict[str, str]] = {
    "surprise": "brief", "fear": "brief", "realization": "brief", "anger": "brief", "excitement": "brief",
    "joy": "smile", "amusement": "smile", "admiration": "smile", "approval": "smile", "gratitude": "smile",
    "optimism": "smile", "pride": "smile", "relief": "smile",
    "grief": "slow", "sadness": "slow", "remorse": "slow", "love": "slow", "caring": "slow", "desire": "slow",
    "disappointment": "slow",
}  # fmt: skip


def onset_seconds(label: str) -> tuple[float, float]:
    """Return the shortest and longest onset of an emotion."""
    return ONSET_SECONDS[_KIND_OF_LABEL.get(label, "plain")]


@dataclass(frozen=True)
class Span:
    """The seconds within which an expression must happen.

    Attributes:
        start, end: when it may first rise, and must be back at rest (or still be held, when it is not released).
        speech_start, speech_end: the first word's start and last word's end (the middle half of a silent line).
        boundaries: times of pauses between words, where attitudes change.
    """

    start: float
    end: float
    speech_start: float
    speech_end: float
    boundaries: tuple[float, ...] = ()


def expression_envelope(
    span: Span,
    onset_range: tuple[float, float],
    tempo: float,
    rng: np.random.Generator,
    *,
    raised: bool,
    released: bool,
) -> Envelope:
    """Draw one emotion's course: early, steady, late, or in two pulses.

    Args:
        span: where it may happen.
        onset_range: shortest and longest onset in seconds at tempo 1.
        tempo: factor on durations.
        rng: source of the draws (the same number whatever the arguments).
        raised: the face already holds the expression at the start.
        released: it returns to 0 by the end; otherwise it is held.
    """
    draws = rng.random(8)
    seconds = span.end - span.start
    onset = max(FASTEST_ONSET, tempo * (onset_range[0] + draws[0] * (onset_range[1] - onset_range[0])))
    offset = tempo * (OFFSET_SECONDS[0] + draws[1] * (OFFSET_SECONDS[1] - OFFSET_SECONDS[0])) if released else 0.0
    # A short line squeezes its ramps, never its apex below a fifth of the time.
    squeeze = min(1.0, 0.8 * seconds / (onset + offset))
    onset, offset = onset * squeeze, offset * squeeze
    latest = span.end - offset - onset - 0.2 * seconds
    begin = span.start + draws[2] * max(0.0, min(span.speech_start + 0.15, latest) - span.start)
    # Offsets start around the end of speech and finish by the end of the line.
    fall = span.end - offset
    if released:
        fall = min(fall, max(begin + onset + 0.2, span.speech_end - 0.1 + 0.6 * draws[3]))
    top = begin + onset
    course = draws[4]
    middle = top + (0.35 + 0.3 * draws[5]) * (fall - top)
    nearest = min(span.boundaries, key=lambda time: abs(time - middle), default=middle)
    if abs(nearest - middle) < 0.25 * (fall - top):
        middle = nearest
    sustained = 0.72 + 0.2 * draws[6]
    times: list[float]
    values: list[float]
    if course < 0.35 or fall - top < 0.5:  # steady: a peak that relaxes a little
        times, values = [top, fall], [1.0, sustained]
    elif course < 0.55:  # early: strong at first, then held lower
        times, values = [top, middle, fall], [1.0, sustained - 0.12, sustained - 0.15]
    elif course < 0.80:  # late: a first sign, then the full apex
        times, values = [top, max(top + 0.2, fall - 0.25 * (fall - top)), fall], [0.55 + 0.25 * draws[7], 1.0, 0.95]
    else:  # two pulses
        dip = 0.45 + 0.2 * draws[7]
        quarter = 0.5 * (middle + fall)
        times, values = [top, middle, quarter, fall], [0.95, dip, 1.0, sustained]
    if raised:
        times, values = [span.start, top, *times[1:]], [values[0], values[0], *values[1:]]
    else:
        times, values = [begin, *times], [0.0, *values]
    if released:
        times, values = [*times, fall + offset], [*values, 0.0]
    return Envelope(tuple(times), tuple(values))


def turning_envelopes(
    span: Span,
    onset_ranges: tuple[tuple[float, float], tuple[float, float]],
    tempo: float,
    rng: np.random.Generator,
    *,
    raised: bool,
    released: bool,
) -> tuple[Envelope, Envelope]:
    """Draw the courses of two emotions that follow each other, crossing over at a pause where there is one.

    Arguments as for :func:`expression_envelope`, with an onset range for each emotion.
    """
    draws = rng.random(6)
    seconds = span.end - span.start
    wished = span.speech_start + (0.35 + 0.3 * draws[0]) * (span.speech_end - span.speech_start)
    turn = min(span.boundaries, key=lambda time: abs(time - wished), default=wished)
    turn = float(np.clip(turn, span.start + 0.35 * seconds, span.end - 0.4 * seconds))
    crossfade = min(0.2 * seconds, CROSSFADE_SECONDS[0] + draws[1] * (CROSSFADE_SECONDS[1] - CROSSFADE_SECONDS[0]))
    onsets = [
        max(FASTEST_ONSET, tempo * (low + draw * (high - low)))
        for (low, high), draw in zip(onset_ranges, draws[2:4], strict=True)
    ]
    begin = span.start + draws[4] * max(0.0, min(span.speech_start, turn - onsets[0] - 0.2 * seconds) - span.start)
    top = min(begin + onsets[0], turn - 0.05 * seconds)
    first = Envelope((begin, top, turn, turn + crossfade), (0.0, 1.0, 0.88, 0.0))
    if raised:
        first = Envelope((turn, turn + crossfade), (0.95, 0.0))
    offset = min(tempo * (OFFSET_SECONDS[0] + draws[5] * (OFFSET_SECONDS[1] - OFFSET_SECONDS[0])), 0.25 * seconds)
    fall = span.end - (offset if released else 0.0)
    rise = turn - 0.1 * crossfade
    second_top = min(rise + max(crossfade, onsets[1]), fall - 0.02 * seconds)
    times, values = [rise, second_top, fall], [0.0, 1.0, 0.8]
    if released:
        times, values = [*times, span.end], [*values, 0.0]
    return first, Envelope(tuple(times), tuple(values))


def arc_envelopes(
    span: Span,
    turns: Sequence[float],
    onset_ranges: Sequence[tuple[float, float]],
    tempo: float,
    rng: np.random.Generator,
    *,
    raised: bool,
    released: bool,
) -> tuple[Envelope, ...]:
    """Draw the courses of K emotions that follow each other at known times, each crossing over to the next.

    Args:
        span: where they may happen.
        turns: K - 1 seconds, increasing, at which one gives way to the next.
        onset_ranges: shortest and longest onset of each of the K emotions, in seconds at tempo 1.
        tempo, rng, raised, released: as for :func:`expression_envelope`.
    """
    count = len(onset_ranges)
    edges = np.array([span.start, *turns, span.end])
    lengths = np.diff(edges)
    draws = rng.random((count, 3))
    offset_draw = rng.random()
    # A crossfade belongs half to either neighbour, and leaves each of them time to stand.
    fades = [
        min(CROSSFADE_SECONDS[0] + draws[k, 0] * (CROSSFADE_SECONDS[1] - CROSSFADE_SECONDS[0]), 0.4 * shorter)
        for k, shorter in enumerate(np.minimum(lengths[:-1], lengths[1:]), start=1)
    ]
    found = []
    for k, (low, high) in enumerate(onset_ranges):
        onset = max(FASTEST_ONSET, tempo * (low + draws[k, 1] * (high - low)))
        last = k == count - 1
        level = 0.82 + 0.16 * draws[k, 2]
        rise = edges[k] if k == 0 else edges[k] - 0.4 * fades[k - 1]
        if last:
            offset = tempo * (OFFSET_SECONDS[0] + offset_draw * (OFFSET_SECONDS[1] - OFFSET_SECONDS[0]))
            fall = span.end - (min(offset, 0.35 * lengths[k]) if released else 0.0)
        else:
            fall = edges[k + 1] - 0.4 * fades[k]
        top = min(rise + max(onset, fades[k - 1] if k else 0.0), rise + 0.7 * (fall - rise))
        times, values = [rise, top, fall], [0.0, 1.0, level]
        if k == 0 and raised:
            times, values = [top, fall], [1.0, level]
        if not last:
            times, values = [*times, fall + fades[k]], [*values, 0.0]
        elif released:
            times, values = [*times, span.end], [*values, 0.0]
        found.append(Envelope(tuple(float(time) for time in times), tuple(float(value) for value in values)))
    return tuple(found)


DRIFT_HERTZ: Final = (0.13, 0.23, 0.37, 0.61, 0.97, 1.53, 2.3)
"""Frequencies that a drift is made of; nothing above 2.5 Hz, or it would read as a twitch."""
_DRIFT_AMPLITUDES: Final = np.array(DRIFT_HERTZ) ** -0.5 / np.sqrt(np.sum(np.array(DRIFT_HERTZ) ** -1.0))


def drifts(times: Array, count: int, rng: np.random.Generator) -> Array:
    """Return ``[T, count]`` independent smooth drifts around 0 with power falling as 1/f, standard deviation 0.7.

    Values beyond 2 deviations are rare; callers that need bounds must clip their product smoothly.
    """
    phases = rng.uniform(0.0, 2.0 * np.pi, size=(len(DRIFT_HERTZ), count))
    angles = 2.0 * np.pi * times[:, None] * np.array(DRIFT_HERTZ)
    cosines, sines = np.cos(phases) * _DRIFT_AMPLITUDES[:, None], np.sin(phases) * _DRIFT_AMPLITUDES[:, None]
    return np.asarray(np.cos(angles) @ cosines - np.sin(angles) @ sines)


def rest_window(length: int, fps: float, seconds: float, *, start: bool, end: bool) -> Array:
    """Return ``[T]``: 1 inside, and 0 at the first (``start``) and last (``end``) frame, minimum-jerk between."""
    window = np.ones(length)
    ramp = minimum_jerk(np.arange(length) / fps / min(seconds, max(1, (length - 1) / 2) / fps))
    if start:
        window *= ramp
    if end:
        window *= ramp[::-1]
    return window
