"""Space maps: what lets a head perform clips of another expression space than its own.

A head from a FLAME file gets its map when it is added, and then performs what the project's own checkpoint makes. Any
other head or character can be given a FLAME file to read clips of FLAME through, such as those of an EmoAva checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cteg_core.clip import ExpressionClip
from cteg_core.clip_spaces import clip_in_other_space
from flame_rig.channels import Channels, channels_of_clip, with_bones
from flame_rig.flame_model import FlameModel
from flame_rig.retarget import SpaceMap, solve_space_map
from flame_rig.rig_map import EYE_BONES, eyes_map
from flame_rig.spaces import CTEG_HEAD_1

from .actions import BakeError
from .rig import Rig, RigError

SPACE_MAP: Final = "cteg_space_map"
"""Custom property of a rig's mesh: its map as JSON."""
FIT: Final = "cteg_space_fit"
"""Custom property of a rig's mesh: what there is to say about the map, a sentence a line, ready for drawing."""


def solve_for(rig: Rig, model: FlameModel) -> SpaceMap:
    """Solve the map between the project's space and a FLAME model's, and store it with a rig; takes some seconds.

    Raises RigError where the model's face cannot be read, or is of the project's own space.
    """
    if model.space == CTEG_HEAD_1.id:
        raise RigError(f"“{model.name}” is the project's own head, whose space needs no map; choose a FLAME file.")
    if rig.mesh.library is not None or rig.mesh.override_library is not None:
        # Blender would keep the new property until the file is closed, and no longer.
        raise RigError(f"“{rig.name}” is linked from another file; give it the FLAME file there.")
    try:
        space_map = solve_space_map(model)
    except ValueError as error:
        raise RigError(f"“{model.name}” cannot be mapped to and from the project's space. {error}") from None
    rig.mesh[SPACE_MAP] = space_map.to_json()
    rig.mesh[FIT] = "\n".join(_in_words(space_map))
    return space_map


def space_map_of(rig: Rig) -> SpaceMap | None:
    """Return the map that is stored with a rig, or None; raises RigError if someone changed it beyond reading."""
    stored = rig.mesh.get(SPACE_MAP)
    if stored is None:
        return None
    try:
        return SpaceMap.from_json(str(stored))
    except ValueError as error:
        raise RigError(f"The space map stored with “{rig.name}” cannot be read. {error}") from None


def sentences_of(rig: Rig) -> tuple[str, ...]:
    """Return what there is to say to the user about a rig's map; nothing where it has none."""
    return tuple(str(rig.mesh.get(FIT, "")).splitlines())


def _in_words(space_map: SpaceMap) -> Iterator[str]:
    made = [fit for fit in space_map.fits if fit.by != "nothing"]
    yield f"“{space_map.flame_space}” makes {len(made)} of the {len(space_map.fits)} ARKit shapes."
    if made:
        worst = max(made, key=lambda fit: fit.mean_mm)
        yield f"Farthest off: {worst.name}, {worst.mean_mm:.2f} mm on average."
    if space_map.marked():
        yield f"Left out, for it cannot make them: {', '.join(space_map.marked())}."


def channels_for(rig: Rig, clip: ExpressionClip, fps: float) -> Channels:
    """Return a clip's channels on a rig at ``fps`` samples a second, through the rig's map where spaces differ.

    Raises BakeError where there is no map between the two spaces, ValueError for frames that cannot be used.
    """
    rig_map = rig.rig_map
    if clip.space == rig_map.space:
        return channels_of_clip(rig_map, clip.frames, clip.fps, fps)
    mapped = clip_for(rig, clip)
    channels = channels_of_clip(rig_map, mapped.frames, mapped.fps, fps)
    eyes = tuple(bone for bone in EYE_BONES if bone not in rig_map.bone_names and _has_bone(rig, bone))
    if clip.space != CTEG_HEAD_1.id or not eyes:
        return channels
    # A FLAME frame holds no gaze: the eyes take it from the frame that it was made from.
    return with_bones(channels, channels_of_clip(eyes_map(eyes), clip.frames, clip.fps, fps))


def clip_for(rig: Rig, clip: ExpressionClip) -> ExpressionClip:
    """Return a clip in a rig's own space, through its map; raises BakeError where there is none between the two."""
    if clip.space == rig.space:
        return clip
    space_map = space_map_of(rig)
    if space_map is None or {clip.space, rig.space} != {space_map.flame_space, space_map.head_space}:
        raise BakeError(
            f"The clip is of the expression space “{clip.space}” and the head “{rig.name}” of “{rig.space}”; the "
            "numbers of one mean nothing in the other. Generate it with a checkpoint of the head's space, or give "
            "the head the FLAME file whose space the clip is of."
        )
    return clip_in_other_space(clip, space_map)


def _has_bone(rig: Rig, name: str) -> bool:
    return rig.bones is not None and name in rig.bones.pose.bones
