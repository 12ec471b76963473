"""What a person reads when something is missing or fails."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from addon.runtime.errors import SetupError
from addon.runtime.pip import failure_reason
from addon.runtime.processes import TIMED_OUT, run_command
from starter.cli import main
from starter.environments import python_of_blender
from starter.libraries import DEBIAN_PACKAGES, missing_libraries, missing_sentence
from starter.requirements import CHECKOUT, pinned_version, read_group


@pytest.mark.parametrize(
    ("output", "part"),
    [
        (
            [
                "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError(...)': /simple/bpy/",
                "ERROR: No matching distribution found for bpy==5.0.1",
            ],
            "cannot be reached",
        ),
        (["ERROR: No matching distribution found for torch==2.13.0"], "no torch==2.13.0 for this Python"),
        (["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"], "disk is full"),
        (["ERROR: something new"], "something new"),
        ([], "code 7"),
    ],
)
def test_a_failure_of_pip_becomes_a_reason(output: list[str], part: str) -> None:
    assert part in failure_reason(7, output)


def test_missing_libraries_are_read_from_ldd_and_from_the_loader() -> None:
    ldd = "\tlibX11.so.6 => /lib/libX11.so.6 (0x7f)\n\tlibXi.so.6 => not found\n\tlibSM.so.6 => not found\n"
    loader = "ImportError: libXfixes.so.3: cannot open shared object file: No such file or directory"
    assert missing_libraries(ldd) == ("libXi.so.6", "libSM.so.6")
    assert missing_libraries(loader) == ("libXfixes.so.3",)
    assert missing_libraries("all is well") == ()


def test_missing_libraries_come_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    sentence = missing_sentence(("libXi.so.6", "libstrange.so.9"))
    assert "libXi.so.6, libstrange.so.9" in sentence
    assert sentence.endswith(f"apt-get install -y --no-install-recommends {DEBIAN_PACKAGES['libXi.so.6']}")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert "package manager" in missing_sentence(("libXi.so.6",))


@pytest.mark.parametrize(
    ("version", "python"), [("4.2.23", "3.11"), ("5.0.1", "3.11"), ("5.1.0", "3.13"), ("5.2.3", "3.13")]
)
def test_each_release_of_blender_has_its_python(version: str, python: str) -> None:
    assert python_of_blender(version) == python


def test_a_release_that_is_no_version_is_refused() -> None:
    with pytest.raises(SetupError, match="no Blender version"):
        python_of_blender("latest")


def test_the_starter_can_be_read_by_a_python_that_is_too_old() -> None:
    ast.parse((CHECKOUT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 4))


def test_requirements_come_from_pyproject_and_unknown_lists_are_named() -> None:
    assert pinned_version(read_group("sidecar"), "torch") == "2.13.0"
    assert any(requirement.startswith("bpy==") for requirement in read_group("blender"))
    with pytest.raises(SetupError, match="no list of requirements called 'nothing'"):
        read_group("nothing")


def test_env_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.parametrize("arguments", [["demo"], ["demo", "x", "--seed", "-1"], ["demo", "x", "--takes", "0"], ["fly"]])
def test_a_wrong_command_line_ends_with_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_command_is_passed_on_and_logged(tmp_path: Path) -> None:
    done = run_command(
        [sys.executable, "-c", "print('one'); print('two'); raise SystemExit(3)"],
        "counting",
        seconds=60,
        show=lambda _line: None,
        log=tmp_path / "log",
    )
    assert (done.code, done.output) == (3, ("one", "two"))
    assert (tmp_path / "log").read_text(encoding="utf-8") == "one\ntwo\n"


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time; time.sleep(1.5); open({str(alive)!r}, 'w')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run_command([sys.executable, "-c", parent], "sleeping", seconds=0.5).code == TIMED_OUT
    time.sleep(2)
    assert not alive.exists()


def test_a_silent_command_gives_signs_of_life(capsys: pytest.CaptureFixture[str]) -> None:
    run_command([sys.executable, "-c", "import time; time.sleep(0.5)"], "thinking", seconds=60, silence=0.05)
    assert "... thinking" in capsys.readouterr().out
