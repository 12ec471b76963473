"""The emotions that were read from texts: kept in this module's memory, to be shown before a line is performed.

A text is read with what was said before it, so both together are what a reading is kept under.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import bpy

from cteg_core.clip import ExpressionClip
from cteg_core.emotion import EmotionRead

from . import jobs, preferences
from .errors import CtegError
from .redraw import redraw_sidebars
from .under_way import ReadUnderWay

_MOST: Final = 2000
_TICK_SECONDS: Final = 0.1
_TYPING_SECONDS: Final = 0.5

_reads: dict[tuple[str, str], EmotionRead] = {}
_under_way: ReadUnderWay | None = None
_asked: list[tuple[str, str]] = []
_failure = ""
_wanted: Callable[[], Sequence[tuple[str, str]]] | None = None


def of(text: str, before: str = "") -> EmotionRead | None:
    """Return what was read from a text; None where nothing was yet.

    Args:
        before: what was said just before, as ``Controls.context`` has it.
    """
    return _reads.get((" ".join(text.split()), before))


def remember(clip: ExpressionClip) -> None:
    """Keep the emotion that a take's text was read to carry, where it was read."""
    if clip.emotion is not None and clip.controls.emotion is None:
        _keep((clip.text, clip.controls.context), clip.emotion)


def ask(texts: Sequence[tuple[str, str]]) -> None:
    """Ask the sidecar to read texts, each with what was said before it; it starts if it must. Raises CtegError."""
    global _under_way
    tidy = ((" ".join(text.split()), before) for text, before in texts)
    unread = [each for each in dict.fromkeys(tidy) if each[0] and each not in _reads]
    if not unread:
        return
    client = jobs.shared_client(preferences.sidecar_command_line())
    if _under_way is not None:
        client.cancel(_under_way)
    _asked[:] = unread
    _under_way = client.submit_read([text for text, _ in unread], [before for _, before in unread])
    _failed("")


def is_reading() -> bool:
    """Return whether texts are being read."""
    return _under_way is not None


def tick(wait: float = 0.0) -> bool:
    """Take in what was read; return whether there is more to wait for. Raises CtegError where reading failed."""
    global _under_way
    if _under_way is None:
        return False
    jobs.shared_client(preferences.sidecar_command_line()).poll(wait)
    if not _under_way.is_over:
        return True
    ended, _under_way = _under_way, None
    for asked, read in zip(_asked, ended.emotions or (), strict=False):
        if read is not None:
            _keep(asked, read)
    if ended.error is not None:
        raise CtegError(str(ended.error))
    return False


def follow() -> None:
    """Let a timer wait for what is being read."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_SECONDS)


def read_soon(wanted: Callable[[], Sequence[tuple[str, str]]]) -> None:
    """Read what ``wanted`` returns once nobody types any more, if a sidecar is warm: none is started for this."""
    global _wanted
    _wanted = wanted
    if bpy.app.timers.is_registered(_after_typing):
        bpy.app.timers.unregister(_after_typing)
    bpy.app.timers.register(_after_typing, first_interval=_TYPING_SECONDS)


def failure() -> str:
    """Return why the last reading failed; empty where it did not."""
    return _failure


def forget() -> None:
    """Stop waiting for what is being read."""
    global _under_way, _wanted
    _under_way, _wanted = None, None
    _failed("")
    for timer in (_on_timer, _after_typing):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)


def _after_typing() -> None:
    if _wanted is not None and jobs.warm_client() is not None and jobs.running_job() is None:
        ask(_wanted())
        follow()


def _on_timer() -> float | None:
    try:
        waits = tick()
    except CtegError as error:
        _failed(str(error))
        waits = False
    redraw_sidebars()
    return _TICK_SECONDS if waits else None


def _failed(sentence: str) -> None:
    global _failure
    _failure = sentence


def _keep(key: tuple[str, str], read: EmotionRead) -> None:
    while len(_reads) >= _MOST:
        _reads.pop(next(iter(_reads)))
    _reads[key] = read
