"""The sidecar's command, from the preferences or the environment alone: never from a .blend, a preset or a script."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Final

from .under_way import SidecarError

COMMAND_VARIABLE: Final = "CTEG_SIDECAR"


def sidecar_command(preference: str = "", environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the sidecar's command as an argument list, never for a shell.

    Args:
        preference: the command in the add-on's preferences.
        environment: where ``CTEG_SIDECAR`` is looked for; it wins over the preference.

    Raises:
        SidecarError: neither is set, or its quotes do not match.
    """
    text = environment.get(COMMAND_VARIABLE, "").strip() or preference.strip()
    if not text:
        raise SidecarError(
            "No sidecar is set up: put its command, such as /path/to/python -m cteg_core serve, into the add-on's "
            f"preferences or into the environment variable {COMMAND_VARIABLE}."
        )
    try:
        return split_command(text, windows=sys.platform == "win32")
    except ValueError:
        raise SidecarError(f"The sidecar's command has a quote without its partner: {text}") from None


def split_command(text: str, windows: bool) -> list[str]:
    """Split a command at blanks outside quotes; on Windows a backslash is part of a path. Raises ValueError."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if windows:
        lexer.escape = ""
    return list(lexer)
