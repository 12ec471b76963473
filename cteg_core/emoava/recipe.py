"""From an EmoAva folder to a trained official network, in the form that an imported checkpoint has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cteg_core.emoava.conversion import Converted
from cteg_core.emoava.dataset import is_emoava, read_split
from cteg_core.emoava.importing import check_sizes, read_mean_frame, write_folder
from cteg_core.emoava.teacher_forcing import EmoavaTraining
from cteg_core.emoava.text_encoder import BertEncoder
from cteg_core.model.network import CtegNetwork
from cteg_core.training.devices import accelerator_for
from cteg_core.training.loop import train
from cteg_core.training.resume import Best, load_best
from cteg_core.training.settings import TrainConfig
from cteg_core.training.text_states import TextStateCache


def train_emoava(
    folder: Path,
    out: Path,
    config: TrainConfig,
    text_encoder: Path,
    report: Callable[[str], None] = lambda line: None,
    *,
    device: str = "auto",
    bar: bool = False,
) -> Path:
    """Train on EmoAva's train split and write the weights that do best on dev to ``out/checkpoint``; return it.

    Args:
        folder: the data set: its files lie there or in ``dataset`` below.
        out: keeps the text states and the run, so that an interrupted one goes on.
        config: how; the network reads states of the text encoder's width.
        text_encoder: a folder of bert-base-cased.
        report, device, bar: as :func:`~cteg_core.training.loop.train` takes them.

    Raises:
        DatasetError, UntrustedFileError, ImportRefused: a file of the data set is not what it should be.
        TextEncoderError: the text encoder cannot be used.
        ValueError: as :func:`~cteg_core.training.loop.train` says.
    """
    accelerator = accelerator_for(device)
    report = report if accelerator.is_main_process else _nothing
    dataset = folder if is_emoava(folder) else folder / "dataset"
    mean = read_mean_frame(dataset)
    training, dev = read_split(dataset, "train"), read_split(dataset, "dev")
    report(f"EmoAva: {len(training)} lines to train on, {len(dev)} held out")
    encoder = BertEncoder.load(text_encoder, str(accelerator.device))
    with accelerator.main_process_first():
        texts = (*training.texts, *dev.texts)
        states = TextStateCache.of(texts, out / "states-emoava", lambda: encoder, report, encoder.identity)
    config = replace(config, model=replace(config.model, d_text=encoder.width))
    data = EmoavaTraining(training, dev, states, mean, config.model.max_frames - 1)
    network = train(data, config, out / "network", report, device=device, bar=bar)
    best = load_best(out / "network", config, into=network)
    if accelerator.is_main_process:
        record = {"source": "trained on EmoAva", "epoch": None, "training": _record(config, best, len(training))}
        write_folder(_converted(network, encoder), mean, encoder.vocabulary, out / "checkpoint", record)
    accelerator.wait_for_everyone()
    report(f"The checkpoint is in {out / 'checkpoint'}.")
    return out / "checkpoint"


def _nothing(line: str) -> None:
    """Say nothing: of several processes one speaks."""


def _converted(network: CtegNetwork, encoder: BertEncoder) -> Converted:
    weights = {name: np.ascontiguousarray(value.float().numpy()) for name, value in network.state_dict().items()}
    converted = Converted(network.config, weights, encoder.config_record(), encoder.weights(), None)
    check_sizes(converted)
    return converted


def _record(config: TrainConfig, best: Best | None, lines: int) -> dict[str, Any]:
    settings = json.loads(json.dumps(asdict(config)))
    settings.pop("model")
    return {"lines": lines, "weights_of": "the last step" if best is None else asdict(best), **settings}
