"""One set-up at a time in a folder, told by a lock that the operating system lets go of when its holder ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import IO, Final

from .errors import SetupError
from .place import Place

_SECONDS: Final = 1.0
"""Somebody who only looks holds the lock for a moment."""


@contextlib.contextmanager
def held(place: Place) -> Iterator[None]:
    """Hold the lock of a folder, which must exist; raises SetupError where another holds it, or OSError."""
    with place.lock.open("a") as file:
        deadline = time.monotonic() + _SECONDS
        while not _try(file):
            if time.monotonic() > deadline:
                raise SetupError(f"Another set-up is at work in {place.folder}: wait until it is done.")
            time.sleep(0.05)
        yield


def is_held(place: Place) -> bool:
    """Return whether a set-up is at work in a folder; one that cannot be written has none."""
    if not place.lock.is_file() or not os.access(place.lock, os.W_OK):
        return False
    try:
        with place.lock.open("a") as file:
            return not _try(file)
    except OSError:
        return False


def _try(file: IO[str]) -> bool:
    """Lock a file until it is closed; return whether that worked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
