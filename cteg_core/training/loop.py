"""The training loop: resumable at any moment, deterministic on a CPU for a seed, thread and process count."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from cteg_core.model.network import CtegNetwork
from cteg_core.training.batches import NO_DROPOUT, Batch
from cteg_core.training.data import TrainData, TrainingData, scaling_of
from cteg_core.training.devices import accelerator_for, autocast, moved, part_of, step_seed
from cteg_core.training.logs import TrainingLog
from cteg_core.training.losses import LossConfig, LossTerms, training_loss
from cteg_core.training.order import TrainingOrder
from cteg_core.training.resume import Best, TrainingState, load_best, load_last, save_best, save_last
from cteg_core.training.schedule import learning_rate, optimizer_for
from cteg_core.training.settings import TrainConfig

__all__ = ["TrainConfig", "TrainData", "TrainingError", "held_out_loss", "loss_of", "scaling_of", "train"]

MOST_SKIPPED_IN_A_ROW: Final = 25
LOSS_NAMES: Final = ("total", "reconstruction", "guided", "kl", "velocity", "stop", "utterance")
STEP_NAMES: Final = (*LOSS_NAMES, "rate", "gradient_norm", "skipped")


class TrainingError(ValueError):
    """Training cannot go on."""


def train(
    data: TrainingData,
    config: TrainConfig,
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
    *,
    device: str = "auto",
    bar: bool = False,
) -> CtegNetwork:
    """Train, or go on training, in ``folder``; return the network with averaged weights, on the CPU.

    Args:
        data, config: what and how; a resume state of another configuration is refused.
        folder: holds the logs (:mod:`~cteg_core.training.logs`), the last state and the best weights
            (:mod:`~cteg_core.training.resume`).
        report: takes a line of progress now and then.
        stop_after: stop at this step as if the process had ended there (tests, time limits).
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        bar: whether to show a progress bar on stderr.

    Raises:
        ResumeError: the folder holds another run, or a damaged one.
        TrainingError: too many steps in a row had gradients that are not finite.
        ValueError: nothing to train on, or no such device.
    """
    accelerator = accelerator_for(device)
    folder.mkdir(parents=True, exist_ok=True)
    held_out = data.held_out(config.held_out)
    order = TrainingOrder(data.lengths, held_out, config)
    held_out = held_out[data.lengths[held_out] <= config.longest]
    state = _fresh(config)
    load_last(folder, config, state)
    best = load_best(folder, config)
    state.average.to(accelerator.device)
    model, optimizer = accelerator.prepare(state.network, state.optimizer)
    log = None
    if accelerator.is_main_process:
        log = TrainingLog(folder, STEP_NAMES, state.step, order.steps, report, bar=bar)
    try:
        while state.step < (order.steps if stop_after is None else min(stop_after, order.steps)):
            rate = learning_rate(state.step, config, order.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            losses, norm = _step(accelerator, model, optimizer, data, order.at(state.step), config, state.step)
            _count(state, math.isfinite(norm), log)
            _move_average(state, config)
            state.step += 1
            logged = None
            if state.step % config.log_every == 0:
                logged = dict(zip(LOSS_NAMES, accelerator.reduce(losses, "mean").tolist(), strict=True))
            if log is not None:
                log.stepped()
                if logged is not None:
                    log.losses(state.step, logged | _named(rate, norm, state.skipped))
                best = _keep(folder, data, held_out, config, state, order.steps, best, log, accelerator)
    finally:
        if log is not None:
            log.close()
    accelerator.wait_for_everyone()
    return state.average.cpu()


def loss_of(network: nn.Module, batch: Batch, config: LossConfig) -> LossTerms:
    """Return the loss of one batch, latents drawn from the posterior."""
    output = network(batch.frames, batch.markers, batch.frame_mask, batch.text, batch.text_mask, batch.conditions)
    return training_loss(output, batch.gold, batch.mask, batch.stop, config)


@torch.no_grad()
def held_out_loss(
    network: CtegNetwork, data: TrainingData, held_out: NDArray[np.int64], config: TrainConfig, device: torch.device
) -> float:
    """Return the mean loss a frame on the performances ``held_out [N]``, N ≥ 1, nothing hidden from the network.

    Latents are drawn with the same noise every time, so that evaluations differ by the weights alone.
    """
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    ordered = held_out[np.argsort(data.lengths[held_out], kind="stable")]
    total, frames = 0.0, 0
    for start in range(0, len(ordered), config.batch):
        batch = data.batch([int(i) for i in ordered[start : start + config.batch]], NO_DROPOUT, generator)
        count = int(batch.mask.sum())
        total += float(loss_of(network, moved(batch, device), config.loss).total) * count
        frames += count
    return total / frames


def _fresh(config: TrainConfig) -> TrainingState:
    torch.manual_seed(config.seed)
    network = CtegNetwork(config.model)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    return TrainingState(network, optimizer_for(network, config), average)


def _step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: TrainingData,
    indices: list[int],
    config: TrainConfig,
    step: int,
) -> tuple[Tensor, float]:
    """Do one step, unless its gradients are not finite.

    Returns:
        This process's part of the losses, in the order of ``LOSS_NAMES``: their mean over processes is the batch's.
        And the norm of the gradients.
    """
    model.train()
    generator = torch.Generator().manual_seed(step_seed(config.seed, step, 0))
    whole = data.batch(indices, config.dropout, generator)
    batch, share = part_of(whole, accelerator.process_index, accelerator.num_processes)
    torch.manual_seed(step_seed(config.seed, step, 1 + accelerator.process_index))
    with autocast(accelerator, config.bfloat16):
        terms = loss_of(model, moved(batch, accelerator.device), config.loss)
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(terms.total * share)
    norm = accelerator.clip_grad_norm_(model.parameters(), config.clip or math.inf)
    size = math.nan if norm is None else float(norm)
    if math.isfinite(size):
        optimizer.step()
    losses = torch.stack([getattr(terms, name).detach().float() for name in LOSS_NAMES])
    return losses * share, size


def _count(state: TrainingState, finite: bool, log: TrainingLog | None) -> None:
    """Count a step whose gradients were not finite; raises TrainingError after many in a row."""
    if finite:
        state.skipped_in_a_row = 0
        return
    state.skipped += 1
    state.skipped_in_a_row += 1
    if log is not None:
        log.say(f"step {state.step + 1}: the gradients are not finite; left out ({state.skipped} so far)")
    if state.skipped_in_a_row >= MOST_SKIPPED_IN_A_ROW:
        raise TrainingError(
            f"The gradients of {state.skipped_in_a_row} steps in a row, up to step {state.step + 1}, were not finite: "
            "the weights no longer learn. Start again with a lower rate, or without bfloat16."
        )


def _move_average(state: TrainingState, config: TrainConfig) -> None:
    # Early weights are worth little: the average forgets them faster.
    decay = min(config.ema, (1 + state.step) / (10 + state.step))
    weights = state.network.state_dict()
    for name, value in state.average.state_dict().items():
        value.lerp_(weights[name], 1 - decay)


def _keep(
    folder: Path,
    data: TrainingData,
    held_out: NDArray[np.int64],
    config: TrainConfig,
    state: TrainingState,
    steps: int,
    best: Best | None,
    log: TrainingLog,
    accelerator: Accelerator,
) -> Best | None:
    """Evaluate and save where it is time to; return the best so far."""
    ended = state.step == steps
    if len(held_out) and (ended or state.step % config.evaluate_every == 0):
        loss = held_out_loss(state.average, data, held_out, config, accelerator.device)
        better = math.isfinite(loss) and (best is None or loss < best.loss)
        if better:
            best = Best(state.step, loss)
            save_best(folder, config, state.average, best)
        log.held_out(state.step, loss, better)
    if ended or state.step % config.save_every == 0:
        log.flush()
        save_last(folder, config, state)
    return best


def _named(rate: float, norm: float, skipped: int) -> dict[str, float]:
    return {"rate": rate, "gradient_norm": norm, "skipped": float(skipped)}
