"""Requests of many lines: performed as one batch, and reading what texts say. The server's work between its pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from cteg_core.clip_stream import ClipSender
from cteg_core.connection import Call, Disconnected
from cteg_core.dialogue import DialogueLine, LineError, checked_text, sentences, word_count
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import RpcError
from cteg_core.performer import (
    Cancelled,
    EmotionReader,
    FinishedTake,
    FrameChunk,
    Performer,
    TakeRequest,
    takes_of,
)
from cteg_core.protocol import FailedLine, TakesOfLines, TextsToRead

READ_WORDS: Final = 22
"""Longer texts are read in parts, as they are performed in parts (``cteg_core.model.parts.MAX_PART_WORDS``)."""
_TEXTS_A_BATCH: Final = 16


class LinesPerformance:
    """The lines of one request on their way through the model.

    Args:
        performer: the model.
        call: the request; progress goes there.
        asked: its parameters.
        explained: turns what a model raised into what the user is told.
    """

    def __init__(
        self, performer: Performer, call: Call, asked: TakesOfLines, explained: Callable[[Exception], RpcError]
    ) -> None:
        self._performer = performer
        self._call = call
        self._explained = explained
        self._failed: list[FailedLine] = []
        self._unfinished: dict[int, dict[int, TakeRequest]] = {}
        self._senders: dict[tuple[int, int], ClipSender] = {}
        for index, line in enumerate(asked.lines):
            if isinstance(line, DialogueLine):
                self._unfinished[index] = {request.take: request for request in takes_of(line, asked.takes)}
            else:
                self._failed.append(FailedLine(index, line.code, line.sentence))

    def run(self) -> tuple[FailedLine, ...]:
        """Perform all lines; return those that failed. Raises Cancelled, and Disconnected."""
        if self._unfinished:
            self._perform(tuple(self._unfinished))
        return tuple(sorted(self._failed, key=lambda failed: failed.line))

    def _perform(self, lines: Sequence[int]) -> None:
        """Perform lines together; where that fails, the unfinished ones by halves, until one is alone with its fault.

        Halves find the one bad line in few steps, and a batch too big for the memory becomes one that fits.
        """
        failure = self._failure_of_batch(lines)
        if failure is None:
            return
        left = [line for line in lines if self._unfinished[line]]
        if len(lines) == 1:
            self._failed.append(FailedLine(lines[0], failure.code, failure.sentence))
            return
        for half in (left[: len(left) // 2], left[len(left) // 2 :]):
            if half:
                self._perform(half)

    def _failure_of_batch(self, lines: Sequence[int]) -> RpcError | None:
        # What is returned holds no traceback: that would keep the failed batch's memory while its halves are tried.
        try:
            self._batch(lines)
        except (Cancelled, Disconnected):
            raise
        except Exception as error:
            return self._explained(error)
        return None

    def _batch(self, lines: Sequence[int]) -> None:
        owners = [(line, request) for line in lines for request in self._unfinished[line].values()]
        for event in self._performer.perform([request for _, request in owners], self._call.is_cancelled):
            line, request = owners[event.request_index]
            sender = self._senders.setdefault(
                (line, request.take), ClipSender(self._call.request.id, request.take, line)
            )
            match event:
                case FrameChunk(_, first_frame, frames):
                    for chunk in sender.frames(first_frame, frames):
                        self._call.progress(chunk)
                case FinishedTake(_, clip):
                    for message in sender.finish(clip):
                        self._call.progress(message)
                    del self._unfinished[line][request.take]
        forgotten = [take for line in lines for take in self._unfinished[line]]
        if forgotten:
            raise RuntimeError(f"The model ended without take {forgotten[0] + 1}.")


def read_texts(
    reader: EmotionReader, asked: TextsToRead, cancelled: Callable[[], bool]
) -> tuple[EmotionRead | None, ...]:
    """Read what each text says, a long one as the mean of its parts by their words; None where it is no line's text.

    Raises Cancelled when ``cancelled`` says so, which is asked between batches.
    """
    parts = [_parts(text) for text in asked.texts]
    flat = [part for of_text in parts for part in of_text]
    # What was said before is before a text's first part only.
    contexts = [
        asked.before[index] if asked.before and rank == 0 else ""
        for index, of_text in enumerate(parts)
        for rank in range(len(of_text))
    ]
    reads: list[EmotionRead] = []
    for first in range(0, len(flat), _TEXTS_A_BATCH):
        if cancelled():
            raise Cancelled
        batch = slice(first, first + _TEXTS_A_BATCH)
        known = any(contexts[batch])
        reads += reader.read_emotion(flat[batch], contexts[batch]) if known else reader.read_emotion(flat[batch])
    ahead = iter(reads)
    return tuple(_mean(of_text, ahead) for of_text in parts)


def _parts(text: str) -> tuple[str, ...]:
    try:
        return sentences(checked_text(text).text, READ_WORDS)
    except LineError:
        return ()


def _mean(parts: Sequence[str], ahead: Iterator[EmotionRead]) -> EmotionRead | None:
    reads = [next(ahead) for _ in parts]
    if len(reads) < 2:
        return reads[0] if reads else None
    weights = np.array([max(1, word_count(part)) for part in parts], dtype=np.float64)
    rows = np.array([(*read.probabilities, read.valence, read.arousal, read.dominance) for read in reads])
    *probabilities, valence, arousal, dominance = (weights @ rows / weights.sum()).tolist()
    return EmotionRead(tuple(probabilities), valence, arousal, dominance)
