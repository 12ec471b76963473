"""Networks of a few thousand weights, and conditions for them."""

from __future__ import annotations

from dataclasses import replace

import torch

from cteg_core.model.conditions import Conditions
from cteg_core.model.config import DEFAULT, ModelConfig
from cteg_core.model.network import CtegNetwork

TINY = replace(
    DEFAULT,
    d_text=12,
    d_model=16,
    d_inner=32,
    heads=2,
    d_head=8,
    d_latent=4,
    utterance_latent=3,
    d_expression_attention=8,
)


def network_of(config: ModelConfig, seed: int = 0) -> CtegNetwork:
    """Return a network with seeded weights, in evaluation mode."""
    torch.manual_seed(seed)
    return CtegNetwork(config).eval()


def conditions_of(batch: int, positions: int, config: ModelConfig, seed: int = 1) -> Conditions:
    """Return seeded conditions over ``positions`` decoder positions."""
    generator = torch.Generator().manual_seed(seed)
    return Conditions(
        emotion=torch.rand(batch, config.emotion_width, generator=generator),
        emotion_known=torch.ones(batch),
        plan=torch.rand(batch, positions, config.plan_width, generator=generator),
        elapsed=torch.arange(positions).expand(batch, positions) / 30,
        remaining=torch.rand(batch, positions, generator=generator),
        remaining_known=torch.ones(batch),
        returns_to_rest=torch.ones(batch),
    )
