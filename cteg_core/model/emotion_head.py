"""The emotion head: which emotion a text, or a clause of it, carries, read from the text encoder's states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cteg_core.emotion import EMOTION_LABELS

LABEL_COUNT = len(EMOTION_LABELS)
AFFECT_COUNT = 3


@dataclass(frozen=True)
class EmotionHeadConfig:
    """Sizes of the head: states of ``layers`` encoder layers of width ``d_text`` come in.

    ``rated_readout`` says whether it has a second readout, for what raters say of written comments; a head that was
    trained before there was one has none, and answers with the only one.
    """

    d_text: int = 384
    layers: int = 3
    d_model: int = 256
    heads: int = 4
    d_inner: int = 512
    dropout: float = 0.2
    rated_readout: bool = False

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> EmotionHeadConfig:
        """Read the ``asdict`` form."""
        return cls(**record)


class EmotionHead(nn.Module):
    """One transformer layer over a learned mixture of encoder layers, pooled to 28 logits and V, A, D.

    What a face shows while a line is said and what raters wrote under comments are given by other rules (half of all
    comments are "neutral", and EmoBank's ratings stay close to the middle), so each has linear maps of its own over
    the same features: one set would have to average the rules.
    """

    def __init__(self, config: EmotionHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.mixture = nn.Parameter(torch.zeros(config.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_text) for _ in range(config.layers))
        self.lift = nn.Linear(config.d_text, config.d_model)
        self.layer = nn.TransformerEncoderLayer(
            config.d_model, config.heads, config.d_inner, config.dropout, batch_first=True, norm_first=True
        )
        self.pool = nn.Linear(config.d_model, config.heads)
        self.norm = nn.LayerNorm(config.d_model * (config.heads + 1))
        self.dropout = nn.Dropout(config.dropout)
        self.labels = nn.Linear(config.d_model * (config.heads + 1), LABEL_COUNT)
        self.affect = nn.Linear(config.d_model * (config.heads + 1), AFFECT_COUNT)
        if config.rated_readout:
            self.rated_labels = nn.Linear(config.d_model * (config.heads + 1), LABEL_COUNT)
            self.rated_affect = nn.Linear(config.d_model * (config.heads + 1), AFFECT_COUNT)

    def forward(
        self, layers: Tensor, mask: Tensor, pooled: Tensor | None = None, rated: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read emotion.

        Args:
            layers: ``[B, R, S, d_text]``.
            mask: ``bool [B, S]``, True at real tokens.
            pooled: ``bool [B, S]``, True at the tokens whose emotion is asked for (a clause's), at least one of each
                text; the others are read as what surrounds them. None asks for the whole text's.
            rated: ``bool [B]``, True where the answer is to be that of GoEmotions' and EmoBank's raters; None asks
                everywhere for what a face shows.

        Returns:
            Logits ``[B, 28]``: their softmax shares the face among the labels, and each by itself says whether its
            label is there. Valence, arousal, dominance ``[B, 3]`` in [-1, 1], 0 at the midpoint of EmoBank's scale.
        """
        weights = self.mixture.softmax(0)
        mixed = sum(weights[i] * norm(layers[:, i]) for i, norm in enumerate(self.norms))  # [B, S, D_text]
        hidden = self.layer(self.dropout(self.lift(mixed)), src_key_padding_mask=~mask)  # [B, S, D]
        outside = ~(mask if pooled is None else pooled).unsqueeze(-1)  # [B, S, 1]
        attention = self.pool(hidden).masked_fill(outside, -1e4).softmax(1)  # [B, S, H]
        mean = (attention.transpose(1, 2) @ hidden).flatten(1)  # [B, H*D]
        highest = hidden.masked_fill(outside, -1e4).amax(1)  # [B, D]
        features = self.dropout(self.norm(torch.cat((mean, highest), -1)))
        logits, affect = self.labels(features), self.affect(features)
        if rated is not None and self.config.rated_readout:
            chosen = rated.unsqueeze(-1)  # [B, 1]
            logits = torch.where(chosen, self.rated_labels(features), logits)
            affect = torch.where(chosen, self.rated_affect(features), affect)
        return logits, torch.tanh(affect)
