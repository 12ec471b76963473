"""``python -m cteg_core generate``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from cteg_core.clip import Controls
from cteg_core.commands.script_batch import ScriptBatch
from cteg_core.commands.take_files import TakeFiles, numbered
from cteg_core.dialogue import DialogueLine
from cteg_core.model_loading import load_performer
from cteg_core.performer import FinishedTake, Performer, takes_of

DEFAULT_OUT: Final[dict[str, str]] = {"clip": "clip.json", "livelink": "take.csv"}
"""Where a take of each format goes unless the user says so."""
DEFAULT_FOLDER: Final = "takes"
"""Where a script's takes go unless the user says so."""
_STOPPED: Final = 130
"""Exit status of a program that the user interrupted."""


def run(arguments: argparse.Namespace) -> int:
    """Perform a line or a script's lines, write their takes and say where they are."""
    if arguments.fps is not None and arguments.format != "livelink":
        return _failed("--fps is the rate of a Live Link file: add --format livelink, or leave it out.")
    if arguments.script is None and (arguments.skip_existing or arguments.timecode_fps is not None):
        return _failed("--skip-existing and --timecode-fps belong to --script FILE: add it, or leave them out.")
    files = TakeFiles(arguments.format, arguments.fps, arguments.flame_file)
    try:
        # What applies to every line is refused before anything is read.
        DialogueLine("…", seed=arguments.seed, controls=Controls(guidance=arguments.guidance))
        if arguments.script is None:
            return _perform_line(arguments, files)
        return ScriptBatch(arguments, files, arguments.out or Path(DEFAULT_FOLDER), lambda: _load(arguments)).run()
    except ImportError as error:
        return _failed(f"This Python ({sys.executable}) cannot import {error.name}: install torch and transformers.")
    except (OSError, ValueError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        goes_on = "" if arguments.script is None else " --skip-existing goes on from there."
        _failed(f"Stopped. What was written stays.{goes_on}")
        return _STOPPED


def _perform_line(arguments: argparse.Namespace, files: TakeFiles) -> int:
    out: Path = arguments.out or Path(DEFAULT_OUT[arguments.format])
    line = DialogueLine(arguments.text, seed=arguments.seed, controls=Controls(guidance=arguments.guidance))
    performer = _load(arguments)
    started = time.monotonic()
    for event in performer.perform(takes_of(line, arguments.takes), lambda: False):
        if isinstance(event, FinishedTake):
            if event.request_index == 0:
                print("".join(f"{note}\n" for note in event.clip.notes), end="", file=sys.stderr)
            path = numbered(out, event.request_index, arguments.takes)
            files.write(event.clip, path)
            print(
                f"{path}: {event.clip.seconds:.2f} s, seed {event.clip.seed}, "
                f"{time.monotonic() - started:.1f} s after the start"
            )
    return 0


def _load(arguments: argparse.Namespace) -> Performer:
    return load_performer(arguments.checkpoint, arguments.text_encoder, arguments.device, arguments.threads)


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
