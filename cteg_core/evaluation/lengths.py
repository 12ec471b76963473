"""How long lines last: against what their syllables ask for, and against a duration that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cteg_core.clip import Controls
from cteg_core.dialogue import DialogueLine
from cteg_core.metrics.faithfulness import BATCH
from cteg_core.performer import FinishedTake, Performer, TakeRequest
from cteg_core.speech import plan_speech

EXPECTED_OF: Final = 16
"""Plans whose mean length is what a line's syllables and pauses ask for."""
ASKED_FACTOR: Final = 1.15


@dataclass(frozen=True)
class LengthScores:
    """How long performances last.

    Attributes:
        lines: how many were performed.
        spread: median of |log(frames / frames expected)| of performances.
        corpus_spread: the same of the corpus's plans.
        stopped_by_itself: share that the stop head ended.
        asked_met: share of lines with a requested duration that last it to the frame.
    """

    lines: int
    spread: float
    corpus_spread: float
    stopped_by_itself: float
    asked_met: float


def measure_lengths(performer: Performer, texts: Sequence[str], seed: int) -> LengthScores:
    """Perform every text once freely, and once at 1.15 times its expected length."""
    expected = [np.mean([plan_speech(text, seed=s).length for s in range(EXPECTED_OF)]) for text in texts]
    plans = [plan_speech(text, seed=seed + 1000 + i).length for i, text in enumerate(texts)]
    lines = [DialogueLine(text, seed=seed + i) for i, text in enumerate(texts)]
    asked = [round(float(length) * ASKED_FACTOR) for length in expected]
    timed = [
        replace(line, controls=Controls(duration=frames / 30.0)) for line, frames in zip(lines, asked, strict=True)
    ]
    free, held = _perform(performer, lines), _perform(performer, timed)
    return LengthScores(
        lines=len(texts),
        spread=_spread([frames for frames, _ in free], expected),
        corpus_spread=_spread(plans, expected),
        stopped_by_itself=float(np.mean([reason == "stop-head" for _, reason in free])),
        asked_met=float(np.mean([made == frames for (made, _), frames in zip(held, asked, strict=True)])),
    )


def _perform(performer: Performer, lines: Sequence[DialogueLine]) -> list[tuple[int, str]]:
    found: dict[int, tuple[int, str]] = {}
    for start in range(0, len(lines), BATCH):
        requests = [TakeRequest(line, 0, line.seed) for line in lines[start : start + BATCH]]
        for event in performer.perform(requests, lambda: False):
            if isinstance(event, FinishedTake):
                found[start + event.request_index] = (len(event.clip.frames), event.clip.stop_reason)
    return [found[i] for i in range(len(lines))]


def _spread(made: Sequence[int], expected: Sequence[np.floating]) -> float:
    return float(np.median([abs(np.log(one / float(other))) for one, other in zip(made, expected, strict=True)]))
