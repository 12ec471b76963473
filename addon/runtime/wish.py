"""What the user chose about an environment, and what it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import builds, sizes
from .sizes import Sizes


@dataclass(frozen=True)
class Wish:
    """What the user chose.

    Attributes:
        device: what to compute on: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        wheels: a folder of wheels to take everything from, with no network; None asks pip's index.
        python: the Python to make it with; None lets one be found.
    """

    device: str = "auto"
    wheels: Path | None = None
    python: Path | None = None

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "device": self.device,
            "wheels": None if self.wheels is None else str(self.wheels),
            "python": None if self.python is None else str(self.python),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Wish:
        """Read what :meth:`to_record` made."""
        wheels, python = record["wheels"], record["python"]
        return cls(
            str(record["device"]), None if wheels is None else Path(wheels), None if python is None else Path(python)
        )


def needed_for(wish: Wish) -> Sizes:
    """Return about how much a set-up from nothing fetches and takes."""
    return sizes.estimate(builds.wanted_build(wish.device, wish.wheels), wish.wheels)
