"""Takes a model's arrays out of ``.pkl`` and ``.npz`` files, whoever wrapped them (chumpy, scipy) left out."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_file.sentences import CHECKPOINT, FlameFileError, refusal, told_by_first_bytes, told_by_names
from flame_rig.untrusted.arrays import NUMPY_DATA
from flame_rig.untrusted.limits import Limits, UntrustedFileError
from flame_rig.untrusted.npz import ZIP_ERRORS, read_npz
from flame_rig.untrusted.pickles import read_pickle
from flame_rig.untrusted.stand_ins import StandIn

FLAME_DATA: Final = replace(NUMPY_DATA, kind="a FLAME model", stand_ins=("chumpy", "scipy.sparse"))
"""Arrays, and stand-ins for the two packages that wrap them in the files of 2019 to 2023."""
FLAME_LIMITS: Final = Limits(
    file_bytes=256 << 20, produced_bytes=256 << 20, opcodes=2_000_000, memo_entries=500_000, depth=60
)
"""A FLAME file has 53 MB."""
_LONGEST_MARK: Final = 512
_MOST_WRAPPINGS: Final = 8
_ZIP: Final = b"PK\x03\x04"

Array = NDArray[Any]


@dataclass(frozen=True)
class RawModel:
    """What a file holds, unwrapped but not yet checked against the layout.

    Attributes:
        names: the names of everything in the file.
        values: arrays, and other values, of the wanted names that are there.
    """

    names: frozenset[str]
    values: Mapping[str, object]


def read_raw(path: Path, wanted: Collection[str]) -> RawModel:
    """Return what ``path`` holds under the wanted names.

    Raises:
        FlameFileError: it is another kind of file, damaged, too large, or names what a model has no need of.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_LONGEST_MARK)
    told = told_by_first_bytes(head)
    if told is not None:
        raise refusal(path, *told)
    size = path.stat().st_size
    if size > FLAME_LIMITS.file_bytes:
        raise refusal(path, f"it has {size >> 20} MiB where a FLAME model has about 51 (SMPL-X has some 500)")
    try:
        raw = _from_zip(path, wanted) if head.startswith(_ZIP) else _from_pickle(path, wanted, head)
    except UntrustedFileError as error:
        # the same sentence, with what to do about it
        raise FlameFileError(f"{str(error).rstrip('.')}; download it again from FLAME's own site.") from error
    told_otherwise = told_by_names(raw.names)
    if told_otherwise is not None and "v_template" not in raw.names:
        raise refusal(path, told_otherwise)
    return raw


def _from_zip(path: Path, wanted: Collection[str]) -> RawModel:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_ERRORS as error:
        raise refusal(path, "its zip is damaged or cut off", "download it again") from error
    if any(name.endswith("/data.pkl") for name in names):
        raise refusal(path, *CHECKPOINT)
    models = [name for name in names if name.lower().endswith((".pkl", ".npz"))]
    if models:
        raise refusal(path, "it is a zip that holds files", f"unpack it and choose {models[0]!r}")
    if not any(name.endswith(".npy") for name in names):
        raise refusal(path, "it is a zip without arrays")
    found = read_npz(path, wanted, FLAME_DATA, FLAME_LIMITS)
    return RawModel(found.names, found.values)


def _from_pickle(path: Path, wanted: Collection[str], head: bytes) -> RawModel:
    if not _may_be_pickle(head):
        raise refusal(path, "it is neither a pickle nor an .npz")
    value = read_pickle(path, FLAME_DATA, FLAME_LIMITS)
    if not isinstance(value, dict):
        raise refusal(path, f"it holds a {type(value).__name__} and no model")
    names = frozenset(key for key in value if isinstance(key, str))
    return RawModel(names, {name: value[name] for name in wanted if name in names})


def _may_be_pickle(head: bytes) -> bool:
    """Whether the first opcodes are a pickle's; the head may cut the last one."""
    if head[:1] == b"\x80":
        return True
    try:
        next(iter(pickletools.genops(head)))
    except ValueError:
        return False
    return head[:1] in b"(}]cN"


def unwrapped(value: object, depth: int = _MOST_WRAPPINGS) -> Array:
    """Return the numbers in an array, a chumpy array or a scipy sparse matrix (as a dense array).

    Raises:
        ValueError: the end of a sentence: it is none of these, or its parts disagree.
    """
    if isinstance(value, np.ndarray) and value.dtype.hasobject and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind not in "?biuf":
            raise ValueError(f"has elements of type {array.dtype} instead of numbers")
        return array
    if not isinstance(value, StandIn):
        raise ValueError(f"is a {type(value).__name__} instead of an array")
    if depth == 0:
        raise ValueError(f"is wrapped more than {_MOST_WRAPPINGS} times")
    state = value.state if isinstance(value.state, dict) else {}
    if value.kind.path.startswith("scipy.sparse"):
        return _dense(value.kind.name, state, depth)
    if "x" in state:
        return unwrapped(state["x"], depth - 1)
    if {"a", "idxs", "preferred_shape"} <= state.keys():
        return _selected(state, depth)
    raise ValueError(f"is a {value.kind.path} without numbers")


def _selected(state: Mapping[str, object], depth: int) -> Array:
    """``chumpy.reordering.Select``: some elements of another array, in a shape of their own."""
    source = unwrapped(state["a"], depth - 1).ravel()
    indices = unwrapped(state["idxs"], depth - 1).ravel()
    shape = state["preferred_shape"]
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("selects into a shape that is none")
    if indices.dtype.kind not in "iu" or (indices.size and not 0 <= indices.min() <= indices.max() < len(source)):
        raise ValueError("selects elements that are not there")
    if int(np.prod(shape, dtype=np.float64)) != len(indices):
        raise ValueError("selects into a shape of another size")
    return source[indices].reshape(shape)


_MOST_DENSE_ELEMENTS: Final = 32 << 20


def _dense(kind: str, state: Mapping[Any, object], depth: int) -> Array:
    """Return a sparse matrix in full: csc, csr or coo, as their pickles keep them; entries of one place add up."""
    shape = state.get("_shape", state.get("shape"))
    if (
        not isinstance(shape, tuple)
        or len(shape) != 2
        or not all(isinstance(length, (int, np.integer)) and length >= 0 for length in shape)
        or int(shape[0]) * int(shape[1]) > _MOST_DENSE_ELEMENTS
    ):
        raise ValueError("is a sparse matrix whose shape is none")
    size = (int(shape[0]), int(shape[1]))
    data = unwrapped(state.get("data"), depth - 1).astype(np.float64)
    if kind.startswith("coo"):
        pair = state.get("coords")
        first, second = pair if isinstance(pair, tuple) and len(pair) == 2 else (state.get("row"), state.get("col"))
        rows, columns = (_indices(part, data, limit, depth) for part, limit in zip((first, second), size, strict=True))
    elif kind.startswith(("csc", "csr")):
        by_column = kind.startswith("csc")
        minor, major = size if by_column else size[::-1]
        starts = unwrapped(state.get("indptr"), depth - 1).astype(np.int64)
        counts = np.diff(starts)
        if starts.shape != (major + 1,) or starts[0] != 0 or starts[-1] != len(data) or counts.min(initial=0) < 0:
            raise ValueError("is a sparse matrix whose parts disagree")
        across = np.repeat(np.arange(major), counts)
        along = _indices(state.get("indices"), data, minor, depth)
        rows, columns = (along, across) if by_column else (across, along)
    else:
        raise ValueError(f"is a sparse matrix of a kind ({kind}) that FLAME does not use")
    dense = np.zeros(size)
    np.add.at(dense, (rows, columns), data)
    return dense


def _indices(value: object, data: Array, limit: int, depth: int) -> NDArray[np.int64]:
    indices = unwrapped(value, depth - 1)
    if indices.dtype.kind not in "iu" or indices.shape != data.shape or data.ndim != 1:
        raise ValueError("is a sparse matrix whose parts disagree")
    if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < limit:
        raise ValueError("is a sparse matrix with entries outside it")
    return indices.astype(np.int64)
