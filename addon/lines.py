"""Lines of dialogue in a scene: found by their ids, added, moved, and turned into what the sidecar is asked for."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, Final

import bpy
import numpy as np

from cteg_core.affect import expected_affect
from cteg_core.clip import Controls
from cteg_core.dialogue import MAX_CONTEXT_CHARACTERS, SEED_COUNT, DialogueLine, LineError
from cteg_core.emotion import EMOTION_LABELS, EmotionRead
from cteg_core.likeness import like_take
from flame_rig.shaping import Shaping

from . import history, properties, readings
from .errors import CtegError
from .history import Take
from .jobs import planned_seconds
from .rig import Rig, active_rig, find_rig, rigs_of

CONTEXT_SECONDS: Final = 6.0
"""A line that ended longer before says nothing about the next."""
PAUSE_SECONDS: Final = 0.3
"""Between a line and one that is added after it."""

Line = Any
"""A ``properties.CTEG_line``: it lives in the scene, so it is found again rather than held."""


def settings_of(scene: bpy.types.Scene | None) -> Any:
    """Return a scene's dialogue; raises CtegError while the add-on is off."""
    settings = getattr(scene, properties.ON_SCENE, None)
    if settings is None:
        raise CtegError("The CTEG add-on is not enabled: enable it in the preferences.")
    return settings


def lines_of(scene: bpy.types.Scene) -> Any:
    """Return a scene's lines, in the order of the list; lines that a script added get their ids."""
    lines = settings_of(scene).lines
    for line in lines:
        if not line.line_id:
            line.line_id = uuid.uuid4().hex
    return lines


def active_line(scene: bpy.types.Scene | None) -> Line | None:
    """Return the line that is active in the list; None where there is none. Changes nothing."""
    settings = settings_of(scene)
    return settings.lines[settings.active_line] if 0 <= settings.active_line < len(settings.lines) else None


def find(line_id: str, scene: bpy.types.Scene | None = None) -> tuple[bpy.types.Scene, Line] | None:
    """Return a line by its id, and the scene it is in: ``scene``, or any."""
    for each in (scene,) if scene is not None else bpy.data.scenes:
        for line in settings_of(each).lines:
            if line_id and line.line_id == line_id:
                return each, line
    return None


def index_of(scene: bpy.types.Scene, line_id: str) -> int:
    """Return the place of a line in its scene's list; raises CtegError if it is gone."""
    for index, line in enumerate(settings_of(scene).lines):
        if line.line_id == line_id:
            return index
    raise CtegError("This line is no longer in the scene's dialogue.")


def add(
    scene: bpy.types.Scene,
    text: str,
    character: str = "",
    *,
    start: float | None = None,
    duration: float = 0.0,
    after: int | None = None,
) -> Line:
    """Add a line and make it the active one; a character without an entry gets one.

    Args:
        start: its first frame; None is shortly after the line before, or the scene's current frame.
        duration: seconds; 0 is as long as the words need.
        after: place in the list that it follows; None is the last.
    """
    settings = settings_of(scene)
    lines = lines_of(scene)
    place = len(lines) if after is None else min(after + 1, len(lines))
    before = lines[place - 1] if 0 < place <= len(lines) else None
    if start is None:
        start = end_of(scene, before) + PAUSE_SECONDS * fps_of(scene) if before is not None else scene.frame_current
    line = lines.add()
    line.text, line.character = text, character
    line.start, line.duration = round(start), duration
    line.line_id = uuid.uuid4().hex
    lines.move(len(lines) - 1, place)
    settings.active_line = place
    add_character(scene, character)
    return lines[place]


def add_character(scene: bpy.types.Scene, name: str, head: bpy.types.Object | None = None) -> Any:
    """Return a character by name, added where there is none; an empty name is none."""
    characters = settings_of(scene).characters
    if not name:
        return None
    character = characters.get(name)
    if character is None:
        character = characters.add()
        character.name = name
    if head is not None:
        character.head = head
    return character


def remove(scene: bpy.types.Scene, line_id: str) -> None:
    """Take a line off the list; its takes stay in memory, so that undo brings back all of it."""
    settings = settings_of(scene)
    settings.lines.remove(index_of(scene, line_id))
    settings.active_line = min(settings.active_line, max(0, len(settings.lines) - 1))


def move(scene: bpy.types.Scene, line_id: str, steps: int) -> None:
    """Move a line down the list by ``steps`` places, up where that is negative; the active line stays active."""
    settings = settings_of(scene)
    index = index_of(scene, line_id)
    place = max(0, min(len(settings.lines) - 1, index + steps))
    active = active_line(scene)
    active_id = active.line_id if active is not None else ""
    settings.lines.move(index, place)
    if active_id:
        settings.active_line = index_of(scene, active_id)


def duplicate(scene: bpy.types.Scene, line_id: str) -> Line:
    """Add a line with all the settings of another behind it, and no takes yet."""
    index = index_of(scene, line_id)
    source = settings_of(scene).lines[index]
    copy = add(scene, source.text, source.character, duration=source.duration, after=index)
    source = settings_of(scene).lines[index]
    for name in COPIED:
        setattr(copy, name, getattr(source, name))
    return copy


COPIED: Final = (
    "notes", "takes", "seed", "seed_locked", "emotion_override", "emotion", "affect_override", "valence", "arousal",
    "dominance", "context", "with_context", "intensity", "expressiveness", "variety", "upper", "lower", "smoothing",
    "speech", "blinks", "gaze",
)  # fmt: skip
"""What a duplicate takes over."""


def fps_of(scene: bpy.types.Scene) -> float:
    """Return the scene's frames a second."""
    return float(scene.render.fps / scene.render.fps_base)


def seconds_of(line: Line) -> float:
    """Return how long a line lasts: its chosen take, what was asked for, or about what the words need."""
    take = chosen_take(line)
    if take is not None:
        return take.clip.seconds
    return float(line.duration) or planned_seconds(line.text, line.seed)


def end_of(scene: bpy.types.Scene, line: Line) -> float:
    """Return the frame at which a line ends."""
    return float(line.start) + seconds_of(line) * fps_of(scene)


def emotion_of(line: Line) -> EmotionRead:
    """Return the emotion that is set on a line."""
    probabilities = tuple(float(value) for value in line.emotion)
    if line.affect_override:
        return EmotionRead(probabilities, line.valence, line.arousal, line.dominance)
    return EmotionRead(probabilities, *(float(value) for value in expected_affect(np.array(probabilities))))


def set_emotion(line: Line, emotion: EmotionRead, override: bool = True) -> None:
    """Set a line's emotion, as a start for bending it by hand."""
    line.emotion = [min(1.0, max(0.0, value)) for value in emotion.probabilities]
    line.valence, line.arousal, line.dominance = emotion.valence, emotion.arousal, emotion.dominance
    line.emotion_override = override


def label_index(label: str) -> int:
    """Return where a label is among the bars; raises ValueError for one that is none."""
    return EMOTION_LABELS.index(label)


def controls_of(scene: bpy.types.Scene, line: Line) -> Controls:
    """Return what a line asks for beside its text."""
    return Controls(
        emotion=emotion_of(line) if line.emotion_override else None,
        intensity=line.intensity,
        duration=line.duration or None,
        speech=line.speech,
        blinks=line.blinks,
        gaze=line.gaze,
        variety=line.variety,
        guidance=line.expressiveness,
        context=context_of(scene, line),
    )


def context_of(scene: bpy.types.Scene, line: Line) -> str:
    """Return what a line is read with: what is set, or the text of the line before where that ends shortly before."""
    if line.context.strip():
        return " ".join(line.context.split())
    index = index_of(scene, line.line_id)
    if not line.with_context or index == 0:
        return ""
    before = settings_of(scene).lines[index - 1]
    pause = (line.start - end_of(scene, before)) / fps_of(scene)
    text = " ".join(before.text.split())
    return text[-MAX_CONTEXT_CHARACTERS:] if pause < CONTEXT_SECONDS else ""


def request_of(
    scene: bpy.types.Scene, line: Line, *, seed: int | None = None, near: Take | None = None
) -> DialogueLine:
    """Return what the sidecar is asked for; raises CtegError, with the line's number, where that cannot be.

    Args:
        seed: of the first take; None is the line's own.
        near: ask for takes near this one, of its text and settings, with the scene's likeness.
    """
    text, controls = line.text, controls_of(scene, line)
    if near is not None:
        like = like_take(near.clip, settings_of(scene).likeness)
        text, controls = near.clip.text, replace(near.clip.controls, like=like)
    try:
        seconds = line.start / fps_of(scene)
        return DialogueLine(text, line.character, seconds, controls, line.seed if seed is None else seed)
    except LineError as error:
        raise CtegError(f"Line {index_of(scene, line.line_id) + 1}: {error}") from None


def next_seed(line: Line, count: int) -> int:
    """Return the seed for the next ``count`` takes: the line's own where it is kept, else the first unused ones."""
    return int(line.seed) if line.seed_locked else unused_seed(line, count)


def unused_seed(line: Line, count: int) -> int:
    """Return the first seed from the line's own on that none of its takes has, and none of the ``count - 1`` next."""
    used = {take.clip.seed for take in history.takes_of(line.line_id)}
    seed = int(line.seed)
    while any((seed + take) % SEED_COUNT in used for take in range(count)):
        seed = (seed + 1) % SEED_COUNT
    return seed


def shaping_of(line: Line) -> Shaping:
    """Return what is done to a line's takes on their way to the rig."""
    return Shaping(upper=line.upper, lower=line.lower, smoothing=line.smoothing)


def takes_of(line: Line) -> tuple[Take, ...]:
    """Return a line's takes, oldest first, without those that were discarded."""
    hidden = line.discarded.split()
    return tuple(take for take in history.takes_of(line.line_id) if take.take_id not in hidden)


def chosen_take(line: Line) -> Take | None:
    """Return the take that a line plays: the chosen one while it is there, else the newest."""
    takes = takes_of(line)
    return next((take for take in takes if take.take_id == line.chosen_take), takes[-1] if takes else None)


def choose_take(line: Line, take_id: str) -> None:
    """Choose a take; raises CtegError if it is not one of the line's."""
    if all(take.take_id != take_id for take in takes_of(line)):
        raise CtegError("This take is no longer in the line's history.")
    line.chosen_take = take_id


def discard_take(line: Line, take_id: str) -> None:
    """Hide a take, which goes when the file is closed; undo shows it again."""
    line.discarded = " ".join([*line.discarded.split(), take_id])
    if line.chosen_take == take_id:
        left = takes_of(line)
        line.chosen_take = left[-1].take_id if left else ""


def emotion_read(scene: bpy.types.Scene, line: Line) -> EmotionRead | None:
    """Return the emotion that was read from a line's text, by its chosen take or before; None where it was not yet."""
    take, context = chosen_take(line), context_of(scene, line)
    if take is not None:
        controls = take.clip.controls
        same = take.clip.text == " ".join(line.text.split()) and controls.context == context
        if same and controls.emotion is None:
            return take.clip.emotion
    return readings.of(line.text, context)


def read_active_soon(scene: bpy.types.Scene) -> None:
    """Have the active line's emotion read, if a sidecar is warm, once nobody types any more."""
    name = scene.name

    def wanted() -> list[tuple[str, str]]:
        there = bpy.data.scenes.get(name)
        line = active_line(there) if there is not None else None
        unread = line is not None and not line.emotion_override and there is not None
        return [(line.text, context_of(there, line))] if unread and there is not None else []

    readings.read_soon(wanted)


def is_stale(scene: bpy.types.Scene, line: Line) -> bool:
    """Return whether a line asks for something else by now than its chosen take was made from."""
    take = chosen_take(line)
    if take is None:
        return False
    made, now = take.clip.controls, controls_of(scene, line)
    return " ".join(line.text.split()) != take.clip.text or _without_neighbours(made) != _without_neighbours(now)


def _without_neighbours(controls: Controls) -> Any:
    emotion = controls.emotion
    values = None if emotion is None else [round(value, 4) for value in (*emotion.probabilities, emotion.valence)]
    numbers = (controls.intensity, controls.duration or 0.0, controls.variety, controls.guidance)
    return values, [round(number, 4) for number in numbers], (controls.speech, controls.blinks, controls.gaze)


def head_of(scene: bpy.types.Scene | None, line: Line) -> bpy.types.Object | None:
    """Return the object whose head performs a line: the bake's target, the character's, or the scene's only one."""
    settings = settings_of(scene)
    character = settings.characters.get(line.character) if line.character else None
    named = bpy.data.objects.get(line.character) if line.character else None
    candidates: tuple[bpy.types.Object | None, ...] = (
        settings.bake.target, character.head if character is not None else None, named,
    )  # fmt: skip
    for thing in candidates:
        if thing is not None and find_rig(thing) is not None:
            return thing
    rigs = list(rigs_of(scene.objects)) if scene is not None else []
    if line.character and len(rigs) > 1:
        return None
    active = active_rig(bpy.context) if bpy.context.scene == scene and bpy.context.view_layer is not None else None
    if active is not None and not line.character:
        return active.mesh
    return rigs[0].mesh if len(rigs) == 1 else None


def rig_of(scene: bpy.types.Scene, line: Line) -> Rig:
    """Return the rig that performs a line; raises CtegError with what to do where there is none."""
    rig = find_rig(head_of(scene, line))
    if rig is not None:
        return rig
    if line.character:
        raise CtegError(f"“{line.character}” has no head: choose one in the Character panel.")
    raise CtegError("There is no head to perform: select one, or add one first.")

