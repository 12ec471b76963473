"""How far a set-up is, and what pip's lines tell about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from .sizes import in_words, size_of

_SHARE_OF_FETCHING: Final = 0.7
"""How much of the time of an installation goes into fetching, about."""

_NAME: Final = r"(?P<name>\S+?)(?:-(?:py|cp)\d\S*|\.whl|\.tar\.gz)?"
_FETCH: Final = re.compile(rf"\s*(?:Downloading|Using cached) {_NAME} \((?P<size>[\d.]+) (?P<unit>kB|MB|GB)\)")
_LOCAL: Final = re.compile(rf"\s*Processing (?:.*[/\\])?{_NAME}$")
_COPY: Final = re.compile(r"\s*Installing collected packages: (?P<names>.+)")
_UNITS: Final = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


@dataclass(frozen=True)
class Progress:
    """How far a set-up is.

    Attributes:
        message: what is being done, for the user.
        fraction: share of the whole, 0 to 1.
        fetched, expected: bytes that came so far, and about how many it will be; 0 where nothing is being fetched.
    """

    message: str
    fraction: float
    fetched: int = 0
    expected: int = 0

    def __str__(self) -> str:
        if not self.expected:
            return self.message
        return f"{self.message}: {in_words(self.fetched)} of about {in_words(max(self.fetched, self.expected))}"

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Progress:
        """Read what :meth:`to_record` made."""
        return cls(
            str(record["message"]),
            min(1.0, max(0.0, float(record["fraction"]))),
            int(record["fetched"]),
            int(record["expected"]),
        )


class PipProgress:
    """Follows one run of pip: its lines name what is done, and sizes of files tell how far it is.

    Args:
        downloads: where pip puts what it fetches.
        packages: the environment's folder of packages.
        expected: about how many bytes will be fetched; 0 where nothing will.
    """

    def __init__(self, downloads: Path, packages: Path, expected: int) -> None:
        self._downloads = downloads
        self._packages = packages
        self._expected = expected
        self._announced = 0
        self._doing = "Asking for packages"
        self._before = 0
        self._to_copy = 0

    def line(self, line: str) -> None:
        """Take in a line of pip's."""
        if found := _FETCH.match(line):
            self._doing = f"Fetching {found['name']}"
            self._announced += round(float(found["size"]) * _UNITS[found["unit"]])
        elif found := _COPY.match(line):
            self._to_copy = found["names"].count(",") + 1
            self._before = self._copied()
        elif found := _LOCAL.match(line):
            self._doing = f"Taking {found['name']}"

    def measure(self) -> tuple[str, float, int, int]:
        """Return what is being done, the share of it from 0 to 1, and bytes fetched and expected."""
        if self._to_copy:
            done = min(self._to_copy, max(0, self._copied() - self._before))
            share = _SHARE_OF_FETCHING + (1 - _SHARE_OF_FETCHING) * done / self._to_copy
            return f"Unpacking, {done} of {self._to_copy} packages", share, 0, 0
        expected = max(self._expected, self._announced)
        if not expected:
            return self._doing, 0.0, 0, 0
        fetched = size_of(self._downloads)
        return self._doing, _SHARE_OF_FETCHING * min(1.0, fetched / expected), fetched, expected

    def _copied(self) -> int:
        return sum(1 for _ in self._packages.glob("*.dist-info")) if self._packages.is_dir() else 0
