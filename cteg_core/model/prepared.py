"""A network's weights made ready for decoding: fused, and without what decoding never reads.

The posterior and the target-guided path stay behind; what is left is the live part of the network. Hidden states are
``[R * N, D]``: N positions of each of R rows, one after another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own convention)

from cteg_core.model.attention import MASKED, FeedForward, MultiHeadAttention
from cteg_core.model.expression_attention import EXPRESSION_COUNT, FoldedExpressionAttention
from cteg_core.model.network import START, CtegNetwork
from cteg_core.model.variational_layer import Gaussian, VariationalLayer

MANY_ROWS = 4
LARGE_MATRIX = 1 << 19
PACKED_ROWS = 32


class Linear:
    """A linear map (or several of the same input, their outputs side by side) that is applied many times.

    On the CPU in float32 it goes to oneDNN, which torch itself asks only in compiled graphs: one pass through the
    official sizes took half as long as through the BLAS that torch calls otherwise, for one row as for 32 (AMD EPYC).
    A call costs more, so a few rows times a small matrix stay with the BLAS.
    """

    def __init__(self, modules: Sequence[nn.Linear], rows: int, *, scale: float = 1.0, relu: bool = False) -> None:
        """Take weights; ``rows`` is how many inputs to expect at a time, ``scale`` a factor on the output."""
        weight = torch.cat([module.weight.detach() for module in modules]) if len(modules) > 1 else modules[0].weight
        self._weight = weight.detach() if scale == 1.0 else weight.detach() * scale
        self._bias = _joined_bias(modules, scale)
        self._relu = relu
        self._onednn = _onednn_takes(weight) and (rows >= MANY_ROWS or weight.numel() >= LARGE_MATRIX)
        if self._onednn:
            # The layout for several rows is the faster one for a single row too.
            hint = max(rows, PACKED_ROWS)
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight.contiguous(), hint)

    def __call__(self, x: Tensor) -> Tensor:
        """Map ``[R * N, in]`` to ``[R * N, out]``."""
        if self._onednn:
            activation = "relu" if self._relu else "none"
            result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, activation, [], "")
            return result
        result = F.linear(x, self._weight, self._bias)
        return F.relu(result) if self._relu else result


def _joined_bias(modules: Sequence[nn.Linear], scale: float) -> Tensor | None:
    if all(module.bias is None for module in modules):
        return None
    biases = [(m.weight.new_zeros(len(m.weight)) if m.bias is None else m.bias).detach() for m in modules]
    return torch.cat(biases) * scale


def _onednn_takes(weight: Tensor) -> bool:
    plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return plain and available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Norm:
    """A layer normalisation."""

    def __init__(self, module: nn.LayerNorm) -> None:
        self._weight, self._bias, self._epsilon = module.weight.detach(), module.bias.detach(), module.eps

    def __call__(self, x: Tensor) -> Tensor:
        """``[..., D]`` to the same."""
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, self._epsilon)


class Memory(NamedTuple):
    """What rows attend to.

    Attributes:
        keys, values: ``[R, H, S, d_head]``.
        bias: ``[R, 1, 1, S]`` added to the scores, None where everything may be looked at.
    """

    keys: Tensor
    values: Tensor
    bias: Tensor | None = None

    def up_to(self, end: int) -> Memory:
        """Return the first ``end`` positions."""
        return Memory(self.keys[:, :, :end], self.values[:, :, :end], self.bias)

    def of_rows(self, kept: Tensor) -> Memory:
        """Return the memory of the rows ``kept``, ``int64 [R']``."""
        return Memory(self.keys[kept], self.values[kept], None if self.bias is None else self.bias[kept])


class Attention:
    """A post-norm attention block, with residual."""

    def __init__(self, module: MultiHeadAttention, rows: int) -> None:
        self._heads, self._d_head = module.heads, module.d_head
        self._query = Linear([module.query], rows)
        self._key_value = Linear([module.key, module.value], rows)
        self._output = Linear([module.output], rows)
        self._norm = Norm(module.norm)

    def keys_values(self, x: Tensor, rows: int) -> Tensor:
        """Project ``[R * N, D]`` to keys and values ``[2, R, H, N, d_head]``, a view."""
        projected = self._key_value(x).view(rows, -1, 2, self._heads, self._d_head)
        return projected.permute(2, 0, 3, 1, 4)

    def memory(self, text: Tensor, bias: Tensor | None) -> Memory:
        """Project a text ``[R, S, d_text]``, once a line."""
        keys, values = self.keys_values(text.flatten(0, 1), len(text)).contiguous()
        return Memory(keys, values, bias)

    def __call__(self, x: Tensor, memory: Memory, *, causal: bool = False) -> Tensor:
        """Attend from ``[R * N, D]``; ``causal`` where the memory is of the same N positions."""
        queries = self._query(x).view(len(memory.keys), -1, self._heads, self._d_head).transpose(1, 2)
        if queries.shape[2] == 1 and len(queries) >= MANY_ROWS and memory.bias is None and queries.device.type == "cpu":
            attended = _attended_by_one(queries, memory)
        else:
            attended = F.scaled_dot_product_attention(
                queries, memory.keys, memory.values, memory.bias, is_causal=causal
            )  # [R, H, N, d_head]
        return self._norm(self._output(attended.transpose(1, 2).reshape(len(x), -1)) + x)


def _attended_by_one(queries: Tensor, memory: Memory) -> Tensor:
    """Attend from one position of many rows: reads keys as they lie, 1.6 times as fast as torch's own way on a CPU."""
    keys, values = memory.keys.flatten(0, 1), memory.values.flatten(0, 1)  # [R * H, S, d_head]
    scores = torch.bmm(keys, queries.flatten(0, 1).transpose(1, 2) * queries.shape[-1] ** -0.5)  # [R * H, S, 1]
    return torch.bmm(scores.softmax(1).transpose(1, 2), values).view(queries.shape)


class Forward:
    """A feed-forward block, with residual."""

    def __init__(self, module: FeedForward, rows: int) -> None:
        self._inner = Linear([module.inner], rows, relu=True)
        self._outer = Linear([module.outer], rows)
        self._norm = Norm(module.norm)

    def __call__(self, x: Tensor) -> Tensor:
        """``[R * N, D]`` to the same."""
        return self._norm(self._outer(self._inner(x)) + x)


class Layer:
    """The live part of one layer.

    Attributes:
        self_attention, text_first, temporal: the blocks in front of the latent; ``temporal`` is None without LTA.
        text_second, feed_forward: those behind it.
    """

    def __init__(self, module: VariationalLayer, rows: int) -> None:
        self.self_attention = Attention(module.self_attention, rows)
        self.text_first = Attention(module.text_attention, rows)
        self.temporal = None if module.temporal_attention is None else Attention(module.temporal_attention, rows)
        self.text_second = Attention(module.text_attention_second, rows)
        self.feed_forward = Forward(module.feed_forward, rows)
        self._mean = Linear([module.prior_mean], rows)
        self._gaussian = Linear([module.prior_mean, module.prior_log_variance], rows)
        self._lift = Linear([module.lift], rows) if isinstance(module.lift, nn.Linear) else None

    def latent(self, temporal: Tensor, noise: Tensor | None) -> Tensor:
        """Draw from the prior with standard normal ``noise`` ``[R * N, Z]``; None takes the mean."""
        if noise is None:
            drawn = self._mean(temporal)
        else:
            drawn = Gaussian(*self._gaussian(temporal).chunk(2, dim=-1)).sample(noise)
        return drawn if self._lift is None else self._lift(drawn)


class PreparedNetwork:
    """The live part of a network, in the state its weights are in now.

    Attributes:
        layers: one a layer.
        norm: behind the embedding.
        frame: the frame embedding, on the scale at which positions are added.
        jaw: ``[3, D]``, its part for the jaw's coefficients.
        expression: the jaw's offset from a frame; None where EwA is off.
        listens_to_all: whether that frame is the mean of the whole sequence, as in the official code.
    """

    def __init__(self, network: CtegNetwork, rows: int) -> None:
        """Take the weights; ``rows`` is how many hidden states to expect at a time."""
        config = network.config
        scale = math.sqrt(config.d_model)
        self.layers = [Layer(layer, rows) for layer in network.layers]  # type: ignore[arg-type]
        self.norm = Norm(network.norm)
        self.frame = Linear([network.frame_embedding], rows, scale=scale)
        self.jaw = network.frame_embedding.weight.detach()[:, EXPRESSION_COUNT:].t() * scale
        self.expression = FoldedExpressionAttention.of(network.expression_attention)
        self.listens_to_all = config.expression_attention == "official"
        self._readout = Linear([network.readout, *((network.stop,) if network.stop is not None else ())], rows)
        self._stops = network.stop is not None
        self._positions = network.get_buffer("positions")
        self._start = network.markers.weight.detach()[START] * scale

    def base(self, condition: Tensor | None, rows: int, length: int) -> Tensor:
        """Return what the frames are added to, ``[R, L, D]``; the first position holds the start marker.

        Args:
            condition: ``[R, L, D]``, or None.
        """
        base = self._positions[:length].repeat(rows, 1, 1)
        base[:, 0] += self._start
        return base if condition is None else base + condition

    def readout(self, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        """Read frames ``[R, 53]`` and stop logits ``[R]`` (None without a stop head) from ``[R, D]``."""
        read = self._readout(hidden)
        return (read[:, :-1], read[:, -1]) if self._stops else (read, None)


def text_bias(text_mask: Tensor) -> tuple[int, Tensor | None]:
    """Return how many tokens any row looks at, and the bias ``[R, 1, 1, S]`` that hides the rest of them.

    Args:
        text_mask: ``bool [R, 1, S]``.
    """
    seen = text_mask.any(0).squeeze(0).nonzero()
    length = int(seen[-1]) + 1 if len(seen) else text_mask.shape[-1]
    text_mask = text_mask[..., :length]
    if bool(text_mask.all()):
        return length, None
    return length, torch.zeros(text_mask.shape, device=text_mask.device).masked_fill(~text_mask, MASKED).unsqueeze(1)
