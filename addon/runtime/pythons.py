"""Finding a Python that works.

A name on the PATH proves nothing: version managers leave shims that only print an error, and Debian
splits ``venv`` from the interpreter. So every candidate is run before it is believed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import SetupError
from .processes import clean_environment

PROBE_SECONDS: Final = 20
_PROBE: Final = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Interpreter:
    """A Python that was run and can make environments; ``minor`` is for example ``3.11``."""

    path: Path
    minor: str


def running_minor() -> str:
    """Return the version of the Python that runs this, for example ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def probe(path: Path) -> Interpreter | None:
    """Run a candidate; return None unless it starts and has ``venv`` and ``ensurepip``."""
    try:
        answer = subprocess.run(
            [str(path), "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=clean_environment({}),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, answer.stdout.strip()) if answer.returncode == 0 else None


def candidates(minor: str) -> Iterator[Path]:
    """Yield where a Python of this version may lie, the most likely first, each place once."""
    seen: set[Path] = set()
    for path in _places(minor):
        if path not in seen and path.is_file():
            seen.add(path)
            yield path


def running_python() -> Path:
    """Return the interpreter that runs this; inside an environment, the one that the environment was made with."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def _places(minor: str) -> Iterator[Path]:
    name = f"python{minor}.exe" if sys.platform == "win32" else f"python{minor}"
    for folder in os.get_exec_path():
        yield Path(folder) / name
    # A program that was started from a desktop may have been given a short PATH.
    for folder in ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"):
        yield Path(folder) / name
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    for root, pattern in (
        (pyenv, f"{minor}.*/bin/{name}"),
        (home / ".local/share/uv/python", f"cpython-{minor}.*/bin/{name}"),
        (Path("/opt/homebrew/opt"), f"python@{minor}/bin/{name}"),
        (Path("/usr/local/opt"), f"python@{minor}/bin/{name}"),
        (Path("/Library/Frameworks/Python.framework/Versions"), f"{minor}/bin/{name}"),
        (home / "AppData/Local/Programs/Python", f"Python{minor.replace('.', '')}/python.exe"),
        (Path("C:/Program Files"), f"Python{minor.replace('.', '')}/python.exe"),
    ):
        if root.is_dir():
            yield from sorted(root.glob(pattern), reverse=True)


def find(minors: Sequence[str], running_first: bool = True) -> Interpreter | None:
    """Return a working Python of the first of ``minors`` that has one, else None.

    Args:
        minors: versions that fit, the best first.
        running_first: whether the Python that runs this is the first or the last choice of its version. Blender's own
            goes with that Blender, so an environment had better not hang on it.
    """
    for minor in minors:
        running = [running_python()] if minor == running_minor() else []
        places = [*running, *candidates(minor)] if running_first else [*candidates(minor), *running]
        for path in places:
            found = probe(path)
            if found is not None and found.minor == minor:
                return found
    return None


def chosen(path: Path, minors: Sequence[str]) -> Interpreter:
    """Return the Python that the user chose; raises SetupError where it does not fit."""
    found = probe(path if path.is_file() else Path(shutil.which(str(path)) or path))
    wanted = " or ".join(minors)
    if found is None:
        raise SetupError(
            f"The Python that you chose, {path}, does not run or has no venv module: choose a Python {wanted}."
        )
    if found.minor not in minors:
        raise SetupError(f"The Python that you chose, {path}, is a {found.minor}: choose a Python {wanted}.")
    return found


def require(minors: Sequence[str], purpose: str, running_first: bool = True) -> Interpreter:
    """Return what :func:`find` finds; raises SetupError with what to install."""
    found = find(minors, running_first)
    if found is not None:
        return found
    wanted = " or ".join(minors)
    first = minors[0]
    hint = (
        f" On Debian and Ubuntu: {as_root()}apt-get install -y python{first} python{first}-venv"
        if shutil.which("apt-get")
        else ""
    )
    raise SetupError(
        f"No working Python {wanted} with its venv module was found, which {purpose} needs: install one.{hint}"
    )


def as_root() -> str:
    """Return what to put before a command that only root may run: ``sudo``, or nothing for root."""
    return "" if getattr(os, "geteuid", lambda: 1)() == 0 else "sudo "
