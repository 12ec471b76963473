"""A registered add-on, a sidecar that nods, and a box that talks: what tests of the panel start from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import bpy

from addon import lines, notices, performance
from addon.rig import Rig, build_rig
from addon.wishes import wish_for
from tests.addon.heads import talking_box

FAKE = shlex.join([sys.executable, str(Path(__file__).with_name("fake_sidecar.py"))])


def box(name: str = "Anna") -> Rig:
    """A small head."""
    return build_rig(talking_box(), name)


def add_line(text: str, character: str = "", **options: Any) -> Any:
    """A line of the open scene, with its settings."""
    start = options.pop("start", None)
    line = lines.add(bpy.context.scene, text, character, start=start)
    for name, value in options.items():
        setattr(line, name, value)
    return line


def order(*some_lines: Any) -> None:
    """Press Generate for lines, as the interface does: nothing is waited for."""
    performance.start([wish_for(bpy.context.scene, line) for line in some_lines])


def tick_to_end() -> notices.Outcome:
    """Tick the queue by hand, as the timer would."""
    while performance.is_running():
        performance.tick()
    said = notices.outcome()
    assert said is not None
    return said
