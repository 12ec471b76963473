"""``cteg setup``: the set-up without a window, the same in Blender's command line and in ``run.py``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import setting_up
from .builds import DEVICES
from .errors import SetupError
from .marker import Found, Marker
from .place import Place
from .progress import Progress
from .recipe import Recipe
from .states import State, status_of
from .wish import Wish, needed_for

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2

SUMMARY: Final = "set up the environment that the network runs in"


@dataclass(frozen=True)
class Surroundings:
    """What the program around the command knows.

    Attributes:
        folder: where the environment lies when no other place is named; None where one must be.
        recipe: returns what it is made of; may raise SetupError.
        why_offline: why nothing may be fetched, in a sentence; empty where it may.
    """

    folder: Path | None
    recipe: Callable[[], Recipe]
    why_offline: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser."""
    parser.add_argument("--env", type=Path, metavar="DIR", help="folder of the environment, for a studio to share")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="what to compute on (default: %(default)s)")
    parser.add_argument(
        "--from", dest="wheels", type=Path, metavar="WHEELDIR", help="take all wheels from this folder, with no network"
    )
    parser.add_argument("--python", type=Path, metavar="EXE", help="make it with this Python (default: found)")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--check", action="store_true", help="say what is there and whether it works; change nothing")
    task.add_argument("--remove", action="store_true", help="remove what the set-up made, and nothing else")
    task.add_argument(
        "--requirements", action="store_true", help="print what is fetched, as `pip download -r` reads it, and end"
    )


def run(options: argparse.Namespace, surroundings: Surroundings) -> int:
    """Do what parsed arguments say; return the exit code.

    What the command is about goes to standard output (paths, versions, requirements), what is being done and what went
    wrong to standard error.
    """
    folder: Path | None = options.env or surroundings.folder
    if folder is None and not options.requirements:
        return _misused("There is no folder for the environment here: name one with --env.")
    if (options.check or options.remove or options.requirements) and (options.wheels or options.python):
        return _misused("--from and --python are for setting up, not for --check, --remove and --requirements.")
    try:
        if options.requirements:
            recipe = surroundings.recipe()
            print("\n".join((*recipe.requirements, recipe.encoder.requirement)))
            return DONE
        assert folder is not None
        place = Place(folder.expanduser().absolute())
        if options.remove:
            return _remove(place)
        if options.check:
            _print_found(place, setting_up.check(place, surroundings.recipe()))
            return DONE
        return _set_up(place, options, surroundings)
    except SetupError as error:
        print(f"cteg: {error}", file=sys.stderr)
        return FAILED


def found_in_words(found: Found) -> tuple[str, ...]:
    """Return what a check found, a line each, for the user."""
    packages = ", ".join(
        f"{name} {version}" for name, version in found.packages.items() if name != "cteg" and version
    )
    devices = ", ".join(
        kind.upper() if not name or kind == "cpu" else f"{kind.upper()} ({name})"
        for kind, name in found.devices.items()
    )
    return (f"CTEG {found.packages.get('cteg', '')}", f"Python {found.python}, {packages}", f"Devices: {devices}")


def _set_up(place: Place, options: argparse.Namespace, surroundings: Surroundings) -> int:
    recipe = surroundings.recipe()
    wish = Wish(
        options.device,
        None if options.wheels is None else options.wheels.expanduser().absolute(),
        _program(options.python),
    )
    status = status_of(place, recipe)
    if status.state is not State.READY:
        if surroundings.why_offline and wish.wheels is None:
            raise SetupError(surroundings.why_offline)
        _say(f"{place.folder}: {needed_for(wish)}")
    _print_found(place, setting_up.set_up(place, recipe, wish, _Teller()))
    return DONE


def _remove(place: Place) -> int:
    left = setting_up.remove(place, _Teller())
    for sentence in left:
        _say(sentence)
    return FAILED if left else DONE


def _program(python: Path | None) -> Path | None:
    if python is None or len(python.parts) == 1:
        return python  # A bare name is looked for on the PATH.
    return python.expanduser().absolute()


class _Teller:
    """Says on standard error what is being done, a line whenever it is something else."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, progress: Progress) -> None:
        if progress.message != self._said and not (
            progress.message.startswith("Unpacking,") and self._said.startswith("Unpacking,")
        ):
            self._said = progress.message
            _say(f"{100 * progress.fraction:3.0f} %  {progress}")


def _print_found(place: Place, marker: Marker) -> None:
    print(place.folder)
    if marker.found is not None:
        print("\n".join(found_in_words(marker.found)))


def _misused(sentence: str) -> int:
    _say(sentence)
    return MISUSED


def _say(sentence: str) -> None:
    print(f"cteg: {sentence}", file=sys.stderr, flush=True)
