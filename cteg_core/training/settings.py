"""How a network is trained, as one frozen record that a run is told apart by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cteg_core.model.config import DEFAULT, ModelConfig
from cteg_core.training.batches import Dropout
from cteg_core.training.losses import LossConfig

ScheduleKind = Literal["cosine", "noam"]


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained.

    Attributes:
        steps, batch: optimiser steps and performances in each.
        epochs: passes over the data, in place of ``steps``: each performance once a pass, in random order.
            0 counts steps, whose batches hold performances of like length.
        schedule: ``cosine``: ``warmup`` steps up to ``rate``, then down to a hundredth of it; ``noam``: ``rate`` is
            the factor in front of Noam's curve (Vaswani et al. 2017, section 5.3).
        rate, warmup: the schedule's.
        betas, epsilon, weight_decay: AdamW's; without decay it is Adam.
        clip: the largest gradient norm; 0 leaves gradients alone.
        ema: decay of the averaged weights, which are what is shipped; 0 ships the weights themselves.
        save_every: steps between resume states: what a kill may cost.
        evaluate_every: steps between evaluations of the averaged weights on the lines held out.
        log_every: steps between rows of the log.
        held_out: share of the lines that are kept from training; a data set with a split of its own for this
            holds that out instead. 0 trains on everything, and then no weights count as the best.
        bfloat16: whether matrix products run in bfloat16.
        longest: performances of more frames are left out: they cost the square of their length.
        seed: of weights, batches and noise.
    """

    model: ModelConfig = DEFAULT
    loss: LossConfig = field(default_factory=LossConfig)
    dropout: Dropout = field(default_factory=Dropout)
    steps: int = 2000
    epochs: int = 0
    batch: int = 48
    schedule: ScheduleKind = "cosine"
    rate: float = 1e-3
    warmup: int = 150
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.997
    save_every: int = 200
    evaluate_every: int = 200
    log_every: int = 20
    held_out: float = 0.01
    bfloat16: bool = False
    longest: int = 320
    seed: int = 0
