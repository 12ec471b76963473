"""Running a command with a sign of life, and failing with a sentence."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

SILENCE_SECONDS: Final = 4.0
"""How long a command may be silent before a sign of life is printed, where nothing else is said."""

TIMED_OUT: Final = 124
"""The return code of a command that was stopped for taking too long (as GNU timeout has it)."""


class StarterError(Exception):
    """What failed and what to do, in sentences for the person at the terminal."""


@dataclass(frozen=True)
class Finished:
    """How a command ended: its return code (124 when it was stopped for its time) and its output."""

    code: int
    output: tuple[str, ...]
    seconds: float


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def show_all(line: str) -> str | None:
    """Pass a command's line on as it is."""
    return line


def run_command(
    command: Sequence[str | Path],
    title: str,
    *,
    seconds: float,
    silence: float = SILENCE_SECONDS,
    show: Callable[[str], str | None] = show_all,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    log: Path | None = None,
) -> Finished:
    """Run a command, passing on what ``show`` makes of its lines, with a sign of life in between.

    Args:
        command: the argument list; no shell is involved.
        title: what is being done, for the sign of life.
        seconds: the command and its children are ended after this time.
        silence: seconds without a printed line after which a sign of life is given.
        show: returns what to print for a line of output, or None for nothing.
        environment: variables set on top of the inherited ones.
        folder: where to run.
        log: a file that receives every line.

    Returns:
        How it ended. A failing command is no exception here: the caller knows what it means.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(environment or {}),
        cwd=folder,
        start_new_session=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
    output: list[str] = []
    spoken = started
    try:
        while True:
            left = seconds - (time.monotonic() - started)
            if left <= 0:
                output.append(f"{title}: stopped after {seconds:.0f} s.")
                return Finished(TIMED_OUT, tuple(output), time.monotonic() - started)
            try:
                line = lines.get(timeout=max(0.01, min(left, spoken + silence - time.monotonic())))
            except queue.Empty:
                if time.monotonic() - spoken >= silence:
                    say(f"    ... {title} ({time.monotonic() - started:.0f} s)")
                    spoken = time.monotonic()
                continue
            if line is None:
                code = process.wait(timeout=max(left, 1.0))
                return Finished(code, tuple(output), time.monotonic() - started)
            output.append(line)
            shown = show(line)
            if shown is not None:
                say(shown)
                spoken = time.monotonic()
    finally:
        _end(process)
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("\n".join(output) + "\n", encoding="utf-8")


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with ``changes``, less what would leak foreign modules in."""
    leaking = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in os.environ.items() if name not in leaking}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"} | dict(changes)


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End a command that is still running, and the children in its session with it."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
