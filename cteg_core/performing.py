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
from cteg_core.line_batches import LineBatch
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


def perform_lines(
    performer: Performer, call: Call, asked: TakesOfLines, explained: Callable[[Exception], RpcError]
) -> tuple[FailedLine, ...]:
    """Perform the lines of one request and send what becomes of them; return those that failed.

    Args:
        performer: the model.
        call: the request; progress goes there.
        asked: its parameters.
        explained: turns what a model raised into what the user is told.

    Raises Cancelled, and Disconnected.
    """
    failed: list[FailedLine] = []
    requests: dict[int, tuple[TakeRequest, ...]] = {}
    for index, line in enumerate(asked.lines):
        if isinstance(line, DialogueLine):
            requests[index] = takes_of(line, asked.takes)
        else:
            failed.append(FailedLine(index, line.code, line.sentence))
    senders: dict[tuple[int, int], ClipSender] = {}

    def send(line: int, request: TakeRequest, event: FrameChunk | FinishedTake) -> None:
        sender = senders.setdefault((line, request.take), ClipSender(call.request.id, request.take, line))
        match event:
            case FrameChunk(_, first_frame, frames):
                for chunk in sender.frames(first_frame, frames):
                    call.progress(chunk)
            case FinishedTake(_, clip):
                for message in sender.finish(clip):
                    call.progress(message)

    reasons = LineBatch(performer, requests, call.is_cancelled, send, explained, (Disconnected,)).perform()
    failed += [FailedLine(line, reason.code, reason.sentence) for line, reason in reasons.items()]
    return tuple(sorted(failed, key=lambda line: line.line))


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
