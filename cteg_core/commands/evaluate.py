"""``python -m cteg_core evaluate``: what a checkpoint reaches on lines it has not seen, as JSON and on one page."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from cteg_core.evaluation.acting import ActingScores, measure_acting
from cteg_core.evaluation.held_out import HeldOut, held_out_of_corpus, held_out_of_text
from cteg_core.evaluation.lengths import measure_lengths
from cteg_core.evaluation.measuring import HeldOutScores, measure
from cteg_core.evaluation.reading import measure_reading
from cteg_core.evaluation.steering import measure_steering
from cteg_core.metrics.faithfulness import TestLine, balanced_dialogue, balanced_lines
from cteg_core.model.checkpoint import Checkpoint, device_for, load_checkpoint
from cteg_core.model.generator import Generator
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.model_loading import use_threads
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.dialogue_lines import read_dialogue
from cteg_core.training.dialogue_readings import agreed, read_readings
from cteg_core.training.text_data import read_goemotions

JSON_NAME: Final = "evaluation.json"
LENGTH_LINES: Final = 160
"""About so many test lines are asked how long they last."""
UNKNOWN_SHARE: Final = 0.1
"""Share of a corpus's lines that is measured on where the checkpoint does not say what it kept from its training."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return the exit status."""
    torch.set_num_threads(use_threads(arguments.threads))
    try:
        if arguments.text is None and arguments.data is None and arguments.dialogue is None:
            raise ValueError(
                "There is nothing to measure on: name the project's dialogue with --dialogue, labelled text with "
                "--text, or a corpus with --data."
            )
        device = device_for(arguments.device)
        checkpoint = load_checkpoint(arguments.checkpoint, device)
        encoder = TextEncoder.load(arguments.text_encoder, device)
        held_out = _held_out(arguments, checkpoint)
        acting = _acting(arguments, checkpoint, encoder, device)
        scores = measure(checkpoint, encoder, held_out, arguments.takes, arguments.seed, report=_say)
        record = {"checkpoint": checkpoint.id, "seed": arguments.seed, **_record(acting, scores)}
        if arguments.dialogue is not None:
            generator = Generator(checkpoint, encoder, device)
            record["steering"] = asdict(measure_steering(generator, arguments.seed, _say))
            texts = [line.text for line in read_dialogue(arguments.dialogue, "test")]
            texts = texts[:: max(1, len(texts) // LENGTH_LINES)]
            record["lengths"] = asdict(measure_lengths(generator, texts, arguments.seed))
            record["reading"] = asdict(measure_reading(generator, arguments.dialogue))
        text = json.dumps(record, indent=2, allow_nan=False)
        print(text)
        if arguments.out is not None:
            _write(arguments.out, text, checkpoint, scores, acting)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _held_out(arguments: argparse.Namespace, checkpoint: Checkpoint) -> HeldOut:
    if arguments.dialogue is not None and arguments.data is None:
        test, train = ([line.labelled() for line in read_dialogue(arguments.dialogue, s)] for s in ("test", "train"))
        return held_out_of_text(test, train, arguments.items, arguments.takes, arguments.seed)
    if arguments.data is None:
        folder = arguments.text / "goemotions"
        test, train = read_goemotions(folder, "test"), read_goemotions(folder, "train")
        return held_out_of_text(test, train, arguments.items, arguments.takes, arguments.seed)
    corpus = CorpusReader(arguments.data)
    told = checkpoint.info.training
    share = float(told.get("held_out", 0.0))
    same = (told.get("pairs"), told.get("lines")) == (len(corpus), len(corpus.texts))
    apart = share > 0.0 and same
    return held_out_of_corpus(corpus, share if apart else UNKNOWN_SHARE, apart, arguments.items, arguments.seed)


def _acting(
    arguments: argparse.Namespace, checkpoint: Checkpoint, encoder: TextEncoder, device: str
) -> ActingScores | None:
    if arguments.text is None and arguments.dialogue is None:
        return None
    generator = Generator(checkpoint, encoder, device)
    unconditional = Generator(checkpoint, encoder, device, unconditional=True)
    return measure_acting(generator, unconditional, _test_lines(arguments), arguments.seed, _say)


def _test_lines(arguments: argparse.Namespace) -> list[TestLine]:
    """Return the lines to act, of the project's dialogue where it is named, else of GoEmotions."""
    if arguments.dialogue is not None:
        written = read_dialogue(arguments.dialogue, "test")
        readings = read_readings(arguments.dialogue, written)
        named = [agreed(line, reading) for line, reading in zip(written, readings, strict=True)]
        return balanced_dialogue(written, named, arguments.lines, arguments.seed)
    labelled = read_goemotions(arguments.text / "goemotions", "test")
    emotions = np.array([line.emotions for line in labelled])
    return balanced_lines([line.text for line in labelled], emotions, arguments.lines, arguments.seed)


def _record(acting: ActingScores | None, scores: HeldOutScores) -> dict[str, Any]:
    # The example's frames are for the page; in the JSON they would bury the figures.
    held_out = asdict(replace(scores, example=replace(scores.example, takes=())))
    held_out["example"] = scores.example.text
    return {**({} if acting is None else asdict(acting)), "held_out": held_out}


def _write(out: Path, text: str, checkpoint: Checkpoint, scores: HeldOutScores, acting: ActingScores | None) -> None:
    """Write the JSON alone to a file named ``*.json``; else make a folder and put the page beside it."""
    if out.suffix == ".json":
        out.write_text(text + "\n", encoding="utf-8")
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / JSON_NAME).write_text(text + "\n", encoding="utf-8")
    if find_spec("matplotlib") is None:
        _say(
            f"{out / JSON_NAME} is written, and no page: this Python ({sys.executable}) has no matplotlib. "
            "Install it, or this project's extra 'train'."
        )
        return
    from cteg_core.evaluation.page import Heading, write_page

    info = checkpoint.info
    trained = ", ".join(f"{info.training[name]:,} {name}" for name in ("pairs", "lines") if name in info.training)
    subtitle = f"Trained on {trained or 'unknown data'} · space {info.space} · {info.fps:g} frames/s · {info.licence}"
    write_page(out, Heading(checkpoint.id, subtitle), scores, acting)
    _say(f"{out / 'report.png'} and {out / 'report.pdf'} are written.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
