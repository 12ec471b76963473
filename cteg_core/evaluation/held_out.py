"""Lines that a checkpoint is measured on, each with one true performance and others to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.speech import plan_speech
from cteg_core.training.corpus import FPS, CorpusItem, CorpusReader, choose_lines
from cteg_core.training.direction import direct, perform_arc
from cteg_core.training.order import held_out_lines
from cteg_core.training.text_data import LabelledLine, word_count

LONGEST_LINE: Final = 16
"""Words, as in the corpus."""
LONGEST_FRAMES: Final = 320
"""Performances of more frames are left out, as they are in training."""
POOL_LINES: Final = 1500
"""Lines that the retrieval baseline searches at most: their texts have to be encoded first."""
_TRUTH_STREAM, _POOL_STREAM, _CHOICE_STREAM = 0x7E57, 0x900C, 0xC401

Frames = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pool:
    """What the retrieval baseline may use: texts, and a function from a text's place to a performance ``[T, 53]``."""

    texts: tuple[str, ...]
    perform: Callable[[int], Frames]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """N lines to measure on.

    Attributes:
        texts, items: each line's text and its true performance with the conditions it was made under.
        again: for each line other performances by the corpus's own maker, or of the corpus; may be empty.
        again_shares_conditions: whether those were made under the same emotion and speech plan as the truth.
        pool: for retrieval; other lines than these.
        fps: frames a second.
        source: a sentence: where the lines come from and why (or whether) they are unseen.
    """

    texts: tuple[str, ...]
    items: tuple[CorpusItem, ...]
    again: tuple[tuple[Frames, ...], ...]
    again_shares_conditions: bool
    pool: Pool
    fps: float
    source: str


def held_out_of_text(
    test: Sequence[LabelledLine], train: Sequence[LabelledLine], count: int, takes: int, seed: int
) -> HeldOut:
    """Synthesise performances of ``count`` lines of a test split, and ``takes`` more of each under the same conditions.

    Args:
        test: lines that nothing was trained on; those of more than 16 words are left out, as in the corpus.
        train: lines that retrieval may use.
        count, takes: as said.
        seed: of the choice of lines and of every performance.
    """
    chosen = choose_lines([line for line in test if word_count(line.text) <= LONGEST_LINE], count, seed)
    items, again = [], []
    for index, line in enumerate(chosen):
        rng = np.random.default_rng([_TRUTH_STREAM, abs(seed), index])
        plan = plan_speech(line.text, fps=FPS, seed=int(rng.integers(2**62)))
        arc = direct(line, plan, rng)
        frames = perform_arc(arc, plan, rng)
        emotion = arc.mean(len(frames))
        items.append(CorpusItem(frames, plan.features, emotion, arc, frames[0].copy(), True, False, index))
        again.append(tuple(perform_arc(arc, plan, rng) for _ in range(takes)))
    known = choose_lines([line for line in train if word_count(line.text) <= LONGEST_LINE], POOL_LINES, seed)

    def perform(place: int) -> Frames:
        rng = np.random.default_rng([_POOL_STREAM, abs(seed), place])
        line = known[place]
        plan = plan_speech(line.text, fps=FPS, seed=int(rng.integers(2**62)))
        return perform_arc(direct(line, plan, rng), plan, rng)

    return HeldOut(
        tuple(line.text for line in chosen),
        tuple(items),
        tuple(again),
        True,
        Pool(tuple(line.text for line in known), perform),
        FPS,
        f"{len(chosen)} lines of the text's test split, which nothing is trained on, with new performances of them",
    )


def held_out_of_corpus(corpus: CorpusReader, share: float, trained_on_rest: bool, count: int, seed: int) -> HeldOut:
    """Take one performance each of ``count`` lines that training on ``corpus`` keeps apart.

    Args:
        corpus: the corpus; whole lines are kept apart, the same for every run (``training.order.held_out_lines``).
        share: the share of lines that is kept apart.
        trained_on_rest: whether the checkpoint says that it kept this share from its training.
        count: at most so many lines.
        seed: of the choice among them.

    Raises:
        ValueError: fewer than two lines are kept apart.
    """
    apart = held_out_lines(corpus.line_indices, share)
    by_line: dict[int, list[int]] = {}
    for place in apart[corpus.lengths[apart] <= LONGEST_FRAMES].tolist():
        by_line.setdefault(int(corpus.line_indices[place]), []).append(place)
    if len(by_line) < 2:
        raise ValueError(f"Of {len(corpus.texts)} lines {len(by_line)} are held out; measuring takes at least two.")
    rng = np.random.default_rng([_CHOICE_STREAM, abs(seed)])
    lines = [int(line) for line in rng.permutation(list(by_line))[:count]]
    others = np.setdiff1d(np.arange(len(corpus)), apart)
    others = others[corpus.lengths[others] <= LONGEST_FRAMES]
    known = rng.permutation(others)[:POOL_LINES]
    said = (
        "which the checkpoint says it kept from its training, if it was trained on this corpus"
        if trained_on_rest
        else "ON WHICH THE CHECKPOINT MAY HAVE BEEN TRAINED: it does not say that it kept any line apart"
    )
    return HeldOut(
        tuple(corpus.texts[line] for line in lines),
        tuple(corpus[by_line[line][0]] for line in lines),
        tuple(tuple(corpus[place].frames for place in by_line[line][1:]) for line in lines),
        False,
        Pool(
            tuple(corpus.texts[corpus.line_indices[place]] for place in known), lambda at: corpus[int(known[at])].frames
        ),
        corpus.fps,
        f"{len(lines)} of the corpus's {len(corpus.texts)} lines, {said}",
    )
