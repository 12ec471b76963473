"""What a training of the text side leaves on disk to go on from; safetensors and JSON, no pickles."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from cteg_core.model.adapters import Adapters
from cteg_core.model.emotion_head import EmotionHead
from cteg_core.training.resume import ResumeError, load_optimizer, optimizer_tensors, part, write_state
from cteg_core.training.text_layers import RememberedLayers

if TYPE_CHECKING:
    from cteg_core.training.text_side import TextTraining

STATE_NAME: Final = "text-side.safetensors"


@dataclass
class TextState:
    """A run between two steps; ``remembered`` is there where the head alone is trained, and the adapters rest."""

    adapters: Adapters
    head: EmotionHead
    optimizer: torch.optim.Optimizer
    step: int = 0
    remembered: RememberedLayers | None = None

    def parameters(self) -> list[nn.Parameter]:
        """Return what is trained."""
        return [*(self.adapters.parameters() if self.remembered is None else ()), *self.head.parameters()]


def save_state(folder: Path, config: TextTraining, state: TextState, texts: str) -> None:
    """Write the state that a run can go on from; ``texts`` is the digest of what it learns from."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {f"adapters.{name}": value for name, value in state.adapters.state().items()}
    tensors |= {f"head.{name}": value for name, value in state.head.state_dict().items()}
    tensors |= optimizer_tensors(state.optimizer)
    write_state(folder / STATE_NAME, tensors, {"step": state.step, "config": _plain(config), "texts": texts})


def load_state(folder: Path, config: TextTraining, state: TextState, texts: str) -> bool:
    """Bring ``state`` to where a run stopped; return whether there was one.

    Raises ResumeError when the folder holds a run of another configuration or on other texts, or a damaged one.
    """
    path = folder / STATE_NAME
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["state"])
        if record["config"] != _plain(config):
            raise ResumeError(f"{folder} holds the text side of another configuration: choose another folder.")
        if record["texts"] != texts:
            raise ResumeError(f"{folder} holds a text side that learns from other texts: choose another folder.")
        tensors = load_file(path)
        state.adapters.load(part(tensors, "adapters."))
        state.head.load_state_dict(part(tensors, "head."))
        load_optimizer(state.optimizer, tensors)
        state.step = int(record["step"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ResumeError):
            raise
        raise ResumeError(f"{path} is damaged, so the run cannot go on: {error}") from error
    return True


def _plain(config: TextTraining) -> Any:
    return json.loads(json.dumps(asdict(config)))
