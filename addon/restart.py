"""What stands in for the add-on while an older core is still running: one panel that asks for a restart.

Raising from ``register()`` would be plainer, but Blender then takes the new wheel away again and believes its cache
that it is still there: after the restart the add-on could not be enabled any more (4.2 to 5.2).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy

from cteg_core import __version__


def sentence_of(folder: Path) -> str:
    """Return why the add-on in ``folder`` needs a restart; empty where it does not.

    Blender keeps an old wheel's modules until it is started again. In a checkout there is no wheel.
    """
    wheels = [wheel.name.split("-")[1] for wheel in (folder / "wheels").glob("cteg-*.whl")]
    if not wheels or __version__ in wheels:
        return ""
    return f"This CTEG add-on came with version {wheels[0]} of its core, but {__version__} is running: restart Blender."


class CTEG_PT_restart(bpy.types.Panel):
    """The sentence, in the place of everything else."""

    bl_idname = "CTEG_PT_restart"
    bl_label = "Restart Blender"
    bl_category = "CTEG"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        layout.label(text="CTEG was updated: restart Blender.", icon="FILE_REFRESH")


def register(sentence: str) -> None:
    """Print the sentence and show the panel."""
    print(sentence, file=sys.stderr)
    bpy.utils.register_class(CTEG_PT_restart)


def unregister() -> None:
    """Take the panel off again."""
    bpy.utils.unregister_class(CTEG_PT_restart)
