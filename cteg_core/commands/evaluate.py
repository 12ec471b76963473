"""``python -m cteg_core evaluate``: what a checkpoint's performances show, with controls that must fail."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from cteg_core.metrics.faithfulness import (
    agreement,
    balanced_lines,
    basic_of,
    motion,
    perform_lines,
    read_back,
    synthesised,
)
from cteg_core.model.checkpoint import device_for, load_checkpoint
from cteg_core.model.generator import Generator
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.model_loading import use_threads
from cteg_core.training.text_data import read_goemotions


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    torch.set_num_threads(use_threads(arguments.threads))
    try:
        labelled = read_goemotions(arguments.text / "goemotions", "test")
        device = device_for(arguments.device)
        checkpoint = load_checkpoint(arguments.checkpoint, device)
        encoder = TextEncoder.load(arguments.text_encoder, device)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    result = evaluate(
        Generator(checkpoint, encoder, device),
        Generator(checkpoint, encoder, device, unconditional=True),
        [line.text for line in labelled],
        np.array([line.emotions for line in labelled]),
        arguments.lines,
        arguments.seed,
    )
    text = json.dumps({"checkpoint": checkpoint.id, "seed": arguments.seed, **result}, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    return 0


def evaluate(
    generator: Generator, unconditional: Generator, texts: list[str], labels: np.ndarray, lines_each: int, seed: int
) -> dict[str, Any]:
    """Return agreement and motion of ``lines_each`` test lines of each basic emotion, and of the controls."""

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    lines = balanced_lines(texts, labels, lines_each, seed)
    truth = [line.basic for line in lines]
    reads = [generator.read_emotion([line.text])[0] for line in lines]
    order = np.random.default_rng(seed).permutation(len(lines))
    own = synthesised(lines, seed)
    from_text = perform_lines(generator, lines, [None] * len(lines), seed, report)
    again = perform_lines(generator, lines, [None] * len(lines), seed + 10_000, report)
    told = perform_lines(generator, lines, [line.label for line in lines], seed, report)
    shuffled = perform_lines(generator, lines, [reads[i] for i in order], seed, report)
    masked = perform_lines(unconditional, lines, [None] * len(lines), seed, report)
    seen, seen_again = read_back([c.frames for c in from_text]), read_back([c.frames for c in again])
    return {
        "lines": len(lines),
        "chance": 1 / 7,
        "text_side": asdict(agreement([basic_of(read) for read in reads], truth)),
        "corpus": asdict(agreement(read_back(own), truth)),
        "told_the_label": asdict(agreement(read_back([c.frames for c in told]), truth)),
        "from_text": asdict(agreement(seen, truth)),
        "emotion_shuffled": asdict(agreement(read_back([c.frames for c in shuffled]), truth)),
        "text_and_emotion_masked": asdict(agreement(read_back([c.frames for c in masked]), truth)),
        "two_seeds_agree": float(np.mean([a == b for a, b in zip(seen, seen_again, strict=True)])),
        "motion": {
            "corpus": asdict(motion(own)),
            "from_text": asdict(motion([c.frames for c in from_text])),
            "text_and_emotion_masked": asdict(motion([c.frames for c in masked])),
        },
        "stopped_by_itself": float(np.mean([c.stop_reason == "stop-head" for c in from_text])),
    }
