"""What a text carries, as a read: of a line as a whole, and clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.clauses import clauses_of
from cteg_core.emotion import EmotionRead
from cteg_core.model.emotion_head import EmotionHead
from cteg_core.model.text_encoder import TextStates


class AdaptedEncoder(Protocol):
    """What turns texts into the states that the emotion head reads."""

    def encode_adapted(self, texts: Sequence[str], before: Sequence[str] | None = None) -> TextStates:
        """Encode texts, each with what came before it, if that is known."""
        ...


@dataclass(frozen=True)
class LineRead:
    """What a line carries: as a whole, and by ``clauses`` (a line that does not turn is one)."""

    whole: EmotionRead
    clauses: tuple[str, ...]
    reads: tuple[EmotionRead, ...]


class EmotionReader:
    """The text side: encoder and emotion head together."""

    def __init__(self, encoder: AdaptedEncoder, head: EmotionHead) -> None:
        self._encoder = encoder
        self._head = head

    def read(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        """Read each text as a whole.

        Args:
            texts: at most as long as the encoder takes.
            before: what was said or happened just before each; empty where nothing is known.
        """
        return tuple(reads[0] for reads in self._read([(text, (text,)) for text in texts], before))

    def read_lines(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[LineRead, ...]:
        """Read each text as a whole and clause by clause; arguments as of :meth:`read`.

        A text turns where two clauses' strongest basic emotions differ: the same feeling in other words is no turn.
        """
        cut = [(text, clauses_of(text)) for text in texts]
        wholes = self.read(texts, before)
        turning = [i for i, (_, clauses) in enumerate(cut) if len(clauses) > 1]
        of_clauses = self._read([cut[i] for i in turning], None if before is None else [before[i] for i in turning])
        found = [LineRead(whole, (text,), (whole,)) for text, whole in zip(texts, wholes, strict=True)]
        for i, reads in zip(turning, of_clauses, strict=True):
            if len({read.basic for read in reads}) > 1:
                found[i] = LineRead(wholes[i], cut[i][1], reads)
        return tuple(found)

    def _read(
        self, cut: Sequence[tuple[str, tuple[str, ...]]], before: Sequence[str] | None
    ) -> list[tuple[EmotionRead, ...]]:
        """Read the clauses of texts, each text's in one pass of the encoder."""
        contexts = [""] * len(cut) if before is None else list(before)
        found: list[tuple[EmotionRead, ...]] = [()] * len(cut)
        # A pair of texts is encoded otherwise than one text: what a line is read as must not depend on its neighbours.
        for with_context in (False, True):
            rows = [i for i, context in enumerate(contexts) if bool(context) is with_context]
            if not rows:
                continue
            given = [contexts[i] for i in rows] if with_context else None
            states = self._encoder.encode_adapted([cut[i][0] for i in rows], given)
            counts = [len(cut[i][1]) for i in rows]
            owners = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts))
            pooled = _pooled(states, [cut[i][1] for i in rows])
            owners = owners.to(states.mask.device)
            with torch.inference_mode():
                logits, affect = self._head(states.layers[owners], states.mask[owners], pooled)
            reads = _reads(logits.float().cpu().numpy(), affect.float().cpu().numpy())
            for row, i in enumerate(rows):
                first = sum(counts[:row])
                found[i] = tuple(reads[first : first + counts[row]])
        return found


def _pooled(states: TextStates, cut: Sequence[tuple[str, ...]]) -> Tensor:
    """Return ``bool [clauses, S]``: the tokens of each clause; all of a text that is one clause."""
    rows = []
    for row, clauses in enumerate(cut):
        mask = states.mask[row]
        edges = np.cumsum([0, *(len(clause) for clause in clauses)])
        for start, end in pairwise(edges):
            chosen = mask
            if len(clauses) > 1 and states.spans is not None:
                starts, ends = states.spans[row, :, 0], states.spans[row, :, 1]
                within = mask & (starts >= int(start)) & (starts < int(end)) & (ends > starts)
                chosen = within if bool(within.any()) else mask
            rows.append(chosen)
    return torch.stack(rows)


def _reads(logits: NDArray[np.float32], affect: NDArray[np.float32]) -> list[EmotionRead]:
    odds = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    shares = odds / odds.sum(1, keepdims=True)
    return [
        EmotionRead(tuple(float(x) for x in row), *(float(x) for x in vad))
        for row, vad in zip(shares, affect, strict=True)
    ]
