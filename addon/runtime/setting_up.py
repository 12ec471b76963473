"""Setting an environment up, checking it and removing it: made, repaired and brought up to date by the same walk.

Every step is written into the marker as begun and as done. So nothing is done twice, a step that was cut off is known
and done anew, and a second set-up of what is right already changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Final

from . import checking, locks, marker, ownership, sizes
from .errors import SetupError
from .journal import Journal
from .making import Making, base_for
from .marker import Marker
from .place import Place, has_long_paths, too_long
from .progress import Progress
from .recipe import Recipe
from .states import State, status_of
from .wish import Wish, needed_for

_CUT_OFF: Final = "The set-up was cut off before it was done."


def set_up(
    place: Place,
    recipe: Recipe,
    wish: Wish,
    tell: Callable[[Progress], None],
    hear: Callable[[str], None] = lambda _line: None,
) -> Marker:
    """Make an environment, or repair it, or bring it up to date; what is right already stays as it is.

    Args:
        place: where; the folder is made. One that holds anything else is refused.
        recipe: what is put into it.
        wish: the user's choices.
        tell: told how far it is.
        hear: told every line of the log.

    Returns:
        What the marker says in the end.

    Raises:
        SetupError: it could not be done; the sentence is in the marker as well, if there is one.
        BaseException: whatever ``tell``, which is called several times a second, raises: the set-up is cut off.
    """
    try:
        return _set_up(place, recipe, wish, tell, hear)
    except OSError as error:
        raise SetupError(_in_words(error, place)) from None


def check(place: Place, recipe: Recipe) -> Marker:
    """Look into an environment that is said to be ready; changes nothing.

    Raises:
        SetupError: it is not ready, or does not work.
    """
    status = status_of(place, recipe)
    if status.state is not State.READY or status.marker is None:
        raise SetupError(f"{status.state.value}: {status.sentence}")
    return replace(status.marker, found=checking.look(place, recipe.encoder))


def remove(place: Place, tell: Callable[[Progress], None]) -> tuple[str, ...]:
    """Remove what the set-up made in a folder, and nothing else.

    Returns:
        Sentences about what was left.

    Raises:
        SetupError: the folder has no marker, or it cannot be removed.
    """
    found = marker.read(place)
    if found is None:
        raise SetupError(f"There is no environment of CTEG in {place.folder}: nothing was removed.")
    tell(Progress("Removing files", 0.1))
    try:
        with locks.held(place):
            # What is half removed is not to be taken for whole.
            found = replace(found, steps={}, found=None, problem="It was not removed to its end: uninstall it again.")
            marker.write(place, found)
            left = ownership.remove_all(place, found)
    except OSError as error:
        raise SetupError(_in_words(error, place)) from None
    tell(Progress("Removed", 1.0))
    return left


def _set_up(
    place: Place, recipe: Recipe, wish: Wish, tell: Callable[[Progress], None], hear: Callable[[str], None]
) -> Marker:
    tell(Progress("Looking around", 0.0))
    if sentence := too_long(place.folder, os.name == "nt", has_long_paths()):
        raise SetupError(sentence)
    if wish.wheels is not None and not wish.wheels.is_dir():
        raise SetupError(f"There is no folder {wish.wheels} to take wheels from.")
    status = status_of(place, recipe)
    if status.state is State.READY and not status.is_writable:
        # Somebody else's, and right as it is.
        return check(place, recipe)
    made_folder = not place.folder.exists()
    known = marker.read(place)
    if known is None:
        if not made_folder:
            ownership.refuse_foreign(place)
        # Asked before anything is made: without a Python or room there is nothing to repair later.
        base_for(wish, recipe)
        sizes.check_room(place.folder, needed_for(wish))
    place.folder.mkdir(parents=True, exist_ok=True)
    with locks.held(place):
        known = marker.read(place)
        if known is None:
            known = marker.new(made_folder)
            marker.write(place, known)
        with closing(Journal(place)) as journal:
            making = Making(place, recipe, wish, known, journal, tell, hear)
            try:
                return making.run()
            except SetupError as error:
                journal.note(str(error))
                making.note_problem(str(error))
                raise
            except BaseException as error:
                making.note_problem(_in_words(error, place) if isinstance(error, OSError) else _CUT_OFF)
                raise


def _in_words(error: OSError, place: Place) -> str:
    reason = error.strerror or str(error)
    return f"The files of {place.folder} cannot be written ({reason}: {error.filename or place.folder})."
