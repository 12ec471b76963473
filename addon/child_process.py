"""A child process spoken to by lines, never waited for.

Three threads only move bytes between the child's pipes and bounded queues (and into the log); they know nothing of
Blender. Everything else happens on the thread that calls.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO, Final

from cteg_core.jsonrpc import MAX_MESSAGE_BYTES, bounded_lines

from .log_file import RotatingLog

_MAX_QUEUED_LINES: Final = 64
_MAX_QUEUED_WRITES: Final = 1024
_STDERR_LINES: Final = 60
_STDERR_LINE_BYTES: Final = 500
_SECONDS_TO_END: Final = 2.0
_SECONDS_FOR_PIPES: Final = 0.5
_NO_WINDOW: Final = 0x08000000 if sys.platform == "win32" else 0
"""Windows' CREATE_NO_WINDOW: no console flashes up."""
_HAS_SESSIONS: Final = hasattr(os, "killpg")


def isolated_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a Python that must not see this one's modules.

    Blender's own PYTHON variables, the user's site-packages and the current folder are kept out, and text
    is UTF-8 whatever the console's encoding.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
    }
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


class ChildProcess:
    """A running child; raises OSError where it cannot be started.

    On POSIX it leads a session of its own: an interrupt in the terminal is not for it, and what it started (a wrapper's
    Python, say) ends with it.

    Args:
        command: program and arguments; no shell is involved.
        log: where what it says on standard error goes as well; closed with it.
    """

    def __init__(self, command: Sequence[str], log: RotatingLog | None = None) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=isolated_environment(os.environ),
            creationflags=_NO_WINDOW,
            start_new_session=_HAS_SESSIONS,
        )
        self._log = log
        self._incoming: queue.Queue[bytes | None] = queue.Queue(_MAX_QUEUED_LINES)
        self._outgoing: queue.Queue[bytes | None] = queue.Queue(_MAX_QUEUED_WRITES)
        self._stderr_tail: deque[str] = deque(maxlen=_STDERR_LINES)
        self._closed = threading.Event()
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._threads = [
            threading.Thread(target=target, args=(pipe,), name=f"cteg-{name}", daemon=True)
            for name, target, pipe in (
                ("stdin", self._write_lines, stdin),
                ("stdout", self._read_lines, stdout),
                ("stderr", self._read_stderr, stderr),
            )
        ]
        self._ending: threading.Thread | None = None
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The child's exit status; None while it runs."""
        return self._process.poll()

    def ended_within(self, seconds: float) -> bool:
        """Wait at most ``seconds`` for the child to end; return whether it did."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, line: bytes) -> None:
        """Have ``line`` written; raises BrokenPipeError where the child has stopped reading long ago."""
        try:
            self._outgoing.put_nowait(line)
        except queue.Full:
            raise BrokenPipeError("The child does not read what it is sent.") from None

    def next_line(self, wait: float = 0.0) -> bytes | None:
        """Return the next line from the child's standard output.

        Args:
            wait: seconds to wait for one at most.

        Returns:
            The line without its newline, or None where none came.

        Raises:
            EOFError: the child closed its output and every line was read.
        """
        try:
            line = self._incoming.get(timeout=wait) if wait > 0 else self._incoming.get_nowait()
        except queue.Empty:
            return None
        if line is None:
            self._incoming.put(None)
            raise EOFError
        return line

    def stderr_tail(self) -> tuple[str, ...]:
        """Return the last lines of the child's standard error, each cut to a bounded length."""
        return tuple(self._stderr_tail)

    def is_gone(self, wait: float = 0.0) -> bool:
        """Return whether the child has ended and all that it said was heard; wait ``wait`` seconds for it at most."""
        if not self.ended_within(wait):
            return False
        for thread in self._threads[1:]:
            thread.join(wait)
        return not any(thread.is_alive() for thread in self._threads[1:])

    def close(self, polite: bytes | None = None) -> None:
        """End the child: ask, then terminate, then kill; leave no process, thread or pipe behind.

        Args:
            polite: a line that asks the child to end; without one it is terminated at once.
        """
        if self._ending is None:
            self._say_farewell(polite)
            self._end(polite is not None)
        else:
            self._ending.join()

    def end(self) -> None:
        """End the child as :meth:`close` does, without waiting for it: a thread of its own sees it through."""
        if self._ending is None:
            self._say_farewell(None)
            self._ending = threading.Thread(target=self._end, args=(False,), name="cteg-end", daemon=True)
            self._ending.start()

    @property
    def is_ending(self) -> bool:
        """Whether :meth:`end` is not done yet."""
        return self._ending is not None and self._ending.is_alive()

    def _say_farewell(self, polite: bytes | None) -> None:
        self._closed.set()
        if polite is not None:
            with contextlib.suppress(BrokenPipeError):
                self.send(polite)
        # The end of its input is what ends a sidecar, whatever it is doing.
        with contextlib.suppress(queue.Full):
            self._outgoing.put_nowait(None)

    def _end(self, politely: bool) -> None:
        if not (politely and self.ended_within(_SECONDS_TO_END)):
            self._signal(kill=False)
            if not self.ended_within(_SECONDS_TO_END):
                self._signal(kill=True)
                self.ended_within(_SECONDS_TO_END)
        with contextlib.suppress(queue.Full):
            self._outgoing.put_nowait(None)
        for thread in self._threads:
            thread.join(_SECONDS_FOR_PIPES)
        if any(thread.is_alive() for thread in self._threads):
            # Somebody holds the pipes still: what the child had started, and left behind.
            self._signal(kill=True)
            for thread in self._threads:
                thread.join(_SECONDS_TO_END)

    def _signal(self, kill: bool) -> None:
        if _HAS_SESSIONS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        elif kill:
            self._process.kill()
        else:
            self._process.terminate()

    def _write_lines(self, stdin: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stdin:
            while (line := self._outgoing.get()) is not None:
                view = memoryview(line)
                while view:
                    view = view[stdin.write(view) :]

    def _read_lines(self, stdout: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stdout:
            for line in bounded_lines(stdout.read, MAX_MESSAGE_BYTES):
                self._put(line)
        self._put(None)

    def _put(self, line: bytes | None) -> None:
        while True:
            try:
                return self._incoming.put(line, timeout=0.1)
            except queue.Full:
                if self._closed.is_set():
                    return None

    def _read_stderr(self, stderr: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stderr:
            for line in bounded_lines(stderr.read, _STDERR_LINE_BYTES, with_rest=True):
                self._stderr_tail.append(line.decode("utf-8", errors="replace").rstrip())
                if self._log is not None:
                    self._log.write(line.rstrip())
        if self._log is not None:
            self._log.close()
