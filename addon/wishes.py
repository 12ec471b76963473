"""What is asked for when Generate is pressed: a line as it was then, and where its takes go."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from cteg_core.dialogue import DialogueLine

from . import lines
from .history import Take


@dataclass(frozen=True)
class BlockName:
    """A data-block, named rather than held: undo and loading replace it while the queue runs."""

    name: str
    uid: int

    @classmethod
    def of(cls, block: bpy.types.ID) -> BlockName:
        """Name a data-block."""
        return cls(block.name, block.session_uid)

    def scene(self) -> bpy.types.Scene | None:
        """Return the scene of this name, however it is called by now."""
        return next((each for each in bpy.data.scenes if each.session_uid == self.uid), None)

    def thing(self) -> bpy.types.Object | None:
        """Return the object of this name, however it is called by now."""
        return next((each for each in bpy.data.objects if each.session_uid == self.uid), None)


@dataclass(frozen=True)
class Wish:
    """A line of the queue, as it was when Generate was pressed.

    Attributes:
        line_id: of the line in the scene, which may be gone when its takes arrive.
        request: what the sidecar is asked for.
        takes: how many.
        scene, head: where they go; a line whose character has a head by then goes there.
        apply: choose the first new take and bake it; otherwise takes only join the others of the line.
        bake: whether choosing bakes.
    """

    line_id: str
    request: DialogueLine
    takes: int
    scene: BlockName
    head: BlockName | None = None
    apply: bool = True
    bake: bool = True


def wish_for(scene: bpy.types.Scene, line: lines.Line, *, near: Take | None = None) -> Wish:
    """Return what to generate for a line as it is now; raises CtegError where that cannot be.

    Args:
        near: make takes near this one, which join the others and change nothing else.
    """
    seed = lines.next_seed(line, line.takes) if near is None else lines.unused_seed(line, line.takes)
    head = lines.rig_of(scene, line).mesh if near is None else None
    return Wish(
        line_id=line.line_id,
        request=lines.request_of(scene, line, seed=seed, near=near),
        takes=line.takes,
        scene=BlockName.of(scene),
        head=BlockName.of(head) if head is not None else None,
        apply=near is None,
        bake=near is None and lines.settings_of(scene).bake_when_done,
    )
