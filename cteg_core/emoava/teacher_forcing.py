"""EmoAva for the training loop: batches laid out as the official code lays them out.

The layout, as the official em_dataloader makes it: a sequence is [mean frame, f1 ... fT]; the decoder sees [CLS], the
sequence, [SEP] and padding, 255 positions in all, however long the line is; what it should say is the same one position
earlier, with a frame of zeros behind the last one. Two things differ. The text encoder runs without dropout (the
official code leaves the frozen BERT in training mode). And in lines of 253 frames and more the last position shows its
frame, where the official code, one off, shows the word embedding of [UNK].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.emoava.dataset import EmoavaSplit
from cteg_core.model.attention import causal_mask
from cteg_core.model.network import END, FRAME_WIDTH, PAD, START
from cteg_core.training.batches import Batch, Dropout
from cteg_core.training.text_states import TextStateCache

POSITIONS: Final = 255
"""Decoder positions of the official code: 256 target tokens but for the last."""


def official_batch(
    performances: Sequence[NDArray[np.float32]],
    mean: NDArray[np.float32],
    text: Tensor,
    text_mask: Tensor,
    positions: int = POSITIONS,
) -> Batch:
    """Lay performances out for teacher forcing as the official code does.

    Args:
        performances: B arrays ``[T, 53]``; frames behind the first ``positions - 1`` are cut off.
        mean: ``[53]``, the frame in front of each.
        text, text_mask: text states ``[B, S, d_text]`` and mask ``bool [B, S]``.
        positions: L, decoder positions of every line: the official expression-wise attention and KL average over all
            of them, padding included.

    Position 0 holds the start marker, 1 the mean frame, 2 ... T + 1 the frames, T + 2 the end marker. The output at
    position t is frame t, 1 <= t <= T, and at T + 1 the zero frame that ends a line; a line of more than
    ``positions - 2`` frames has no end.
    """
    count = len(performances)
    lengths = torch.tensor([len(frames) for frames in performances])[:, None]  # [B, 1]
    rows = torch.zeros(count, positions + 1, FRAME_WIDTH)
    rows[:, 1] = torch.from_numpy(mean)
    for row, frames in zip(rows, performances, strict=True):
        kept = frames[: positions - 1]
        row[2 : len(kept) + 2] = torch.from_numpy(np.ascontiguousarray(kept, dtype=np.float32))
    place = torch.arange(positions)
    markers = torch.where(place <= lengths + 1, -1, PAD)
    markers[place.expand(count, -1) == lengths + 2] = END
    markers[:, 0] = START
    return Batch(
        frames=rows[:, :-1],
        markers=markers,
        frame_mask=causal_mask(positions, rows.device) & (place <= lengths + 2)[:, None],
        text=text,
        text_mask=text_mask.unsqueeze(1),
        conditions=None,
        gold=rows[:, 1:],
        mask=(place >= 1) & (place <= lengths + 1),
        stop=torch.zeros(count, positions),
    )


@dataclass(frozen=True)
class EmoavaTraining:
    """EmoAva's train and dev splits as the training loop's data: dev is held out.

    Attributes:
        train, dev: the splits.
        states: states of the texts of train, then of dev.
        mean: ``float32 [53]``, the mean frame.
        positions: decoder positions of every batch.
    """

    train: EmoavaSplit
    dev: EmoavaSplit
    states: TextStateCache
    mean: NDArray[np.float32]
    positions: int = POSITIONS

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``int64 [N]`` frames of each performance that training uses; train, then dev."""
        return np.array([min(len(frames), self.positions - 1) for frames in (*self.train.frames, *self.dev.frames)])

    def held_out(self, share: float) -> NDArray[np.int64]:
        """Return the indices ``[N]`` of the dev split; none where ``share`` is 0."""
        return np.arange(len(self.train), len(self.train) + (len(self.dev) if share > 0 else 0))

    def batch(self, indices: Sequence[int], dropout: Dropout, generator: torch.Generator) -> Batch:
        """Return the performances at ``indices`` as a batch.

        ``dropout`` hides the conditions of the project's own network; here there are none, and it hides nothing.
        """
        layers, mask = self.states.batch(indices)
        return official_batch([self._frames(i) for i in indices], self.mean, layers[:, -1], mask, self.positions)

    def _frames(self, index: int) -> NDArray[np.float32]:
        return self.train.frames[index] if index < len(self.train) else self.dev.frames[index - len(self.train)]
