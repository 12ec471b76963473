"""``python -m cteg_core train``: from labelled text and a corpus to a checkpoint that can be performed."""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from cteg_core.model_loading import use_threads
from cteg_core.training.loop import TrainConfig
from cteg_core.training.recipe import train_checkpoint


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    torch.set_num_threads(use_threads(arguments.threads))
    config = replace(
        TrainConfig(),
        steps=arguments.steps,
        batch=arguments.batch,
        seed=arguments.seed,
        bfloat16=arguments.bfloat16,
    )
    folder = train_checkpoint(
        text=arguments.text,
        corpus=arguments.data,
        out=arguments.out,
        name=arguments.name,
        config=config,
        text_encoder=arguments.text_encoder,
        report=lambda line: print(line, flush=True),
    )
    print(f"The checkpoint is in {folder}.")
    return 0
