"""From the official state dict to our tensors: every entry is taken over, checked and left out, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emoava.architecture import ImportRefused, bert_config, model_config, settings_of
from cteg_core.emoava.names import (
    ENCODER,
    ENCODER_DEAD,
    ENCODER_TWIN,
    MARKER_WORDS,
    MARKERS,
    POSITION_TABLE,
    WORD_EMBEDDING,
    network_names,
)
from cteg_core.model.attention import sinusoid_table
from cteg_core.model.config import ModelConfig
from flame_rig.untrusted.torch_zip import StoredTensor, with_stand_ins
from flame_rig.untrusted.vocabulary import shown

Array = NDArray[np.float32]

OFFICIAL_CHECKPOINT: Final = with_stand_ins(
    "argparse.Namespace", "pathlib", "torch.nn.modules", "torch.nn.functional", "torch._C._nn", "torch.device",
    "torch.Size", "torch.float32", "torch.float16", "torch.bfloat16", "torch.int64", "tokenizers", "transformers",
)  # fmt: skip
"""What the official training script's files name: its arguments, and a BertModel with everything in it."""


@dataclass(frozen=True)
class Converted:
    """An official checkpoint's contents under our names.

    Attributes:
        config: the network's architecture.
        network: name to ``float32`` weights, as ``CtegNetwork.state_dict`` has them.
        encoder_config: BERT's configuration in transformers' words.
        encoder: name to ``float32`` weights, as ``BertModel`` without its pooler has them.
        epoch: the epoch it was saved after; None if it does not say.
    """

    config: ModelConfig
    network: Mapping[str, Array]
    encoder_config: Mapping[str, Any]
    encoder: Mapping[str, Array]
    epoch: int | None


def convert(value: object) -> Converted:
    """Return the contents of an official checkpoint's value (:class:`TorchCheckpoint`, still open).

    Raises:
        ImportRefused: a weight is missing, unknown, not finite, or not of the size that the others ask for.
        UntrustedFileError: a weight's entry in the file is damaged.
    """
    settings, tensors = settings_of(value), _state_dict(value)
    config, encoder_config = model_config(settings, tensors), bert_config(settings)
    left = dict(tensors)
    network: dict[str, Array] = {}
    for official, ours in network_names(config.layers):
        network[ours] = _weight(left, official)
    words = _weight(left, WORD_EMBEDDING)
    if words.ndim != 2 or len(words) <= max(MARKER_WORDS):
        raise ImportRefused(f"The checkpoint's {WORD_EMBEDDING} has no row {max(MARKER_WORDS)}.")
    network[MARKERS] = words[list(MARKER_WORDS)]
    _check_positions(_weight(left, POSITION_TABLE), config)
    encoder = _encoder(left)
    if left:
        names = ", ".join(shown(name) for name in sorted(left)[:3])
        raise ImportRefused(f"The checkpoint has {len(left)} weights that the official network does not: {names}.")
    epoch = value.get("epoch") if isinstance(value, dict) else None
    return Converted(config, network, encoder_config, encoder, epoch if type(epoch) is int else None)


def _state_dict(value: object) -> dict[str, StoredTensor]:
    model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, dict):
        raise ImportRefused("The checkpoint has no `model`: it was not saved by the official training script.")
    tensors = {name: tensor for name, tensor in model.items() if isinstance(name, str)}
    if len(tensors) != len(model) or not all(isinstance(tensor, StoredTensor) for tensor in tensors.values()):
        raise ImportRefused("The checkpoint's `model` holds something else than named weights.")
    return tensors


def _weight(left: dict[str, StoredTensor], name: str) -> Array:
    tensor = left.pop(name, None)
    if tensor is None:
        raise ImportRefused(f"The checkpoint has no weight {name}.")
    if not tensor.is_floating:
        raise ImportRefused(f"The checkpoint's weight {name} does not hold floating-point numbers.")
    array = np.ascontiguousarray(tensor.read(), dtype=np.float32)
    if not np.isfinite(array).all():
        raise ImportRefused(f"The checkpoint's weight {name} holds numbers that are not finite.")
    return array.reshape(tensor.shape)  # ascontiguousarray makes a vector of a scalar


def _check_positions(table: Array, config: ModelConfig) -> None:
    right_shape = table.shape == (1, config.max_frames, config.d_model)
    if not right_shape or not np.allclose(
        table[0], sinusoid_table(config.max_frames, config.d_model).numpy(), rtol=0.0, atol=1e-5
    ):
        raise ImportRefused(f"The checkpoint's {POSITION_TABLE} is not the sinusoidal table of the official network.")


def _encoder(left: dict[str, StoredTensor]) -> dict[str, Array]:
    """Take BERT out of ``left``; raises ImportRefused when its two copies differ."""
    twins = {name.removeprefix(ENCODER_TWIN): left.pop(name) for name in list(left) if name.startswith(ENCODER_TWIN)}
    names = [name.removeprefix(ENCODER) for name in left if name.startswith(ENCODER)]
    if twins and twins.keys() != set(names):
        raise ImportRefused("The checkpoint's two text encoders do not have the same weights.")
    weights: dict[str, Array] = {}
    for name in names:
        if twins and not _same(left[ENCODER + name], twins[name]):
            raise ImportRefused(f"The checkpoint's two text encoders differ in {name}.")
        if name.startswith(ENCODER_DEAD):
            del left[ENCODER + name]
        else:
            weights[name] = _weight(left, ENCODER + name)
    return weights


def _same(one: StoredTensor, other: StoredTensor) -> bool:
    return one.same_numbers(other) or np.array_equal(one.read(), other.read())
