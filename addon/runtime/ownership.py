"""Removing what the set-up made, and nothing else.

A folder of ours holds a file with the identity that the marker names; without it a folder is left alone, whatever it
is called. Links are never followed: one that stands in the place of a folder of ours is left as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from .errors import SetupError
from .marker import Marker
from .place import FILES, FOLDERS, Place

IDENTITY: Final = ".cteg-made"


def refuse_foreign(place: Place) -> None:
    """Raise SetupError where a folder that has no marker holds what no set-up puts there."""
    if place.folder.is_dir() and (others := foreign(place)):
        raise SetupError(
            f"The folder {place.folder} holds other files ({others[0]}, for example): choose an empty or a new one."
        )


def foreign(place: Place) -> tuple[str, ...]:
    """Return the names in a folder that a set-up does not use."""
    return tuple(sorted(entry.name for entry in place.folder.iterdir() if entry.name not in FILES))


def make_own(folder: Path, marker: Marker) -> None:
    """Make one of the set-up's own folders; raises SetupError where it is there already and not ours, or OSError."""
    if os.path.lexists(folder):
        if not is_own(folder, marker):
            raise SetupError(_not_ours(folder))
        return
    folder.mkdir(parents=True)
    (folder / IDENTITY).write_text(marker.identity, encoding="utf-8")


def remove_own(folder: Path, marker: Marker) -> None:
    """Remove one of the set-up's own folders, if it is there; raises SetupError where it is not ours, or OSError."""
    if not os.path.lexists(folder):
        return
    if not is_own(folder, marker):
        raise SetupError(_not_ours(folder))
    # The identity goes last: what is left of a removal that was cut off is still known to be ours.
    for entry in list(folder.iterdir()):
        if entry.name == IDENTITY:
            continue
        if entry.is_dir() and not _is_link(entry):
            shutil.rmtree(entry)
        else:
            entry.unlink()
    shutil.rmtree(folder)


def is_own(folder: Path, marker: Marker) -> bool:
    """Return whether a folder is one that the set-up with this marker made."""
    if _is_link(folder) or not folder.is_dir():
        return False
    try:
        return (folder / IDENTITY).read_text(encoding="utf-8") == marker.identity
    except (OSError, UnicodeDecodeError):
        return False


def remove_all(place: Place, marker: Marker) -> tuple[str, ...]:
    """Remove everything that the set-up made in a folder, and the folder if it made that; raises OSError.

    Returns:
        Sentences about what was left where it is.
    """
    left = []
    for name in FOLDERS:
        try:
            remove_own(place.folder / name, marker)
        except SetupError as error:
            left.append(str(error))
    for name in sorted(FILES, key=lambda each: each.startswith(place.marker.name)):
        # A lock that is held cannot be removed on Windows; it goes with the folder, or stays, empty as it is.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            (place.folder / name).unlink()
    if marker.made_folder and not _is_link(place.folder):
        with contextlib.suppress(OSError):
            place.folder.rmdir()
    return tuple(left)


def _is_link(path: Path) -> bool:
    # Junctions are told since Python 3.12; before, rmtree itself refuses them.
    return path.is_symlink() or getattr(os.path, "isjunction", lambda _path: False)(path)


def _not_ours(folder: Path) -> str:
    return f"{folder} was not made by this set-up, so it is left as it is: move it away, or choose another folder."
