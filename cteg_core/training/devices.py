"""Where training runs: device and processes by accelerate, and each process's part of a batch.

Every process plans the whole batch, so that what is hidden from the network and how far lines are padded do not
depend on how many processes there are; then each takes its rows: row, row + processes, row + 2 processes, ...
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from cteg_core.training.batches import Batch

Record = TypeVar("Record")

_PATIENCE: Final = timedelta(hours=6)
"""How long processes wait while the first one reads texts and trains the emotion head."""


def accelerator_for(device: str = "auto") -> Accelerator:
    """Return accelerate's handle on this process's device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises ValueError when the machine has no such device, or accelerate was launched with a precision that is not
    offered here.
    """
    # Which weights take part depends on the configuration's switches.
    switches = DistributedDataParallelKwargs(find_unused_parameters=True)
    handlers = [switches, InitProcessGroupKwargs(timeout=_PATIENCE)]
    accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=handlers)
    if device not in ("auto", accelerator.device.type):
        raise ValueError(f"This machine's torch offers no device {device!r}: choose auto or cpu.")
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(f"Training runs in float32 or bfloat16, not in {accelerator.mixed_precision!r}.")
    return accelerator


def autocast(accelerator: Accelerator, bfloat16: bool) -> AbstractContextManager[None]:
    """Return the context that matrix products run in: bfloat16 where the run or accelerate's launcher asks for it.

    A precision given to accelerate holds for the whole process; so it would for every other run in it.
    """
    enabled = bfloat16 or accelerator.mixed_precision == "bf16"
    return torch.autocast(accelerator.device.type, dtype=torch.bfloat16, enabled=enabled)


def step_seed(seed: int, step: int, process: int) -> int:
    """Return the seed of one step's noise in one process: processes draw different noise."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0])


def part_of(batch: Batch, process: int, processes: int) -> tuple[Batch, float]:
    """Return one process's rows of a batch, and the factor on its loss.

    Gradients are averaged over processes; with the factor, the processes' frames count alike whichever process has
    them, so that the average is the gradient of the mean over the batch's frames. A batch of fewer rows than
    processes is left whole: every process then does the same work with noise of its own.
    """
    if processes == 1 or len(batch.gold) < processes:
        return batch, 1.0
    mask = batch.frame_mask
    part = _mapped(batch, lambda tensor: tensor[process::processes])
    if mask.dim() == 2 or len(mask) == 1:  # a mask of positions alone has no rows: every process needs the whole
        part = replace(part, frame_mask=mask)
    return part, processes * float(part.mask.sum()) / float(batch.mask.sum())


def moved(batch: Batch, device: torch.device) -> Batch:
    """Return a batch on a device."""
    return _mapped(batch, lambda tensor: tensor.to(device))


def _mapped(record: Record, change: Callable[[Tensor], Tensor]) -> Record:
    """Return a frozen dataclass with every tensor in it changed."""
    changed: dict[str, object] = {}
    for entry in fields(record):  # type: ignore[arg-type]
        value = getattr(record, entry.name)
        if isinstance(value, Tensor):
            changed[entry.name] = change(value)
        elif is_dataclass(value) and not isinstance(value, type):
            changed[entry.name] = _mapped(value, change)
    return replace(record, **changed)  # type: ignore[type-var]
