"""Asking Blender to draw sidebars and preferences anew, after something changed that Blender does not know of."""

from __future__ import annotations

import bpy


def redraw_sidebars() -> None:
    """Let every 3D view draw its sidebar anew; the view itself, which may take long, is left alone."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


def redraw_preferences() -> None:
    """Let every window of preferences draw its page anew."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
