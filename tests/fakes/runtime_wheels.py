"""Tiny wheels and stand-in Pythons, to set an environment up without torch and without a network."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from addon.runtime.encoder import MINILM, Carrier
from addon.runtime.pythons import running_minor
from addon.runtime.recipe import Recipe, recipe_of

VERSION = "0.1.0+hfake"
REQUIREMENTS = ("torch==2.13.0", "transformers==5.23.0", "safetensors>=0.5", "numpy>=1.26")

_TORCH = """
import types
__version__ = "2.13.0+fake"
cuda = types.SimpleNamespace(is_available=lambda: False)
backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: False))
"""

ENCODER_FILES = {name: f"contents of {name}".encode() for name in MINILM.sha256}
CARRIER = Carrier(
    MINILM.requirement,
    MINILM.model_folder,
    {name: hashlib.sha256(data).hexdigest() for name, data in ENCODER_FILES.items()},
)


def write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str | bytes], headers: tuple[str, ...] = ()
) -> Path:
    """Write a pure-Python wheel that pip installs."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    head = "\n".join(("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers))
    entries = dict(files) | {
        f"{info}/METADATA": head + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{entry},,\n" for entry in (*entries, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in (entries | {f"{info}/RECORD": record}).items():
            archive.writestr(entry, data)
    return path


def wheel_folder(folder: Path) -> Path:
    """Write all that ``--from`` takes, and return the folder."""
    write_wheel(folder, "torch", "2.13.0", {"torch/__init__.py": _TORCH})
    for name, version in (("transformers", "5.23.0"), ("safetensors", "0.9.0"), ("numpy", "2.0.0")):
        write_wheel(folder, name, version, {f"{name}/__init__.py": ""})
    carrier_wheel(folder)
    return folder


def carrier_wheel(folder: Path) -> Path:
    """Write the package that carries the text encoder."""
    name, _, version = MINILM.requirement.partition("==")
    files = {f"{MINILM.model_folder}/{each}": data for each, data in ENCODER_FILES.items()}
    return write_wheel(folder, name.replace("-", "_"), version, files)


def own_wheel(folder: Path, version: str = VERSION) -> Path:
    """Write a wheel of CTEG's own, as the add-on carries one in ``wheels/``."""
    headers = (
        "Requires-Dist: numpy>=1.24",
        "Provides-Extra: sidecar",
        "Provides-Extra: train",
        *(f'Requires-Dist: {each}; extra == "sidecar"' for each in REQUIREMENTS),
        'Requires-Dist: tqdm>=4; extra == "train"',
    )
    files = {"cteg_core/__init__.py": f'__version__ = "{version}"\n', "flame_rig/__init__.py": "", "cteg.py": ""}
    return write_wheel(folder, "cteg", version, files, headers)


def recipe_from(wheel: Path, minor: str | None = None) -> Recipe:
    """Return a recipe whose encoder is the tiny one, for one version of Python (this one's)."""
    read = recipe_of(wheel)
    return Recipe(read.wheel, read.version, read.requirements, CARRIER, (minor or running_minor(),))


_STAND_IN = """#!/bin/sh
for last; do :; done
case "$*" in
  *ensurepip*) echo {minor} ;;
  *"-m venv"*) mkdir -p "$last/bin"; cp '{self}' "$last/bin/python" ;;
  *"pip download"*) while [ "$1" != --dest ]; do shift; done; mkdir -p "$2"; cp '{carrier}' "$2" ;;
  *"pip install"*--force-reinstall*) basename "$last" | cut -d- -f2 > '{said}' ;;
  *"pip install"*) . '{behaviour}' ;;
  *) echo '{{"python": "{minor}.1", "devices": {{"cpu": "fast"}},' \\
     '"packages": {{"torch": "2.13.0", "cteg": "'"$(cat '{said}')"'"}}}}' ;;
esac
"""


class StandIn:
    """A Python that only pretends: it makes an environment of one file, and its pip does what a test says.

    Attributes:
        path: the interpreter.
    """

    def __init__(self, folder: Path, minor: str = "3.99") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"python{minor}"
        self._behaviour = folder / "behaviour.sh"
        self.does("true")
        text = _STAND_IN.format(
            minor=minor,
            self=self.path,
            carrier=carrier_wheel(folder / "carrier"),
            behaviour=self._behaviour,
            said=folder / "installed",
        )
        self.path.write_text(text, encoding="utf-8")
        self.path.chmod(0o755)

    def does(self, script: str) -> None:
        """Say what ``pip install`` of the packages does from now on, in the shell's words."""
        self._behaviour.write_text(script + "\n", encoding="utf-8")


SKIPPED_ON_WINDOWS = sys.platform == "win32"
"""The stand-in is a shell script."""
