"""Trains in processes that are killed: ``python killed_training.py CORPUS RUN ATTEMPTS``; POSIX only.

Each attempt, a row of a JSON list, is a child process that goes on with the run in the folder RUN and dies by SIGKILL:
``["after", seconds]`` so long after it has opened its log, or ``[place, n]`` when it comes to a place of
:func:`arrange_death` for the nth time; ``["never", 0]`` lets it end. Prints, for each, how the child ended, the
last step in its log, and the step saved.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from safetensors import safe_open

from cteg_core.training import logs, resume
from cteg_core.training.loop import train
from tests.fakes.tiny_training import TINY, read_data

CONFIG = replace(TINY, steps=24, save_every=5, evaluate_every=4, log_every=1)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def nth(count: int, then: Callable[..., None], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function``, which at its nth call does ``then`` with its arguments instead."""
    calls = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return then(*arguments) if calls == count else function(*arguments, **named)

    return counted


def half_a_state(tensors: Any, path: Path, *rest: Any) -> None:
    path.write_bytes(b"\x10" * 1000)
    die()


def half_a_row(table: logs.StepTable, step: int, values: Any) -> None:
    with table._path.open("a", encoding="utf-8") as file:
        file.write(f"{step},0.12")
    die()


def replaced_and_dead(path: Path, target: Path) -> None:
    path.rename(target)
    die()


def arrange_death(place: str, count: int) -> None:
    if place == "while a state is written":
        resume.save_file = nth(count, half_a_state, resume.save_file)
    elif place == "before a file is put in place":
        Path.replace = nth(count, lambda *_: die(), Path.replace)
    elif place == "after a file is put in place":
        Path.replace = nth(count, replaced_and_dead, Path.replace)
    elif place == "while a row is written":
        logs.StepTable.add = nth(count, half_a_row, logs.StepTable.add)


def identity(path: Path) -> int:
    """Return what changes when a file is put in place."""
    return path.stat().st_ino if path.exists() else 0


def attempt(corpus: Path, run: Path, place: str, amount: float) -> dict[str, Any]:
    log, last = run / logs.LOSSES_NAME, run / resume.LAST_NAME
    before = identity(log)
    child = os.fork()
    if child == 0:
        arrange_death(place, int(amount))
        train(read_data(corpus), CONFIG, run, device="cpu")
        os._exit(0)
    if place == "after":
        while identity(log) == before:
            time.sleep(0.005)
        time.sleep(amount)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    rows = [row.split(",") for row in log.read_text("utf-8").splitlines()[1:]] if log.exists() else []
    steps = [int(row[0]) for row in rows if len(row) > 2]
    saved = 0
    if last.exists():
        with safe_open(last, framework="pt") as file:
            saved = json.loads(file.metadata()["state"])["step"]
    return {"killed": os.WIFSIGNALED(status), "logged": max(steps, default=0), "saved": saved}


if __name__ == "__main__":
    torch.set_num_threads(1)
    attempts = json.loads(sys.argv[3])
    print(json.dumps([attempt(Path(sys.argv[1]), Path(sys.argv[2]), place, amount) for place, amount in attempts]))
