"""Playing a take of a line before it is baked."""

from __future__ import annotations

import bpy

from . import lines, preview
from .history import Take


def toggle(context: bpy.types.Context, line: lines.Line, take: Take) -> None:
    """Play a take on its line's head from the line's start, or stop where it plays already; raises CtegError."""
    if preview.is_shown(take.take_id):
        stop(context)
        return
    scene = line.id_data
    preview.show(take.clip, lines.rig_of(scene, line), scene, line.start, lines.shaping_of(line), take_id=take.take_id)
    if not line.start <= scene.frame_current < lines.end_of(scene, line):
        scene.frame_set(round(line.start))
    screen = context.screen
    if screen is not None and not screen.is_animation_playing:
        bpy.ops.screen.animation_play()


def stop(context: bpy.types.Context) -> None:
    """End a preview, and the playback with it."""
    preview.stop()
    screen = context.screen
    if screen is not None and screen.is_animation_playing:
        bpy.ops.screen.animation_cancel(restore_frame=False)
