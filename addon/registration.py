"""What Blender is told about, and what it is told to forget."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.app.handlers import persistent

from . import character_panel, command, jobs, operators, panels, performance, preferences, properties, sidecar_log

_CLASSES: Final = (
    preferences.CTEG_preferences,
    *properties.CLASSES,
    *operators.CLASSES,
    panels.CTEG_PT_line,
    panels.CTEG_PT_head,
    character_panel.CTEG_PT_character,
)

_command: Any = None


def register() -> None:
    """Add everything to Blender; raises ValueError if it is there already."""
    global _command
    sidecar_log.choose()
    for kind in _CLASSES:
        bpy.utils.register_class(kind)
    setattr(bpy.types.Scene, properties.ON_SCENE, bpy.props.PointerProperty(type=properties.CTEG_scene_settings))
    bpy.app.handlers.load_pre.append(_forget_performance)
    _command = bpy.utils.register_cli_command(command.NAME, command.main)


def unregister() -> None:
    """Take everything off again, last things first."""
    global _command
    bpy.utils.unregister_cli_command(_command)
    _command = None
    bpy.app.handlers.load_pre.remove(_forget_performance)
    performance.forget()
    jobs.close_shared_client()
    delattr(bpy.types.Scene, properties.ON_SCENE)
    for kind in reversed(_CLASSES):
        bpy.utils.unregister_class(kind)


@persistent  # type: ignore[untyped-decorator]
def _forget_performance(*_: object) -> None:
    performance.forget()
