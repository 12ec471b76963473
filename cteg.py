"""``import cteg``: the add-on's API under one name, wherever the add-on lies.

Installed, the add-on is ``bl_ext.<repository>.cteg``, whose name depends on the user's settings; in a
checkout it is ``addon``. This module finds it and passes its ``api`` on.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def _api() -> ModuleType:
    enabled = sorted(
        name for name in sys.modules if name.startswith("bl_ext.") and name.endswith(".cteg") and name.count(".") == 2
    )
    for package in (*enabled, "addon"):
        try:
            return importlib.import_module(package + ".api")
        except ModuleNotFoundError as error:
            if error.name not in (package, package + ".api"):
                raise
    raise ImportError("The CTEG extension is not enabled: enable it in Blender's Preferences, Add-ons.")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_api(), name)


def __dir__() -> list[str]:
    return [name for name in dir(_api()) if not name.startswith("_")]
