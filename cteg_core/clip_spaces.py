"""Clips of one expression space in another.

So the default checkpoint drives a FLAME head, and a checkpoint that was trained on FLAME (EmoAva's) an ARKit one.
"""

from __future__ import annotations

from dataclasses import replace

from cteg_core.clip import ExpressionClip
from flame_rig.retarget import SpaceMap


def clip_in_other_space(clip: ExpressionClip, space_map: SpaceMap) -> ExpressionClip:
    """Return the same take in the other of a map's two spaces, with a note that says so.

    Raises:
        ValueError: the clip is in neither of the map's spaces.
    """
    if clip.space == space_map.head_space:
        frames, space = space_map.to_flame(clip.frames), space_map.flame_space
    elif clip.space == space_map.flame_space:
        frames, space = space_map.to_head(clip.frames), space_map.head_space
    else:
        raise ValueError(
            f"The clip is in the space {clip.space!r}; this map is between {space_map.head_space!r} and "
            f"{space_map.flame_space!r}. Solve a map for the FLAME model that the clip was made for."
        )
    note = f"Retargeted from {clip.space} to {space}."
    return replace(clip, frames=frames, space=space, notes=(*clip.notes, note))
