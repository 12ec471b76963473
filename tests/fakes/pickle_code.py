"""Writes pickle programs opcode by opcode, and zips as ``torch.save`` makes them, for tests of readers."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

STOP = b"."


def text(value: str) -> bytes:
    """BINUNICODE."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    """BININT."""
    return b"J" + struct.pack("<i", value)


def raw(value: bytes) -> bytes:
    """BINBYTES."""
    return b"B" + struct.pack("<I", len(value)) + value


def named(path: str) -> bytes:
    """GLOBAL."""
    module, _, name = path.rpartition(".")
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def group(*items: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(items) + b"t"


def call(path: str, *arguments: bytes) -> bytes:
    """GLOBAL and REDUCE."""
    return named(path) + group(*arguments) + b"R"


def dictionary(items: Mapping[str, bytes]) -> bytes:
    """A dict with text keys."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def numbers(*values: int) -> bytes:
    """A tuple of whole numbers."""
    return group(*map(number, values))


def storage(kind: str, key: str, count: int) -> bytes:
    """A persistent id of a torch storage."""
    return group(text("storage"), named(f"torch.{kind}Storage"), text(key), text("cpu"), number(count)) + b"Q"


def tensor(kind: str, key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """A torch tensor."""
    return call(
        "torch._utils._rebuild_tensor_v2",
        storage(kind, key, count), number(offset), numbers(*shape), numbers(*strides), b"\x89",
        call("collections.OrderedDict"),
    )  # fmt: skip


def program(code: bytes) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + code + STOP


def write_zip(path: Path, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip of the given entries and return its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def write_checkpoint(path: Path, code: bytes, storages: Mapping[str, bytes], order: str = "little") -> Path:
    """Write what ``torch.save`` would: a pickle and its storages in one folder; return the path."""
    entries = {"archive/data.pkl": program(code), "archive/byteorder": order.encode()}
    entries |= {f"archive/data/{key}": data for key, data in storages.items()}
    return write_zip(path, entries)
