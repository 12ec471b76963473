"""The wheel and the zip, looked into without Blender."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest

import build_addon


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project of the same layout."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in ("pyproject.toml", "cteg.py", "blender_manifest.toml", "LICENSE"):
        shutil.copy(build_addon.CHECKOUT / name, root / name)
    for folder in ("flame_rig", "cteg_core/checkpoints", "addon/operators", "flame_rig/__pycache__"):
        (root / folder).mkdir(parents=True)
    (root / "flame_rig/__init__.py").write_text("", encoding="utf-8")
    (root / "flame_rig/__pycache__/junk.pyc").write_bytes(b"junk")
    (root / "cteg_core/__init__.py").write_text('"""Core."""\n\n__version__ = "0.1.0"\n', encoding="utf-8")
    (root / "cteg_core/checkpoints/model.safetensors").write_bytes(b"weights")
    (root / "addon/__init__.py").write_text("", encoding="utf-8")
    (root / "addon/operators/__init__.py").write_text("", encoding="utf-8")
    return root


def test_the_same_sources_give_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    sources = build_addon.read_sources(checkout)
    first = build_addon.write_extension(sources, tmp_path / "one", checkout)
    second = build_addon.write_extension(build_addon.read_sources(checkout), tmp_path / "two", checkout)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("changed", ["flame_rig/__init__.py", "cteg_core/checkpoints/model.safetensors", "cteg.py"])
def test_other_contents_are_another_version(checkout: Path, changed: str) -> None:
    before = build_addon.read_sources(checkout).version
    with (checkout / changed).open("ab") as file:
        file.write(b"\n# changed\n")
    after = build_addon.read_sources(checkout).version
    assert before != after
    assert before.startswith("0.1.0+h")
    assert after.startswith("0.1.0+h")


def test_the_wheel_says_its_own_version_and_holds_the_weights(checkout: Path, tmp_path: Path) -> None:
    sources = build_addon.read_sources(checkout)
    wheel = build_addon.write_wheel(sources, tmp_path / "out")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        core = archive.read("cteg_core/__init__.py").decode()
        metadata = archive.read(f"cteg-{sources.version}.dist-info/METADATA").decode()
    assert f'__version__ = "{sources.version}"' in core
    assert f"\nVersion: {sources.version}\n" in metadata
    assert 'Requires-Dist: torch==2.13.0; extra == "sidecar"' in metadata
    assert "cteg_core/checkpoints/model.safetensors" in names
    assert not [name for name in names if "__pycache__" in name]


def test_the_record_holds_every_file_with_its_hash(checkout: Path, tmp_path: Path) -> None:
    wheel = build_addon.write_wheel(build_addon.read_sources(checkout), tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert {row[0] for row in rows} == set(archive.namelist())
        for name, digest, size in rows:
            if name == record:
                continue
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={expected}", len(data))


def test_the_zip_lists_the_wheel_that_it_holds(checkout: Path, tmp_path: Path) -> None:
    extension = build_addon.write_extension(build_addon.read_sources(checkout), tmp_path / "out", checkout)
    with zipfile.ZipFile(extension) as archive:
        names = set(archive.namelist())
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert {"__init__.py", "operators/__init__.py", "LICENSE"} <= names
    assert [f"./{name}" for name in names if name.endswith(".whl")] == manifest["wheels"]
    assert manifest["id"] == "cteg"


def test_versions_that_disagree_are_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "cteg_core/__init__.py").write_text('__version__ = "9.9.9"\n', encoding="utf-8")
    with pytest.raises(build_addon.BuildError, match="different versions"):
        build_addon.write_extension(build_addon.read_sources(checkout), tmp_path / "out", checkout)


def test_sources_without_a_version_are_refused(checkout: Path) -> None:
    (checkout / "cteg_core/__init__.py").write_text("", encoding="utf-8")
    with pytest.raises(build_addon.BuildError, match="no line"):
        build_addon.read_sources(checkout)


def test_the_real_sources_are_complete() -> None:
    sources = build_addon.read_sources()
    assert {"cteg.py", "flame_rig/spaces.py", "cteg_core/clip.py", "cteg_core/protocol.py"} <= set(sources.files)
