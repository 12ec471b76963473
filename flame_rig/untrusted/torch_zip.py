"""PyTorch checkpoints (``torch.save`` since 1.6: a zip of one pickle and its storages), read without torch.

The pickle runs on :class:`~flame_rig.untrusted.machine.Machine`; a tensor stays in the file until it is read, and is
numpy's then. The zip is torch's own kind or refused: every entry stored without compression inside one folder, so
that nothing can be larger than the file itself.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from flame_rig.untrusted.arrays import NUMPY_CONSTRUCTORS, NUMPY_DATA, checked_shape
from flame_rig.untrusted.limits import Limits, Meter, RefusalError, UntrustedFileError
from flame_rig.untrusted.machine import Machine
from flame_rig.untrusted.stand_ins import GlobalName
from flame_rig.untrusted.vocabulary import Constructor, Vocabulary, shown

CHECKPOINT_LIMITS: Final = Limits(
    file_bytes=16 << 30, produced_bytes=64 << 20, opcodes=5_000_000, memo_entries=2_000_000
)
_MOST_PICKLE_BYTES: Final = 64 << 20
_MOST_DIRECTORY_BYTES: Final = 16 << 20
_MOST_ENTRIES: Final = 50_000
_NAME_PART: Final = re.compile(r"[A-Za-z0-9_.+-]{1,200}")
_STORAGE_KEY: Final = re.compile(r"[0-9]{1,12}")

BFLOAT16: Final = "bfloat16"
STORAGE_TYPES: Final[Mapping[str, str]] = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
"""Element types by the storage's class; numpy has no bfloat16, so those are read as float32."""


@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers in the zip: the entry's size was checked against ``count`` elements of ``element``."""

    archive: TorchCheckpoint
    key: str
    element: str
    count: int


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that is still in the file.

    Attributes:
        storage: where its numbers are.
        offset, shape, strides: its part of the storage, in elements; checked to lie inside.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def same_numbers(self, other: StoredTensor) -> bool:
        """Return whether both are the same part of the same storage."""
        ours = (self.storage.archive, self.storage.key, self.offset, self.shape, self.strides)
        return ours == (other.storage.archive, other.storage.key, other.offset, other.shape, other.strides)

    @property
    def is_floating(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.storage.element in ("f8", "f4", "f2", BFLOAT16)

    def read(self) -> NDArray[Any]:
        """Return the numbers in an array of their own; raises UntrustedFileError if the entry is damaged."""
        flat = self.storage.archive.read_storage(self.storage)
        step = flat.itemsize
        view = np.lib.stride_tricks.as_strided(
            flat[self.offset :], self.shape, [stride * step for stride in self.strides], writeable=False
        )
        return np.array(view)


def _tensor(arguments: tuple[object, ...], meter: Meter) -> object:
    """``_rebuild_tensor_v2``: storage, offset, shape, strides; what gradients need is left out."""
    match arguments:
        case (Storage() as storage, int() as offset, shape, strides, *_):
            pass
        case _:
            raise RefusalError("it makes a tensor in a way that torch does not use")
    shape, strides = checked_shape(shape), checked_shape(strides)
    if len(shape) != len(strides) or type(offset) is not int or offset < 0:
        raise RefusalError("it gives a tensor strides that do not fit its shape")
    count = math.prod(shape)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if count and (last >= storage.count or count > storage.count):
        raise RefusalError(f"it has a tensor of shape {list(shape)} that reaches beyond its {storage.count} numbers")
    return StoredTensor(storage, offset if count else 0, shape, strides)


def _parameter(arguments: tuple[object, ...], meter: Meter) -> object:
    match arguments:
        case (StoredTensor() as tensor, *_):
            return tensor
    raise RefusalError("it makes a parameter of something that is not a tensor")


def _tensor_of_class(arguments: tuple[object, ...], meter: Meter) -> object:
    """``_rebuild_from_type_v2``: a tensor with attributes of its own, which are left out."""
    match arguments:
        case (GlobalName() as function, GlobalName() as kind, tuple() as inner, *_) if (
            function.path in _PLAIN_TENSORS and kind.path in ("torch.Tensor", "torch.nn.parameter.Parameter")
        ):
            return _PLAIN_TENSORS[function.path](inner, meter)
    raise RefusalError("it makes a tensor in a way that torch does not use")


_PLAIN_TENSORS: Final[Mapping[str, Constructor]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}

TORCH_DATA: Final = Vocabulary(
    kind="a PyTorch checkpoint",
    constructors={**NUMPY_CONSTRUCTORS, **_PLAIN_TENSORS, "torch._tensor._rebuild_from_type_v2": _tensor_of_class},
    names=NUMPY_DATA.names | STORAGE_TYPES.keys() | {"torch.Tensor", "torch.nn.parameter.Parameter"},
)
"""Tensors, numpy's arrays and Python's containers, and nothing else."""


def with_stand_ins(*packages: str) -> Vocabulary:
    """Return ``TORCH_DATA`` that lets calls of the given names or packages pass as stand-ins."""
    return replace(TORCH_DATA, stand_ins=packages)


class _CappedFile:
    """A file that refuses to read more at once than ``cap``: zipfile reads a directory as long as its file claims."""

    def __init__(self, file: BinaryIO, cap: int) -> None:
        self._file = file
        self.cap = cap

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self.cap + 1 if count < 0 else min(count, self.cap + 1))
        if len(data) > self.cap:
            raise zipfile.BadZipFile("a part of it is larger than it may be")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


_ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, LookupError, EOFError, OverflowError,
    RuntimeError,
)  # fmt: skip


class TorchCheckpoint:
    """An open checkpoint; a context manager. Its tensors can be read while it is open.

    Attributes:
        value: what was saved, with :class:`StoredTensor` where tensors were.
    """

    def __init__(self, path: Path, vocabulary: Vocabulary = TORCH_DATA, limits: Limits = CHECKPOINT_LIMITS) -> None:
        """Open ``path`` and read its pickle.

        Raises:
            UntrustedFileError: the file is no checkpoint of torch 1.6 or newer, is damaged, or names what
                ``vocabulary`` does not hold.
            OSError: the file cannot be read.
        """
        self.path = path
        self._storages: dict[str, Storage] = {}
        self._file = path.open("rb")
        try:
            self._zip, self._root = self._open(limits)
            self._big_endian = self._byte_order() == "big"
            program = self._read_entry(f"{self._root}/data.pkl", _MOST_PICKLE_BYTES)
            self.value: object = Machine(vocabulary, limits, self._storage).run(program)
        except RefusalError as refusal:
            self._file.close()
            raise UntrustedFileError(f"{path} was refused: {refusal}.") from refusal
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TorchCheckpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_storage(self, storage: Storage) -> NDArray[Any]:
        """Return a storage's numbers ``[count]``; raises UntrustedFileError if the entry is damaged."""
        try:
            raw = self._read_entry(f"{self._root}/data/{storage.key}", None)
        except RefusalError as refusal:
            raise UntrustedFileError(f"{self.path} was refused: {refusal}.") from refusal
        order = ">" if self._big_endian else "<"
        if storage.element == BFLOAT16:
            return (np.frombuffer(raw, order + "u2").astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(raw, order + storage.element)

    def _open(self, limits: Limits) -> tuple[zipfile.ZipFile, str]:
        size = self.path.stat().st_size
        if size > limits.file_bytes:
            raise RefusalError(f"it is larger than {limits.file_bytes} bytes")
        if self._file.read(4) != b"PK\x03\x04":
            raise RefusalError("it is not a zip as torch.save has written it since torch 1.6")
        capped = _CappedFile(cast(BinaryIO, self._file), _MOST_DIRECTORY_BYTES)
        try:
            archive = zipfile.ZipFile(cast(Any, capped))
        except _ZIP_ERRORS as error:
            raise RefusalError("its zip is damaged or cut off") from error
        entries = archive.infolist()
        if len(entries) > _MOST_ENTRIES:
            raise RefusalError(f"its zip has more than {_MOST_ENTRIES} entries")
        capped.cap = size
        for entry in entries:
            _check_entry(entry)
        if len({entry.filename for entry in entries}) != len(entries):
            raise RefusalError("its zip has two entries of one name")
        if sum(entry.file_size for entry in entries) > size:
            raise RefusalError("its zip claims more bytes than the file has")
        roots = {entry.filename.partition("/")[0] for entry in entries}
        if len(roots) != 1:
            raise RefusalError("its zip has more than one folder at the top")
        return archive, roots.pop()

    def _byte_order(self) -> str:
        if f"{self._root}/byteorder" not in self._zip.NameToInfo:
            return "little"
        order = self._read_entry(f"{self._root}/byteorder", 16)
        if order not in (b"little", b"big"):
            raise RefusalError("its byte order is neither little nor big")
        return order.decode()

    def _read_entry(self, name: str, most: int | None) -> bytes:
        entry = self._zip.NameToInfo.get(name)
        if entry is None:
            raise RefusalError(f"its zip has no entry {shown(name)}")
        if most is not None and entry.file_size > most:
            raise RefusalError(f"its entry {shown(name)} is larger than {most} bytes")
        try:
            data = self._zip.read(entry)
        except (*_ZIP_ERRORS, OSError) as error:
            raise RefusalError(f"its entry {shown(name)} is damaged") from error
        if len(data) != entry.file_size:
            raise RefusalError(f"its entry {shown(name)} is cut off")
        return data

    def _storage(self, identifier: object) -> Storage:
        """A persistent id: ``("storage", class, key, device, element count)``."""
        match identifier:
            case ("storage", GlobalName() as kind, str() as key, str(), int() as count):
                element = STORAGE_TYPES.get(kind.path)
            case _:
                raise RefusalError("it refers to data in a way that torch does not use")
        if element is None:
            raise RefusalError(f"it has numbers of a kind ({shown(kind.path)}) that this reader does not know")
        entry = self._zip.NameToInfo.get(f"{self._root}/data/{key}") if _STORAGE_KEY.fullmatch(key) else None
        if entry is None:
            raise RefusalError(f"it refers to numbers {shown(key)!r} that the file does not hold")
        itemsize = 2 if element == BFLOAT16 else np.dtype(element).itemsize
        if count < 0 or entry.file_size != count * itemsize:
            raise RefusalError(
                f"it claims {count} numbers of {itemsize} bytes in entry {entry.filename}, "
                f"which has {entry.file_size} bytes"
            )
        known = self._storages.setdefault(key, Storage(self, key, element, count))
        if known.element != element:
            raise RefusalError(f"it reads entry {entry.filename} as two kinds of numbers")
        return known


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Raise RefusalError unless an entry is one that torch writes."""
    # orig_filename: zipfile cuts a name at its first NUL and replaces the system's separators.
    name = entry.orig_filename
    parts = name.split("/")
    if len(parts) < 2 or not all(_NAME_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        raise RefusalError(f"its zip has an entry with the name {shown(name)!r}, which torch would not write")
    if entry.flag_bits & 0x1:
        raise RefusalError(f"its entry {name} is encrypted")
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise RefusalError(f"its entry {name} is compressed, which torch does not do")
