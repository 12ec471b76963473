"""Running a command with a sign of life, and ending it with its children."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

SILENCE_SECONDS: Final = 4.0
"""How long a command may be silent before a sign of life is printed, where nothing else is said."""

TIMED_OUT: Final = 124
"""The return code of a command that was stopped for taking too long (as GNU timeout has it)."""

_BEAT_SECONDS: Final = 0.25
_SECONDS_FOR_PIPE: Final = 1.0
children_lead_sessions = True
"""Whether what is started gets a session of its own, to be ended with all that it starts; a process whose own session
is ended from outside keeps its children in it."""

_NO_WINDOW: Final = 0x08000000 if sys.platform == "win32" else 0
"""Windows' CREATE_NO_WINDOW: no console flashes up."""


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
    """Run a command, printing what ``show`` makes of its lines, with a sign of life in between.

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
    started = spoken = time.monotonic()

    def on_line(line: str) -> None:
        nonlocal spoken
        shown = show(line)
        if shown is not None:
            say(shown)
            spoken = time.monotonic()

    def on_beat() -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= silence:
            say(f"    ... {title} ({time.monotonic() - started:.0f} s)")
            spoken = time.monotonic()

    beat = min(silence, _BEAT_SECONDS)
    done = follow(command, title, seconds, on_line, on_beat, beat=beat, environment=environment, folder=folder)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\n".join(done.output) + "\n", encoding="utf-8")
    return done


def follow(
    command: Sequence[str | Path],
    title: str,
    seconds: float,
    on_line: Callable[[str], None],
    on_beat: Callable[[], None] = lambda: None,
    *,
    beat: float = _BEAT_SECONDS,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Finished:
    """Run a command and tell of every line as it comes.

    Args:
        command, title, seconds, environment, folder: as for :func:`run_command`.
        on_line: told every line of its output.
        on_beat: called about every ``beat`` seconds, and whatever it raises ends the command.
        beat: seconds.
    """
    started = time.monotonic()
    output: list[str] = []
    with _running(command, environment or {}, folder) as (process, lines):
        beaten = started
        while True:
            left = seconds - (time.monotonic() - started)
            if left <= 0:
                output.append(f"{title}: stopped after {seconds:.0f} s.")
                return Finished(TIMED_OUT, tuple(output), time.monotonic() - started)
            if time.monotonic() - beaten >= beat:
                on_beat()
                beaten = time.monotonic()
            try:
                line = lines.get(timeout=min(left, beat))
            except queue.Empty:
                continue
            if line is None:
                code = process.wait(timeout=max(left, 1.0))
                return Finished(code, tuple(output), time.monotonic() - started)
            output.append(line)
            on_line(line)


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with ``changes``, less what would leak foreign modules in."""
    leaking = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in os.environ.items() if name not in leaking}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"} | dict(changes)


@contextmanager
def _running(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path | None
) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str | None]]]:
    with_session = children_lead_sessions and sys.platform != "win32"
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(environment),
        cwd=folder,
        start_new_session=with_session,
        creationflags=_NO_WINDOW,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    pump = threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True)
    pump.start()
    try:
        yield process, lines
    finally:
        _end(process, with_session)
        # What the command had started, and left behind, may hold the pipe still: then it is not waited for.
        pump.join(_SECONDS_FOR_PIPE)
        if not pump.is_alive():
            process.stdout.close()


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))
    lines.put(None)


def _end(process: subprocess.Popen[str], with_session: bool) -> None:
    """End a command that is still running, and the children in its session with it."""
    if process.poll() is not None:
        return
    if sys.platform != "win32" and with_session:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
