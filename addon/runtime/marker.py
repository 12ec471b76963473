"""The marker: a small file that says whose an environment's folder is, and how far it is.

It is written anew, whole, before and after every step, so that whatever happens meanwhile (a kill, a power cut) is
told by what it says.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .errors import SetupError
from .place import Place

KIND: Final = "cteg-runtime"
FORMAT: Final = 1
UNFINISHED: Final = "unfinished"
"""Stands for a step that was begun."""


@dataclass(frozen=True)
class Found:
    """What the check found in an environment.

    Attributes:
        python: version of the interpreter.
        packages: version by name of torch, transformers, safetensors, numpy and cteg.
        devices: what torch can compute on, ``kind`` to a name for people; always a ``cpu``.
    """

    python: str
    packages: Mapping[str, str]
    devices: Mapping[str, str]


@dataclass(frozen=True)
class Marker:
    """What the marker says.

    Attributes:
        identity: tells this environment from every other.
        made_folder: whether the set-up made the folder itself, and may so take it away.
        base: the Python it was made with.
        minor: that Python's version, such as ``3.11``.
        device: what the sidecar is started for: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        build: which build of torch was asked for, ``cpu`` or ``cuda``; empty for whatever pip takes.
        steps: the key of each step that is in place, or ``UNFINISHED``.
        found: what the last check found; None before it.
        problem: why the last set-up did not end well, in a sentence.
    """

    identity: str
    made_folder: bool
    base: str = ""
    minor: str = ""
    device: str = "auto"
    build: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    found: Found | None = None
    problem: str = ""


def new(made_folder: bool) -> Marker:
    """Return the marker of an environment that is about to be made."""
    return Marker(uuid.uuid4().hex, made_folder)


def read(place: Place) -> Marker | None:
    """Return what the marker says; None where there is none.

    Raises:
        SetupError: there is one that cannot be read, so that nothing is known of the folder.
    """
    try:
        text = place.marker.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{place.marker} cannot be read ({error}).") from None
    try:
        record = json.loads(text)
        if record["kind"] != KIND:
            raise ValueError(record["kind"])
        return _from_record(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetupError(
            f"{place.marker} is damaged, so nothing tells what in that folder is whose: "
            "remove the folder by hand, or choose another."
        ) from None


def write(place: Place, marker: Marker) -> None:
    """Put a marker in the place of the one before; raises OSError."""
    fresh = place.marker.with_name(place.marker.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"kind": KIND, "format": FORMAT} | asdict(marker), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(place.marker)


def _from_record(record: Mapping[str, Any]) -> Marker:
    found = record.get("found")
    return Marker(
        str(record["identity"]),
        bool(record["made_folder"]),
        str(record.get("base", "")),
        str(record.get("minor", "")),
        str(record.get("device", "auto")),
        str(record.get("build", "")),
        {str(name): str(key) for name, key in record.get("steps", {}).items()},
        None if found is None else Found(str(found["python"]), dict(found["packages"]), dict(found["devices"])),
        str(record.get("problem", "")),
    )
