"""What training needs of a data set, and the project's own corpus in that form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cteg_core.model.checkpoint import Scaling
from cteg_core.training.batches import Batch, Dropout, at_frame_rate, drawn_frame_rates, make_batch
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.order import held_out_lines
from cteg_core.training.text_states import TextStateCache


class TrainingData(Protocol):
    """Performances by number, and batches of them for teacher forcing."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``int64 [N]`` frames of each performance, as far as training uses them."""
        ...

    def held_out(self, share: float) -> NDArray[np.int64]:
        """Return the performances to keep from training, ``int64 [M]``: of about ``share`` of the lines; none for 0."""
        ...

    def batch(self, indices: Sequence[int], dropout: Dropout, generator: torch.Generator) -> Batch:
        """Return the performances at ``indices`` as a batch on the CPU."""
        ...


@dataclass(frozen=True)
class TrainData:
    """A corpus, the states of its texts, and the scaling of its frames.

    Attributes:
        fps: frames a second of the corpus.
        frame_rates: rates to draw from for each performance; none leaves them as they are.
    """

    corpus: CorpusReader
    states: TextStateCache
    scaling: Scaling
    fps: float = 30.0
    frame_rates: tuple[float, ...] = ()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``int64 [N]`` frames of each performance."""
        return self.corpus.lengths

    def held_out(self, share: float) -> NDArray[np.int64]:
        """Return every performance of ``share`` of the lines, ``int64 [M]``."""
        return held_out_lines(self.corpus.line_indices, share)

    def batch(self, indices: Sequence[int], dropout: Dropout, generator: torch.Generator) -> Batch:
        """Return the performances at ``indices`` as a batch."""
        items = [self.corpus[i] for i in indices]
        layers, mask = self.states.batch([item.line_index for item in items])
        rates = drawn_frame_rates([len(item.frames) for item in items], self.fps, self.frame_rates, generator)
        items = [at_frame_rate(item, self.fps, rate) for item, rate in zip(items, rates, strict=True)]
        return make_batch(items, layers[:, -1], mask, self.scaling, rates, dropout, generator)


def scaling_of(corpus: CorpusReader, sample: int = 4000, seed: int = 0) -> Scaling:
    """Return mean 0 (the rest face) and the deviation about it of a sample of the corpus's frames.

    The deviation has a floor, so that a coefficient that hardly moves does not become loud noise.
    """
    chosen = np.random.default_rng(seed).choice(len(corpus), size=min(sample, len(corpus)), replace=False)
    square, count = np.zeros(53), 0
    for index in chosen:
        frames = corpus[int(index)].frames.astype(np.float64)
        square += (frames**2).sum(0)
        count += len(frames)
    deviation = np.sqrt(square / count)
    floor = np.where(np.arange(53) < 50, 0.03, 0.01)
    return Scaling(torch.zeros(53), torch.from_numpy(np.maximum(deviation, floor)).float())
