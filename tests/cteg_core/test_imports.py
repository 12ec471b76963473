"""Layers: what the light modules must not load."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import cteg_core
import flame_rig

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "safetensors", "bpy", "scipy", "accelerate", "tensorboardX", "tqdm")
HEAVY_PACKAGES = {"model", "training", "evaluation", "commands", "emoava"}
"""Packages of cteg_core that are imported when they are needed: commands bring what they run."""


def light_modules() -> list[str]:
    """Return every module of flame_rig, and of cteg_core but for its heavy packages."""
    names = [
        module.name
        for package in (flame_rig, cteg_core)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    return ["flame_rig", "cteg_core", *(name for name in names if HEAVY_PACKAGES.isdisjoint(name.split(".")))]


def loaded_by(statement: str) -> set[str]:
    """Return which heavy modules a fresh Python has after a statement."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_flame_rig_and_the_light_core_loads_nothing_heavy() -> None:
    modules = light_modules()
    assert {"cteg_core.dialogue", "cteg_core.protocol", "cteg_core.server", "flame_rig.spaces"} <= set(modules)
    assert loaded_by("; ".join(f"import {name}" for name in modules if not name.endswith("__main__"))) == set()


def test_heavy_modules_would_be_seen() -> None:
    assert loaded_by("sys.modules['torch'] = sys") == {"torch"}


def test_performing_needs_nothing_that_only_training_does() -> None:
    modules = "commands.serve", "commands.generate", "serving", "model_loading", "model.generator", "emoava.loading"
    needed = loaded_by("; ".join(f"import cteg_core.{name}" for name in modules))
    assert "torch" in needed
    assert needed.isdisjoint({"accelerate", "tensorboardX"})


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["generate", "--help"], ["train", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert (
        loaded_by(
            "import contextlib, io; from cteg_core.__main__ import main\n"
            f"with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main({arguments!r})\n"
        )
        == set()
    )
