"""``python -m cteg_core``: the command line of the core.

Every subcommand is a row of ``COMMANDS``; what it needs beyond the standard library is imported when it runs,
so that ``--help`` answers at once on a machine without torch.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from cteg_core import __version__

DEVICES: Final[tuple[str, ...]] = ("auto", "cpu", "cuda", "mps")
TRAINING_CONFIGURATIONS: Final[tuple[str, ...]] = ("default", "tiny", "emoava", "emoava-tiny")
"""Keys of `cteg_core.training.configurations.CONFIGURATIONS`, which is too heavy for ``--help``."""
TEXT_SPLITS: Final[tuple[str, ...]] = ("train", "dev", "test")
MAX_FPS: Final = 240.0
OUTPUT_FORMATS: Final[tuple[str, ...]] = ("clip", "livelink")


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        name, summary: as ``--help`` shows them.
        add_arguments: adds its arguments to a parser.
        handler: ``module:function``, imported when the command runs; the function takes the parsed arguments
            and returns the exit status.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    handler: str

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command; return its exit status."""
        module, function = self.handler.split(":")
        status: int = getattr(import_module(module), function)(arguments)
        return status


def _model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="folder of the checkpoint (default: shipped)")
    parser.add_argument("--text-encoder", type=Path, metavar="DIR", help="folder of the text encoder (default: found)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: %(default)s)")
    parser.add_argument("--threads", type=_count, metavar="N", help="threads on the CPU (default: cores - 1)")


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    _model_arguments(parser)
    parser.add_argument("--log", type=Path, metavar="FILE", help="also log to this file, rotated at 1 MB")


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?", help="what the character says")
    what.add_argument(
        "--script", type=Path, metavar="FILE",
        help="perform every line of a script instead: text, CSV, JSON, SRT or Fountain",
    )  # fmt: skip
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave out a script's takes that are there already, to go on"
    )
    parser.add_argument(
        "--timecode-fps", type=_rate, metavar="RATE", help="frames a second of the timecodes in a script"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the first take (default: %(default)s)")
    parser.add_argument("--takes", type=_count, default=1, help="how many performances (default: %(default)s)")
    parser.add_argument(
        "--guidance", type=float, metavar="W", default=1.0,
        help="how strictly the emotion is acted, 0 to 3: 0 leaves it out, more overstates it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=OUTPUT_FORMATS, default="clip",
        help="what to write: clips in JSON, or ARKit curves as Live Link Face CSV (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--fps", type=_rate, metavar="RATE", help="frames a second of a Live Link file (default: 60)")
    parser.add_argument(
        "--flame-file", type=Path, metavar="FILE",
        help="the FLAME model that the checkpoint performs for: its takes are written in the project's own space",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help="the file to write; several takes are numbered (default: clip.json, or take.csv); "
        "of a script, the folder (default: takes)",
    )  # fmt: skip
    _model_arguments(parser)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", choices=TRAINING_CONFIGURATIONS, default=TRAINING_CONFIGURATIONS[0], metavar="NAME",
        help=f"how to train: {', '.join(TRAINING_CONFIGURATIONS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="corpus that synthesize wrote, or the EmoAva data set"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; a run resumes from it")
    head = parser.add_mutually_exclusive_group()
    head.add_argument(
        "--text", type=Path, metavar="DIR", help="folder with goemotions/ and emobank/, to train an emotion head on"
    )
    head.add_argument("--emotion-head", type=Path, metavar="DIR", help="checkpoint to take the text side of instead")
    parser.add_argument("--dialogue", type=Path, metavar="DIR", help="the project's dialogue/, for the text side")
    parser.add_argument("--name", help="name of a corpus's checkpoint (default: cteg- and the configuration's name)")
    parser.add_argument("--steps", type=_count, metavar="N", help="optimiser steps (default: the configuration's)")
    parser.add_argument("--batch", type=_count, metavar="N", help="performances a step (default: the configuration's)")
    parser.add_argument("--seed", type=int, help="of weights, batches and noise (default: the configuration's)")
    parser.add_argument("--bfloat16", action="store_true", help="matrix products in bfloat16, fast on newer processors")
    parser.add_argument("--text-encoder", type=Path, metavar="DIR", help="folder of the text encoder (default: found)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: %(default)s)")
    parser.add_argument("--threads", type=_count, metavar="N", help="threads on the CPU (default: cores - 1)")


def _synthesize_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", type=Path, metavar="DIR", required=True, help="folder with goemotions/")
    parser.add_argument("--dialogue", type=Path, metavar="DIR", help="the project's dialogue/, performed with its arcs")
    parser.add_argument(
        "--split", choices=TEXT_SPLITS, default=TEXT_SPLITS[0],
        help="of the labelled text; train on no other than %(default)s (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder of the corpus to write")
    parser.add_argument("--pairs", type=_count, metavar="N", default=40_000, help="performances (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another corpus (default: %(default)s)")


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dialogue", type=Path, metavar="DIR", help="the project's dialogue/: performs its test lines")
    parser.add_argument("--text", type=Path, metavar="DIR", help="or a folder with goemotions/: its test split")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="measure on lines of this corpus instead of new ones of the test split"
    )
    parser.add_argument("--lines", type=_count, default=30, help="test lines of each emotion (default: %(default)s)")
    parser.add_argument("--items", type=_several, default=96, help="lines with a truth (default: %(default)s)")
    parser.add_argument(
        "--takes", type=_several, default=4, help="performances of each such line (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of lines and performances (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for the JSON and a page of figures; or a .json file for the JSON",
    )
    _model_arguments(parser)


def _import_emoava_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", required=True, help="what the official code saved")
    parser.add_argument("--dataset", type=Path, metavar="DIR", required=True, help="folder with stage1_mean.npy")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="folder with bert-base-cased's vocab.txt")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder to make")


COMMANDS: Final[tuple[Command, ...]] = (
    Command("serve", "be a sidecar: answer requests on standard input and output", _serve_arguments,
            "cteg_core.commands.serve:run"),
    Command("generate", "perform a line, or every line of a script, and write the clips", _generate_arguments,
            "cteg_core.commands.generate:run"),
    Command("synthesize", "write a corpus of performances to train on", _synthesize_arguments,
            "cteg_core.commands.synthesize:run"),
    Command("train", "train a checkpoint on a corpus, or on the EmoAva data set", _train_arguments,
            "cteg_core.commands.train:run"),
    Command("evaluate", "measure what a checkpoint's performances show", _evaluate_arguments,
            "cteg_core.commands.evaluate:run"),
    Command("import-emoava", "turn an official checkpoint into ours, without running its pickle",
            _import_emoava_arguments, "cteg_core.commands.import_emoava:run"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status (2 = misused, 1 = failed, 0 = done)."""
    parser = argparse.ArgumentParser(prog="python -m cteg_core", description="Text to expression frames.")
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_arguments(subparsers.add_parser(command.name, help=command.summary, description=command.summary))
    parsed = parser.parse_args(arguments)
    return next(command for command in COMMANDS if command.name == parsed.command).run(parsed)


def _count(text: str) -> int:
    return _at_least(1, text)


def _several(text: str) -> int:
    return _at_least(2, text)


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1.0 <= value <= MAX_FPS:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame rate: 1 to {MAX_FPS:g} frames a second")
    return value


if __name__ == "__main__":
    sys.exit(main())
