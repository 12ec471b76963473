"""How a child ended, in words for the user. Needs no bpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .child_process import ChildProcess

_QUOTED_LETTERS: Final = 200
_KILLED: Final = (-9, 128 + 9)
"""Exit statuses of SIGKILL: Python's own way to say it, and that of a shell or of ssh."""
_ROUTINE: Final = " INFO "
"""Marks lines of the sidecar's log that explain no end; it logs one after every request."""
_FAREWELL: Final = ": ending: "


def was_killed(child: ChildProcess) -> bool:
    """Return whether the operating system (or somebody) ended the child by force."""
    return child.exit_status in _KILLED


def end_in_words(child: ChildProcess) -> str:
    """Return a sentence on a child that closed its output: its exit status, and its last words where there are any."""
    last_words = _last_words(child.stderr_tail())
    said = f" Its last words: “{last_words[:_QUOTED_LETTERS]}”." if last_words else ""
    return f"The sidecar ended by itself ({_status_in_words(child)}).{said}"


def _last_words(tail: Sequence[str]) -> str:
    for line in reversed(tail):
        if _ROUTINE in line:
            if _FAREWELL in line:
                continue
            # What was said before it was done with: the trace of a line that failed an hour ago, say.
            return ""
        if line:
            return line
    return ""


def _status_in_words(child: ChildProcess) -> str:
    status = child.exit_status
    if status is None:
        return "it closed its output"
    if was_killed(child):
        return "killed, as happens when memory runs out"
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
