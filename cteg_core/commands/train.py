"""``python -m cteg_core train``: from a corpus, or the EmoAva data set, to a checkpoint."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import torch

from cteg_core.emoava.dataset import is_emoava
from cteg_core.model_loading import use_threads
from cteg_core.training.configurations import CONFIGURATIONS, DataKind
from cteg_core.training.settings import TrainConfig

CALLED: dict[DataKind, str] = {"corpus": "a corpus that synthesize wrote", "emoava": "the EmoAva data set"}


def run(arguments: argparse.Namespace) -> int:
    """Train; return the exit status."""
    torch.set_num_threads(use_threads(arguments.threads))
    try:
        _train(arguments, config_of(arguments))
    except ImportError as error:
        return _failed(
            f"Training needs {error.name}, which this Python ({sys.executable}) does not have: "
            "install the requirements that pyproject.toml lists under `train`."
        )
    except (OSError, ValueError) as error:
        return _failed(str(error))
    return 0


def config_of(arguments: argparse.Namespace) -> TrainConfig:
    """Return the configuration that the arguments name, with what they replace.

    Raises ValueError when there is no such folder, or the configuration is for another kind of data than it holds.
    """
    if not arguments.data.is_dir():
        raise ValueError(f"There is no folder {arguments.data}: name the data to train on with --data.")
    named = CONFIGURATIONS[arguments.config]
    found: DataKind = "emoava" if any(map(is_emoava, (arguments.data, arguments.data / "dataset"))) else "corpus"
    if found != named.data:
        fitting = ", ".join(name for name, other in CONFIGURATIONS.items() if other.data == found)
        raise ValueError(
            f"{arguments.data} looks like {CALLED[found]}, and the configuration {arguments.config} is for "
            f"{CALLED[named.data]}: choose {fitting} with --config, or other data."
        )
    config = named.config
    given = {name: getattr(arguments, name) for name in ("batch", "seed") if getattr(arguments, name) is not None}
    if arguments.steps is not None:
        given |= {"steps": arguments.steps, "epochs": 0}
    return replace(config, **given, bfloat16=config.bfloat16 or arguments.bfloat16)


def _train(arguments: argparse.Namespace, config: TrainConfig) -> None:
    # What only training needs is imported here, so that its absence can be said.
    from cteg_core.emoava.recipe import train_emoava
    from cteg_core.training.recipe import train_checkpoint

    bar = sys.stderr.isatty()
    if CONFIGURATIONS[arguments.config].data == "emoava":
        if arguments.text_encoder is None:
            raise ValueError("EmoAva's network reads bert-base-cased: name a folder of it with --text-encoder.")
        train_emoava(
            arguments.data, arguments.out, config, arguments.text_encoder, _say, device=arguments.device, bar=bar
        )
        return
    train_checkpoint(
        text=arguments.text,
        corpus=arguments.data,
        out=arguments.out,
        name=f"cteg-{arguments.config}" if arguments.name is None else arguments.name,
        config=config,
        text_encoder=arguments.text_encoder,
        report=_say,
        emotion_head=arguments.emotion_head,
        dialogue=arguments.dialogue,
        device=arguments.device,
        bar=bar,
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
