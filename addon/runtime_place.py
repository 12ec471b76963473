"""Where the environment of this Blender lies, and the sidecar's command in it. Needs no bpy once it was chosen."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .runtime.errors import SetupError
from .runtime.place import Place
from .runtime.recipe import Recipe, carried_wheel, recipe_of
from .runtime.states import State, Status, sidecar_command, status_of
from .under_way import SidecarError

FOLDER_VARIABLE: Final = "CTEG_RUNTIME"
"""Names the folder of an environment that a studio shares; it wins over the preferences."""

_FRESH_SECONDS: Final = 1.0
"""How long what was read off the disk is believed: it is asked for at every redraw and every tick."""

_ADVICE: Final = {
    State.NOT_INSTALLED: "The network is not set up: press Set Up in the CTEG add-on's preferences.",
    State.INSTALLING: "The network is being set up: wait until the CTEG add-on's preferences say that it is ready.",
    State.BROKEN: "The network's environment is broken: press Repair in the CTEG add-on's preferences.",
    State.UPDATE: "The network's environment is of another version: press Update in the CTEG add-on's preferences.",
}

_folder: Path | None = None
_recipe: Recipe | None = None
_recipe_problem = ""
_status: Status | None = None
_read_at = 0.0


def choose(preferred: str = "", environment: Mapping[str, str] = os.environ) -> None:
    """Choose the folder: the studio's, the user's, or the extension's own. Needs bpy.

    Args:
        preferred: the folder in the preferences; empty for the extension's own.
        environment: where ``CTEG_RUNTIME`` is looked for.
    """
    named = environment.get(FOLDER_VARIABLE, "").strip() or preferred.strip()
    choose_folder(Path(named).expanduser().absolute() if named else _own_folder(), Path(__file__).parent)


def choose_folder(folder: Path | None, addon_folder: Path) -> None:
    """Choose the folder, and read the recipe off the wheel in the add-on's own folder."""
    global _folder, _recipe, _recipe_problem
    _folder, _recipe = folder, None
    _recipe_problem = "This copy of the add-on carries no wheel of its core: set it up with `python3 run.py setup`."
    wheel = carried_wheel(addon_folder)
    if wheel is not None:
        try:
            _recipe, _recipe_problem = recipe_of(wheel), ""
        except SetupError as error:
            _recipe_problem = str(error)
    look_anew()


def is_shared(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the studio's variable names the folder."""
    return bool(environment.get(FOLDER_VARIABLE, "").strip())


def folder() -> Path | None:
    """Return the chosen folder; None where there is none, as in a checkout."""
    return _folder


def recipe() -> Recipe:
    """Return what an environment is made of; raises SetupError where this copy of the add-on does not know."""
    if _recipe is None:
        raise SetupError(_recipe_problem or "The add-on is not enabled.")
    return _recipe


def status() -> Status | None:
    """Return the environment's state, as it was a second ago at most; None where no folder is chosen."""
    global _status, _read_at
    if _folder is None:
        return None
    if _status is None or time.monotonic() - _read_at > _FRESH_SECONDS:
        _status, _read_at = status_of(Place(_folder), _recipe), time.monotonic()
    return _status


def look_anew() -> None:
    """Read the state off the disk the next time that it is asked for."""
    global _status
    _status = None


def command() -> list[str]:
    """Return the command of the sidecar in the environment; raises SidecarError with what to press."""
    found = status()
    if found is None or found.marker is None or found.state is not State.READY:
        raise SidecarError(_ADVICE[State.NOT_INSTALLED if found is None else found.state])
    return sidecar_command(found.place, found.marker)


def _own_folder() -> Path | None:
    import bpy

    try:
        return Path(bpy.utils.extension_path_user(__package__ or "", path="runtime", create=False))
    except ValueError:
        return None
