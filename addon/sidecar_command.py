"""The sidecar's command, from the preferences or the environment alone: never from a .blend, a preset or a script."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from . import runtime_place
from .under_way import SidecarError

COMMAND_VARIABLE: Final = "CTEG_SIDECAR"

_SERVE: Final = ("-I", "-m", "cteg_core", "serve")
"""What an interpreter is told, to be a sidecar that sees nothing of the user's own packages."""
_INTERPRETER: Final = re.compile(r"python[\d.]*(\.exe)?", re.IGNORECASE)


def sidecar_command(preference: str = "", environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the sidecar's command as an argument list, never for a shell.

    Args:
        preference: the user's own command, or interpreter, in the add-on's preferences.
        environment: where ``CTEG_SIDECAR`` is looked for; it wins over the preference.

    Returns:
        The one that is set; where neither is, that of the environment which the add-on set up.

    Raises:
        SidecarError: the quotes of what is set do not match, or nothing is set and no environment is ready.
    """
    text = _own_command(preference, environment)
    if not text:
        return runtime_place.command()
    try:
        command = split_command(text, windows=sys.platform == "win32")
    except ValueError:
        raise SidecarError(f"The sidecar's command has a quote without its partner: {text}") from None
    if Path(text).is_file():
        # A path with blanks in it that was pasted without quotes.
        command = [text]
    if len(command) == 1 and _INTERPRETER.fullmatch(Path(command[0]).name):
        return [*command, *_SERVE]
    return command


def is_own_command(preference: str = "", environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the user says what the sidecar is, so that the environment that the add-on sets up is not used."""
    return bool(_own_command(preference, environment))


def _own_command(preference: str, environment: Mapping[str, str]) -> str:
    return environment.get(COMMAND_VARIABLE, "").strip() or preference.strip()


def split_command(text: str, windows: bool) -> list[str]:
    """Split a command at blanks outside quotes; on Windows a backslash is part of a path. Raises ValueError."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if windows:
        lexer.escape = ""
    return list(lexer)
