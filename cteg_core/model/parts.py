"""Parts: a line cut to what the network decodes in one go, with a speech plan and conditions for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from cteg_core.affect import expected_affect
from cteg_core.clauses import Arc
from cteg_core.clip import Controls, Word
from cteg_core.dialogue import LineError
from cteg_core.emotion import EmotionRead
from cteg_core.model.conditions import Conditions
from cteg_core.model.emotion_acting import acted
from cteg_core.speech import SpeechPlan, plan_speech, spoken_words

MAX_PART_WORDS: Final = 22
"""Longer text is performed in parts of at most so many words, each starting where the last one ended."""
MIN_PART_FRAMES: Final = 3
FAINTEST_INTENSITY: Final = 0.3
"""The least intensity above 0 that the corpus holds."""
LEARNED_INTENSITY: Final = 1.3
"""The corpus holds intensities up to this; beyond it frames are scaled."""


@dataclass(frozen=True)
class Part:
    """A stretch of a line that is decoded in one go.

    Attributes:
        text: its words.
        plan: when they are said.
        arc: what to act clause by clause, ``[K, 31]`` (:func:`emotion_condition`).
        read: what was read of it as a whole (or asked for).
        fixed_length: whether it must last exactly the plan's length.
        last: whether the line ends with it.
    """

    text: str
    plan: SpeechPlan
    arc: Arc
    read: EmotionRead
    fixed_length: bool
    last: bool

    @property
    def frame_of_last_word(self) -> int:
        """The frame at which the last word has been said; halfway through where there is none."""
        plan = self.plan
        spoken = plan.words[-1].end if plan.words else 0.5 * plan.length / plan.fps
        return min(plan.length, round(spoken * plan.fps))


def part_seed(seed: int, rank: int) -> int:
    """Return the seed of part ``rank`` of a take."""
    return int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint32)[0])


def part_plans(texts: Sequence[str], controls: Controls, seed: int, fps: float, longest: int) -> tuple[SpeechPlan, ...]:
    """Plan every part of a line.

    Args:
        texts: the parts' texts.
        controls: duration, speech and word times of the line.
        seed: the take's.
        fps: frames a second.
        longest: frames that a part may last.

    Raises:
        ValueError: (LineError among them) for a line that cannot be fitted into what was asked for.
    """
    if controls.words:
        return _timed_plans(texts, controls, seed, fps, longest)
    seeds, speech = [part_seed(seed, rank) for rank in range(len(texts))], controls.speech
    plans = [plan_speech(t, fps=fps, seed=s, speech=speech) for t, s in zip(texts, seeds, strict=True)]
    lengths = np.array([plan.length for plan in plans])
    if controls.duration is None:
        # Only a "word" of hundreds of letters or digits is that long; it is said in a rush.
        wanted = np.minimum(lengths, longest)
    else:
        # Ends are rounded, not lengths: the parts then add up to the requested duration to the frame.
        natural = np.concatenate(([0], lengths.cumsum()))
        ends = np.round(natural / natural[-1] * round(controls.duration * fps)).astype(int)
        wanted = np.diff(ends)
        if (wanted < MIN_PART_FRAMES).any():
            raise LineError(f"{controls.duration:g} s are too short for this line: give it more time or less text.")
        if (wanted > longest).any():
            limit = int(longest / fps * natural[-1] / lengths.max())
            raise LineError(f"{controls.duration:g} s are too long for this line: ask for at most {limit} s.")
    return tuple(
        plan if plan.length == count else plan_speech(t, fps=fps, seed=s, speech=speech, duration=int(count) / fps)
        for t, s, plan, count in zip(texts, seeds, plans, wanted, strict=True)
    )


def _timed_plans(
    texts: Sequence[str], controls: Controls, seed: int, fps: float, longest: int
) -> tuple[SpeechPlan, ...]:
    """Plan parts whose words have their times: one part hands over to the next halfway between two words."""
    counts = [len(spoken_words(text)) for text in texts]
    if sum(counts) != len(controls.words):
        raise LineError("A word of this line is too long to be given a time: shorten it, or leave the times out.")
    firsts = np.cumsum([0, *counts])
    starts = [0, *(round(_handover(controls.words, int(first)) * fps) for first in firsts[1:-1])]
    ends = [*starts[1:], None if controls.duration is None else round(controls.duration * fps)]
    plans = []
    for rank, (text, start, end) in enumerate(zip(texts, starts, ends, strict=True)):
        if end is not None and end - start < MIN_PART_FRAMES:
            raise LineError("A part of this line has no time of its own: move its words apart, or give it more time.")
        plan = plan_speech(
            text,
            fps=fps,
            seed=part_seed(seed, rank),
            duration=None if end is None else (end - start) / fps,
            speech=controls.speech,
            words=_within(controls.words[firsts[rank] : firsts[rank + 1]], start, end, rank < len(texts) - 1, fps),
        )
        if plan.length > longest:
            raise LineError(f"“{text[:40]}” lasts longer than {int(longest / fps)} s: split the line.")
        plans.append(plan)
    return tuple(plans)


def _handover(words: Sequence[Word], first: int) -> float:
    """Return the second halfway between word ``first`` and the one before it."""
    before = words[first - 1].end if first else 0.0
    after = words[first].start if first < len(words) else before
    return 0.5 * (before + after)


def _within(words: Sequence[Word], start: int, end: int | None, cut: bool, fps: float) -> list[Word]:
    """Return words with their times from frame ``start`` on; where a part was ``cut``, rounding leaves no rest."""
    last = end / fps if cut and end is not None else np.inf
    return [Word(w.text, max(0.0, w.start - start / fps), min(w.end, last) - start / fps) for w in words]


def emotion_condition(read: EmotionRead) -> NDArray[np.float32]:
    """Return ``[31]``: strengths to act, and the affect that goes with them on the corpus's scale.

    The affect that the head reads stays information for the user: sentences about sad things are
    rated near the middle of EmoBank's scale, where a sad face is far from it.
    """
    strengths = acted(read)
    return np.concatenate((strengths, expected_affect(strengths))).astype(np.float32)


def part_conditions(
    parts: Sequence[Part], intensities: Sequence[float], positions: int, fps: float, device: torch.device
) -> Conditions:
    """Return the conditions of parts over ``positions`` decoder positions.

    Position t predicts frame t - 1 of the part (position 0 holds the start marker).
    """
    times = torch.arange(positions, dtype=torch.float32) / fps
    plan_width = parts[0].plan.features.shape[1]
    plan = torch.zeros(len(parts), positions, plan_width)
    remaining = torch.zeros(len(parts), positions)
    for row, part in enumerate(parts):
        plan[row, 1 : part.plan.length + 1] = torch.from_numpy(part.plan.features)
        remaining[row] = (part.plan.length / fps - times).clamp_min(0.0)
    emotion = torch.zeros(len(parts), parts[0].arc.emotions.shape[1] + 1)
    course = torch.zeros(len(parts), positions, emotion.shape[1])
    for row, (part, intensity) in enumerate(zip(parts, intensities, strict=True)):
        emotion[row, :-1] = torch.from_numpy(part.arc.mean(part.plan.length))
        course[row, 1:, :-1] = torch.from_numpy(part.arc.over(positions - 1))
        # The corpus holds 0 and what lies above the faintest; in between, and to be sure at 0, neutral takes over.
        share = min(1.0, intensity / FAINTEST_INTENSITY)
        neutral = torch.from_numpy(emotion_condition(EmotionRead.of(neutral=1.0)))
        emotion[row, :-1] = share * emotion[row, :-1] + (1.0 - share) * neutral
        course[row, 1:, :-1] = share * course[row, 1:, :-1] + (1.0 - share) * neutral
        emotion[row, -1] = course[row, 1:, -1] = min(max(intensity, FAINTEST_INTENSITY), LEARNED_INTENSITY)
    return Conditions(
        emotion=emotion.to(device),
        emotion_course=course.to(device),
        emotion_known=torch.ones(len(parts), device=device),
        plan=plan.to(device),
        elapsed=times.expand(len(parts), positions).to(device),
        remaining=remaining.to(device),
        # The plan says when the line should end; the stop head says when it does.
        remaining_known=torch.ones(len(parts), device=device),
        returns_to_rest=torch.tensor([float(part.last) for part in parts], device=device),
        frame_seconds=torch.full((len(parts),), 1.0 / fps, device=device),
    )
