"""What is set once for all files: where the network runs."""

from pathlib import Path
from typing import Any, Final

import bpy

from . import runtime_job, runtime_place
from .runtime.wish import Wish

MODULE: Final = __package__ or ""
"""The add-on's name among Blender's."""


def _chosen_folder(preferences: Any, _context: bpy.types.Context) -> None:
    runtime_place.choose(_absolute(preferences.runtime_folder))


def _wish_changed(_preferences: Any, _context: bpy.types.Context) -> None:
    runtime_job.note(runtime_job.Outcome(()))


class CTEG_preferences(bpy.types.AddonPreferences):
    """The add-on's page in Blender's preferences."""

    bl_idname = __package__

    sidecar: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="My Own Command",
        description=(
            "A Python that has CTEG and its packages, or a whole command such as "
            "ssh gpu-box /path/to/python -I -m cteg_core serve. It runs without a shell. "
            "Empty uses the environment above; the environment variable CTEG_SIDECAR wins over both"
        ),
    )
    device: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Device",
        description="What the network computes on",
        items=(
            ("auto", "Automatic", "The graphics card where it fits, else the processor"),
            ("cpu", "Processor", "Works everywhere; a second of acting takes about a tenth of a second"),
            ("cuda", "NVIDIA (CUDA)", "An NVIDIA card; its build of torch takes some gigabytes"),
            ("mps", "Apple (Metal)", "The graphics of an Apple processor"),
        ),
        update=_wish_changed,
    )
    python: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Python",
        description="The Python 3.11 or 3.13 to make the environment with; empty finds one",
        subtype="FILE_PATH",
        update=_wish_changed,
    )
    wheels: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Wheels",
        description="A folder of wheels to take everything from, with no network; empty asks pip's index",
        subtype="DIR_PATH",
        update=_wish_changed,
    )
    runtime_folder: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description=(
            "Where the environment lies: one that a studio shares, or a disk with more room. Empty is the extension's "
            "own folder; the environment variable CTEG_RUNTIME wins over it"
        ),
        subtype="DIR_PATH",
        update=_chosen_folder,
    )

    def draw(self, context: bpy.types.Context) -> None:
        # The page's buttons ask for these settings in their turn.
        from . import runtime_panel

        runtime_panel.draw(self.layout, context, self)


def of_addon() -> Any:
    """Return the preferences; None where the add-on runs without them, as in a checkout."""
    addon = bpy.context.preferences.addons.get(MODULE)
    return addon.preferences if addon is not None else None


def sidecar_command_line() -> str:
    """Return the sidecar's command as the user wrote it; empty where the add-on runs without preferences."""
    found = of_addon()
    return str(found.sidecar) if found is not None else ""


def wish() -> Wish:
    """Return what the user chose about the environment."""
    found = of_addon()
    if found is None:
        return Wish()
    return Wish(str(found.device), _path(found.wheels), _path(found.python))


def choose_folder() -> None:
    """Take in where the environment lies, when the add-on is switched on."""
    found = of_addon()
    runtime_place.choose("" if found is None else _absolute(found.runtime_folder))


def _absolute(text: str) -> str:
    return bpy.path.abspath(text) if text.strip() else ""


def _path(text: str) -> Path | None:
    return Path(_absolute(text)).absolute() if text.strip() else None
