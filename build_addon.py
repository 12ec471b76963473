#!/usr/bin/env python3
"""Builds the extension: ``dist/cteg-<version>.zip``, one for every platform.

Inside lie the files of ``addon/``, the manifest, and one pure-Python wheel of ``flame_rig``,
``cteg_core`` and ``cteg``; the sidecar's environment installs that very wheel. Standard library only,
and no build backend: a build must work without a network and in any Python from 3.11 on.

Blender skips a wheel whose name and version it has already, even in a fresh process. So the version
carries a digest of the wheel's contents: other contents are another version, always.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent
PACKAGES: Final = ("flame_rig", "cteg_core")
MODULE: Final = "cteg.py"
ADDON: Final = "addon"
MANIFEST: Final = "blender_manifest.toml"
VERSION_FILE: Final = "cteg_core/__init__.py"
WHEEL_PLACEHOLDER: Final = "wheels = []"
TAG: Final = "py3-none-any"

_VERSION_LINE: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_LEFT_OUT: Final = {"__pycache__", ".mypy_cache", ".ruff_cache"}
_ZIP_TIME: Final = (2020, 1, 1, 0, 0, 0)
"""One time for all entries: the same sources give the same bytes."""


class BuildError(Exception):
    """What could not be built and why, in a sentence."""


@dataclass(frozen=True)
class Sources:
    """What goes into the wheel.

    Attributes:
        release: the version that people see, for example ``0.1.0``.
        version: the wheel's version, ``<release>+h<digest of the contents>``.
        files: archive path to contents, the version stamped in.
        metadata: the text of the wheel's METADATA.
    """

    release: str
    version: str
    files: Mapping[str, bytes]
    metadata: str

    @property
    def wheel_name(self) -> str:
        """The wheel's file name."""
        return f"cteg-{self.version}-{TAG}.whl"


def read_sources(checkout: Path = CHECKOUT) -> Sources:
    """Read what the wheel is made of; raises BuildError if the version line is not there."""
    files = {
        path.relative_to(checkout).as_posix(): path.read_bytes()
        for package in PACKAGES
        for path in _package_files(checkout / package)
    }
    files[MODULE] = (checkout / MODULE).read_bytes()
    text = files[VERSION_FILE].decode("utf-8")
    found = _VERSION_LINE.search(text)
    if found is None:
        raise BuildError(f'{VERSION_FILE} has no line `__version__ = "..."` to read the version from.')
    release = found[1]
    with (checkout / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    metadata = _metadata(project)
    version = f"{release}+h{_digest(files, metadata)}"
    files[VERSION_FILE] = _VERSION_LINE.sub(f'__version__ = "{version}"', text, count=1).encode("utf-8")
    return Sources(release, version, files, metadata.replace("{version}", version))


def write_wheel(sources: Sources, folder: Path) -> Path:
    """Write the wheel into a folder and return its path (format: PEP 427)."""
    info = f"cteg-{sources.version}.dist-info"
    entries = dict(sources.files)
    entries[f"{info}/METADATA"] = sources.metadata.encode("utf-8")
    entries[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: build_addon\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode()
    )
    for licence in sorted((CHECKOUT / "LICENSES").glob("*.txt")):
        entries[f"{info}/licenses/LICENSES/{licence.name}"] = licence.read_bytes()
    entries[f"{info}/RECORD"] = _record(entries, f"{info}/RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / sources.wheel_name
    _write_zip(path, entries)
    return path


def write_extension(sources: Sources, folder: Path, checkout: Path = CHECKOUT) -> Path:
    """Write the extension's zip, the wheel inside it, and return its path.

    Raises:
        BuildError: the manifest has no place for the wheel, or disagrees about the version.
    """
    manifest = (checkout / MANIFEST).read_text(encoding="utf-8")
    if tomllib.loads(manifest)["version"] != sources.release:
        raise BuildError(f"{MANIFEST} and {VERSION_FILE} give different versions; make them the same.")
    if manifest.count(WHEEL_PLACEHOLDER) != 1:
        raise BuildError(f"{MANIFEST} must hold the line `{WHEEL_PLACEHOLDER}` once; the build puts the wheel there.")
    manifest = manifest.replace(WHEEL_PLACEHOLDER, f'wheels = ["./wheels/{sources.wheel_name}"]')
    entries = {
        path.relative_to(checkout / ADDON).as_posix(): path.read_bytes() for path in _package_files(checkout / ADDON)
    }
    entries[MANIFEST] = manifest.encode("utf-8")
    entries["LICENSE"] = (checkout / "LICENSE").read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        wheel = write_wheel(sources, Path(scratch))
        entries[f"wheels/{wheel.name}"] = wheel.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"cteg-{sources.release}.zip"
    _write_zip(path, entries)
    return path


def find_validator(environment: Path) -> Path:
    """Return Blender's own manifest validator in an environment that holds ``bpy``; raises BuildError."""
    inner = "site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    found = [*environment.glob(f"lib/python*/{inner}"), *environment.glob(f"Lib/{inner}")]
    if not found:
        raise BuildError(f"There is no bpy module in {environment}, whose validator would check the zip.")
    return found[0]


def validate(extension: Path, validator: Path) -> None:
    """Have Blender's validator check the zip; raises BuildError with its words."""
    answer = subprocess.run(
        [sys.executable, "-I", str(validator), "validate", str(extension)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if answer.returncode != 0:
        raise BuildError(f"Blender's validator refuses {extension}: {(answer.stdout + answer.stderr).strip()}")


def _package_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _LEFT_OUT.intersection(path.parts) and path.suffix != ".pyc":
            yield path


def _metadata(project: Mapping[str, object]) -> str:
    """Return the wheel's METADATA (core metadata 2.4) with ``{version}`` still open."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        "Version: {version}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
    ]
    dependencies, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    lines += [f"Requires-Dist: {requirement}" for requirement in dependencies]
    for extra, requirements in sorted(extras.items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    return "\n".join(lines) + "\n"


def _digest(files: Mapping[str, bytes], metadata: str) -> str:
    digest = hashlib.sha256(metadata.encode("utf-8"))
    for name, data in sorted(files.items()):
        digest.update(f"\0{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:12]


def _record(entries: Mapping[str, bytes], own_name: str) -> bytes:
    """Return the wheel's RECORD: every file with its hash and size, itself without."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for name, data in entries.items():
        hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
        writer.writerow((name, f"sha256={hashed}", len(data)))
    writer.writerow((own_name, "", ""))
    return table.getvalue().encode("utf-8")


def _write_zip(path: Path, entries: Mapping[str, bytes]) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    fresh.replace(path)


def main() -> int:
    """Build from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Build the CTEG extension for Blender.")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist", help="folder for the result (default: dist)")
    parser.add_argument("--wheel-only", action="store_true", help="write only the wheel, as the sidecar installs it")
    parser.add_argument(
        "--validator", type=Path, help="Blender's blender_ext.py (default: the one that run.py installed)"
    )
    options = parser.parse_args()
    try:
        sources = read_sources()
        if options.wheel_only:
            print(write_wheel(sources, options.out))
            return 0
        extension = write_extension(sources, options.out)
        validate(extension, options.validator or find_validator(CHECKOUT / ".venvs" / "blender"))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(extension)
    return 0


if __name__ == "__main__":
    sys.exit(main())
