"""Interpreters are believed only after they ran."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from addon.runtime.errors import SetupError
from addon.runtime.pythons import find, probe, require, running_minor

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")


def stand_in(folder: Path, body: str) -> Path:
    """Write an executable called python3.99 that does what ``body`` says."""
    folder.mkdir()
    path = folder / "python3.99"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_shim_that_only_prints_an_error_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = stand_in(tmp_path / "shims", "echo 'version 3.99 is not installed' >&2; exit 127")
    good = stand_in(tmp_path / "good", "echo 3.99")
    monkeypatch.setenv("PATH", f"{shim.parent}:{good.parent}")
    assert probe(shim) is None
    found = find(["3.99"])
    assert found is not None
    assert found.path == good


def test_an_interpreter_of_another_version_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = stand_in(tmp_path / "liar", "echo 3.8")
    monkeypatch.setenv("PATH", str(liar.parent))
    assert find(["3.99"]) is None


def test_the_first_version_that_works_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = stand_in(tmp_path / "good", "echo 3.99")
    monkeypatch.setenv("PATH", str(good.parent))
    found = find(["3.98", "3.99", running_minor()])
    assert found is not None
    assert found.minor == "3.99"


def test_the_running_python_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = find([running_minor()])
    assert found is not None
    assert found.minor == running_minor()


def test_a_missing_python_is_named_with_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match=r"No working Python 3\.98 or 3\.99 .* the sidecar needs"):
        require(["3.98", "3.99"], "the sidecar")


def test_a_file_that_is_no_program_is_no_interpreter(tmp_path: Path) -> None:
    path = tmp_path / "python3.99"
    path.write_bytes(b"\0not a program")
    path.chmod(0o755)
    assert probe(path) is None
