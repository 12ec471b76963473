"""What a run leaves on disk to go on from: the last state, and the best weights; safetensors and JSON, no pickles.

``last.safetensors`` holds everything that the next step depends on; ``best.safetensors`` the averaged weights that did
best on the lines held out. Each file is written beside its place and put there whole, so that a kill at any moment
leaves the old one or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cteg_core.model.network import CtegNetwork
from cteg_core.training.settings import TrainConfig

LAST_NAME: Final = "last.safetensors"
BEST_NAME: Final = "best.safetensors"


class ResumeError(ValueError):
    """A run folder cannot be gone on from: it is another run's, or damaged."""


@dataclass
class TrainingState:
    """A run between two steps.

    Attributes:
        network, optimizer: what is trained, and how.
        average: the network with averaged weights.
        step: steps done.
        skipped, skipped_in_a_row: steps left out because their gradients were not finite: all, and the latest.
    """

    network: CtegNetwork
    optimizer: torch.optim.Optimizer
    average: CtegNetwork
    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0


@dataclass(frozen=True)
class Best:
    """The best weights so far: the step after which they were taken, and their loss on the lines held out."""

    step: int
    loss: float


def save_last(folder: Path, config: TrainConfig, state: TrainingState) -> None:
    """Write the state that a run can go on from."""
    tensors = _named("network.", state.network.state_dict()) | _named("average.", state.average.state_dict())
    tensors |= optimizer_tensors(state.optimizer)
    record = {"step": state.step, "skipped": state.skipped, "skipped_in_a_row": state.skipped_in_a_row}
    write_state(folder / LAST_NAME, tensors, record | {"config": _plain(config)})


def load_last(folder: Path, config: TrainConfig, state: TrainingState) -> bool:
    """Bring ``state`` to where a run stopped; return whether there was one.

    Raises ResumeError when the folder holds a run of another configuration, or a damaged one.
    """
    path = folder / LAST_NAME
    if not path.is_file():
        return False
    try:
        record = _record(path)
        if record["config"] != _plain(config):
            raise ResumeError(
                f"{folder} holds a training run of another configuration ({_difference(record['config'], config)}): "
                "choose another folder, or ask for the same again."
            )
        tensors = load_file(path)
        state.network.load_state_dict(part(tensors, "network."))
        state.average.load_state_dict(part(tensors, "average."))
        load_optimizer(state.optimizer, tensors)
        state.step, state.skipped = int(record["step"]), int(record["skipped"])
        state.skipped_in_a_row = int(record["skipped_in_a_row"])
    except (SafetensorError, OSError, KeyError, TypeError, RuntimeError) as error:
        raise ResumeError(f"{path} is damaged, so the run cannot go on: {error}") from error
    return True


def save_best(folder: Path, config: TrainConfig, average: CtegNetwork, best: Best) -> None:
    """Write the averaged weights as the best so far."""
    write_state(folder / BEST_NAME, dict(average.state_dict()), asdict(best) | {"config": _plain(config)})


def load_best(folder: Path, config: TrainConfig, into: CtegNetwork | None = None) -> Best | None:
    """Return what the best weights reached, and load them ``into`` a network; None where there are none.

    Raises ResumeError when they are damaged; those of another configuration count as none.
    """
    path = folder / BEST_NAME
    if not path.is_file():
        return None
    try:
        record = _record(path)
        if record["config"] != _plain(config):
            return None
        if into is not None:
            into.load_state_dict(load_file(path))
        return Best(int(record["step"]), float(record["loss"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ResumeError(f"{path} is damaged: {error}") from error


def write_state(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a JSON record, forced to disk beside their place and then put there."""
    partial = path.with_name(path.name + ".partial")
    # Copies: safetensors takes no two tensors of one memory.
    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(whole, partial, metadata={"state": json.dumps(record)})
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _record(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        record = json.loads((file.metadata() or {})["state"])
    if not isinstance(record, dict):
        raise TypeError("its description is not a record")
    return record


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's moments by name."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take the moments among ``tensors`` that :func:`optimizer_tensors` returned."""
    values: dict[int, dict[str, Tensor]] = {}
    for name, value in part(tensors, "optimizer.").items():
        index, entry = name.split(".", 1)
        values.setdefault(int(index), {})[entry] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": values, "param_groups": groups})


def _plain(config: TrainConfig) -> Any:
    return json.loads(json.dumps(asdict(config)))


def _difference(found: Any, config: TrainConfig) -> str:
    wanted = _plain(config)
    names = [name for name in wanted if not isinstance(found, dict) or found.get(name) != wanted[name]]
    return f"differing in {', '.join(names)}" if names else "of another version"


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
