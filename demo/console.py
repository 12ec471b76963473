"""What the demo says, kept apart from what Blender says."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_LAST_LINES: Final = 20
_SIGN_SECONDS: Final = 4.0


class Console:
    """The terminal, and a clock for each step.

    Blender's C code prints a line for every frame it renders, straight to the process's output; inside
    :meth:`blender_silenced` that goes to a file whose end is shown only if something fails.
    """

    def __init__(self) -> None:
        self._out: IO[str] = os.fdopen(
            os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace", buffering=1
        )
        self._last_sign = time.monotonic()
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print a line at once."""
        print(text, file=self._out, flush=True)
        self._last_sign = time.monotonic()

    def sign(self, text: str) -> None:
        """Print a line if nothing was printed for a few seconds."""
        if time.monotonic() - self._last_sign >= _SIGN_SECONDS:
            self.say(f"    ... {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and note how long it took."""
        self.say(f"{title} ...")
        started = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - started

    @contextmanager
    def blender_silenced(self) -> Iterator[None]:
        """Send what Blender prints to a file; show its last lines if an exception passes."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "blender.log"
            kept = [(stream.fileno(), os.dup(stream.fileno())) for stream in (sys.stdout, sys.stderr)]
            with log.open("wb") as sink:
                for number, _copy in kept:
                    os.dup2(sink.fileno(), number)
            try:
                yield
            except BaseException:
                self.say("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]))
                raise
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                for number, copy in kept:
                    os.dup2(copy, number)
                    os.close(copy)
