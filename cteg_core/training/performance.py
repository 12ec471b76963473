"""The performance synthesiser: an emotion and a speech plan become frames, differently for every seed.

What is known about faces, put together: action units of the emotion (flame_rig.facs), onset, apex and offset (timing),
a performer's habits (style), words (mouth). What no text tells is not here, because a network could learn no more of it
than its mean: blinks (cteg_core.layers) and shifts of the eyes (cteg_core.gaze) are layers added after decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.curves import Array, minimum_jerk
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.speech import SPEECH_CHANNELS, SpeechPlan
from cteg_core.training.emotion_units import Acting, EmotionTarget, choose_acting
from cteg_core.training.mouth import speak
from cteg_core.training.style import PersonStyle
from cteg_core.training.timing import (
    Envelope,
    Span,
    arc_envelopes,
    drifts,
    expression_envelope,
    onset_seconds,
    rest_window,
    turning_envelopes,
)
from flame_rig.facs import UNIT_SHAPE_MATRIX, UNITS
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH, frames_from_arkit

__all__ = ["EmotionTarget", "synthesise"]

STAGE_GAIN: Final = 1.15
"""Factor on the prototypes' strengths: a stylised head needs more than a photograph to read (judgement, looked at)."""
LEAVE_SECONDS: Final = 0.3
"""How soon a performance has left the pose it was started from."""
_EDGE_SECONDS: Final = 0.16
_CALM_EDGE_SECONDS: Final = 0.45
_BOUNDARY_SECONDS: Final = 0.12
_REGION_DELAY: Final[dict[str, float]] = {
    "1": -0.04, "2": -0.03, "4": -0.03, "5": -0.05, "7": -0.02, "43": -0.02,
    "25": 0.02, "26": 0.03, "27": 0.03, "17": 0.03, "24": 0.02, "61": -0.06, "62": -0.06, "63": -0.06, "64": -0.06,
}  # fmt: skip
"""Seconds by which units lead (eyes, brows) or trail the expression as a whole (judgement)."""
_DELAYS: Final = np.array([_REGION_DELAY.get(unit, 0.0) for unit in UNITS])
_LIVELY_UNITS: Final = tuple(UNITS.index(unit) for unit in ("1", "2", "4", "7", "12", "15", "14", "17", "24"))
_LIVELY: Final = 0.035
_TREMOR: Final = 0.05
_ACCENT: Final = SPEECH_CHANNELS.index("accent")
_LOOKS: Final = tuple((UNITS.index(one), UNITS.index(other)) for one, other in (("61", "62"), ("63", "64")))
"""Eyes to the subject's left and right, up and down."""
_BROW_UP: Final = (UNITS.index("1"), UNITS.index("2"))
_BROW_DOWN: Final = UNITS.index("4")
_FRAME_MATRIX: Final = frames_from_arkit(UNIT_SHAPE_MATRIX.reshape(-1, UNIT_SHAPE_MATRIX.shape[-1])).astype(np.float64)


def synthesise(
    emotion: EmotionTarget,
    plan: SpeechPlan,
    rng: np.random.Generator,
    *,
    turns: Sequence[tuple[int, EmotionTarget]] = (),
    start_pose: NDArray[np.floating] | None = None,
    settle: bool = True,
) -> NDArray[np.float32]:
    """Perform an emotion, or several one after another, while saying a line.

    Args:
        emotion: what to show, and how strongly.
        turns: what to show later in the line, each from its frame on, in order.
        plan: word times and mouth targets; sets length and frame rate.
        rng: chooses performer, variant, side, timing and everything small.
        start_pose: ``[53]`` frame to start from, left within about 0.3 s; None starts at rest.
        settle: whether the face is back at rest in the last frame; otherwise it holds what it shows.

    Returns:
        ``float32 [T, 53]`` in space ``cteg-head-1``, without blinks and shifts of the eyes. Without a start pose the
        first frame is 0, with ``settle`` the last is 0. All draws are independent of the intensity, so a stronger
        target with the same generator state shows the same performance, larger.

    Raises:
        ValueError: a start pose of another shape.
    """
    if start_pose is not None and np.shape(start_pose) != (FRAME_WIDTH,):
        raise ValueError(f"A start pose holds {FRAME_WIDTH} numbers; got an array of shape {np.shape(start_pose)}.")
    chained = start_pose is not None
    times = np.arange(plan.length) / plan.fps
    style = PersonStyle.draw(rng)
    shown = (emotion, *(target for _, target in turns))
    actings = _actings(shown, rng)
    turn_seconds = [frame / plan.fps for frame, _ in turns]
    envelopes = _envelopes(
        actings, turn_seconds, _span(plan), style, rng, raised=chained and rng.random() < 0.7, released=settle
    )
    units = np.zeros((plan.length, 2, len(UNITS)))
    calm = rest_window(plan.length, plan.fps, _CALM_EDGE_SECONDS, start=not chained, end=settle)
    units += calm[:, None, None] * style.resting
    for target, acting, courses, share in zip(shown, actings, envelopes, _shares(turns, plan.length), strict=True):
        strength = STAGE_GAIN * target.intensity * style.expressiveness * (0.95 + 0.15 * target.arousal)
        units += _emotional_units(acting, courses, times, style, rng) * (strength * acting.salience)
        units += calm[:, None, None] * (share * target.intensity * acting.affect)
    _add_liveliness(units, times, calm * style.restlessness, rng)
    _add_brow_beats(units, plan, times, style, 0.55 + 0.35 * min(emotion.intensity, 1.3), rng)
    units = _saturate(units)
    _turn_eyes_together(units)
    frames = units.reshape(plan.length, -1) @ _FRAME_MATRIX
    articulation = style.articulation * (1.0 + 0.18 * emotion.arousal) * (0.92 + 0.1 * min(emotion.intensity, 1.5))
    frames = speak(frames, plan.features, articulation)
    frames *= rest_window(plan.length, plan.fps, _EDGE_SECONDS, start=not chained, end=settle)[:, None]
    if start_pose is not None:
        arrived = minimum_jerk(times / LEAVE_SECONDS)[:, None]
        frames = (1.0 - arrived) * np.asarray(start_pose, dtype=np.float64) + arrived * frames
    return np.clip(frames.astype(np.float32), CTEG_HEAD_1.lower, CTEG_HEAD_1.upper)


def _span(plan: SpeechPlan) -> Span:
    """Return when the plan leaves room for expression, speaks, and pauses."""
    seconds = max(1, plan.length - 1) / plan.fps
    margin = min(0.12, 0.1 * seconds)
    words = plan.words
    boundaries = tuple(
        0.5 * (one.end + other.start) for one, other in pairwise(words) if other.start - one.end > _BOUNDARY_SECONDS
    )
    if words:
        return Span(margin, seconds - margin, words[0].start, min(words[-1].end, seconds - margin), boundaries)
    return Span(margin, seconds - margin, 0.25 * seconds, 0.75 * seconds)


def _actings(shown: Sequence[EmotionTarget], rng: np.random.Generator) -> list[Acting]:
    """Choose a face for each emotion; an actor who comes back to an emotion comes back to the same face."""
    if len(shown) == 1:
        return [choose_acting(shown[0], rng)]
    same = int(rng.integers(2**62))
    return [choose_acting(target, np.random.default_rng(same), may_turn=False) for target in shown]


def _shares(turns: Sequence[tuple[int, EmotionTarget]], length: int) -> Array:
    """Return how much of the line each emotion has, summing to 1."""
    edges = np.array([0, *(frame for frame, _ in turns), length], dtype=np.float64)
    return np.asarray(np.diff(edges) / length)


def _envelopes(
    actings: Sequence[Acting],
    turns: Sequence[float],
    span: Span,
    style: PersonStyle,
    rng: np.random.Generator,
    *,
    raised: bool,
    released: bool,
) -> list[tuple[Envelope, ...]]:
    """Return the courses of each acting's faces."""
    onsets = [onset_seconds(EMOTION_LABELS[label]) for acting in actings for label in acting.labels]
    if turns:
        courses = arc_envelopes(span, turns, onsets, style.tempo, rng, raised=raised, released=released)
        return [(course,) for course in courses]
    if len(onsets) == 1:
        return [(expression_envelope(span, onsets[0], style.tempo, rng, raised=raised, released=released),)]
    return [turning_envelopes(span, (onsets[0], onsets[1]), style.tempo, rng, raised=raised, released=released)]


def _emotional_units(
    acting: Acting, envelopes: tuple[Envelope, ...], times: Array, style: PersonStyle, rng: np.random.Generator
) -> Array:
    """Return ``[T, 2, U]``: the faces through time, every unit and side with its own lag and slow tremor."""
    units = np.zeros((len(times), 2, len(UNITS)))
    tremor = drifts(times, len(UNITS), rng)
    for face, envelope in zip(acting.faces, envelopes, strict=True):
        active = np.flatnonzero(face.any(axis=0))
        lag = style.side_delay[:, active] + _DELAYS[active]
        course = envelope.at(times[:, None, None] - lag)
        course *= (face * style.side_gain)[:, active] * (1.0 + _TREMOR * tremor[:, None, active])
        units[:, :, active] += course
    return units


def _add_liveliness(units: Array, times: Array, amount: Array, rng: np.random.Generator) -> None:
    """Add small slow movement, the same on both sides but for a trace, to units that are never quite still."""
    together = drifts(times, len(_LIVELY_UNITS), rng)
    apart = 0.3 * drifts(times, len(_LIVELY_UNITS), rng)
    for side, sign in ((0, 1.0), (1, -1.0)):
        units[:, side, _LIVELY_UNITS] += _LIVELY * amount[:, None] * (0.5 + 0.5 * np.tanh(together + sign * apart))


def _add_brow_beats(
    units: Array, plan: SpeechPlan, times: Array, style: PersonStyle, amount: float, rng: np.random.Generator
) -> None:
    """Mark some stressed words with the brows.

    A raise starts some 60 ms before its accented syllable, rises for 100-150 ms and falls in 200-300 ms (Flecha-Garcia
    2010; synthesis values of Cave 1996 and Ambrazaitis and House); a face that frowns beats downwards.
    """
    accent = plan.features[:, _ACCENT]
    peaks = np.flatnonzero((accent[1:-1] > 0.3) & (accent[1:-1] >= accent[:-2]) & (accent[1:-1] > accent[2:])) + 1
    draws = rng.random((len(peaks), 3))
    for peak, (chance, size, width) in zip(peaks, draws, strict=True):
        if chance > style.brow_beats:
            continue
        start = times[peak] - 0.10 - 0.06 * width
        envelope = Envelope((start, start + 0.15, start + 0.22, start + 0.48 + 0.15 * width), (0.0, 1.0, 1.0, 0.0))
        beat = amount * (0.22 + 0.28 * size) * float(accent[peak]) * envelope.at(times)
        frowning = float(units[peak, :, _BROW_DOWN].mean()) > float(units[peak, :, _BROW_UP[1]].mean()) + 0.15
        if frowning:
            units[:, :, _BROW_DOWN] += 0.8 * beat[:, None]
        else:
            units[:, :, _BROW_UP[0]] += 0.8 * beat[:, None]
            units[:, :, _BROW_UP[1]] += beat[:, None]


def _saturate(units: Array) -> Array:
    """Return strengths that bend smoothly towards a full movement instead of being cut there."""
    return np.asarray(units / (1.0 + (units / 1.05) ** 6) ** (1.0 / 6.0))


def _turn_eyes_together(units: Array) -> None:
    """Let both eyes look where the expression takes them: neither two ways at once nor each its own."""
    for one, other in _LOOKS:
        aim = (units[:, :, one] - units[:, :, other]).mean(axis=1, keepdims=True)  # [T, 1]
        units[:, :, one], units[:, :, other] = np.maximum(aim, 0.0), np.maximum(-aim, 0.0)
