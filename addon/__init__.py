"""CTEG in Blender: a line of dialogue becomes an animated head.

The parts are imported on registration, so that ``sidecar`` and ``jobs`` serve without Blender, and so that a
version that does not fit is told before anything of it is used.
"""

from __future__ import annotations

from pathlib import Path

_waits_for_restart = False


def register() -> None:
    """Add the operators, the panel, the settings and the command to Blender.

    While another version of ``cteg_core`` runs than the one that came with this add-on, only a panel that asks for a
    restart is added.
    """
    global _waits_for_restart
    from . import restart

    sentence = restart.sentence_of(Path(__file__).parent)
    _waits_for_restart = bool(sentence)
    if sentence:
        restart.register(sentence)
        return
    from . import registration

    registration.register()


def unregister() -> None:
    """Take everything off again, and end the sidecar."""
    from . import restart

    if _waits_for_restart:
        restart.unregister()
        return
    from . import registration

    registration.unregister()
