"""CTEG in Blender: a line of dialogue becomes an animated head.

The parts are imported on registration, so that ``sidecar`` and ``jobs`` serve without Blender, and so that a
version that does not fit is told before anything of it is used.
"""

from __future__ import annotations

from pathlib import Path


def register() -> None:
    """Add the operators, the panel, the settings and the command to Blender.

    Raises:
        ImportError: the installed ``cteg_core`` is not the one that came with this add-on.
    """
    _check_core()
    from . import registration

    registration.register()


def unregister() -> None:
    """Take everything off again, and end the sidecar."""
    from . import registration

    registration.unregister()


def _check_core() -> None:
    """Compare the running ``cteg_core`` with the wheel that was installed with the add-on.

    Blender keeps an old wheel's modules until it is started again. In a checkout there is no wheel.
    """
    import cteg_core

    wheels = [wheel.name.split("-")[1] for wheel in (Path(__file__).parent / "wheels").glob("cteg-*.whl")]
    if wheels and cteg_core.__version__ not in wheels:
        raise ImportError(
            f"This CTEG add-on came with version {wheels[0]} of its core, but {cteg_core.__version__} is running: "
            "restart Blender."
        )
