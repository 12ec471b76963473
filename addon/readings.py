"""The emotions that were read from texts: kept in this module's memory, to be shown before a line is performed."""

from __future__ import annotations

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
_reads: dict[str, EmotionRead] = {}
_under_way: ReadUnderWay | None = None
_failure = ""


def of(text: str) -> EmotionRead | None:
    """Return what was read from a text; None where nothing was yet."""
    return _reads.get(" ".join(text.split()))


def remember(clip: ExpressionClip) -> None:
    """Keep the emotion that a take's text was read to carry, where it was read from the text alone."""
    if clip.emotion is not None and clip.controls.emotion is None:
        _keep(clip.text, clip.emotion)


def ask(texts: list[str]) -> None:
    """Ask the sidecar to read texts that were not read yet; it starts if it must. Raises CtegError."""
    global _under_way
    unread = list(dict.fromkeys(tidy for text in texts if (tidy := " ".join(text.split())) and tidy not in _reads))
    if not unread:
        return
    client = jobs.shared_client(preferences.sidecar_command_line())
    if _under_way is not None:
        client.cancel(_under_way)
    _under_way = client.submit_read(unread)
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
    for text, read in zip(ended.texts, ended.emotions or (), strict=False):
        if read is not None:
            _keep(text, read)
    if ended.error is not None:
        raise CtegError(str(ended.error))
    return False


def follow() -> None:
    """Let a timer wait for what is being read."""
    if not bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.register(_on_timer, first_interval=_TICK_SECONDS)


def _on_timer() -> float | None:
    try:
        waits = tick()
    except CtegError as error:
        _failed(str(error))
        waits = False
    redraw_sidebars()
    return _TICK_SECONDS if waits else None


def failure() -> str:
    """Return why the last reading failed; empty where it did not."""
    return _failure


def _failed(sentence: str) -> None:
    global _failure
    _failure = sentence


def forget() -> None:
    """Stop waiting for what is being read."""
    global _under_way
    _under_way = None
    _failed("")
    if bpy.app.timers.is_registered(_on_timer):
        bpy.app.timers.unregister(_on_timer)


def _keep(text: str, read: EmotionRead) -> None:
    while len(_reads) >= _MOST:
        _reads.pop(next(iter(_reads)))
    _reads[text] = read
