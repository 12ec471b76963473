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


class FoldedExpressionAttention:
    """Either kind's offset of the jaw from one frame, with everything that weights alone decide worked out before.

    A token is its value times one vector plus a vector of its own, so a score is a polynomial in two values, and what
    expression tokens hand over is a weighted mean of their values times one vector, plus one of their own.

    Shapes: H heads, W the tokens' width, 3 jaw and 50 expression coefficients.
    """

    def __init__(self, module: OfficialExpressionAttention | CausalExpressionAttention) -> None:
        attention = module.attention
        width = module.lift.out_features
        heads, d_head = attention.heads, attention.d_head

        def projected(linear: nn.Linear, tokens: Tensor) -> Tensor:
            return (tokens @ linear.weight.detach().double().t()).reshape(-1, heads, d_head)

        value = module.lift.weight.detach().double().t()  # [1, W]
        own = module.lift.bias.detach().double().expand(EXPRESSION_COUNT + JAW_COUNT, width)
        if isinstance(module, CausalExpressionAttention):
            own = own + module.identity.detach().double()
        expression, jaw = own[:EXPRESSION_COUNT], own[EXPRESSION_COUNT:]
        query_value, query_own = projected(attention.query, value)[0], projected(attention.query, jaw)
        key_value, key_own = projected(attention.key, value)[0], projected(attention.key, expression)
        scale = d_head**-0.5
        output = attention.output.weight.detach().double().t().reshape(heads, d_head, width)
        handed = torch.einsum("ihd,hdw->hiw", projected(attention.value, expression), output)  # [H, 50, W]

        def kept(x: Tensor) -> Tensor:
            return x.to(module.lift.weight.dtype).contiguous()

        self._both = kept(torch.einsum("hd,hd->h", query_value, key_value) * scale)  # [H]
        self._jaw = kept(torch.einsum("hd,ihd->hi", query_value, key_own) * scale)  # [H, 50]
        self._expression = kept(torch.einsum("jhd,hd->jh", query_own, key_value) * scale)  # [3, H]
        self._neither = kept(torch.einsum("jhd,ihd->jhi", query_own, key_own) * scale)  # [3, H, 50]
        self._handed_value = kept(torch.einsum("hd,hdw->hw", projected(attention.value, value)[0], output))
        self._handed_own: Tensor | None = kept(handed.flatten(0, 1))  # [H * 50, W]
        if isinstance(module, OfficialExpressionAttention):
            # Tokens without a name all hand over the same, whatever the weights.
            jaw = jaw + handed[:, 0].sum(0)
            self._handed_own = None
        self._jaw_value, self._jaw_own = kept(value[0]), kept(jaw)  # [W], [3, W]
        self._norm = attention.norm
        self._lower = module.lower

    @classmethod
    def of(cls, module: nn.Module) -> FoldedExpressionAttention | None:
        """Fold a network's EwA; None where it is off."""
        if isinstance(module, OfficialExpressionAttention | CausalExpressionAttention):
            return cls(module)
        return None

    def __call__(self, frame: Tensor) -> Tensor:
        """Return what is added to the jaw ``[R, 3]`` where ``frame`` ``[R, 53]`` is listened to."""
        expression, jaw = frame[:, :EXPRESSION_COUNT], frame[:, EXPRESSION_COUNT:, None]
        slope = torch.addcmul(self._expression, jaw, self._both)  # [R, 3, H]
        scores = torch.addcmul(self._neither, jaw.unsqueeze(-1), self._jaw)  # [R, 3, H, 50]
        weights = (scores + slope.unsqueeze(-1) * expression[:, None, None]).softmax(-1)
        mean = weights @ expression[:, None, :, None]  # [R, 3, H, 1]
        tokens = torch.addcmul(self._jaw_own, jaw, self._jaw_value) + mean.squeeze(-1) @ self._handed_value
        if self._handed_own is not None:
            tokens = tokens + weights.flatten(2) @ self._handed_own
        result: Tensor = self._lower(self._norm(tokens)).squeeze(-1)
        return result


def expression_attention(config: ModelConfig) -> nn.Module:
    """Return the EwA module that the configuration names."""
    if config.expression_attention == "official":
        return OfficialExpressionAttention(config)
    if config.expression_attention == "causal":
        return CausalExpressionAttention(config)
    return nn.Identity()
