"""The requirement lists, read from pyproject.toml so that they stand in one place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from addon.runtime.errors import SetupError

CHECKOUT: Final = Path(__file__).resolve().parent.parent
"""The folder that holds run.py."""


def read_group(name: str, pyproject: Path | None = None) -> tuple[str, ...]:
    """Return a requirement list: an optional dependency of the package, or a dependency group.

    Raises:
        SetupError: there is no list of that name.
    """
    path = pyproject or CHECKOUT / "pyproject.toml"
    with path.open("rb") as file:
        table = tomllib.load(file)
    lists = table.get("project", {}).get("optional-dependencies", {}) | table.get("dependency-groups", {})
    if name not in lists:
        raise SetupError(f"{path} has no list of requirements called {name!r}; it has {', '.join(sorted(lists))}.")
    return tuple(lists[name])


def pinned_version(requirements: tuple[str, ...], package: str) -> str:
    """Return the version that a list pins a package to; raises SetupError if it pins none."""
    for requirement in requirements:
        match = re.fullmatch(rf"{re.escape(package)}==([\w.+!]+)\s*(;.*)?", requirement)
        if match:
            return match[1]
    raise SetupError(f"The requirements {requirements} pin no version of {package}.")
