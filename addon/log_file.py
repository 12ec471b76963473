"""A log that stays small, and that costs nothing where it cannot be written. Needs no bpy."""

from __future__ import annotations

import contextlib
import sys
from io import FileIO
from pathlib import Path
from typing import Final

_LIMIT_BYTES: Final = 1_000_000
_OLD_FILES: Final = 2
_LONG_PATH: Final = 240
"""Letters from which on Windows wants a path in its extended form (260, less what a rotated name adds)."""


class RotatingLog:
    """Lines appended to a file; at ``limit`` bytes it becomes ``<name>.1``, that becomes ``<name>.2``, and so on.

    One that cannot be written is left out in silence: a log is no reason to fail. Made on one thread, it may be
    written on another.

    Args:
        path: the file; its folder is made. It may be long and hold any letters.
        limit: bytes of one file.
        old_files: how many full ones are kept.
    """

    def __init__(self, path: Path, limit: int = _LIMIT_BYTES, old_files: int = _OLD_FILES) -> None:
        self.path = path
        self._path = Path(extended_path(str(path.absolute()), windows=sys.platform == "win32"))
        self._limit = limit
        self._old_files = old_files
        self._size = 0
        self._file: FileIO | None = None
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open("ab")

    @property
    def is_open(self) -> bool:
        """Whether lines are written."""
        return self._file is not None

    def write(self, line: bytes) -> None:
        """Append ``line`` and a newline."""
        if self._file is None:
            return
        try:
            if self._size > 0 and self._size + len(line) + 1 > self._limit:
                self._rotate()
            self._file.write(line + b"\n")
            self._size += len(line) + 1
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _open(self, mode: str) -> None:
        self._file = FileIO(self._path, mode)
        self._size = self._path.stat().st_size

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _rotate(self) -> None:
        assert self._file is not None
        self._file.close()
        try:
            for number in range(self._old_files - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._old(number).replace(self._old(number + 1))
            self._path.replace(self._old(1))
        except OSError:
            # Windows renames no file that another Blender holds open: what was in it is lost then, not the bound.
            self._open("wb")
        else:
            self._open("ab")


def extended_path(path: str, windows: bool) -> str:
    """Return an absolute path in the form that an operating system opens however long it is."""
    if not windows or len(path) < _LONG_PATH or path.startswith("\\\\?\\"):
        return path
    return "\\\\?\\UNC\\" + path[2:] if path.startswith("\\\\") else "\\\\?\\" + path
