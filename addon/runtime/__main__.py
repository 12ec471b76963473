"""``python -I -B …/runtime``: the set-up as a process of its own, in any Python and wherever the add-on lies."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

_NAME = "cteg_runtime"


def _load() -> None:
    """Import this package under a name of its own, so that nothing beside it can be taken for a module."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    # Python puts this folder in front; its modules are not to be found under their bare names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    _load()
    sys.exit(importlib.import_module(f"{_NAME}.worker").main())
