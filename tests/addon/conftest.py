"""Blender for the tests: settings of its own, an empty file for every test, and an exit that holds."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

# Before bpy is imported: no test reads or writes the settings of the person who runs it.
_RESOURCES = Path(tempfile.mkdtemp(prefix="cteg-tests-"))
os.environ["BLENDER_USER_RESOURCES"] = str(_RESOURCES)

import bpy  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def empty_file() -> None:
    """Start every test in a file without objects, at 24 frames a second."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without Blender's clean-up: 4.2 and 4.5 crash in it while Python classes are registered."""
    session = getattr(config, "_cteg_exit", None)
    shutil.rmtree(_RESOURCES, ignore_errors=True)
    if session is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(session)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config._cteg_exit = int(exitstatus)  # type: ignore[attr-defined]
