"""Training configurations by name: what ships, the official recipe, and small ones to try things on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from cteg_core.model.config import DEFAULT, EMOAVA
from cteg_core.training.batches import NO_DROPOUT
from cteg_core.training.losses import OFFICIAL_LOSS
from cteg_core.training.settings import TrainConfig

DataKind = Literal["corpus", "emoava"]

_EPOCH: Final = 47
"""Steps in a pass over EmoAva's 12,000 training lines in batches of 256."""


@dataclass(frozen=True)
class Configuration:
    """A named configuration.

    Attributes:
        summary: what it is for.
        data: the kind of folder it trains on: the project's own ``corpus``, or ``emoava``.
        config: all settings; the command line may replace some.
    """

    summary: str
    data: DataKind
    config: TrainConfig


_OFFICIAL: Final = TrainConfig(
    model=EMOAVA,
    loss=OFFICIAL_LOSS,
    dropout=NO_DROPOUT,
    epochs=100,
    batch=256,
    schedule="noam",
    rate=2.0,
    warmup=4000,
    betas=(0.9, 0.98),
    epsilon=1e-9,
    weight_decay=0.0,
    clip=0.0,
    ema=0.0,
    save_every=5 * _EPOCH,
    evaluate_every=_EPOCH,
    seed=42,
)
"""The official code's train.sh and argument defaults."""

_SMALL: Final = {"d_model": 32, "d_inner": 64, "heads": 4, "d_head": 8}

CONFIGURATIONS: Final[Mapping[str, Configuration]] = {
    "default": Configuration("what the shipped checkpoint is trained with", "corpus", TrainConfig(steps=2000)),
    "tiny": Configuration(
        "a network of seconds, to try the command on a small corpus",
        "corpus",
        TrainConfig(
            model=replace(DEFAULT, **_SMALL, d_latent=8, utterance_latent=4),  # type: ignore[arg-type]
            steps=60,
            batch=8,
            warmup=10,
            ema=0.9,
            save_every=20,
            evaluate_every=20,
            held_out=0.05,
        ),
    ),
    "emoava": Configuration("the official network, loss and schedule", "emoava", _OFFICIAL),
    "emoava-tiny": Configuration(
        "the official network made small, to try the command on a few lines",
        "emoava",
        replace(
            _OFFICIAL,
            model=replace(EMOAVA, **_SMALL, d_latent=32),  # type: ignore[arg-type]
            epochs=0,
            steps=60,
            batch=8,
            rate=0.4,
            warmup=20,
            save_every=20,
            evaluate_every=20,
        ),
    ),
}
