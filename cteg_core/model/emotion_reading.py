"""What a text carries, as a read: of a line as a whole, and clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
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
        found = []
        for (text, clauses), (whole, *parts) in zip(cut, self._read(cut, before), strict=True):
            turns = len({part.basic for part in parts}) > 1
            found.append(LineRead(whole, clauses, tuple(parts)) if turns else LineRead(whole, (text,), (whole,)))
        return tuple(found)

    def _read(
        self, cut: Sequence[tuple[str, tuple[str, ...]]], before: Sequence[str] | None
    ) -> list[tuple[EmotionRead, ...]]:
        """Read texts in one pass of the encoder each: the whole, then each clause where there are more than one."""
        contexts = [""] * len(cut) if before is None else list(before)
        found: list[tuple[EmotionRead, ...]] = [()] * len(cut)
        # A pair of texts is encoded otherwise than one text: what a line is read as must not depend on its neighbours.
        for with_context in (False, True):
            rows = [i for i, context in enumerate(contexts) if bool(context) is with_context]
            if not rows:
                continue
            given = [contexts[i] for i in rows] if with_context else None
            states = self._encoder.encode_adapted([cut[i][0] for i in rows], given)
            pooled = [_pooled(states, row, cut[i][1]) for row, i in enumerate(rows)]
            owners = torch.repeat_interleave(torch.tensor([len(each) for each in pooled])).to(states.mask.device)
            with torch.inference_mode():
                logits, affect = self._head(states.layers[owners], states.mask[owners], torch.cat(pooled))
            reads = iter(_reads(logits.float().cpu().numpy(), affect.float().cpu().numpy()))
            for each, i in zip(pooled, rows, strict=True):
                found[i] = tuple(islice(reads, len(each)))
        return found


def _pooled(states: TextStates, row: int, clauses: tuple[str, ...]) -> Tensor:
    """Return ``bool [1 + clauses, S]``: all tokens of a text, then those of each clause if there are several."""
    mask = states.mask[row]
    rows = [mask]
    if len(clauses) > 1:
        edges = np.cumsum([0, *(len(clause) for clause in clauses)])
        for start, end in pairwise(edges):
            chosen = mask
            if states.spans is not None:
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
