"""Post-norm attention and feed-forward blocks of the decoder.

As in the official code: projections without bias, temperature sqrt(d_head), masks of -1e9,
residual then LayerNorm with epsilon 1e-6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own convention)

MASKED = -1e9
LAYER_NORM_EPS = 1e-6


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention over queries ``[B, L, D]`` and a memory ``[B, S, D_memory]``."""

    def __init__(self, d_model: int, heads: int, d_head: int, dropout: float, d_memory: int | None = None) -> None:
        super().__init__()
        d_memory = d_model if d_memory is None else d_memory
        self.heads = heads
        self.d_head = d_head
        self.query = nn.Linear(d_model, heads * d_head, bias=False)
        self.key = nn.Linear(d_memory, heads * d_head, bias=False)
        self.value = nn.Linear(d_memory, heads * d_head, bias=False)
        self.output = nn.Linear(heads * d_head, d_model, bias=False)
        self.norm = nn.LayerNorm(d_model, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """Attend from ``x`` ``[B, L, D]``; ``mask`` ``[B or 1, L or 1, S]`` is True where to look."""
        queries = self._split(self.query(x))  # [B, H, L, d]
        keys, values = self._split(self.key(memory)), self._split(self.value(memory))
        scores = (queries / math.sqrt(self.d_head)) @ keys.transpose(-1, -2)  # [B, H, L, S]
        if mask is not None:
            scores = scores.masked_fill(~mask.unsqueeze(1), MASKED)
        attended = self.dropout(scores.softmax(-1)) @ values  # [B, H, L, d]
        attended = attended.transpose(1, 2).flatten(2)  # [B, L, H*d]
        result: Tensor = self.norm(self.dropout(self.output(attended)) + x)
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, self.d_head).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a ReLU, residual and LayerNorm."""

    def __init__(self, d_model: int, d_inner: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(d_model, d_inner)
        self.outer = nn.Linear(d_inner, d_model)
        self.norm = nn.LayerNorm(d_model, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., D]`` to ``[..., D]``."""
        result: Tensor = self.norm(self.dropout(self.outer(F.relu(self.inner(x)))) + x)
        return result


def causal_mask(length: int, device: torch.device) -> Tensor:
    """Return ``[1, L, L]``, True at and below the diagonal."""
    return torch.ones(1, length, length, dtype=torch.bool, device=device).tril()


def sinusoid_table(positions: int, width: int) -> Tensor:
    """Return the sinusoidal position table ``[positions, width]`` (Vaswani et al. 2017, 3.5)."""
    rates = 10000 ** (-2 * (torch.arange(width, dtype=torch.float64) // 2) / width)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    table = torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())
    return table.float()
