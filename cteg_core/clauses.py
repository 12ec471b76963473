"""Clauses: where within a line the emotion may turn, and which frames each of them holds.

A line's *arc* is what it shows clause by clause. Attitudes are held for a while and change at clause boundaries
(``docs/performance.md`` has the sources), so an arc is a few emotions with the frames at which they begin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.speech import SpeechPlan, spoken_words

SHORTEST_SECONDS: Final = 0.7
"""A clause that is said in less has no face of its own: it shares one with the clause before it."""
FEWEST_WORDS: Final = 2
_ENDS: Final = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*|[,;:]|—|–|\s-)\s+|—|[。！？，、；]\s*")


@dataclass(frozen=True, eq=False)
class Arc:
    """Emotions one after the other.

    Attributes:
        starts: ``int64 [K]`` frame at which each begins, increasing; the first is 0.
        emotions: ``float32 [K, E]``.
    """

    starts: NDArray[np.int64]
    emotions: NDArray[np.float32]

    def __post_init__(self) -> None:
        starts = np.asarray(self.starts, dtype=np.int64)
        emotions = np.asarray(self.emotions, dtype=np.float32)
        if not len(starts) or len(starts) != len(emotions) or starts[0] != 0 or (np.diff(starts) <= 0).any():
            raise ValueError("An arc has an emotion for each of its starts, which increase from frame 0.")
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "emotions", emotions)

    def over(self, frame_count: int) -> NDArray[np.float32]:
        """Return the emotion of each of ``frame_count`` frames, ``float32 [T, E]``."""
        return self.emotions[np.searchsorted(self.starts, np.arange(frame_count), side="right") - 1]

    def at_rate(self, factor: float, frame_count: int) -> Arc:
        """Return the arc of the same performance with ``factor`` times the frames, ``frame_count`` in all.

        Emotions that no frame is left for are left out.
        """
        starts = np.round(self.starts * factor).astype(np.int64)
        # Of several that fall on one frame the last holds it.
        kept = np.append(np.diff(starts) > 0, True) & (starts < max(frame_count, 1))
        starts, emotions = starts[kept], self.emotions[kept]
        starts[0] = 0
        return Arc(starts, emotions)

    def mean(self, frame_count: int) -> NDArray[np.float32]:
        """Return the mean emotion of a line of ``frame_count`` frames, ``float32 [E]``."""
        weights = np.diff(np.append(self.starts, max(frame_count, int(self.starts[-1]) + 1))).astype(np.float64)
        return np.asarray(weights @ self.emotions / weights.sum(), dtype=np.float32)


def clauses_of(text: str) -> tuple[str, ...]:
    """Cut a text after its sentences and clauses; the parts put together are the text.

    A part of fewer than ``FEWEST_WORDS`` words belongs to its neighbour.

    >>> clauses_of("No, wait. You kept it? All this time.")
    ('No, wait. ', 'You kept it? ', 'All this time.')
    """
    bounds = [0, *(match.end() for match in _ENDS.finditer(text) if match.end() < len(text)), len(text)]
    parts: list[str] = []
    for start, end in pairwise(bounds):
        piece = text[start:end]
        if parts and len(spoken_words(parts[-1])) < FEWEST_WORDS:
            parts[-1] += piece
        else:
            parts.append(piece)
    if len(parts) > 1 and len(spoken_words(parts[-1])) < FEWEST_WORDS:
        last = parts.pop()
        parts[-1] += last
    return tuple(parts)


def arc_of(plan: SpeechPlan, clauses: Sequence[str], emotions: NDArray[np.floating]) -> Arc:
    """Return the arc of a line whose ``clauses`` carry ``emotions`` ``[K, E]``, at the frames where they are said.

    A clause begins halfway between its first word and the word before it. Clauses that are too short are joined.

    Raises:
        ValueError: there are not as many emotions as clauses, or none.
    """
    if len(clauses) != len(emotions) or not len(clauses):
        raise ValueError(f"An arc has one emotion for each clause; got {len(emotions)} for {len(clauses)}.")
    counts = [len(spoken_words(clause)) for clause in clauses]
    starts = _starts(plan, counts)
    ends = [*starts[1:], float(plan.length)]
    shortest = SHORTEST_SECONDS * plan.fps
    kept: list[tuple[float, float, NDArray[np.float64]]] = []
    for start, end, emotion in zip(starts, ends, np.asarray(emotions, dtype=np.float64), strict=True):
        if kept and (end - start < shortest or kept[-1][1] - kept[-1][0] < shortest):
            before = kept[-1]
            share = (end - start) / max(end - before[0], 1e-6)
            kept[-1] = (before[0], end, (1.0 - share) * before[2] + share * emotion)
        else:
            kept.append((start, end, emotion))
    firsts = [0, *(max(1, round(start)) for start, _, _ in kept[1:])]
    return Arc(np.array(firsts), np.stack([emotion for _, _, emotion in kept]).astype(np.float32))


def _starts(plan: SpeechPlan, counts: Sequence[int]) -> list[float]:
    """Return the frame, not rounded, at which each clause begins."""
    firsts = np.cumsum([0, *counts])[:-1]
    if sum(counts) != len(plan.words) or not plan.words:
        total = max(sum(counts), 1)
        return [plan.length * int(first) / total if sum(counts) else 0.0 for first in firsts]
    starts = [0.0]
    for first in firsts[1:]:
        after = plan.words[min(int(first), len(plan.words) - 1)].start
        before = plan.words[int(first) - 1].end if first else 0.0
        starts.append(0.5 * (before + after) * plan.fps)
    return starts
