"""Files that an older version wrote, brought to what this version reads; each step from one version to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import bpy

from . import actions, history, lines, properties
from .actions import BakeError
from .rig import find_rig

VERSION: Final = 1
"""Of the scene's data. 0 had one line to a scene, and takes in their Actions alone."""


def migrate() -> None:
    """Bring every scene of the open file to this version."""
    for scene in bpy.data.scenes:
        settings = getattr(scene, properties.ON_SCENE, None)
        if settings is None or scene.library is not None:
            continue
        for version in range(settings.version, VERSION):
            _STEPS[version](scene)
        settings.version = max(settings.version, VERSION)


def _line_and_takes_from_actions(scene: bpy.types.Scene) -> None:
    """The one line becomes the first of the list, and each text that was baked on a head of the scene another."""
    settings = lines.settings_of(scene)
    if settings.lines:
        # A scene that was added, rather than read from an older file.
        return
    found: dict[str, str] = {}
    seen: set[str] = set()
    for action in sorted(filter(_is_ours, bpy.data.actions), key=lambda each: (each.frame_range[0], each.name)):
        head = bpy.data.objects.get(str(action.get(actions.RIG_NAME, "")))
        if head is None or find_rig(head) is None or head.name not in scene.objects:
            continue
        try:
            clip = actions.clip_of(action)
        except BakeError:
            continue
        stored = str(action.get(actions.CLIP))
        # The Actions of one take, one for each data-block in older versions, hold the same clip.
        if clip is None or stored in seen or clip.stop_reason == "recording":
            continue
        seen.add(stored)
        if clip.text not in found:
            line = lines.add(scene, clip.text, start=float(action.frame_range[0]))
            line.seed = clip.seed
            found[clip.text] = line.line_id
        take = history.add(found[clip.text], clip, kept=True, made_at=0.0)
        place = lines.index_of(scene, take.line_id)
        if not settings.lines[place].chosen_take:
            settings.lines[place].chosen_take = take.take_id
    text = " ".join(settings.text.split())
    if text and text not in found:
        line = lines.add(scene, text)
        line.seed, line.takes = settings.seed, settings.takes
    if text:
        settings.bake.to_nla = settings.to_nla


def _is_ours(action: bpy.types.Action) -> bool:
    return actions.is_ours(action) and action.get(actions.CLIP) is not None and not action.get(actions.LINE)


_STEPS: Final[tuple[Callable[[bpy.types.Scene], None], ...]] = (_line_and_takes_from_actions,)
"""Each brings a scene of the version that is its place here to the next."""
