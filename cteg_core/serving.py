"""The sidecar as a process: its pipes, its log and its end."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from cteg_core import __version__
from cteg_core.connection import Connection, Disconnected
from cteg_core.performer import Performer
from cteg_core.server import Server

_LOG_BYTES: Final = 1_000_000
_LOG_BACKUPS: Final = 2
_LAST_WORDS_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


def serve(load: Callable[[], Performer], log_file: Path | None = None) -> NoReturn:
    """Serve requests on this process's standard input and output; end the process with them.

    Args:
        load: makes the performer at the first ``load``; see :class:`cteg_core.server.Server`.
        log_file: also log there, beside standard error; the file is rotated at 1 MB.
    """
    # An interrupt in the parent's terminal reaches the child too; it is the parent that decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _claim_pipes()
    _start_log(log_file)
    _log.info("sidecar %s on Python %s, process %d", __version__, sys.version.split()[0], os.getpid())

    connection = Connection(
        read=lambda count: os.read(requests, count),
        write=lambda data: _write_all(answers, data),
        at_end=lambda: _end_process("the input ended", 0),
    )
    hint = f"The log {log_file} says more." if log_file else "The sidecar's log on standard error says more."
    connection.start()
    try:
        Server(connection, load, hint).run()
    except Disconnected as error:
        _end_process(str(error), 1)
    except BaseException:
        _log.exception("the server failed")
        _end_process("the server failed", 1)
    _end_process("asked to shut down", 0)


def _claim_pipes() -> tuple[int, int]:
    """Keep descriptors 0 and 1 for the protocol alone, so that no print (of C code either) disturbs it."""
    requests, answers = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (requests, answers):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return requests, answers


def _start_log(log_file: Path | None) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(
            logging.handlers.RotatingFileHandler(
                log_file, maxBytes=_LOG_BYTES, backupCount=_LOG_BACKUPS, encoding="utf-8"
            )
        )
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=handlers, force=True
    )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


_ending = threading.Lock()


def _end_process(reason: str, status: int) -> NoReturn:
    """End the process at once, from any thread: torch may be deep inside a call that cannot be stopped."""
    # Never released: the first thread to get here ends the process.
    _ending.acquire()
    # A log that nobody empties must not keep the process alive.
    deadline = threading.Timer(_LAST_WORDS_SECONDS, os._exit, (status,))
    deadline.daemon = True
    deadline.start()
    _log.info("ending: %s", reason)
    logging.shutdown()
    os._exit(status)
