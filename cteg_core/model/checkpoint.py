"""Checkpoints: ``model.safetensors`` and ``config.json`` in a folder, nothing pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from cteg_core.model.config import ModelConfig
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.network import CtegNetwork

CHECKPOINT_FORMAT: Final = 1
MOST_STEADYING: Final = 10.0
EMOAVA_FORMAT: Final = "emoava-1"
"""What `import-emoava` writes: an official network with its own text encoder, read by `cteg_core.emoava.loading`."""
WEIGHTS_NAME: Final = "model.safetensors"
CONFIG_NAME: Final = "config.json"
MAX_WEIGHTS_BYTES: Final = 4 << 30
DEFAULT_FOLDER: Final = Path(__file__).parent.parent / "checkpoints" / "default"
"""The checkpoint that ships."""


class CheckpointError(ValueError):
    """A checkpoint is missing, damaged, or made for another version."""


@dataclass(frozen=True)
class Scaling:
    """The corpus's mean and deviation of each number of a frame, ``float32 [53]`` each."""

    mean: Tensor
    deviation: Tensor

    def normalised(self, frames: Tensor) -> Tensor:
        """Return frames ``[..., 53]`` as the network sees them."""
        return (frames - self.mean) / self.deviation

    def restored(self, frames: Tensor) -> Tensor:
        """Return frames ``[..., 53]`` in the expression space again."""
        return frames * self.deviation + self.mean


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        name: short name, the first part of its id.
        space: expression space of its frames.
        fps: frames a second it was trained at.
        text_encoder: file name to SHA-256 of the encoder it needs.
        training: what it was trained on and how, for people.
        metrics: measured figures.
        licence: SPDX expression of the weights.
    """

    name: str
    space: str
    fps: float
    text_encoder: Mapping[str, str]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    licence: str


@dataclass(frozen=True)
class Checkpoint:
    """A trained model: the network, the emotion head, and the scaling.

    ``adapters`` are those of the text encoder by name (``Adapters.state``); empty where its own weights are used.
    ``steadying`` is ``[2, 53]``, the width of each coefficient's steadying in frames (``model.steadying``): of spoken
    performances, and of silent ones. ``rater`` is the head that answers as GoEmotions' and EmoBank's raters do, None in
    a checkpoint from before there was one; ``thresholds`` ``[28]`` say from which share a label is there, by the rater.
    """

    info: CheckpointInfo
    network: CtegNetwork
    emotion_head: EmotionHead
    thresholds: Tensor
    scaling: Scaling
    sha256: str = ""
    adapters: Mapping[str, Tensor] = field(default_factory=dict)
    steadying: Tensor = field(default_factory=lambda: torch.zeros(2, 53))
    rater: EmotionHead | None = None

    @property
    def id(self) -> str:
        """Name and the first twelve digits of the weights' SHA-256."""
        return f"{self.info.name}@{self.sha256[:12]}"


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> str:
    """Write a checkpoint; each file appears whole or not at all. Returns the weights' SHA-256.

    Adapters and heads are written in half precision, which changes what is read by less than a thousandth.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": value for name, value in checkpoint.network.state_dict().items()}
    tensors |= {f"emotion.{name}": value.half() for name, value in checkpoint.emotion_head.state_dict().items()}
    if checkpoint.rater is not None:
        tensors |= {f"rater.{name}": value.half() for name, value in checkpoint.rater.state_dict().items()}
    tensors |= {f"adapters.{name}": value.half() for name, value in checkpoint.adapters.items()}
    tensors |= {
        "thresholds": checkpoint.thresholds.float(),
        "scaling.mean": checkpoint.scaling.mean,
        "scaling.deviation": checkpoint.scaling.deviation,
    }
    weights = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    sha256 = hashlib.sha256(weights).hexdigest()
    record = {
        "format": CHECKPOINT_FORMAT,
        "sha256": sha256,
        "architecture": checkpoint.network.config.to_record(),
        "emotion_head": asdict(checkpoint.emotion_head.config),
        "rater": None if checkpoint.rater is None else asdict(checkpoint.rater.config),
        "steadying": [[round(float(width), 3) for width in row] for row in checkpoint.steadying],
        **asdict(checkpoint.info),
    }
    _write_whole(folder / WEIGHTS_NAME, weights)
    _write_whole(folder / CONFIG_NAME, (json.dumps(record, indent=2) + "\n").encode())
    return sha256


def load_checkpoint(folder: Path | None = None, device: str = "cpu") -> Checkpoint:
    """Load and verify a checkpoint, by default the one that ships; raises CheckpointError with a sentence."""
    folder = DEFAULT_FOLDER if folder is None else folder
    record = _read_config(folder / CONFIG_NAME)
    weights_path = folder / WEIGHTS_NAME
    try:
        if weights_path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise CheckpointError(f"{weights_path} is larger than any checkpoint of CTEG: it is not one.")
        weights = weights_path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"The checkpoint's weights could not be read: {error}") from None
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != record.get("sha256"):
        raise CheckpointError(f"{weights_path} is not what {CONFIG_NAME} describes: the checkpoint is damaged.")
    try:
        tensors = load(weights)
        network = CtegNetwork(ModelConfig.from_record(record["architecture"]))
        network.load_state_dict(_part(tensors, "network."))
        head = EmotionHead(EmotionHeadConfig.from_record(record["emotion_head"]))
        head.load_state_dict(_part(tensors, "emotion."))
        rater = None
        if record.get("rater") is not None:
            rater = EmotionHead(EmotionHeadConfig.from_record(record["rater"]))
            rater.load_state_dict(_part(tensors, "rater."))
            rater = rater.to(device).eval()
        adapters = {name: value.float() for name, value in _part(tensors, "adapters.").items()}
        scaling = Scaling(tensors["scaling.mean"].to(device), tensors["scaling.deviation"].to(device))
        info = CheckpointInfo(
            name=str(record["name"]),
            space=str(record["space"]),
            fps=float(record["fps"]),
            text_encoder=dict(record["text_encoder"]),
            training=dict(record["training"]),
            metrics=dict(record["metrics"]),
            licence=str(record["licence"]),
        )
        thresholds = tensors["thresholds"]
        # A checkpoint from before there was steadying has none.
        steadying = torch.tensor(record.get("steadying", [[0.0] * 53] * 2), dtype=torch.float32).reshape(2, 53)
        if not bool(((steadying >= 0.0) & (steadying <= MOST_STEADYING)).all()):
            raise ValueError(f"the widths of its steadying are not between 0 and {MOST_STEADYING:g} frames")
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"The checkpoint in {folder} does not fit this version of CTEG: {error}") from error
    network, head = network.to(device).eval(), head.to(device).eval()
    return Checkpoint(info, network, head, thresholds, scaling, sha256, adapters, steadying, rater)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def is_imported(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint of the official kind, as ``import-emoava`` writes it."""
    try:
        record = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("format") == EMOAVA_FORMAT


def _read_config(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"There is no checkpoint at {path.parent}: {error}") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from None
    if isinstance(record, dict) and record.get("format") == EMOAVA_FORMAT:
        raise CheckpointError(
            f"{path.parent} was imported from EmoAva: generate and serve perform it, and "
            "cteg_core.emoava.loading.load_emoava loads it; this needs a checkpoint that train wrote."
        )
    if not isinstance(record, dict) or record.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of format {CHECKPOINT_FORMAT} that this version can read.")
    return record


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def device_for(name: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``mps``; raises CheckpointError if it is missing."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name, False):
        raise CheckpointError(f"This machine's torch offers no device {name!r}: choose auto or cpu.")
    return name
