"""``python -m cteg_core generate``."""

from __future__ import annotations

import argparse
import sys
import time
from functools import cache
from pathlib import Path
from typing import Final

from cteg_core.clip import Controls, ExpressionClip
from cteg_core.clip_spaces import clip_in_other_space
from cteg_core.dialogue import DialogueLine
from cteg_core.model_loading import load_performer
from cteg_core.performer import FinishedTake, takes_of
from flame_rig.flame_file import read_flame
from flame_rig.livelink import DEFAULT_FPS, livelink_take, write_livelink
from flame_rig.retarget import SpaceMap, solve_space_map
from flame_rig.spaces import CTEG_HEAD_1

DEFAULT_OUT: Final[dict[str, str]] = {"clip": "clip.json", "livelink": "take.csv"}
"""Where a take of each format goes unless the user says so."""


def run(arguments: argparse.Namespace) -> int:
    """Perform a line, write its takes and say where they are."""
    if arguments.fps is not None and arguments.format != "livelink":
        return _failed("--fps is the rate of a Live Link file: add --format livelink, or leave it out.")
    out: Path = arguments.out or Path(DEFAULT_OUT[arguments.format])
    try:
        line = DialogueLine(arguments.text, seed=arguments.seed, controls=Controls(guidance=arguments.guidance))
        performer = load_performer(arguments.checkpoint, arguments.text_encoder, arguments.device, arguments.threads)
        started = time.monotonic()
        requests = takes_of(line, arguments.takes)
        for event in performer.perform(requests, lambda: False):
            if isinstance(event, FinishedTake):
                if event.request_index == 0:
                    print("".join(f"{note}\n" for note in event.clip.notes), end="", file=sys.stderr)
                path = numbered(out, event.request_index, arguments.takes)
                path.parent.mkdir(parents=True, exist_ok=True)
                clip = in_head_space(event.clip, arguments.flame_file) if arguments.flame_file else event.clip
                path.write_text(written(clip, arguments.format, arguments.fps), encoding="utf-8", newline="\n")
                print(
                    f"{path}: {event.clip.seconds:.2f} s, seed {event.clip.seed}, "
                    f"{time.monotonic() - started:.1f} s after the start"
                )
    except ImportError as error:
        return _failed(f"This Python ({sys.executable}) cannot import {error.name}: install torch and transformers.")
    except (OSError, ValueError) as error:
        return _failed(str(error))
    return 0


def in_head_space(clip: ExpressionClip, flame_file: Path) -> ExpressionClip:
    """Return a clip of a FLAME model's space in the project's own, whose curves are ARKit's.

    Raises ValueError where the file is no FLAME model, or the clip is of another space than its.
    """
    return clip_in_other_space(clip, _space_map(flame_file)) if clip.space != CTEG_HEAD_1.id else clip


@cache
def _space_map(flame_file: Path) -> SpaceMap:
    return solve_space_map(read_flame(flame_file).model)


def written(clip: ExpressionClip, output_format: str, fps: float | None = None) -> str:
    """Return a clip as the text of a file.

    Args:
        clip: the take.
        output_format: ``clip`` or ``livelink``.
        fps: of a Live Link file; None is 60.

    Raises ValueError where a Live Link file cannot hold the clip: another space than the project's own, or a rate
    that cannot be.
    """
    if output_format == "clip":
        return clip.to_json()
    if clip.space != CTEG_HEAD_1.id:
        raise ValueError(
            f"The checkpoint performs in “{clip.space}”; a Live Link file holds ARKit curves, so name the FLAME model "
            f"of that space with --flame-file, or generate with a checkpoint of “{CTEG_HEAD_1.id}”."
        )
    return write_livelink(livelink_take(clip.frames, clip.fps, DEFAULT_FPS if fps is None else fps))


def numbered(path: Path, take: int, takes: int) -> Path:
    """Return where a take goes: ``path`` if it is the only one, else ``path`` with its number from 1.

    >>> numbered(Path("out/clip.json"), 1, 3).name
    'clip-take2.json'
    """
    return path if takes == 1 else path.with_stem(f"{path.stem}-take{take + 1}")


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
