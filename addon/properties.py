"""What is set per scene. What is running is not here: see ``jobs`` and ``performance``."""

from typing import Final

import bpy

from cteg_core.dialogue import SEED_COUNT
from cteg_core.protocol import MAX_TAKES

ON_SCENE: Final = "cteg"
"""The name that a scene holds its settings under."""


class CTEG_scene_settings(bpy.types.PropertyGroup):
    """The line that the panel performs."""

    text: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Line", description="What the character says"
    )
    seed: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Seed",
        description="The same line and seed give the same performance; another seed gives another one",
        min=0,
        max=SEED_COUNT - 1,
    )
    takes: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Takes",
        description="How many performances to generate; the first plays, the others are kept as Actions",
        default=1,
        min=1,
        max=MAX_TAKES,
    )
    to_nla: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Add to NLA",
        description="Add the performance as a strip at the current frame, beside what the head plays already",
    )
