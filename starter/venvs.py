"""One virtual environment, brought up in layers and checked in milliseconds.

A stamp file, written after each layer, holds a key for everything that is in place. Nothing is asked
of pip while the keys agree; an environment whose requirements were left half installed is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from addon.runtime.errors import SetupError
from addon.runtime.pip import Pip
from addon.runtime.processes import run_command, say
from addon.runtime.pythons import as_root, require

STAMP_NAME: Final = "cteg-stamp.json"
UNFINISHED: Final = "unfinished"
VENV_SECONDS: Final = 300


@dataclass(frozen=True)
class Venv:
    """A virtual environment's place on disk."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        if sys.platform == "win32":
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        """Where the last installer's whole output is kept."""
        return self.folder.with_suffix(".log")


@dataclass(frozen=True)
class Layer:
    """A part of an environment that is put in place as a whole.

    Attributes:
        name: stable name in the stamp.
        key: changes when the layer must be put in place again.
        install: puts it in place; raises SetupError.
        repeatable: whether doing it again repairs a half-done attempt. Where it does not (pip
            believes a package whose files were only half copied), the environment is made anew.
    """

    name: str
    key: str
    install: Callable[[Venv], None]
    repeatable: bool = True


def requirements_layer(name: str, requirements: Sequence[str]) -> Layer:
    """Return a layer of packages from the index."""
    key = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:16]
    return Layer(name, key, lambda venv: Pip(venv.python, venv.log).install(requirements), repeatable=False)


def ensure(venv: Venv, minors: Sequence[str], layers: Sequence[Layer]) -> Path:
    """Bring an environment up to date.

    Args:
        venv: where it lies.
        minors: Python versions it may have, the best first.
        layers: what must be in it, in the order of installation.

    Returns:
        Its interpreter.

    Raises:
        SetupError: no fitting Python, or a layer could not be put in place; what was finished is
            kept for the next attempt.
    """
    if _is_complete(venv, minors, layers):
        return venv.python
    with _lock(venv):
        stamp = _read_stamp(venv)
        broken = any(stamp.get(layer.name) == UNFINISHED for layer in layers if not layer.repeatable)
        if broken or stamp.get("python") not in minors or not venv.python.exists():
            stamp = {"python": _create(venv, minors)}
            _write_stamp(venv, stamp)
        for layer in layers:
            if stamp.get(layer.name) == layer.key:
                continue
            stamp[layer.name] = UNFINISHED
            _write_stamp(venv, stamp)
            layer.install(venv)
            stamp[layer.name] = layer.key
            _write_stamp(venv, stamp)
    return venv.python


def finished_layers(venv: Venv) -> frozenset[str]:
    """Return the names of the layers that are in place."""
    if not venv.python.exists():
        return frozenset()
    return frozenset(name for name, key in _read_stamp(venv).items() if name != "python" and key != UNFINISHED)


def _is_complete(venv: Venv, minors: Sequence[str], layers: Sequence[Layer]) -> bool:
    stamp = _read_stamp(venv)
    return (
        stamp.get("python") in minors
        and venv.python.exists()
        and all(stamp.get(layer.name) == layer.key for layer in layers)
    )


def _create(venv: Venv, minors: Sequence[str]) -> str:
    base = require(minors, f"the environment {venv.folder.name!r}")
    if venv.folder.exists():
        say(f"{venv.folder.name}: removing a half-made or outdated environment")
        shutil.rmtree(venv.folder)
    say(f"{venv.folder.name}: making an environment on Python {base.minor} ({base.path})")
    made = run_command(
        [base.path, "-I", "-m", "venv", venv.folder],
        f"making {venv.folder.name}",
        seconds=VENV_SECONDS,
        show=lambda _line: None,
        log=venv.log,
    )
    if made.code != 0:
        raise SetupError(
            f"Python {base.minor} could not make the environment {venv.folder} (see {venv.log}). "
            f"On Debian and Ubuntu this may be missing: {as_root()}apt-get install -y python{base.minor}-venv"
        )
    return base.minor


def _read_stamp(venv: Venv) -> dict[str, str]:
    try:
        stamp = json.loads((venv.folder / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(key) for name, key in stamp.items()} if isinstance(stamp, dict) else {}


def _write_stamp(venv: Venv, stamp: dict[str, str]) -> None:
    fresh = venv.folder / (STAMP_NAME + ".new")
    fresh.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    fresh.replace(venv.folder / STAMP_NAME)


@contextlib.contextmanager
def _lock(venv: Venv) -> Iterator[None]:
    """Keep two starters from making the same environment at once."""
    venv.folder.parent.mkdir(parents=True, exist_ok=True)
    with venv.folder.with_suffix(".lock").open("w") as file:
        _hold(file, venv.folder.name)
        yield


def _hold(file: IO[str], name: str) -> None:
    """Lock a file until it is closed (no lock on Windows, which has no ``fcntl``)."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{name}: another run is making this environment; waiting for it")
        fcntl.flock(file, fcntl.LOCK_EX)
