"""Two ways to decode the next frame of every row: from caches, or from the whole prefix again.

Position 0 holds the start marker, position 1 the start frame; the output at a position is the next one's frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (torch's own convention)

from cteg_core.model.expression_attention import EXPRESSION_COUNT
from cteg_core.model.network import FRAME_WIDTH
from cteg_core.model.prepared import Attention, Layer, Memory, PreparedNetwork, text_bias

BLANKS = 2
"""The official mean over n frames divides by n + 2: the start marker's place and an empty last one are in it."""
POSITION_BLOCK = 16
"""Whole prefixes are computed to a multiple of so many positions: oneDNN makes a program for each size it meets."""


@dataclass(frozen=True)
class Given:
    """What R rows are decoded from, over L positions.

    Attributes:
        text, text_mask: ``[R, S, d_text]`` and ``bool [R, 1, S]``.
        condition: ``[R, L, D]``, or None.
        noise: ``[R, L, Z]`` standard normal for the latents, or None for their means.
        length: L.
    """

    text: Tensor
    text_mask: Tensor
    condition: Tensor | None
    noise: Tensor | None
    length: int


class Decoder(Protocol):
    """Decodes one frame after another."""

    def step(self, frame: Tensor, readout_noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Take the latest frame ``[R, 53]``; return the next one and the stop logits ``[R]`` (None without a head).

        ``readout_noise`` ``[R, D]`` is added in front of the readout.
        """

    def keep(self, rows: Tensor) -> None:
        """Go on with the rows ``int64 [R']`` alone."""


@dataclass
class _LayerState:
    """What one layer remembers.

    Attributes:
        text_first, text_second: the text's keys and values for both text attentions.
        past, seen: ``[2, R, H, L, d_head]``, keys and values of self-attention and of LTA (None without LTA).
    """

    text_first: Memory
    text_second: Memory
    past: Tensor
    seen: Tensor | None

    def keep(self, rows: Tensor) -> None:
        """Go on with some rows alone."""
        self.text_first, self.text_second = self.text_first.of_rows(rows), self.text_second.of_rows(rows)
        self.past = self.past[:, rows]
        self.seen = None if self.seen is None else self.seen[:, rows]


class CachedDecoder:
    """One position a step: keys and values of the past are kept.

    Exact where EwA looks at one frame. The official EwA moves the jaw of the whole past at every step; here each
    position keeps the offset it got when it was the latest one.
    """

    def __init__(self, network: PreparedNetwork, given: Given) -> None:
        """Make room for L positions and pass the start marker through."""
        rows = len(given.text)
        self._network, self._noise = network, given.noise
        self._base = network.base(given.condition, rows, given.length)
        self._total = self._base.new_zeros(rows, FRAME_WIDTH)
        self._layers = []
        for layer, first, second in _text_memories(network, given):
            shape = (2, *first.keys.shape[:2], given.length, first.keys.shape[3])
            seen = None if layer.temporal is None else self._base.new_empty(shape)
            self._layers.append(_LayerState(first, second, self._base.new_empty(shape), seen))
        self._position = 0
        self._decode(network.norm(self._base[:, 0]))

    def step(self, frame: Tensor, readout_noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """See :class:`Decoder`."""
        network = self._network
        self._position += 1
        if network.expression is not None:
            heard = frame
            if network.listens_to_all:
                self._total += frame
                heard = self._total / (self._position + BLANKS)
            frame = torch.cat((frame[:, :EXPRESSION_COUNT], frame[:, EXPRESSION_COUNT:] + network.expression(heard)), 1)
        hidden = self._decode(network.norm(self._base[:, self._position] + network.frame(frame)))
        return network.readout(hidden if readout_noise is None else hidden + readout_noise)

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._base, self._total = self._base[rows], self._total[rows]
        self._noise = None if self._noise is None else self._noise[rows]
        for state in self._layers:
            state.keep(rows)

    def _decode(self, hidden: Tensor) -> Tensor:
        noise = None if self._noise is None else self._noise[:, self._position]
        for layer, state in zip(self._network.layers, self._layers, strict=True):
            hidden = layer.self_attention(hidden, self._extended(layer.self_attention, hidden, state.past))
            temporal = layer.text_first(hidden, state.text_first)
            if layer.temporal is not None and state.seen is not None:
                temporal = layer.temporal(temporal, self._extended(layer.temporal, temporal, state.seen))
            hidden = layer.feed_forward(layer.text_second(hidden + layer.latent(temporal, noise), state.text_second))
        return hidden

    def _extended(self, attention: Attention, x: Tensor, cache: Tensor) -> Memory:
        """Store the keys and values of ``x`` ``[R, D]``, the latest position, and return all so far."""
        end = self._position + 1
        cache[:, :, :, self._position : end] = attention.keys_values(x, len(x))
        keys, values = cache[:, :, :, :end]
        return Memory(keys, values)


class WholePrefixDecoder:
    """The whole prefix at every step, as the official EwA asks for, without what never reaches the next frame.

    Of the last layer only the latest position is needed behind LTA's keys and values: its latents, text and
    feed-forward blocks run for one position. Latents of earlier positions (which matter with several layers) keep
    their noise, where the official code draws them anew at each step.
    """

    def __init__(self, network: PreparedNetwork, given: Given) -> None:
        """Make room for L positions."""
        rows = len(given.text)
        self._network, self._noise = network, given.noise
        length = -(-given.length // POSITION_BLOCK) * POSITION_BLOCK
        self._still = network.base(given.condition, rows, given.length)  # embeddings without the jaw's offset
        self._still = F.pad(self._still, (0, 0, 0, length - given.length))
        if self._noise is not None:
            self._noise = F.pad(self._noise, (0, 0, 0, length - self._noise.shape[1]))
        self._total = self._still.new_zeros(rows, FRAME_WIDTH)
        self._texts = [(first, second) for _, first, second in _text_memories(network, given)]
        self._position = 0

    def step(self, frame: Tensor, readout_noise: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """See :class:`Decoder`."""
        network = self._network
        self._position += 1
        self._still[:, self._position] += network.frame(frame)
        self._total += frame
        length = -(-(self._position + 1) // POSITION_BLOCK) * POSITION_BLOCK
        embedded = self._still[:, :length].clone()
        if network.expression is not None:
            embedded[:, 1:] += (network.expression(self._total / (self._position + BLANKS)) @ network.jaw).unsqueeze(1)
        hidden = self._decode(network.norm(embedded).flatten(0, 1), length)
        return network.readout(hidden if readout_noise is None else hidden + readout_noise)

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._still, self._total = self._still[rows], self._total[rows]
        self._noise = None if self._noise is None else self._noise[rows]
        self._texts = [(first.of_rows(rows), second.of_rows(rows)) for first, second in self._texts]

    def _decode(self, hidden: Tensor, length: int) -> Tensor:
        rows = len(self._total)
        for layer, (text_first, text_second) in zip(self._network.layers, self._texts, strict=True):
            last = layer is self._network.layers[-1]
            noise = None if self._noise is None else self._noise[:, :length].flatten(0, 1)
            hidden = layer.self_attention(hidden, Memory(*layer.self_attention.keys_values(hidden, rows)), causal=True)
            temporal = layer.text_first(hidden, text_first)
            memory = None if layer.temporal is None else Memory(*layer.temporal.keys_values(temporal, rows))
            if last:
                hidden, temporal = self._latest(hidden), self._latest(temporal)
                noise = None if self._noise is None else self._noise[:, self._position]
                memory = None if memory is None else memory.up_to(self._position + 1)
            if layer.temporal is not None and memory is not None:
                temporal = layer.temporal(temporal, memory, causal=not last)
            hidden = layer.feed_forward(layer.text_second(hidden + layer.latent(temporal, noise), text_second))
        return hidden

    def _latest(self, x: Tensor) -> Tensor:
        return x.view(len(self._total), -1, x.shape[-1])[:, self._position]


def _text_memories(network: PreparedNetwork, given: Given) -> list[tuple[Layer, Memory, Memory]]:
    """Project the texts for every layer, without the tokens that no row looks at."""
    length, bias = text_bias(given.text_mask)
    text = given.text[:, :length]
    bias = None if bias is None else bias.to(text.dtype)
    return [
        (layer, layer.text_first.memory(text, bias), layer.text_second.memory(text, bias)) for layer in network.layers
    ]
