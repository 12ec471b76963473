"""Loads the folder that :mod:`~cteg_core.emoava.importing` writes: network, text encoder and start frame."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from cteg_core.emoava.importing import NETWORK_PREFIX, START_FRAME, TEXT_ENCODER_FOLDER
from cteg_core.emoava.vocabulary import VOCABULARY_NAME
from cteg_core.model.checkpoint import CONFIG_NAME, EMOAVA_FORMAT, WEIGHTS_NAME, CheckpointError
from cteg_core.model.config import ModelConfig
from cteg_core.model.network import FRAME_WIDTH, CtegNetwork


@dataclass(frozen=True)
class EmoavaModel:
    """An imported official model.

    Attributes:
        network: the decoder, in evaluation mode.
        text_encoder: transformers' ``BertModel``, frozen.
        tokenizer: transformers' tokenizer; None if no vocabulary was imported.
        start_frame: ``[53]``, the frame that decoding starts from.
        sha256: of the network's weights.
    """

    network: CtegNetwork
    text_encoder: Any
    tokenizer: Any | None
    start_frame: Tensor
    sha256: str

    @torch.inference_mode()
    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return BERT's last states ``[B, S, d_text]`` of token ids ``int64 [B, S]``; ``mask`` is True at tokens."""
        states: Tensor = self.text_encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states


def load_emoava(folder: Path, device: str = "cpu") -> EmoavaModel:
    """Load an imported checkpoint; raises CheckpointError when it is missing, damaged or of another kind."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    record = _record(folder / CONFIG_NAME)
    encoder_folder = folder / TEXT_ENCODER_FOLDER
    try:
        digests = dict(record["sha256"])
        tensors = load(_verified(folder, WEIGHTS_NAME, digests))
        start_frame = tensors.pop(START_FRAME)
        network = CtegNetwork(ModelConfig.from_record(record["architecture"]))
        network.load_state_dict({name.removeprefix(NETWORK_PREFIX): value for name, value in tensors.items()})
        config = json.loads(_verified(folder, f"{TEXT_ENCODER_FOLDER}/{CONFIG_NAME}", digests))
        text_encoder: Any = BertModel(BertConfig(**config), add_pooling_layer=False)
        text_encoder.load_state_dict(load(_verified(folder, f"{TEXT_ENCODER_FOLDER}/{WEIGHTS_NAME}", digests)))
        tokenizer = None
        if f"{TEXT_ENCODER_FOLDER}/{VOCABULARY_NAME}" in digests:
            _verified(folder, f"{TEXT_ENCODER_FOLDER}/{VOCABULARY_NAME}", digests)
            tokenizer = AutoTokenizer.from_pretrained(str(encoder_folder), local_files_only=True)
        if start_frame.shape != (FRAME_WIDTH,):
            raise ValueError(f"its start frame has shape {list(start_frame.shape)}")
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"The imported checkpoint in {folder} cannot be used: {error}") from error
    return EmoavaModel(
        network.to(device).eval(),
        text_encoder.to(device).eval().requires_grad_(False),
        tokenizer,
        start_frame.to(device),
        digests[WEIGHTS_NAME],
    )


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"There is no imported checkpoint at {path.parent}: {error}") from error
    if not isinstance(record, dict) or record.get("format") != EMOAVA_FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint that import-emoava wrote.")
    return record


def _verified(folder: Path, name: str, digests: dict[str, str]) -> bytes:
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != digests.get(name):
        raise ValueError(f"{name} is not the file that was written; import it again")
    return data
