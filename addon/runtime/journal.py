"""The log of a set-up: everything that was said, with the one before kept beside it."""

from __future__ import annotations

import contextlib
import time
from typing import IO, Final

from .place import OLD_LOG, Place

_LONGEST_LINE: Final = 2000


class Journal:
    """An open log, begun anew; a log that cannot be written is no reason to fail."""

    def __init__(self, place: Place) -> None:
        self._file: IO[str] | None = None
        with contextlib.suppress(OSError):
            if place.log.is_file():
                place.log.replace(place.folder / OLD_LOG)
            self._file = place.log.open("w", encoding="utf-8", errors="replace")
        self.note(time.strftime("%Y-%m-%d %H:%M:%S"))

    def note(self, line: str) -> None:
        """Write a line."""
        if self._file is None:
            return
        try:
            self._file.write(line[:_LONGEST_LINE] + "\n")
            self._file.flush()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None
