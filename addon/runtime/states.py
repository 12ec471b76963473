"""The states of an environment, read off the disk alone: they survive whatever ends the program.

::

    not installed ──▶ installing ──▶ ready ──▶ update (the add-on is newer) ──▶ installing
                          │            │
                          └──▶ broken ◀┘ (cut off, or damaged) ──▶ installing (repair)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from . import locks, marker
from .errors import SetupError
from .marker import UNFINISHED, Marker
from .place import Place
from .recipe import Recipe

STEPS: Final = ("venv", "packages", "encoder", "wheel")
"""What is put in place, in this order."""


class State(Enum):
    """Where an environment is, in words for the user."""

    NOT_INSTALLED = "Not set up"
    INSTALLING = "Being set up"
    READY = "Ready"
    BROKEN = "Broken"
    UPDATE = "Update needed"


@dataclass(frozen=True)
class Status:
    """What is known of an environment without running anything.

    Attributes:
        state: where it is.
        sentence: what that means and what to do.
        place: where it lies.
        marker: what its marker says; None where it has none that can be read.
        is_writable: whether this user may change it; one that a studio shares is not.
    """

    state: State
    sentence: str
    place: Place
    marker: Marker | None = None
    is_writable: bool = True


def keys_of(recipe: Recipe, build: str) -> dict[str, str]:
    """Return what the marker's steps say when everything is in place."""
    packages = f"{recipe.packages_key}-{build}" if build else recipe.packages_key
    return {"venv": "1", "packages": packages, "encoder": recipe.encoder.key, "wheel": recipe.version}


def status_of(place: Place, recipe: Recipe | None) -> Status:
    """Read the state of an environment.

    Args:
        place: where it lies, or is to lie.
        recipe: what it must be made of; None where the add-on carries no wheel to compare it with.
    """
    try:
        found = marker.read(place)
    except SetupError as error:
        return Status(State.BROKEN, str(error), place, is_writable=False)
    if locks.is_held(place):
        return Status(State.INSTALLING, f"A set-up is at work in {place.folder}.", place, found)
    if found is None:
        return Status(State.NOT_INSTALLED, f"It will be made in {place.folder}.", place)
    is_writable = os.access(place.folder, os.W_OK) and os.access(place.marker, os.W_OK)
    state, sentence = _judge(place, found, recipe)
    if state in (State.BROKEN, State.UPDATE) and not is_writable:
        sentence += f" It is shared, and you may not change {place.folder}: ask who set it up."
    return Status(state, sentence, place, found, is_writable)


def sidecar_command(place: Place, found: Marker) -> list[str]:
    """Return the command that starts the sidecar of an environment, isolated from the user's own packages."""
    device = [] if found.device == "auto" else ["--device", found.device]
    return [str(place.python), "-I", "-m", "cteg_core", "serve", *device]


def _judge(place: Place, found: Marker, recipe: Recipe | None) -> tuple[State, str]:
    if found.problem:
        return State.BROKEN, found.problem
    missing = [step for step in STEPS if found.steps.get(step, UNFINISHED) == UNFINISHED]
    if missing or found.found is None:
        return State.BROKEN, "The set-up was cut off before it was done."
    if not place.python.exists():
        gone = place.python if not os.path.lexists(place.python) else Path(found.base)
        return State.BROKEN, f"A part of it is gone: {gone}."
    if found.base and not Path(found.base).exists():
        return State.BROKEN, f"The Python that it was made with is gone: {found.base}."
    if recipe is not None:
        wanted = keys_of(recipe, found.build)
        if any(found.steps[step] != wanted[step] for step in STEPS):
            return State.UPDATE, _what_changed(found, wanted)
    return State.READY, "The network can run."


def _what_changed(found: Marker, wanted: dict[str, str]) -> str:
    if found.steps["packages"] != wanted["packages"] or found.steps["encoder"] != wanted["encoder"]:
        return "This version of CTEG needs other packages than it holds."
    return f"It holds CTEG {found.steps['wheel']}, and this is {wanted['wheel']}."
