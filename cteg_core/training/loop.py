"""The training loop: resumable at any checkpoint, deterministic on a CPU for a seed and thread count."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cteg_core.model.checkpoint import Scaling
from cteg_core.model.config import DEFAULT, ModelConfig
from cteg_core.model.network import CtegNetwork
from cteg_core.training.batches import Batch, Dropout, at_frame_rate, drawn_frame_rates, make_batch
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.losses import LossConfig, LossTerms, training_loss
from cteg_core.training.text_states import TextStateCache

RESUME_NAME: Final = "resume.safetensors"
POOL_BATCHES: Final = 16
"""Batches are cut from a pool of so many, sorted by length: little padding, still random."""


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained.

    Attributes:
        steps, batch: optimiser steps and performances in each.
        rate, warmup, weight_decay, clip: AdamW's rate after ``warmup`` steps (then a cosine to a
            hundredth), its decay, and the largest gradient norm.
        ema: decay of the averaged weights, which are what is shipped.
        save_every: steps between resume states.
        bfloat16: whether matrix products run in bfloat16.
        longest: performances of more frames are left out: they cost the square of their length.
        seed: of weights, batches and noise.
    """

    model: ModelConfig = DEFAULT
    loss: LossConfig = field(default_factory=LossConfig)
    dropout: Dropout = field(default_factory=Dropout)
    steps: int = 2000
    batch: int = 48
    rate: float = 1e-3
    warmup: int = 150
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.997
    save_every: int = 200
    bfloat16: bool = False
    longest: int = 320
    seed: int = 0


@dataclass(frozen=True)
class TrainData:
    """A corpus, the states of its texts, and the scaling of its frames.

    Attributes:
        fps: frames a second of the corpus.
        frame_rates: rates to draw from for each performance; none leaves them as they are.
    """

    corpus: CorpusReader
    states: TextStateCache
    scaling: Scaling
    fps: float = 30.0
    frame_rates: tuple[float, ...] = ()

    def batch(self, indices: Sequence[int], dropout: Dropout, generator: torch.Generator) -> Batch:
        """Return the performances at ``indices`` as a batch."""
        items = [self.corpus[i] for i in indices]
        layers, mask = self.states.batch([item.line_index for item in items])
        rates = drawn_frame_rates([len(item.frames) for item in items], self.fps, self.frame_rates, generator)
        items = [at_frame_rate(item, self.fps, rate) for item, rate in zip(items, rates, strict=True)]
        return make_batch(items, layers[:, -1], mask, self.scaling, rates, dropout, generator)


def scaling_of(corpus: CorpusReader, sample: int = 4000, seed: int = 0) -> Scaling:
    """Return mean 0 (the rest face) and the deviation about it of a sample of the corpus's frames.

    The deviation has a floor, so that a coefficient that hardly moves does not become loud noise.
    """
    chosen = np.random.default_rng(seed).choice(len(corpus), size=min(sample, len(corpus)), replace=False)
    square, count = np.zeros(53), 0
    for index in chosen:
        frames = corpus[int(index)].frames.astype(np.float64)
        square += (frames**2).sum(0)
        count += len(frames)
    deviation = np.sqrt(square / count)
    floor = np.where(np.arange(53) < 50, 0.03, 0.01)
    return Scaling(torch.zeros(53), torch.from_numpy(np.maximum(deviation, floor)).float())


def batch_indices(lengths: np.ndarray, step: int, config: TrainConfig) -> list[int]:
    """Return the performances of one step: a function of seed and step alone, so that resuming is exact."""
    usable = np.flatnonzero(lengths <= config.longest)
    pool, within = divmod(step, POOL_BATCHES)
    rng = np.random.default_rng([config.seed, pool])
    drawn = rng.choice(usable, size=min(len(usable), config.batch * POOL_BATCHES), replace=False)
    ordered = drawn[np.argsort(lengths[drawn], kind="stable")]
    groups = [ordered[i : i + config.batch] for i in range(0, len(ordered), config.batch)]
    group = groups[rng.permutation(len(groups))[within % len(groups)]]
    return [int(i) for i in group]


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def train(
    data: TrainData,
    config: TrainConfig,
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> CtegNetwork:
    """Train, or go on training, in ``folder``; return the network with averaged weights.

    Args:
        data, config: what and how; a resume state of another configuration is refused (ValueError).
        folder: holds ``log.csv`` and the resume state.
        report: takes a line of progress now and then.
        stop_after: stop at this step as if the process had ended there (tests, time limits).
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = CtegNetwork(config.model)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    first = _resume(folder, config, network, optimizer, average)
    lengths = data.corpus.lengths
    started, shown = time.monotonic(), first
    for step in range(first, config.steps if stop_after is None else min(stop_after, config.steps)):
        terms = _step(network, optimizer, data, config, step, lengths)
        decay = min(config.ema, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        if (step + 1) % 20 == 0:
            pace = (step + 1 - shown) / (time.monotonic() - started)
            _log(folder / "log.csv", step + 1, terms)
            report(_line(step + 1, config.steps, terms, pace))
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(folder, config, network, optimizer, average, step + 1)
    network.load_state_dict(average)
    return network.eval()


def _step(
    network: CtegNetwork,
    optimizer: torch.optim.Optimizer,
    data: TrainData,
    config: TrainConfig,
    step: int,
    lengths: np.ndarray,
) -> LossTerms:
    network.train()
    torch.manual_seed((config.seed << 32) + step)
    generator = torch.Generator().manual_seed((config.seed << 32) + step)
    batch = data.batch(batch_indices(lengths, step, config), config.dropout, generator)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, config)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bfloat16):
        terms = loss_of(network, batch, config.loss)
    optimizer.zero_grad(set_to_none=True)
    terms.total.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    if torch.isfinite(norm):
        optimizer.step()
    return terms


def loss_of(network: CtegNetwork, batch: Batch, config: LossConfig) -> LossTerms:
    """Return the loss of one batch, latents drawn from the posterior."""
    output = network(batch.frames, batch.markers, batch.frame_mask, batch.text, batch.text_mask, batch.conditions)
    return training_loss(output, batch.gold, batch.mask, batch.stop, config)


def _line(step: int, steps: int, terms: LossTerms, pace: float) -> str:
    parts = " ".join(f"{name} {float(value.detach()):.3f}" for name, value in vars(terms).items())
    return f"step {step}/{steps} {parts} | {pace:.2f} steps/s, {(steps - step) / max(pace, 1e-9) / 60:.1f} min left"


def _log(path: Path, step: int, terms: LossTerms) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", *vars(terms)])
        writer.writerow([step, *(f"{float(value.detach()):.6f}" for value in vars(terms).values())])


def _save(
    folder: Path,
    config: TrainConfig,
    network: CtegNetwork,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    step: int,
) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    record = json.dumps({"step": step, "config": asdict(config)})
    partial = folder / (RESUME_NAME + ".partial")
    whole = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    save_file(whole, partial, metadata={"state": record})
    partial.replace(folder / RESUME_NAME)


def _resume(
    folder: Path,
    config: TrainConfig,
    network: CtegNetwork,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
) -> int:
    path = folder / RESUME_NAME
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["state"])
    if record["config"] != json.loads(json.dumps(asdict(config))):
        raise ValueError(f"{folder} holds a training run of another configuration: choose another folder.")
    tensors = load_file(path)
    network.load_state_dict(_part(tensors, "network."))
    for name, value in _part(tensors, "average.").items():
        average[name].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(record["step"])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
