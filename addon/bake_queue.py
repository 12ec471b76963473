"""Lines that are being baked: one small step a time, so that the interface stays live; one undo step for all.

The state lies in this module's memory. A timer ticks it; where timers never fire, a plain loop does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import bpy
from bpy.app.handlers import persistent

from . import lines, notices
from .actions import BakedTake
from .errors import CtegError
from .line_bake import bake_line_steps
from .redraw import redraw_sidebars
from .undo import push_undo
from .wishes import BlockName

_PIECE_SECONDS: Final = 0.02
"""After so long in one tick the rest waits for the next: the interface has its turn."""
_PAUSE_SECONDS: Final = 0.005
_EXCERPT_LETTERS: Final = 40


@dataclass
class _Work:
    scene: BlockName
    to_nla: bool
    waiting: deque[str]
    baking: tuple[str, Generator[None, None, BakedTake]] | None = None
    done: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many lines there are, done or not."""
        return len(self.done) + len(self.failed) + len(self.waiting) + (self.baking is not None)


_work: _Work | None = None


def is_running() -> bool:
    """Return whether lines are being baked."""
    return _work is not None


def progress() -> tuple[int, int] | None:
    """Return how many lines are over, and how many there are; None where nothing is being baked."""
    return (len(_work.done) + len(_work.failed), _work.count) if _work is not None else None


def start(scene: bpy.types.Scene, line_ids: Sequence[str]) -> None:
    """Begin to bake the chosen takes of lines, earliest first; raises CtegError while others are being baked."""
    global _work
    if _work is not None:
        raise CtegError("Lines are being baked; wait for them.")
    starts = {line.line_id: line.start for line in lines.lines_of(scene)}
    in_order = sorted((line_id for line_id in line_ids if line_id in starts), key=lambda line_id: starts[line_id])
    _work = _Work(BlockName.of(scene), lines.settings_of(scene).bake.to_nla, deque(in_order))
    notices.clear()


def follow() -> None:
    """Let a timer go on until all lines are baked."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=0.0)


@dataclass(frozen=True)
class Baked:
    """What came of baking lines.

    Attributes:
        done: how many lines were baked.
        failed: a sentence for each that could not be.
        sentences: all that there is to say, the failures first.
    """

    done: int
    failed: tuple[str, ...]
    sentences: tuple[str, ...]


def finish() -> Baked:
    """Bake all that is waiting at once: what :func:`follow` does, where timers never fire."""
    work = _work
    while _work is not None:
        step()
    said = notices.outcome()
    sentences = said.sentences if said is not None else ()
    return Baked(len(work.done), tuple(work.failed), sentences) if work is not None else Baked(0, (), ())


def cancel() -> None:
    """Stop after the lines that are done, which stay."""
    if _work is not None:
        _put_back(_work)
        _work.waiting.clear()
        _end(_work, "Cancelled. ")


def forget() -> None:
    """Give everything up: another file is being opened, or the add-on is being switched off."""
    global _work
    if _work is not None:
        _put_back(_work)
    _work = None
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def tick() -> float | None:
    """Do some steps; return the seconds until the next time, None when all lines are baked."""
    before, end = progress(), time.monotonic() + _PIECE_SECONDS
    while _work is not None and time.monotonic() < end:
        step()
    if progress() != before:
        redraw_sidebars()
    return _PAUSE_SECONDS if _work is not None else None


def step() -> None:
    """Do the next small step: a part of a line, or the end."""
    work = _work
    if work is None:
        return
    if work.baking is None:
        if not work.waiting:
            _end(work)
            return
        line_id = work.waiting.popleft()
        work.baking = line_id, _steps_of(work, line_id)
    line_id, steps = work.baking
    try:
        next(steps)
    except StopIteration as end:
        work.baking = None
        work.done.append(line_id)
        work.said += [note for note in end.value.notes if note not in work.said]
    except CtegError as error:
        # A line that cannot be baked does not cost the others.
        work.baking = None
        work.failed.append(f"“{_excerpt(work, line_id)}”: {error}")
    except BaseException:
        forget()
        raise


def register() -> None:
    """Let go of what is half baked before undo, and of everything before another file is opened."""
    for handlers, handler in _handlers():
        if handler not in handlers:
            handlers.append(handler)


def unregister() -> None:
    """Give everything up, and take the handlers away."""
    forget()
    for handlers, handler in _handlers():
        if handler in handlers:
            handlers.remove(handler)


def _handlers() -> tuple[tuple[list[Any], Any], ...]:
    on: Any = bpy.app.handlers
    return (
        (on.load_pre, _before_loading),
        (on.undo_pre, _before_undo),
        (on.redo_pre, _before_undo),
        (on.undo_post, _after_undo),
        (on.redo_post, _after_undo),
    )


@persistent  # type: ignore[untyped-decorator]
def _before_loading(*_: object) -> None:
    forget()


@persistent  # type: ignore[untyped-decorator]
def _before_undo(*_: object) -> None:
    # It replaces all that the step holds.
    if _work is not None:
        _put_back(_work)


@persistent  # type: ignore[untyped-decorator]
def _after_undo(*_: object) -> None:
    # What is done belongs to a step that has not been made yet, so that undo took it back.
    if _work is not None:
        _work.waiting.extendleft(reversed(_work.done))
        _work.done.clear()


def _put_back(work: _Work) -> None:
    if work.baking is not None:
        line_id, steps = work.baking
        work.baking = None
        steps.close()
        work.waiting.appendleft(line_id)


def _steps_of(work: _Work, line_id: str) -> Generator[None, None, BakedTake]:
    scene = work.scene.scene()
    found = lines.find(line_id, scene) if scene is not None else None
    if found is None:
        raise CtegError("The line was removed meanwhile.")
    return (yield from bake_line_steps(*found))


def _excerpt(work: _Work, line_id: str) -> str:
    found = lines.find(line_id, work.scene.scene())
    text = found[1].text if found is not None else "?"
    return text if len(text) <= _EXCERPT_LETTERS else text[:_EXCERPT_LETTERS].rstrip() + "…"


def _end(work: _Work, prefix: str = "") -> None:
    global _work
    _work = None
    count = len(work.done)
    if count:
        push_undo("Bake Lines" if count > 1 else "Bake Line")
    said = list(work.failed)
    if count or not work.failed:
        said.append(f"{prefix}{count} {'line' if count == 1 else 'lines'} baked.")
    if count > 1 and not work.to_nla:
        said.append("A head plays one active Action: the last line's. Switch on To NLA to play all of them.")
    notices.show(notices.Outcome((*said, *work.said), failed=bool(work.failed)))
