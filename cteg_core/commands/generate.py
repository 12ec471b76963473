"""``python -m cteg_core generate``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cteg_core.dialogue import DialogueLine, checked_text
from cteg_core.model_loading import load_performer
from cteg_core.performer import FinishedTake, takes_of


def run(arguments: argparse.Namespace) -> int:
    """Perform a line, write its clips and say where they are."""
    try:
        line = DialogueLine(arguments.text, seed=arguments.seed)
        for note in checked_text(arguments.text).notes:
            print(note, file=sys.stderr)
        performer = load_performer(arguments.checkpoint, arguments.text_encoder, arguments.device, arguments.threads)
        started = time.monotonic()
        requests = takes_of(line, arguments.takes)
        for event in performer.perform(requests, lambda: False):
            if isinstance(event, FinishedTake):
                path = numbered(arguments.out, event.request_index, arguments.takes)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(event.clip.to_json(), encoding="utf-8")
                print(
                    f"{path}: {event.clip.seconds:.2f} s, seed {event.clip.seed}, "
                    f"{time.monotonic() - started:.1f} s after the start"
                )
    except ImportError as error:
        return _failed(f"This Python ({sys.executable}) cannot import {error.name}: install torch and transformers.")
    except (OSError, ValueError) as error:
        return _failed(str(error))
    return 0


def numbered(path: Path, take: int, takes: int) -> Path:
    """Return where a take goes: ``path`` if it is the only one, else ``path`` with its number from 1.

    >>> numbered(Path("out/clip.json"), 1, 3).name
    'clip-take2.json'
    """
    return path if takes == 1 else path.with_stem(f"{path.stem}-take{take + 1}")


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
