"""How much a file from a stranger may ask for, and the error that refuses it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class UntrustedFileError(ValueError):
    """A file was refused; the message is one sentence that names the file and the reason."""


class RefusalError(Exception):
    """Why a file is refused, as the end of a sentence; becomes UntrustedFileError where the file is known."""


@dataclass(frozen=True)
class Limits:
    """What reading one file may use.

    Attributes:
        file_bytes: size of the file.
        produced_bytes: what constructors may copy out of the file: a file may name one string a million times.
        opcodes, memo_entries: length of the pickle's program and of its memory.
        depth: how deep marks and the finished value may nest.
    """

    file_bytes: int = 4 << 30
    produced_bytes: int = 4 << 30
    opcodes: int = 100_000_000
    memo_entries: int = 20_000_000
    depth: int = 200


class Meter:
    """Counts the bytes that constructors produce."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def charge(self, count: int) -> None:
        """Count ``count`` more bytes; raises RefusalError when the limit is passed."""
        self._left -= count
        if self._left < 0:
            raise RefusalError("it asks for more memory than a file of its kind needs")


def read_bounded(path: Path, limit: int) -> bytes:
    """Return a file's bytes; raises UntrustedFileError when it has more than ``limit``, OSError as reading does."""
    with path.open("rb") as file:
        data = file.read(limit + 1) if path.stat().st_size <= limit else b""
        if len(data) > limit or path.stat().st_size > limit:
            raise UntrustedFileError(f"{path} was refused: it is larger than {limit} bytes.")
    return data
