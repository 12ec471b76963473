"""Which build of torch is asked for, and by what.

Plain pip takes what its index holds under torch's one name: on Linux that is mostly the build for CUDA, on Windows the
one without. ``uv`` knows where the other builds are; so where another is wanted and ``uv`` is there, it is asked first.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

DEVICES: Final = ("auto", "cpu", "cuda", "mps")

_BACKENDS: Final = {"cpu": "cpu", "cuda": "auto"}
"""What ``uv`` calls the build: ``auto`` is the CUDA that fits the machine's driver."""


def wanted_build(device: str, wheels: Path | None) -> str:
    """Return the build to ask for, ``cpu`` or ``cuda``; empty for whatever there is.

    A folder of wheels has what it has, macOS has one build for all, and without ``uv`` nothing can be chosen.
    """
    if wheels is not None or sys.platform == "darwin" or device not in _BACKENDS or find_uv() is None:
        return ""
    return device


def find_uv() -> Path | None:
    """Return ``uv``, on the PATH or where it puts itself; None where there is none."""
    found = shutil.which("uv")
    own = Path.home() / ".local" / "bin" / ("uv.exe" if sys.platform == "win32" else "uv")
    return Path(found) if found else own if own.is_file() else None


def uv_command(uv: Path, python: Path, build: str, requirements: Sequence[str]) -> list[str | Path]:
    """Return the command that installs packages with a build of torch into the environment of an interpreter."""
    return [uv, "pip", "install", "--python", python, "--torch-backend", _BACKENDS[build], *requirements]
