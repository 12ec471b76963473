"""Examples for the text side: labelled texts as tokens, and batches of like length."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.emotion import EMOTION_LABELS
from cteg_core.training.dialogue_lines import WrittenLine
from cteg_core.training.text_data import LabelledLine

if TYPE_CHECKING:
    from cteg_core.training.text_side import TextStage, TextTraining

Source = Literal["comments", "affect", "dialogue", "clause"]
SOURCES: Final[tuple[Source, ...]] = ("comments", "affect", "dialogue", "clause")
POOL_BATCHES: Final = 50
"""Batches whose examples are sorted by length together."""


@dataclass(frozen=True)
class TextExample:
    """One text with what is known of it.

    Attributes:
        source: comments carry labels, ``affect`` ratings alone, dialogue both; a clause is a part of a line.
        text: what is read.
        before: what came before it; empty where nothing is known.
        span: first letter and letter after the last of the part that is asked for.
        labels: 28 numbers, the strongest 1; empty where not known.
        affect: valence, arousal, dominance; empty where not known.
    """

    source: Source
    text: str
    before: str = ""
    span: tuple[int, int] = (0, 0)
    labels: tuple[float, ...] = ()
    affect: tuple[float, ...] = ()


@dataclass(frozen=True)
class TextBatch:
    """A batch of B examples of at most S tokens.

    Attributes:
        ids, kinds: ``int64 [B, S]``; mask, pooled: ``bool [B, S]``, the real tokens, and those that are asked for.
        labels: ``[B, 28]``, affect: ``[B, 3]``; a row of NaN where not known.
        shared: ``bool [B]``, where labels are shares of one face.
    """

    ids: Tensor
    kinds: Tensor
    mask: Tensor
    pooled: Tensor
    labels: Tensor
    affect: Tensor
    shared: Tensor


def examples_of_text(lines: Sequence[LabelledLine]) -> list[TextExample]:
    """Return labelled comments and rated sentences as examples."""
    found = []
    for line in lines:
        labelled = any(line.emotions)
        found.append(
            TextExample(
                "comments" if labelled else "affect",
                line.text,
                labels=line.emotions if labelled else (),
                affect=line.vad or (),
            )
        )
    return found


def examples_of_dialogue(lines: Sequence[WrittenLine], *, clauses: bool) -> list[TextExample]:
    """Return written lines as examples, and (``clauses``) each clause of those that turn as one more."""
    found = []
    for line in lines:
        affect = (line.valence, line.arousal, line.dominance)
        found.append(TextExample("dialogue", line.text, line.context, labels=_relative(line.emotions), affect=affect))
        if not clauses or len(line.clauses) < 2:
            continue
        start = 0
        for clause, shares in zip(line.clauses, line.arc, strict=True):
            span = (start, start + len(clause))
            found.append(TextExample("clause", line.text, line.context, span, _relative(shares)))
            start = span[1] + 1
    return found


def _relative(shares: Sequence[float]) -> tuple[float, ...]:
    strongest = max(shares)
    return tuple(share / strongest for share in shares)


class TextExamples:
    """Examples with their tokens."""

    def __init__(self, examples: Sequence[TextExample], tokenizer: Any, device: torch.device | None = None) -> None:
        """Tokenise with a tokenizer of transformers that knows each token's letters."""
        self.examples = tuple(examples)
        self.rows = {
            source: np.array([i for i, e in enumerate(self.examples) if e.source == source], dtype=np.int64)
            for source in SOURCES
        }
        self._tokens = [_tokens(tokenizer, example) for example in self.examples]
        self._device = device or torch.device("cpu")

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def digest(self) -> str:
        """SHA-256 of all that is learned from the examples, in hexadecimal."""
        digest = hashlib.sha256()
        for example in self.examples:
            digest.update(json.dumps(astuple(example)).encode())
        return digest.hexdigest()

    def length(self, row: int) -> int:
        """Return how many tokens an example has."""
        return len(self._tokens[row][0])

    def batch(self, rows: Sequence[int] | NDArray[np.int64], longest: int) -> TextBatch:
        """Return the examples at ``rows``, cut after ``longest`` tokens."""
        count = min(longest, max(self.length(int(row)) for row in rows))
        ids, kinds = np.zeros((len(rows), count), np.int64), np.zeros((len(rows), count), np.int64)
        mask, pooled = np.zeros((len(rows), count), bool), np.zeros((len(rows), count), bool)
        labels = np.full((len(rows), len(EMOTION_LABELS)), np.nan, np.float32)
        affect = np.full((len(rows), 3), np.nan, np.float32)
        for place, row in enumerate(rows):
            example, (token_ids, token_kinds, asked) = self.examples[int(row)], self._tokens[int(row)]
            kept = min(count, len(token_ids))
            ids[place, :kept], kinds[place, :kept] = token_ids[:kept], token_kinds[:kept]
            mask[place, :kept], pooled[place, :kept] = True, asked[:kept]
            if not pooled[place].any():
                pooled[place, :kept] = True
            if example.labels:
                labels[place] = example.labels
            if example.affect:
                affect[place] = example.affect
        shared = [self.examples[int(row)].source in ("dialogue", "clause") for row in rows]
        ids_, kinds_, mask_, pooled_, labels_, affect_, shared_ = (
            torch.from_numpy(array).to(self._device)
            for array in (ids, kinds, mask, pooled, labels, affect, np.array(shared))
        )
        return TextBatch(ids_, kinds_, mask_, pooled_, labels_, affect_, shared_)


def _tokens(tokenizer: Any, example: TextExample) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return ids, kinds, and which tokens are asked for: a clause's, or all of an example without a span."""
    given = (example.before, example.text) if example.before else (example.text,)
    read = tokenizer(*given, return_offsets_mapping=True, verbose=False)
    kinds = np.array(read["token_type_ids"], dtype=np.int64)
    asked = np.ones(len(kinds), dtype=bool)
    if example.span != (0, 0):
        spans = np.array(read["offset_mapping"])
        own = kinds == len(given) - 1
        asked = own & (spans[:, 0] >= example.span[0]) & (spans[:, 0] < example.span[1]) & (spans[:, 1] > spans[:, 0])
    return np.array(read["input_ids"], dtype=np.int64), kinds, asked


def batches_of(examples: TextExamples, stage: TextStage, config: TextTraining, epoch: int) -> list[NDArray[np.int64]]:
    """Return the batches of one epoch of a stage, rows of ``examples``; the same for the same seed."""
    rng = np.random.default_rng([config.seed, 0x7E87, (*config.stages, *config.rater_stages).index(stage), epoch])
    amounts = {
        "comments": stage.comments, "affect": stage.affect, "dialogue": stage.dialogue, "clause": stage.dialogue,
    }  # fmt: skip
    rows = rng.permutation(np.concatenate([_some(examples.rows[s], amounts[s], rng) for s in SOURCES]))
    found = []
    pool = config.batch * POOL_BATCHES
    for start in range(0, len(rows), pool):
        chosen = rows[start : start + pool]
        chosen = chosen[np.argsort([examples.length(int(row)) for row in chosen], kind="stable")]
        found += [chosen[i : i + config.batch] for i in range(0, len(chosen), config.batch)]
    return [found[i] for i in rng.permutation(len(found))]


def _some(rows: NDArray[np.int64], amount: float, rng: np.random.Generator) -> NDArray[np.int64]:
    whole = int(amount)
    part = rng.permutation(rows)[: round((amount - whole) * len(rows))]
    return np.concatenate([*([rows] * whole), part]).astype(np.int64)
