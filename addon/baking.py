"""Takes of lines onto heads: shaped, written by the one writer, and placed in the NLA where the line starts."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import bpy

from cteg_core.clip import ExpressionClip
from flame_rig.shaping import Shaping

from . import actions, compat, line_strips, nla, nla_rest, preview
from .actions import LINE, TAKE, BakedTake, BakeError
from .line_strips import ALMOST, BLENDS, CHARACTER, LAYER, START, Placed
from .rig import Rig
from .shaped_channels import channels_of, scene_fps

__all__ = [
    "BakedTake", "Placement", "bake_steps", "bake_take", "move_line", "remove_line", "remove_lines", "scene_fps",
    "starts_of_lines", "take_name",
]  # fmt: skip

SHAPING: Final = "cteg_shaping"
"""Custom property of a line's Action: upper and lower weight and smoothing that it was baked with."""

_NAME_BYTES: Final = 48
"""Bytes of an Action's name left for the text; Blender 4 cuts names after 63."""


@dataclass(frozen=True)
class Placement:
    """Where a line's take goes, and how.

    Attributes:
        line_id: stable id of the line.
        character: names the NLA track, “CTEG <character> <layer>”; "" takes the head's name.
        layer: what it adds to the face. Another layer of the same line stays where it is.
        start_frame: the line's start. Keys and strips lie on whole frames; the exact start is remembered.
        blend_in, blend_out: frames; where a neighbour of the same track name overlaps, the two cross over instead.
        to_nla: a strip; False makes it the head's active Action.
        tolerance: how far keys that are left out may move any value; 0 keys every frame.
        take_id: the take's id in the history.
    """

    line_id: str
    character: str
    layer: str = "acting"
    start_frame: float = 1.0
    blend_in: float = 0.0
    blend_out: float = 0.0
    to_nla: bool = True
    tolerance: float = 0.0
    take_id: str = ""


def bake_take(
    clip: ExpressionClip, rig: Rig, scene: bpy.types.Scene, placement: Placement, shaping: Shaping | None = None
) -> BakedTake:
    """Bake a take of a line, in the place of what the line had on this head's layer; the Actions of that are kept.

    Args:
        clip: the take as it was generated; it is stored with the Action.
        rig: who performs it.
        scene: whose frame rate counts.
        placement: where it goes.
        shaping: what is done to it on the way.

    Raises:
        BakeError: a locked track, an Action that is not ours, or a rig that cannot perform it; nothing was changed.
    """
    return actions.finished(bake_steps(clip, rig, scene, placement, shaping))


def bake_steps(
    clip: ExpressionClip, rig: Rig, scene: bpy.types.Scene, placement: Placement, shaping: Shaping | None = None
) -> Generator[None, None, BakedTake]:
    """Do what :func:`bake_take` does in small steps, for a timer.

    Close it before undo or another file takes the rig away; then nothing has been changed.
    """
    preview.stop()
    shaping = shaping or Shaping()
    channels, notes = channels_of(clip, rig, scene_fps(scene), shaping)
    yield
    plan = actions.planned(channels, rig, to_nla=placement.to_nla)
    owners = {*plan.curves, *(owner for owner in _owners_of(rig) if owner.animation_data is not None)}
    line_strips.refuse_closed(_of_layer(owners, placement))
    yield
    plan = yield from actions.thinned(plan, placement.tolerance)
    start = round(placement.start_frame)
    parts = yield from actions.writing(plan, take_name(clip), start)
    take = BakedTake(compat.actions_of(parts), start, start + plan.sample_count - 1, (*notes, *plan.notes))
    actions.mark(take, rig, clip, {
        LINE: placement.line_id,
        TAKE: placement.take_id,
        CHARACTER: placement.character or rig.name,
        LAYER: placement.layer,
        START: float(placement.start_frame),
        BLENDS: [float(placement.blend_in), float(placement.blend_out)],
        SHAPING: [shaping.upper, shaping.lower, shaping.smoothing],
    })  # fmt: skip
    moved = _take_off(owners, placement)
    said: list[str] = []
    for part in parts:
        _play(part, placement, start, said)
    for owner, paths in moved.items():
        # What the take before moved and this one leaves alone.
        actions.to_rest(owner, paths)
    return replace(take, notes=(*take.notes, *dict.fromkeys(said)))


def move_line(scene: bpy.types.Scene, line_id: str, start_frame: float) -> int:
    """Move all that a line plays in a scene (face, jaw, every mesh, every layer) to where the line starts.

    Returns:
        How many strips and active Actions the line has there, whether they had to be moved or not.

    Raises:
        BakeError: one of the strips is in a locked track; then none was moved.
    """
    placed = line_strips.own(line_strips.placed_on(line_strips.owners_in(scene), line_id))
    # Whole frames play the samples as they are, unless an artist has put a strip between two.
    there = any(abs(each.shown_start - start_frame) < ALMOST for each in placed)
    start = start_frame if there else float(round(start_frame))
    moves = [(each, start - each.shown_start) for each in placed if abs(start - each.shown_start) >= ALMOST]
    line_strips.refuse_closed(each for each, _ in moves)
    active = _active_of(scene, line_id)
    lasting = [*(each.action for each in placed), *active.values()]
    for each, frames in moves:
        line_strips.move(each, frames)
    for action in dict.fromkeys(active.values()):
        actions.shift(action, round(start_frame) - round(action.frame_start))
    for action in lasting:
        action[START] = float(start_frame)
    return len(placed) + len(active)


def starts_of_lines(scene: bpy.types.Scene) -> dict[str, float]:
    """Return the frame that each line starts at where its strips now are.

    Of a line whose strips were moved apart, the one that was moved away from the line's last start counts.
    """
    starts: dict[str, float] = {}
    for placed in line_strips.own(line_strips.placed_on(line_strips.owners_in(scene))):
        line_id = str(placed.action[LINE])
        if line_id not in starts or placed.away >= ALMOST:
            starts[line_id] = placed.line_start
    for action in _active_of(scene).values():
        starts.setdefault(str(action[LINE]), float(action.get(START, action.frame_start)))
    return starts


def remove_line(scene: bpy.types.Scene, line_id: str) -> int:
    """Take all that a line plays in a scene off the timeline; its Actions stay in the file.

    Returns:
        How many strips and active Actions were taken off.

    Raises:
        BakeError: one of the strips is in a locked track; then none was taken off.
    """
    taken = remove_lines(scene, [line_id])
    for sentence in taken.failed:
        raise BakeError(sentence)
    return taken.counts[line_id]


@dataclass(frozen=True)
class TakenOff:
    """What came of taking lines off the timeline.

    Attributes:
        counts: how many strips and active Actions that were, of each line that could be taken off.
        failed: why a line could not be, a sentence for each; nothing of it was changed.
    """

    counts: dict[str, int]
    failed: tuple[str, ...]


def remove_lines(scene: bpy.types.Scene, line_ids: Iterable[str]) -> TakenOff:
    """Do what :func:`remove_line` does for several lines; a line that cannot be taken off does not cost the others.

    All strips go before their neighbours settle: one line after the other would take seconds for a hundred.
    """
    placed: dict[str, list[Placed]] = {line_id: [] for line_id in line_ids}
    for each in line_strips.placed_on(line_strips.owners_in(scene)):
        if each.action[LINE] in placed:
            placed[each.action[LINE]].append(each)
    reasons = {line_id: line_strips.why_closed(strips) for line_id, strips in placed.items()}
    going = {line_id: strips for line_id, strips in placed.items() if reasons[line_id] is None}
    counts = {line_id: len(strips) for line_id, strips in going.items()}
    moved: dict[compat.Animated, set[str]] = {}
    for each in (each for strips in going.values() for each in strips):
        moved.setdefault(each.owner, set()).update(curve.data_path for curve in compat.curves_of_strip(each.strip))
    line_strips.remove([each for strips in going.values() for each in strips])
    for owner, action in _active_of(scene).items():
        if action[LINE] not in counts:
            continue
        counts[action[LINE]] += 1
        moved.setdefault(owner, set()).update(compat.animated_paths(owner))
        compat.play(owner, None)
    for owner, paths in moved.items():
        nla_rest.take_up(owner)
        actions.to_rest(owner, paths)
    return TakenOff(counts, tuple(reason for reason in reasons.values() if reason is not None))


def take_name(clip: ExpressionClip) -> str:
    """Return the name of a take's Action: the line's first words and the seed."""
    words = clip.text.encode()
    if len(words) > _NAME_BYTES:
        words = words[: _NAME_BYTES - 3].decode(errors="ignore").rstrip().encode() + "…".encode()
    return f"{words.decode()} #{clip.seed}"


def _play(part: compat.ActionPart, placement: Placement, start: int, said: list[str]) -> None:
    """Let a part of a take play, and gather what there is to say about it."""
    owner = part.owner
    playing = _active_action(owner)
    if not placement.to_nla:
        compat.assign(part)
        return
    if playing is not None and actions.is_ours(playing):
        # It would play over every strip.
        if playing.get(LINE):
            before = compat.part_of(playing, owner)
            owner.animation_data.action = None
            nla_rest.lay(owner, [curve.data_path for curve in before.curves()])
            line_strips.plant(before, round(playing.frame_start))
        else:
            nla.push_active(owner, actions.is_ours)
    nla_rest.lay(owner, [curve.data_path for curve in part.curves()])
    line_strips.plant(part, start)
    said += nla_rest.warnings(owner)
    animation = owner.animation_data
    said += [
        f"The track “{track.name}” of “{owner.name}” plays solo, so that the take does not show."
        for track in animation.nla_tracks
        if track.is_solo
    ]
    if not animation.use_nla:
        said.append(f"The NLA of “{owner.name}” is switched off, so that the take does not show.")


def _take_off(owners: Iterable[compat.Animated], placement: Placement) -> dict[compat.Animated, set[str]]:
    """Take what a line plays on its layer off, and return the data paths that it animated."""
    moved: dict[compat.Animated, set[str]] = {}
    going = list(_of_layer(owners, placement))
    for placed in going:
        moved.setdefault(placed.owner, set()).update(curve.data_path for curve in compat.curves_of_strip(placed.strip))
    line_strips.remove(going)
    for owner in owners:
        playing = _active_action(owner)
        if playing is not None and _is_of(playing, placement):
            moved.setdefault(owner, set()).update(compat.animated_paths(owner))
            compat.play(owner, None)
    return moved


def _of_layer(owners: Iterable[compat.Animated], placement: Placement) -> list[Placed]:
    placed = line_strips.own(line_strips.placed_on(owners, placement.line_id))
    return [each for each in placed if each.action.get(LAYER) == placement.layer]


def _is_of(action: bpy.types.Action, placement: Placement) -> bool:
    return bool(action.get(LINE) == placement.line_id and action.get(LAYER) == placement.layer)


def _owners_of(rig: Rig) -> list[compat.Animated]:
    keys = [mesh.data.shape_keys for _, mesh in rig.meshes]
    return [owner for owner in (*keys, rig.bones) if owner is not None]


def _active_of(scene: bpy.types.Scene, line_id: str | None = None) -> dict[compat.Animated, bpy.types.Action]:
    """Return the active Actions of a scene that are takes of a line (None: of any)."""
    found = {}
    for owner in line_strips.owners_in(scene):
        action: Any = _active_action(owner)
        if action is None or not actions.is_ours(action) or not action.get(LINE):
            continue
        if line_id is None or action[LINE] == line_id:
            found[owner] = action
    return found


def _active_action(owner: compat.Animated) -> bpy.types.Action | None:
    animation = owner.animation_data
    return animation.action if animation is not None else None
