"""``.npz`` files (zips of ``.npy`` entries), each entry's size checked before it is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flame_rig.untrusted.arrays import NUMPY_DATA
from flame_rig.untrusted.limits import Limits, UntrustedFileError
from flame_rig.untrusted.npy import npy_header, parse_npy
from flame_rig.untrusted.pickles import parse_pickle
from flame_rig.untrusted.vocabulary import Vocabulary, shown

NPZ_LIMITS: Final = Limits(file_bytes=1 << 30, produced_bytes=1 << 30, opcodes=5_000_000, memo_entries=1_000_000)
_MOST_ENTRIES: Final = 10_000
_SUFFIX: Final = ".npy"

ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, LookupError, EOFError, OverflowError,
    RuntimeError, OSError,
)  # fmt: skip
"""What ``zipfile`` raises on a damaged zip, ``zlib``'s own error apart."""


@dataclass(frozen=True)
class NpzFile:
    """What was taken out of a ``.npz``.

    Attributes:
        names: every array's name, the unread ones too.
        values: the arrays that were asked for; objects where an array of objects was pickled.
    """

    names: frozenset[str]
    values: Mapping[str, object]


def read_npz(
    path: Path,
    wanted: Collection[str],
    vocabulary: Vocabulary = NUMPY_DATA,
    limits: Limits = NPZ_LIMITS,
) -> NpzFile:
    """Return the wanted arrays of a ``.npz``; those that are not there are left out.

    An array of objects is a pickle inside the zip, and runs on the same machine as any other
    (:mod:`~flame_rig.untrusted.machine`). What is wanted may unpack to ``limits.produced_bytes`` in all.

    Raises:
        UntrustedFileError: the zip or an entry is damaged, larger than it may be, or no array.
        OSError: the file cannot be opened.
    """
    if path.stat().st_size > limits.file_bytes:
        raise UntrustedFileError(f"{path} was refused: it is larger than {limits.file_bytes} bytes.")
    with path.open("rb") as file:
        try:
            archive = zipfile.ZipFile(file)
            entries = archive.infolist()
        except ZIP_ERRORS as error:
            raise UntrustedFileError(f"{path} was refused: its zip is damaged or cut off.") from error
        if len(entries) > _MOST_ENTRIES or len({entry.filename for entry in entries}) != len(entries):
            raise UntrustedFileError(f"{path} was refused: its zip has too many entries, or two of one name.")
        by_name = {entry.filename.removesuffix(_SUFFIX): entry for entry in entries}
        chosen = {name: by_name[name] for name in wanted if name in by_name}
        if sum(entry.file_size for entry in chosen.values()) > limits.produced_bytes:
            raise UntrustedFileError(
                f"{path} was refused: its arrays unpack to more than {limits.produced_bytes} bytes."
            )
        values = {
            name: _value(_unpacked(archive, entry, path), f"{shown(name)} in {path}", vocabulary, limits)
            for name, entry in chosen.items()
        }
    return NpzFile(frozenset(by_name), values)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        with archive.open(entry) as stream:
            # one byte more than the directory claims, so that a longer entry shows without being unpacked
            data = stream.read(entry.file_size + 1)
    except Exception as error:  # zlib.error is no subclass of anything that zipfile documents
        raise UntrustedFileError(f"{path} was refused: its entry {shown(entry.filename)} is damaged.") from error
    if len(data) != entry.file_size:
        raise UntrustedFileError(f"{path} was refused: its entry {shown(entry.filename)} is not as long as it claims.")
    return data


def _value(data: bytes, source: str, vocabulary: Vocabulary, limits: Limits) -> Any:
    _, _, dtype, start = npy_header(data, source)
    if dtype.hasobject:
        return parse_pickle(data[start:], source, vocabulary, limits)
    return parse_npy(data, source)
