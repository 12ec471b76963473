"""What an artist sets, per scene: characters, lines of dialogue, how to bake. What is running is never here.

Blender saves all of it and brings it back on undo; see ``performance`` for what runs, ``history`` for takes.
"""

from collections.abc import Callable
from typing import Any, Final

import bpy

from cteg_core.dialogue import MAX_CHARACTER_NAME, MAX_CONTEXT_CHARACTERS, MAX_DURATION_SECONDS, SEED_COUNT
from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.protocol import MAX_TAKES

from .rig import find_rig

ON_SCENE: Final = "cteg"
"""The name that a scene holds its settings under."""

LABEL_OF_BASIC: Final[dict[str, str]] = {
    basic: "joy" if basic == "happiness" else basic for basic in BASIC_EMOTIONS
}
"""The label that a basic emotion stands for when none of its family is set."""

_FAMILIES: Final[dict[str, tuple[int, ...]]] = {
    basic: tuple(index for index, label in enumerate(EMOTION_LABELS) if BASIC_OF_LABEL[label] == basic)
    for basic in BASIC_EMOTIONS
}


def _is_head(_: Any, thing: bpy.types.Object) -> bool:
    return find_rig(thing) is not None


class CTEG_character(bpy.types.PropertyGroup):
    """Someone who speaks, and the head that performs what they say."""

    name: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Name", description="The character's name, as the script has it", maxlen=MAX_CHARACTER_NAME
    )
    head: bpy.props.PointerProperty(  # type: ignore[valid-type]
        type=bpy.types.Object,
        poll=_is_head,
        name="Head",
        description="The head that performs this character's lines: any part of a CTEG head or registered character",
    )


def _strength(basic: str) -> Callable[[Any], float]:
    def strength(line: Any) -> float:
        return min(1.0, float(sum(line.emotion[index] for index in _FAMILIES[basic])))

    return strength


def _strengthen(basic: str) -> Callable[[Any, float], None]:
    def strengthen(line: Any, value: float) -> None:
        values = list(line.emotion)
        total = sum(values[index] for index in _FAMILIES[basic])
        for index in _FAMILIES[basic]:
            values[index] = values[index] * value / total if total > 0.0 else 0.0
        if total <= 0.0:
            values[EMOTION_LABELS.index(LABEL_OF_BASIC[basic])] = value
        line.emotion = values

    return strengthen


def _bar(basic: str) -> Any:
    shown = LABEL_OF_BASIC[basic]
    family = ", ".join(label for label in EMOTION_LABELS if BASIC_OF_LABEL[label] == basic and label != shown)
    return bpy.props.FloatProperty(
        name=shown.title(),
        description=f"How much {shown} is acted" + (f"; moves {family} along, in proportion" if family else ""),
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=_strength(basic),
        set=_strengthen(basic),
    )


def _factor(name: str, description: str, most: float, default: float = 1.0) -> Any:
    return bpy.props.FloatProperty(
        name=name, description=description, min=0.0, max=most, default=default, subtype="FACTOR", precision=2
    )


def _on_text(line: Any, _: bpy.types.Context) -> None:
    from . import lines

    if line.line_id:
        lines.read_active_soon(line.id_data)


def _on_active(settings: Any, _: bpy.types.Context) -> None:
    from . import lines

    lines.read_active_soon(settings.id_data)


def _on_start(line: Any, _: bpy.types.Context) -> None:
    from . import line_bake

    line_bake.follow_start(line)


class CTEG_line(bpy.types.PropertyGroup):
    """A line of dialogue and how it is to be performed.

    ``start`` is the truth about where it plays. Its state (to do, waiting, done …) is derived, never stored.
    """

    line_id: bpy.props.StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    text: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Text", description="What the character says", update=_on_text
    )
    character: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Character",
        description="Who says it; without a name, the active head performs the line",
        maxlen=MAX_CHARACTER_NAME,
    )
    start: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Start",
        description="Frame that the line starts at; what was baked of it moves along",
        default=1.0,
        step=100,
        precision=1,
        update=_on_start,
    )
    duration: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Duration",
        description="Seconds that the line lasts; 0 takes as long as the words need",
        min=0.0,
        max=MAX_DURATION_SECONDS,
        step=10,
        precision=2,
    )
    notes: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Notes", description="Remarks, such as the script's stage directions; they change nothing"
    )
    takes: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Takes", description="How many performances Generate makes of this line", default=1, min=1, max=MAX_TAKES
    )
    chosen_take: bpy.props.StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    discarded: bpy.props.StringProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Seed",
        description="The same line, settings and seed give the same performance; another seed gives another one",
        min=0,
        max=SEED_COUNT - 1,
    )
    seed_locked: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Keep Seed",
        description="Start from this seed every time; otherwise Generate goes on to seeds that the line has not used",
    )
    emotion_override: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Override", description="Act the emotion that you set here, rather than the one read from the text"
    )
    emotion: bpy.props.FloatVectorProperty(  # type: ignore[valid-type]
        name="Emotion",
        description="How much of each emotion is acted",
        size=len(EMOTION_LABELS),
        min=0.0,
        max=1.0,
        subtype="NONE",
    )
    happiness: _bar("happiness")  # type: ignore[valid-type]
    sadness: _bar("sadness")  # type: ignore[valid-type]
    anger: _bar("anger")  # type: ignore[valid-type]
    fear: _bar("fear")  # type: ignore[valid-type]
    disgust: _bar("disgust")  # type: ignore[valid-type]
    surprise: _bar("surprise")  # type: ignore[valid-type]
    neutral: _bar("neutral")  # type: ignore[valid-type]
    affect_override: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Set Tone", description="Set pleasure, energy and control by hand; otherwise they follow the emotion"
    )
    valence: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Pleasure", description="From unpleasant to pleasant", min=-1.0, max=1.0, subtype="FACTOR"
    )
    arousal: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Energy", description="From calm to excited", min=-1.0, max=1.0, subtype="FACTOR"
    )
    dominance: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Control", description="From overwhelmed to in control", min=-1.0, max=1.0, subtype="FACTOR"
    )
    context: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Just Before",
        description="What was said or happened just before, where it is not the line before; read with the emotion",
        maxlen=MAX_CONTEXT_CHARACTERS,
        update=_on_text,
    )
    with_context: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Read with the Line Before",
        description="Read the emotion together with the line before in the list, where that ends shortly before",
        default=True,
        update=_on_text,
    )
    intensity: _factor("Intensity", "How strongly the face acts: 0 stays neutral, 1 as read, 2 exaggerated", 2.0)  # type: ignore[valid-type]
    expressiveness: _factor(  # type: ignore[valid-type]
        "Expressiveness",
        "How strictly the emotion is followed: 0 leaves it to the words, 1 as learned, more overstates it",
        3.0,
    )
    variety: _factor("Variety", "How far takes may differ from one another", 2.0)  # type: ignore[valid-type]
    upper: _factor("Upper Face", "How much brows, lids and cheeks move. Needs no new takes: press Bake to see it", 2.0)  # type: ignore[valid-type]
    lower: _factor(  # type: ignore[valid-type]
        "Lower Face",
        "How much mouth and jaw move; 0 leaves them to a lip sync. Press Bake to see it",
        2.0,
    )
    smoothing: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Smoothing",
        description="Seconds over which the motion is softened; blinks stay quick. Press Bake to see it",
        min=0.0,
        max=1.0,
        step=1,
        precision=2,
    )
    speech: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Speech", description="Mouth and jaw say the words", default=True
    )
    blinks: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Blinks", description="Add blinks", default=True
    )
    gaze: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Gaze", description="Let the eyes wander a little; off, they do what the emotion does alone", default=True
    )


class CTEG_bake_settings(bpy.types.PropertyGroup):
    """How takes become animation."""

    target: bpy.props.PointerProperty(  # type: ignore[valid-type]
        type=bpy.types.Object,
        poll=_is_head,
        name="Target",
        description="Head that everything is baked on; empty takes the head of each line's character",
    )
    lines: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Lines",
        description="Which lines Bake is for",
        items=[
            ("ALL", "All Lines", "Every line that has a take"),
            ("ACTIVE", "Active Line", "The line that is active in the list"),
            ("RANGE", "In Range", "Lines that start within the scene's frame range"),
        ],
    )
    layer: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Layer", description="Names the NLA track, beside the character: acting, say", default="acting"
    )
    to_nla: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="To NLA",
        description=(
            "Add the takes as NLA strips, beside what the head plays already; otherwise a take becomes the head's "
            "active Action"
        ),
        default=True,
    )
    extend_range: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Extend Scene Range", description="Let the scene's frame range grow to hold the lines", default=True
    )
    blend_in: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Blend In", description="Frames over which a line fades in", min=0.0, max=1000.0, step=100, precision=1
    )
    blend_out: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Blend Out", description="Frames over which a line fades out", min=0.0, max=1000.0, step=100, precision=1
    )
    tolerance: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Key Tolerance",
        description="Leave out keys as long as no value is off by more than this; 0 keeps a key on every frame",
        min=0.0,
        max=0.5,
        step=0.1,
        precision=4,
    )


class CTEG_scene_settings(bpy.types.PropertyGroup):
    """All of a scene's dialogue."""

    characters: bpy.props.CollectionProperty(type=CTEG_character)  # type: ignore[valid-type]
    active_character: bpy.props.IntProperty(options={"HIDDEN"})  # type: ignore[valid-type]
    lines: bpy.props.CollectionProperty(type=CTEG_line)  # type: ignore[valid-type]
    active_line: bpy.props.IntProperty(options={"HIDDEN"}, update=_on_active)  # type: ignore[valid-type]
    bake: bpy.props.PointerProperty(type=CTEG_bake_settings)  # type: ignore[valid-type]
    bake_when_done: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Bake Takes at Once",
        description="Bake the first new take of a line as soon as it is there, and another one when it is chosen",
        default=True,
    )
    likeness: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Likeness",
        description="How near takes made by More Like This stay to the take that they are made from",
        min=0.0,
        max=1.0,
        default=0.8,
        subtype="FACTOR",
    )
    show_all_emotions: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="All Emotions", description="Show all 28 emotions rather than the seven basic ones"
    )

    version: bpy.props.IntProperty(options={"HIDDEN"})  # type: ignore[valid-type]

    # What version 0 had, when a scene had one line: read by ``migration`` alone.
    text: bpy.props.StringProperty(name="Line", description="What the character says")  # type: ignore[valid-type]
    seed: bpy.props.IntProperty(name="Seed", min=0, max=SEED_COUNT - 1)  # type: ignore[valid-type]
    takes: bpy.props.IntProperty(name="Takes", default=1, min=1, max=MAX_TAKES)  # type: ignore[valid-type]
    to_nla: bpy.props.BoolProperty(name="Add to NLA")  # type: ignore[valid-type]


CLASSES: Final = (CTEG_character, CTEG_line, CTEG_bake_settings, CTEG_scene_settings)
"""In the order that Blender needs."""
