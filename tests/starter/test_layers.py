"""The layers import one way."""

from __future__ import annotations

import ast
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
