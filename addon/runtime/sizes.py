"""How much will be fetched, and whether the disk has room for it: told before anything is done."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import SetupError

_MEGA: Final = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """Bytes, about.

    Attributes:
        download: what is fetched.
        installed: what lies on the disk in the end.
        least_download: what is fetched where the index has a build of torch for processors alone, if that is less.
    """

    download: int
    installed: int
    least_download: int = 0

    @property
    def needed(self) -> int:
        """What the disk must have room for meanwhile: packages are there packed and unpacked at once."""
        return self.download + self.installed

    def __str__(self) -> str:
        if self.least_download:
            return (
                f"{in_words(self.least_download)} to fetch where pip's index has a torch for processors alone, else "
                f"{in_words(self.download)}; up to {in_words(self.installed)} on disk"
            )
        if not self.download:
            return f"Nothing to fetch; {in_words(self.installed)} on disk"
        return f"{in_words(self.download)} to fetch; {in_words(self.installed)} on disk"


_OTHERS: Final = (60 * _MEGA, 300 * _MEGA)
"""Bytes to fetch and on disk of everything but torch and the encoder: transformers, tokenizers, numpy and theirs."""
_ENCODER: Final = (85 * _MEGA, 92 * _MEGA)

_TORCH: Final[dict[tuple[str, str], tuple[int, int]]] = {
    ("Linux", "cuda"): (3_200 * _MEGA, 7_000 * _MEGA),
    ("Linux", "cpu"): (200 * _MEGA, 800 * _MEGA),
    ("Windows", "cuda"): (2_800 * _MEGA, 5_000 * _MEGA),
    ("Windows", "cpu"): (120 * _MEGA, 550 * _MEGA),
    ("Darwin", "cpu"): (90 * _MEGA, 400 * _MEGA),
}
"""Bytes of torch and the libraries it asks for, by system and build: to fetch, and on disk."""


def estimate(build: str = "", wheels: Path | None = None) -> Sizes:
    """Return about how much a set-up from nothing takes on this machine.

    Args:
        build: the build of torch that is asked for, ``cpu`` or ``cuda``; empty for whatever pip takes.
        wheels: a folder that everything is taken from: nothing is fetched then.
    """
    system = platform.system() if platform.system() in ("Windows", "Darwin") else "Linux"
    # Plain pip takes the CUDA build on Linux, save on the machines that have none, and the small one elsewhere.
    is_large = system == "Linux" and platform.machine().lower() in ("x86_64", "amd64")
    taken = build or ("cuda" if is_large else "cpu")
    torch = _TORCH.get((system, taken), _TORCH[system, "cpu"])
    if wheels is not None:
        has_cuda = any(wheels.glob("nvidia_*.whl"))
        torch = _TORCH[system, "cuda" if has_cuda and system != "Darwin" else "cpu"]
        return Sizes(0, torch[1] + _OTHERS[1] + _ENCODER[1])
    small = _TORCH[system, "cpu"][0] + _OTHERS[0] + _ENCODER[0]
    return Sizes(
        torch[0] + _OTHERS[0] + _ENCODER[0],
        torch[1] + _OTHERS[1] + _ENCODER[1],
        small if not build and is_large else 0,
    )


def check_room(folder: Path, sizes: Sizes) -> None:
    """Raise SetupError where the disk of a folder, which need not exist, has no room.

    Where the small build of torch may come, only that is asked for: the large one tells itself that the disk is full.
    """
    standing = next(each for each in (folder, *folder.parents) if each.is_dir())
    free = shutil.disk_usage(standing).free
    needed = sizes.needed if not sizes.least_download else sizes.least_download + _TORCH["Linux", "cpu"][1]
    if free < needed:
        raise SetupError(
            f"{in_words(free)} are free on the disk of {folder}, and about {in_words(needed)} are needed: "
            "free some, or choose a folder on another disk."
        )


def in_words(count: int) -> str:
    """Return a count of bytes for people.

    >>> in_words(190_000_000), in_words(3_300_000_000)
    ('190 MB', '3.3 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count / _MEGA:.0f} MB"


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; 0 where there is none. Files may come and go meanwhile."""
    total = 0
    pending = [folder]
    while pending:
        try:
            for entry in pending.pop().iterdir():
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    pending.append(entry)
                else:
                    total += entry.stat().st_size
        except OSError:
            continue
    return total
