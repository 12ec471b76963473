"""Where an environment lies: one folder, and the names of what the set-up puts into it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MARKER: Final = "cteg-runtime.json"
LOG: Final = "setup.log"
OLD_LOG: Final = "setup.log.1"
LOCK: Final = "setup.lock"
VENV: Final = "venv"
DOWNLOADS: Final = "downloads"

FILES: Final = (MARKER, MARKER + ".new", LOG, OLD_LOG, LOCK)
"""Files of the set-up's own."""
FOLDERS: Final = (VENV, DOWNLOADS)
"""Folders of the set-up's own; each holds a file with the identity of the marker (see ``ownership``)."""

_LONGEST_INSIDE: Final = 205
"""Letters of the longest path below the folder: torch carries licences deep down."""
_WINDOWS_MAX_PATH: Final = 259


@dataclass(frozen=True)
class Place:
    """The folder of an environment; it need not exist."""

    folder: Path

    @property
    def marker(self) -> Path:
        """Says whose the folder is and how far it is."""
        return self.folder / MARKER

    @property
    def log(self) -> Path:
        """All that the last set-up said."""
        return self.folder / LOG

    @property
    def lock(self) -> Path:
        """Held while a set-up works in the folder."""
        return self.folder / LOCK

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.folder / VENV

    @property
    def downloads(self) -> Path:
        """What is fetched passes through here, so that one disk alone must have room."""
        return self.folder / DOWNLOADS

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def too_long(folder: Path, windows: bool, long_paths: bool) -> str:
    """Return a sentence where an operating system cannot hold an environment in a folder; empty where it can.

    Args:
        folder: absolute.
        windows: whether it is Windows.
        long_paths: whether Windows was told to allow paths of more than 259 letters.
    """
    most = _WINDOWS_MAX_PATH - _LONGEST_INSIDE
    if not windows or long_paths or len(str(folder)) <= most:
        return ""
    return (
        f"The folder {folder} has {len(str(folder))} letters, and Windows lets its files have {_WINDOWS_MAX_PATH} in "
        f"all: choose a folder of at most {most} letters, or let an administrator allow long paths in Windows."
    )


def has_long_paths() -> bool:
    """Return whether Windows was told to allow long paths; True on other systems."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False
