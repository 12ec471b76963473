"""The layers import one way, and the light ones stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starter.requirements import CHECKOUT

FORBIDDEN = {
    "flame_rig": {"cteg_core", "addon", "bpy", "mathutils", "torch", "transformers", "scipy"},
    "cteg_core": {"addon", "bpy", "mathutils", "scipy"},
    "addon": {"torch", "transformers", "safetensors", "scipy"},
}
"""What each layer must never import, not even inside a function."""

LIGHT_MODULES = ("clip", "dialogue", "emotion", "protocol", "speech", "visemes")
"""The modules of cteg_core that Blender's own process imports."""


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("layer", sorted(FORBIDDEN))
def test_imports_go_one_way(layer: str) -> None:
    files = sorted((CHECKOUT / layer).rglob("*.py"))
    assert files
    wrong = {
        f"{path.relative_to(CHECKOUT)} imports {name}"
        for path in files
        for name in imported_names(path)
        if name in FORBIDDEN[layer]
    }
    assert not wrong


def loaded_after(statement: str) -> set[str]:
    """Return which heavy packages a fresh process has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*sorted({{'torch', 'transformers', 'bpy'}} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    return set(answer.stdout.split())


def test_importing_flame_rig_loads_nothing_heavy() -> None:
    modules = [f"flame_rig.{path.stem}" for path in (CHECKOUT / "flame_rig").glob("*.py") if path.stem != "__init__"]
    assert modules
    assert loaded_after(f"import {', '.join(modules)}") == set()


def test_importing_the_light_modules_loads_nothing_heavy() -> None:
    modules = [f"cteg_core.{name}" for name in LIGHT_MODULES]
    assert loaded_after(f"import cteg_core, {', '.join(modules)}") == set()


def test_the_probe_sees_torch_where_it_is() -> None:
    pytest.importorskip("torch")
    assert loaded_after("import torch") == {"torch"}
