"""Low-rank adapters of the text encoder: what dialogue taught it, in a few megabytes beside its frozen weights.

LoRA (Hu et al. 2021): every linear map W of the encoder's layers becomes W + B A, with A and B of a small rank, and
its layer norms get other gains and biases. The encoder's own weights stay as they were, so that one encoder in memory
reads both ways: adapted for emotion, and untouched for what the decoder attends to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

SCALE: Final = 2.0
"""Factor on B A (LoRA's alpha over its rank)."""
_PLACES: Final = (
    ("attention.self", "query"), ("attention.self", "key"), ("attention.self", "value"),
    ("attention.output", "dense"), ("intermediate", "dense"), ("output", "dense"),
)  # fmt: skip
"""The six linear maps of a layer of a BERT, as transformers names them."""
_NORMS: Final = ("attention.output", "output")
"""What holds its two layer norms."""


class _Switch:
    """Whether adapters take part; shared by all of one encoder's."""

    on = False


class AdaptedLinear(nn.Module):
    """A frozen linear map with a low-rank addition that can be switched off."""

    def __init__(self, base: nn.Linear, rank: int, switch: _Switch) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self._switch = switch

    def forward(self, x: Tensor) -> Tensor:
        """``[..., in]`` to ``[..., out]``."""
        base: Tensor = self.base(x)
        if not self._switch.on:
            return base
        return base + SCALE * F.linear(F.linear(x, self.down), self.up)


class AdaptedNorm(nn.Module):
    """A frozen layer norm, and other gains and biases in its place while adapters take part."""

    def __init__(self, base: nn.LayerNorm, switch: _Switch) -> None:
        super().__init__()
        self.base = base
        self.gain = nn.Parameter(base.weight.detach().clone())
        self.bias = nn.Parameter(base.bias.detach().clone())
        self._switch = switch

    def forward(self, x: Tensor) -> Tensor:
        """``[..., D]`` to ``[..., D]``."""
        if not self._switch.on:
            return torch.as_tensor(self.base(x))
        return F.layer_norm(x, self.base.normalized_shape, self.gain, self.bias, self.base.eps)


class Adapters:
    """The adapters of one encoder; at first they change nothing."""

    def __init__(self, model: Any, rank: int) -> None:
        """Put adapters of ``rank`` into a BERT of transformers; raises ValueError if it is none, or has them already.

        Nothing but the adapters stays trainable.
        """
        self._switch = _Switch()
        self._modules: dict[str, AdaptedLinear | AdaptedNorm] = {}
        model.requires_grad_(False)
        try:
            layers = list(model.encoder.layer)
            for index, layer in enumerate(layers):
                for path, name in _PLACES:
                    owner = layer.get_submodule(path)
                    base = getattr(owner, name)
                    if not isinstance(base, nn.Linear):
                        raise ValueError("The text encoder has adapters already.")
                    adapted = AdaptedLinear(base, rank, self._switch).to(base.weight.device)
                    setattr(owner, name, adapted)
                    self._modules[f"{index}.{path}.{name}"] = adapted
                for path in _NORMS:
                    owner = layer.get_submodule(path)
                    owner.LayerNorm = AdaptedNorm(owner.LayerNorm, self._switch)
                    self._modules[f"{index}.{path}.LayerNorm"] = owner.LayerNorm
        except AttributeError as error:
            raise ValueError(f"The text encoder is not a BERT that adapters fit: {error}") from None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the adapters take part."""
        before, self._switch.on = self._switch.on, True
        try:
            yield
        finally:
            self._switch.on = before

    def parameters(self) -> list[nn.Parameter]:
        """Return what is trained, always in the same order."""
        return [getattr(self._modules[name], part) for name, part in self._names()]

    def state(self) -> dict[str, Tensor]:
        """Return the weights by name."""
        return {f"{name}.{part}": getattr(self._modules[name], part).detach() for name, part in self._names()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take weights that :meth:`state` returned; raises ValueError where they do not fit."""
        if set(state) != set(self.state()):
            raise ValueError("These adapters are of another text encoder.")
        for name, value in state.items():
            path, part = name.rsplit(".", 1)
            own = getattr(self._modules[path], part)
            if own.shape != value.shape:
                raise ValueError(f"The adapter {name} has shape {tuple(value.shape)}, not {tuple(own.shape)}.")
            own.copy_(value)

    def _names(self) -> Iterator[tuple[str, str]]:
        for name, module in self._modules.items():
            for part in ("down", "up") if isinstance(module, AdaptedLinear) else ("gain", "bias"):
                yield name, part


def rank_of(state: Mapping[str, Tensor]) -> int:
    """Return the rank of adapters' weights; raises ValueError where they are none."""
    ranks = {value.shape[0] for name, value in state.items() if name.endswith(".down") and value.ndim == 2}
    if len(ranks) != 1:
        raise ValueError("These are not the weights of adapters.")
    return int(ranks.pop())
