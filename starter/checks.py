"""``run.py test``: style, types, then the tests in the environments they belong to."""

from __future__ import annotations

import re
import shlex
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.runtime.processes import run_command, say
from addon.runtime.pythons import find
from starter.environments import Blender, blender_python, check_python, sidecar_command, sidecar_python
from starter.requirements import CHECKOUT

STEP_SECONDS: Final = 1800
"""A step that takes longer is ended and counts as failed."""
STEP_SILENCE: Final = 30
"""Seconds without a line after which a step says that it goes on."""

NUMERIC_TESTS: Final = ("tests/flame_rig", "tests/cteg_core", "tests/starter", "tests/gui")
BLENDER_TESTS: Final = ("tests/addon", "tests/flame_rig", "tests/demo")
"""Which tests run where; flame_rig runs on both sides, since Blender brings a numpy of its own."""

NUMERIC_EXTRAS: Final = ("test", "train")
"""Requirement lists that the tests of the numeric side need beside the sidecar's own."""

STRICT_SOURCES: Final = ("flame_rig", "cteg_core")
"""Checked against the sidecar's packages (torch has types of its own)."""
BLENDER_SOURCES: Final = ("addon", "demo", "starter", "build_addon.py", "cteg.py", "run.py")
"""Checked against fake-bpy-module; the starter shares a part of the add-on."""


@dataclass(frozen=True)
class Tally:
    """How many checks and tests passed, failed, were skipped, and failed as they are expected to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    expected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.expected + other.expected,
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Step:
    """One process of the whole: a check (no test paths) or a run of pytest."""

    title: str
    command: tuple[str, ...]
    is_pytest: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def run_tests(versions: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Run everything and print the sum in the last line.

    Args:
        versions: releases of Blender's module to test on besides the newest of this Python.
        pytest_arguments: passed on to pytest; paths among them choose what runs, and style and
            types are then left out.

    Returns:
        0 when nothing failed, else 1.
    """
    paths = [argument for argument in pytest_arguments if (CHECKOUT / argument.partition("::")[0]).exists()]
    options = [argument for argument in pytest_arguments if argument not in paths]
    blenders = [Blender(), *(Blender(version) for version in versions)]
    steps = [] if pytest_arguments else _check_steps()
    steps += _numeric_steps(paths, options)
    unavailable: list[str] = []
    for blender in blenders:
        if blender.version is not None and find((blender.minor,)) is None:
            unavailable.append(
                f"Blender {blender.version} was not tested: its module needs Python {blender.minor}, "
                "and no working one was found on this machine."
            )
            continue
        steps += _blender_steps(blender, paths, options)
    results = [(step, _run(step)) for step in steps]
    say("")
    for step, tally in results:
        note = f", {tally.expected} failed as expected" if tally.expected else ""
        say(f"  {step.title}: {tally}{note}")
    for sentence in unavailable:
        say(f"  {sentence}")
    total = sum((tally for _step, tally in results), Tally())
    if not results or total.passed + total.failed == 0:
        say("Nothing was run: no such tests.")
        return 1
    say(str(total))
    return 1 if total.failed else 0


def _check_steps() -> list[Step]:
    check = str(check_python())
    mypy = (check, "-m", "mypy")
    steps = [
        Step("style (ruff check)", (check, "-m", "ruff", "check", ".")),
        Step(
            "types, numeric side (mypy)",
            (*mypy, "--python-executable", str(sidecar_python(NUMERIC_EXTRAS)), *_existing(STRICT_SOURCES)),
        ),
    ]
    if sources := _existing(BLENDER_SOURCES):
        steps.append(Step("types, Blender side (mypy)", (*mypy, *sources)))
    return steps


def _numeric_steps(paths: Sequence[str], options: Sequence[str]) -> list[Step]:
    chosen = _chosen(NUMERIC_TESTS, paths)
    if not chosen:
        return []
    python = sidecar_python(NUMERIC_EXTRAS)
    return [_pytest_step(f"tests without Blender ({', '.join(chosen)})", python, chosen, options)]


def _blender_steps(blender: Blender, paths: Sequence[str], options: Sequence[str]) -> list[Step]:
    chosen = _chosen(BLENDER_TESTS, paths)
    if not chosen:
        return []
    python = blender_python(blender, ["test"])
    sidecar = {"CTEG_SIDECAR": shlex.join(sidecar_command(sidecar_python(NUMERIC_EXTRAS)))}
    version = blender.version or "of this Python"
    return [_pytest_step(f"tests in Blender {version} ({', '.join(chosen)})", python, chosen, options, sidecar)]


def _pytest_step(
    title: str, python: Path, paths: Sequence[str], options: Sequence[str], environment: Mapping[str, str] | None = None
) -> Step:
    threads = {"OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1"}
    command = (str(python), "-m", "pytest", "-q", "-rfEX", "-p", "no:cacheprovider", *options, *paths)
    return Step(title, command, is_pytest=True, environment=threads | dict(environment or {}))


def _chosen(suite: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the paths of a suite that are asked for: all that exist, or those that lie in the suite."""
    if not paths:
        return _existing(suite)
    return [path for path in paths if any(Path(path.partition("::")[0]).is_relative_to(part) for part in suite)]


def _existing(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if _holds_code(CHECKOUT / path)]


def _holds_code(path: Path) -> bool:
    return path.is_file() or any(path.rglob("*.py"))


def _run(step: Step) -> Tally:
    say(f"== {step.title}")
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        extra = (f"--junitxml={report}",) if step.is_pytest else ()
        done = run_command(
            (*step.command, *extra),
            step.title,
            seconds=STEP_SECONDS,
            silence=STEP_SILENCE,
            environment=step.environment,
            folder=CHECKOUT,
        )
        if not step.is_pytest:
            return Tally(passed=1) if done.code == 0 else Tally(failed=1)
        tally = read_report(report)
    if done.code != 0 and not (tally and tally.failed):
        # A crash of the interpreter leaves no report, or one that knows of no failure.
        say(f"The tests ended with code {done.code} and no failed test to show for it; that counts as one failure.")
        say("\n".join(done.output[-30:]))
        return (tally or Tally()) + Tally(failed=1)
    return tally or Tally()


def read_report(path: Path) -> Tally | None:
    """Read pytest's JUnit report; return None if it is missing or cut off."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    tally = Tally()
    for case in root.iter("testcase"):
        tally += _count(case)
    return tally


def _count(case: ElementTree.Element) -> Tally:
    if case.find("failure") is not None or case.find("error") is not None:
        return Tally(failed=1)
    skipped = case.find("skipped")
    if skipped is None:
        return Tally(passed=1)
    is_expected = re.search("xfail", skipped.get("type", "")) is not None
    return Tally(expected=1) if is_expected else Tally(skipped=1)
