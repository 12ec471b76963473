"""Environments: nothing is done twice, nothing half done is believed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from addon.runtime.errors import SetupError
from starter.venvs import STAMP_NAME, Layer, Venv, ensure, finished_layers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")

# Answers the probe with its version, and "-m venv FOLDER" with an environment of one empty file.
STAND_IN = """#!/bin/sh
for last; do :; done
case "$*" in
  *"-m venv"*) mkdir -p "$last/bin" && touch "$last/bin/python" ;;
  *) echo 3.99 ;;
esac
"""


class Recorder:
    """Layers that note when they are put in place, and fail on demand."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing: set[str] = set()

    def layer(self, name: str, key: str = "1", *, repeatable: bool = True) -> Layer:
        def install(_venv: Venv) -> None:
            if name in self.failing:
                raise SetupError(f"{name} failed")
            self.done.append(name)

        return Layer(name, key, install, repeatable)


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Venv:
    tools = tmp_path / "tools"
    tools.mkdir()
    python = tools / "python3.99"
    python.write_text(STAND_IN, encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return Venv(tmp_path / "venvs" / "one")


def test_layers_are_put_in_place_once_and_in_order(venv: Venv) -> None:
    recorder = Recorder()
    layers = [recorder.layer("a"), recorder.layer("b")]
    assert ensure(venv, ["3.99"], layers) == venv.python
    ensure(venv, ["3.99"], layers)
    assert recorder.done == ["a", "b"]
    assert finished_layers(venv) == {"a", "b"}


def test_a_changed_key_redoes_that_layer_alone(venv: Venv) -> None:
    recorder = Recorder()
    ensure(venv, ["3.99"], [recorder.layer("a"), recorder.layer("b")])
    ensure(venv, ["3.99"], [recorder.layer("a"), recorder.layer("b", "2")])
    assert recorder.done == ["a", "b", "b"]


def test_a_failed_layer_is_redone_and_the_finished_ones_are_kept(venv: Venv) -> None:
    recorder = Recorder()
    recorder.failing = {"b"}
    layers = [recorder.layer("a", repeatable=False), recorder.layer("b")]
    with pytest.raises(SetupError, match="b failed"):
        ensure(venv, ["3.99"], layers)
    assert finished_layers(venv) == {"a"}
    recorder.failing = set()
    ensure(venv, ["3.99"], layers)
    assert recorder.done == ["a", "b"]


def test_half_installed_requirements_make_the_environment_anew(venv: Venv) -> None:
    recorder = Recorder()
    recorder.failing = {"b"}
    layers = [recorder.layer("a"), recorder.layer("b", repeatable=False)]
    with pytest.raises(SetupError):
        ensure(venv, ["3.99"], layers)
    (venv.folder / "left-over").touch()
    recorder.failing = set()
    ensure(venv, ["3.99"], layers)
    assert recorder.done == ["a", "a", "b"]
    assert not (venv.folder / "left-over").exists()


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"python": "2.7", "a": "1"}'])
def test_a_stamp_that_cannot_be_believed_makes_the_environment_anew(venv: Venv, stamp: str) -> None:
    recorder = Recorder()
    ensure(venv, ["3.99"], [recorder.layer("a")])
    (venv.folder / STAMP_NAME).write_text(stamp, encoding="utf-8")
    ensure(venv, ["3.99"], [recorder.layer("a")])
    assert recorder.done == ["a", "a"]
    assert json.loads((venv.folder / STAMP_NAME).read_text(encoding="utf-8")) == {"python": "3.99", "a": "1"}


def test_an_environment_whose_python_is_gone_is_made_anew(venv: Venv) -> None:
    recorder = Recorder()
    ensure(venv, ["3.99"], [recorder.layer("a")])
    venv.python.unlink()
    assert finished_layers(venv) == frozenset()
    ensure(venv, ["3.99"], [recorder.layer("a")])
    assert recorder.done == ["a", "a"]
    assert venv.python.exists()
