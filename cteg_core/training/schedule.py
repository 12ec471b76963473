"""The optimiser and its rate at every step."""

from __future__ import annotations

import math

import torch
from torch import nn

from cteg_core.training.settings import TrainConfig


def optimizer_for(network: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return the optimiser of a network's weights."""
    return torch.optim.AdamW(
        network.parameters(),
        lr=config.rate,
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
    )


def learning_rate(step: int, config: TrainConfig, steps: int | None = None) -> float:
    """Return the rate of step ``step``, counted from 0, of a run of ``steps`` (default: ``config.steps``)."""
    if config.schedule == "noam":
        rise, fall = (step + 1) / config.warmup / math.sqrt(config.warmup), 1.0 / math.sqrt(step + 1)
        return config.rate / math.sqrt(config.model.d_model) * min(rise, fall)
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, (config.steps if steps is None else steps) - config.warmup)
    return config.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
