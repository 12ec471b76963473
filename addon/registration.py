"""What Blender is told about, and what it is told to forget."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.app.handlers import persistent

from . import (
    bake_queue,
    command,
    history,
    jobs,
    migration,
    operators,
    panels,
    performance,
    preferences,
    preview,
    properties,
    readings,
    sidecar_log,
)
from .operators import runtime

_CLASSES: Final = (
    preferences.CTEG_preferences,
    *properties.CLASSES,
    *operators.CLASSES,
    *panels.CLASSES,
)

_command: Any = None


def register() -> None:
    """Add everything to Blender; raises ValueError if it is there already."""
    global _command
    sidecar_log.choose()
    for kind in _CLASSES:
        bpy.utils.register_class(kind)
    preferences.choose_folder()
    setattr(bpy.types.Scene, properties.ON_SCENE, bpy.props.PointerProperty(type=properties.CTEG_scene_settings))
    for handlers, handler in _handlers():
        handlers.append(handler)
    _command = bpy.utils.register_cli_command(command.NAME, command.main)
    preview.register()
    bake_queue.register()
    history.forget()
    if hasattr(bpy.data, "scenes"):
        # Switched on while a file is open; at Blender's start there is none yet.
        _take_in_file()


def unregister() -> None:
    """Take everything off again, last things first; what is in memory alone goes into the open file."""
    global _command
    bpy.utils.unregister_cli_command(_command)
    _command = None
    for handlers, handler in _handlers():
        handlers.remove(handler)
    _give_up()
    bake_queue.unregister()
    preview.unregister()
    history.write()
    history.forget()
    jobs.close_shared_client()
    runtime.forget()
    delattr(bpy.types.Scene, properties.ON_SCENE)
    for kind in reversed(_CLASSES):
        bpy.utils.unregister_class(kind)


def _handlers() -> tuple[tuple[list[Any], Any], ...]:
    handlers: Any = bpy.app.handlers
    return (
        (handlers.load_pre, _give_up),
        (handlers.load_post, _take_in_file),
        (handlers.save_pre, _write_history),
        (handlers.undo_pre, _undo_begins),
        (handlers.redo_pre, _undo_begins),
        (handlers.undo_post, _undone),
        (handlers.redo_post, _undone),
    )


@persistent  # type: ignore[untyped-decorator]
def _give_up(*_: object) -> None:
    performance.forget()
    readings.forget()


@persistent  # type: ignore[untyped-decorator]
def _take_in_file(*_: object) -> None:
    history.forget()
    migration.migrate()
    history.read()


@persistent  # type: ignore[untyped-decorator]
def _write_history(*_: object) -> None:
    history.write()


@persistent  # type: ignore[untyped-decorator]
def _undo_begins(*_: object) -> None:
    performance.undo_begins()


@persistent  # type: ignore[untyped-decorator]
def _undone(*_: object) -> None:
    performance.undone()
