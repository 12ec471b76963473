"""A Blender's user folder with the extension built and installed, as an artist's would be."""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gui.window import in_background

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the extension and install it; no test changes what is in here."""
    folder = tmp_path_factory.mktemp("config", numbered=False)
    subprocess.run([sys.executable, CHECKOUT / "build_addon.py", "--out", folder / "dist"], check=True)
    package = next((folder / "dist").glob("*.zip"))
    user = folder / "blender"
    user.mkdir()
    install = ("--command", "extension", "install-file", "-r", "user_default", "-e", str(package))
    in_background(os.environ["CTEG_BLENDER"], user, *install)
    return user


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go: to ``CTEG_PICTURES``, where that is set."""
    chosen = os.environ.get("CTEG_PICTURES", "")
    return Path(chosen).absolute() if chosen else tmp_path / "pictures"


@pytest.fixture(autouse=True)
def _patience() -> None:
    faulthandler.cancel_dump_traceback_later()  # pytest's: a walk takes minutes
    return
