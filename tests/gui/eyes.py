"""What the walk sees with: runs inside Blender, answers what is asked over a socket, and presses nothing.

Blender has no list of the buttons on its screen. But it knows which one is under the mouse, so the walk moves the real
pointer and asks here what it points at.
"""

import json
import os
import socket
import traceback

import bpy

_socket = socket.create_connection(("127.0.0.1", int(os.environ["CTEG_EYES_PORT"])))
_socket.setblocking(False)
_received = b""

preferences = bpy.context.preferences
preferences.use_preferences_save = False
preferences.view.show_splash = False
preferences.view.show_tooltips = False
# The sidebar beside the view, not over it: hovering then draws the sidebar alone.
preferences.system.use_region_overlap = False


def sidebar():
    """Return the area and the region of the 3D view's sidebar."""
    window = bpy.context.window_manager.windows[0]
    area = max((area for area in window.screen.areas if area.type == "VIEW_3D"), key=lambda area: area.width)
    return window, area, next(region for region in area.regions if region.type == "UI")


def show_tab():
    """Open the sidebar with the tab in front, which remembers its place from then on."""
    _window, area, region = sidebar()
    area.spaces[0].show_region_ui = True
    try:
        region.active_panel_category = "CTEG"
    except (AttributeError, TypeError):
        return False
    return region.active_panel_category == "CTEG"


def place():
    """Return the sidebar's left, bottom, width and height, and the window's height, in pixels."""
    window, _area, region = sidebar()
    return [region.x, region.y, region.width, region.height, window.height]


def pointed_at():
    """Return what is under the mouse: an operator's call, or a property as ``.name[index]``; "" where nothing is.

    Of a property's path only the name: how much of the path Blender tells differs between its versions.
    """
    window, area, region = sidebar()
    with bpy.context.temp_override(window=window, area=area, region=region):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
            return bpy.context.window_manager.clipboard
        found = bpy.context.property
        return f".{found[1].rpartition('.')[2]}[{found[2]}]" if found else ""


def module(name):
    """Return a module of the installed extension."""
    import importlib

    return importlib.import_module(f"bl_ext.user_default.cteg.{name}" if name else "bl_ext.user_default.cteg")


def nla():
    """Turn the timeline into the NLA editor; return its middle on the screen."""
    window = bpy.context.window_manager.windows[0]
    area = next((each for each in window.screen.areas if each.type in {"DOPESHEET_EDITOR", "NLA_EDITOR"}), None)
    if area.type != "NLA_EDITOR":
        area.type = "NLA_EDITOR"
    region = next(region for region in area.regions if region.type == "WINDOW")
    return [region.x + region.width // 2, window.height - region.y - region.height // 2]


def view():
    """Return the middle of the 3D view on the screen."""
    window, area, _region = sidebar()
    region = next(region for region in area.regions if region.type == "WINDOW")
    return [region.x + region.width // 3, window.height - region.y - region.height // 2]


def page():
    """Return the width and height of the preferences' window; nothing while it is closed."""
    windows = [each for each in bpy.context.window_manager.windows if each.screen.areas[0].type == "PREFERENCES"]
    return [windows[0].width, windows[0].height] if windows else []


def line(index):
    """Return a line of the list."""
    return bpy.context.scene.cteg.lines[index]


def takes(index):
    """Return how many takes a line has."""
    return len(module("lines").takes_of(line(index)))


def take_ids(index):
    """Return the ids of a line's takes, oldest first."""
    return [take.take_id for take in module("lines").takes_of(line(index))]


def strips():
    """Return where the lines start on the timeline, in the list's order; None where one has no strip."""
    starts = module("baking").starts_of_lines(bpy.context.scene)
    return [starts.get(each.line_id) for each in bpy.context.scene.cteg.lines]


def said():
    """Return what the panel says about the last thing that was asked for."""
    outcome = module("notices").outcome()
    return " ".join(outcome.sentences) if outcome else ""


def _look():
    global _received
    try:
        got = _socket.recv(1 << 16)
        if not got:
            return None
        _received += got
    except BlockingIOError:
        pass
    while b"\n" in _received:
        line, _, _received = _received.partition(b"\n")
        try:
            answer = {"saw": eval(json.loads(line), globals())}
            text = json.dumps(answer, default=repr)
        except Exception:
            text = json.dumps({"error": traceback.format_exc()})
        _socket.setblocking(True)
        _socket.sendall(text.encode() + b"\n")
        _socket.setblocking(False)
    return 0.02


bpy.app.timers.register(_look, first_interval=0.5, persistent=True)
