"""Imports an official checkpoint, and writes the folder of an official network: all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.numpy import save

from cteg_core.emoava.architecture import ImportRefused
from cteg_core.emoava.conversion import OFFICIAL_CHECKPOINT, Array, Converted, convert
from cteg_core.emoava.vocabulary import VOCABULARY_NAME, read_vocabulary, tokenizer_config
from cteg_core.model.checkpoint import CONFIG_NAME, EMOAVA_FORMAT, WEIGHTS_NAME
from cteg_core.model.network import FRAME_WIDTH, CtegNetwork
from flame_rig.untrusted.npy import read_npy
from flame_rig.untrusted.torch_zip import TorchCheckpoint

MEAN_FRAME_NAME: Final = "stage1_mean.npy"
START_FRAME: Final = "start_frame"
NETWORK_PREFIX: Final = "network."
TEXT_ENCODER_FOLDER: Final = "text-encoder"
LICENCE: Final = (
    "The EmoAva data, and so weights learned from it, are for non-commercial use under a signed agreement; "
    "the official code has no licence file."
)
_MOST_MEAN_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        folder: where it is.
        network_numbers, encoder_numbers: how many numbers the network's and the text encoder's weights hold.
        has_vocabulary: whether text can be turned into the ids that the text encoder reads.
    """

    folder: Path
    network_numbers: int
    encoder_numbers: int
    has_vocabulary: bool


def import_emoava(checkpoint: Path, dataset: Path, tokenizer: Path | None, out: Path) -> Imported:
    """Turn an official checkpoint into a folder of ours, without running the pickle in it.

    Args:
        checkpoint: the file that the official training script saved.
        dataset: a folder with ``stage1_mean.npy`` in it or below: the frame that decoding starts from.
        tokenizer: a folder with the text encoder's ``vocab.txt``; without one, text cannot be read.
        out: the folder to make; must not exist or be empty.

    Raises:
        ImportRefused, UntrustedFileError: a file is not what it should be; the message is a sentence.
        OSError: a file cannot be read or written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ImportRefused(f"{out} exists already: name a new or empty folder.")
    if not checkpoint.is_file():
        raise ImportRefused(f"There is no file {checkpoint}: name what the official training script saved.")
    start_frame = read_mean_frame(dataset)
    with TorchCheckpoint(checkpoint, OFFICIAL_CHECKPOINT) as opened:
        converted = convert(opened.value)
    check_sizes(converted)
    vocabulary = None
    if tokenizer is not None:
        vocabulary = read_vocabulary(tokenizer / VOCABULARY_NAME, int(converted.encoder_config["vocab_size"]))
    write_folder(converted, start_frame, vocabulary, out, {"source": checkpoint.name, "epoch": converted.epoch})
    return Imported(
        out,
        sum(weight.size for weight in converted.network.values()),
        sum(weight.size for weight in converted.encoder.values()),
        vocabulary is not None,
    )


def write_folder(
    converted: Converted, start_frame: Array, vocabulary: bytes | None, out: Path, origin: Mapping[str, Any]
) -> None:
    """Write a folder that :func:`~cteg_core.emoava.loading.load_emoava` loads: all of it or nothing.

    Args:
        converted: the network's and the text encoder's weights, checked (:func:`check_sizes`).
        start_frame: ``float32 [53]``.
        vocabulary: the text encoder's words, one a line; None where they are not known.
        out: the folder; one that is there is replaced.
        origin: where the weights come from, for people: entries of ``config.json``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        _write(converted, start_frame, vocabulary, partial, origin)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def read_mean_frame(dataset: Path) -> Array:
    """Return the data set's mean frame, ``float32 [53]``; raises ImportRefused, UntrustedFileError or OSError."""
    found = sorted(dataset.rglob(MEAN_FRAME_NAME)) if dataset.is_dir() else []
    if not found:
        raise ImportRefused(f"There is no {MEAN_FRAME_NAME} in or below {dataset}: decoding starts from that frame.")
    frames = [np.asarray(read_npy(path, _MOST_MEAN_BYTES)) for path in found]
    for path, frame in zip(found, frames, strict=True):
        if frame.shape != (FRAME_WIDTH,) or frame.dtype.kind != "f" or not np.isfinite(frame).all():
            raise ImportRefused(f"{path} does not hold {FRAME_WIDTH} finite numbers.")
        if not np.array_equal(frame, frames[0]):
            raise ImportRefused(f"{found[0]} and {path} are different frames: give the folder of one data set.")
    return frames[0].astype(np.float32)


def check_sizes(converted: Converted) -> None:
    """Raise ImportRefused unless the weights are exactly those of the network and of BERT at these sizes."""
    from transformers import BertConfig, BertModel

    with torch.device("meta"):
        network = CtegNetwork(converted.config).state_dict()
        encoder = BertModel(BertConfig(**converted.encoder_config), add_pooling_layer=False).state_dict()
    for weights, expected in ((converted.network, network), (converted.encoder, encoder)):
        odd = sorted(weights.keys() ^ expected.keys())
        if odd:
            raise ImportRefused(f"The checkpoint has too many or too few weights for its settings: {odd[0]!r}.")
        for name, weight in weights.items():
            if weight.shape != tuple(expected[name].shape):
                raise ImportRefused(
                    f"The checkpoint's weight for {name} has shape {list(weight.shape)}; "
                    f"its settings ask for {list(expected[name].shape)}."
                )
    if converted.config.d_text != converted.encoder_config["hidden_size"]:
        raise ImportRefused("The checkpoint's decoder does not read states as wide as its text encoder's.")


def _write(
    converted: Converted, start_frame: Array, vocabulary: bytes | None, folder: Path, origin: Mapping[str, Any]
) -> None:
    encoder = folder / TEXT_ENCODER_FOLDER
    encoder.mkdir()
    tensors = {NETWORK_PREFIX + name: weight for name, weight in converted.network.items()}
    (folder / WEIGHTS_NAME).write_bytes(save(tensors | {START_FRAME: start_frame}))
    # transformers reads a file of weights only if it says that they are PyTorch's.
    (encoder / WEIGHTS_NAME).write_bytes(save(dict(converted.encoder), metadata={"format": "pt"}))
    _write_json(encoder / CONFIG_NAME, converted.encoder_config)
    if vocabulary is not None:
        (encoder / VOCABULARY_NAME).write_bytes(vocabulary)
        longest = int(converted.encoder_config["max_position_embeddings"])
        _write_json(encoder / "tokenizer_config.json", tokenizer_config(longest))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    record = {
        "format": EMOAVA_FORMAT,
        **origin,
        "architecture": converted.config.to_record(),
        "sha256": {path.relative_to(folder).as_posix(): _digest(path) for path in files},
        "licence": LICENCE,
    }
    _write_json(folder / CONFIG_NAME, record)


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
