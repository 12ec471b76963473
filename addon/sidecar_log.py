"""Where the sidecar's log lies: chosen once, when the add-on is switched on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FILE_NAME: Final = "sidecar.log"

_chosen: Path | None = None


def choose() -> None:
    """Put the log into the extension's own folder of the user; a checkout has none, and keeps no log."""
    global _chosen
    import bpy

    try:
        folder = bpy.utils.extension_path_user(__package__ or "", path="logs", create=False)
    except ValueError:
        _chosen = None
    else:
        _chosen = Path(folder) / FILE_NAME


def chosen() -> Path | None:
    """Return the log's place; None where there is none. Needs no bpy."""
    return _chosen
