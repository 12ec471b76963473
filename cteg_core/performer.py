"""What the server asks of a model: takes in, chunks of frames and finished clips out.

The one place where the sidecar's plumbing and the network meet, so that either can be replaced
(and the plumbing tested) without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import ExpressionClip
from cteg_core.dialogue import DialogueLine, take_seed
from cteg_core.emotion import EmotionRead


class Cancelled(Exception):  # noqa: N818 - an outcome that was asked for, not an error
    """The user cancelled; nothing of the unfinished takes is kept."""


@dataclass(frozen=True)
class TakeRequest:
    """One take to perform.

    Attributes:
        line: the line it is a take of.
        take: which take of the line, counted from 0.
        seed: the seed of this very take, as :func:`cteg_core.dialogue.take_seed` gives it.
    """

    line: DialogueLine
    take: int
    seed: int


@dataclass(frozen=True, eq=False)
class FrameChunk:
    """Some frames of a take, as soon as they are known; those of one take come in order, without gaps.

    Attributes:
        request_index: which of the requests they belong to.
        first_frame: index of the first of them in the take.
        frames: ``float32 [n, 53]``.
    """

    request_index: int
    first_frame: int
    frames: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FinishedTake:
    """A take that is complete; its clip's frames are the final ones and replace the chunks'."""

    request_index: int
    clip: ExpressionClip


class Performer(Protocol):
    """A loaded model that performs lines."""

    @property
    def checkpoint_id(self) -> str:
        """Name and shortened SHA-256 of the weights."""

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda`` or ``mps``."""

    def perform(
        self, requests: Sequence[TakeRequest], cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk | FinishedTake]:
        """Perform the takes; every one ends in exactly one FinishedTake.

        ``cancelled`` is asked at least once per decoded frame. Raises Cancelled when it says so, and
        LineError where a line cannot be performed.
        """


@runtime_checkable
class EmotionReader(Protocol):
    """What a performer may do besides: read the emotion of texts. One that acts none has no such method."""

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> Sequence[EmotionRead]:
        """Read the emotion of each text, of as many words as a part of a line has; ``before`` is each one's context."""


def takes_of(line: DialogueLine, count: int) -> tuple[TakeRequest, ...]:
    """Return ``count`` takes of ``line``, each with its own seed."""
    return tuple(TakeRequest(line, take, take_seed(line.seed, take)) for take in range(count))
