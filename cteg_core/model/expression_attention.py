"""Expression-wise attention (EwA): the jaw listens to the expression coefficients (paper, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cteg_core.model.attention import MultiHeadAttention
from cteg_core.model.config import ModelConfig

EXPRESSION_COUNT = 50
JAW_COUNT = 3


class OfficialExpressionAttention(nn.Module):
    """EwA as the official code has it.

    The mean of the *whole* sequence, later frames and padding included, is lifted coefficient by
    coefficient; three jaw tokens attend to fifty expression tokens; the result is one offset per
    jaw coefficient, added to every frame.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.lift = nn.Linear(1, config.d_model)
        self.attention = MultiHeadAttention(config.d_model, config.heads, config.d_head, config.dropout)
        self.lower = nn.Linear(config.d_model, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """``[B, L, 53]`` to the same with the jaw moved."""
        tokens = self.lift(frames.mean(dim=1).unsqueeze(-1))  # [B, 53, D]
        expression, jaw = tokens.split((EXPRESSION_COUNT, JAW_COUNT), dim=1)
        offset = self.lower(self.attention(jaw, expression, None)).transpose(1, 2)  # [B, 1, 3]
        return torch.cat((frames[..., :EXPRESSION_COUNT], frames[..., EXPRESSION_COUNT:] + offset), dim=-1)


class CausalExpressionAttention(nn.Module):
    """EwA within each frame, so that nothing depends on the future and decoding can be cached.

    Each coefficient has an embedding of its own beside its value: without it the fifty
    coefficients could be permuted without any effect on the jaw.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.d_expression_attention
        self.lift = nn.Linear(1, width)
        self.identity = nn.Parameter(torch.randn(EXPRESSION_COUNT + JAW_COUNT, width) * 0.5)
        self.attention = MultiHeadAttention(width, 1, width, config.dropout)
        self.lower = nn.Linear(width, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """``[B, L, 53]`` to the same with the jaw moved."""
        flat = frames.flatten(0, 1)  # [B*L, 53]
        tokens = self.lift(flat.unsqueeze(-1)) + self.identity  # [B*L, 53, W]
        expression, jaw = tokens.split((EXPRESSION_COUNT, JAW_COUNT), dim=1)
        offset = self.lower(self.attention(jaw, expression, None)).squeeze(-1)  # [B*L, 3]
        moved = torch.cat((flat[:, :EXPRESSION_COUNT], flat[:, EXPRESSION_COUNT:] + offset), dim=-1)
        return moved.reshape(frames.shape)


def expression_attention(config: ModelConfig) -> nn.Module:
    """Return the EwA module that the configuration names."""
    if config.expression_attention == "official":
        return OfficialExpressionAttention(config)
    if config.expression_attention == "causal":
        return CausalExpressionAttention(config)
    return nn.Identity()
