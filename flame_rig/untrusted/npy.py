"""``.npy`` files, with the size that the header claims checked before anything is allocated."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.untrusted.limits import UntrustedFileError, read_bounded

_NEWEST_VERSION: Final = (2, 0)


def read_npy(path: Path, most_bytes: int = 1 << 30) -> NDArray[Any]:
    """Return the array of numbers in a ``.npy`` file.

    Raises UntrustedFileError for arrays of objects or records, and when header and length disagree; OSError when the
    file cannot be read.
    """
    return parse_npy(read_bounded(path, most_bytes), str(path))


def parse_npy(data: bytes, source: str) -> NDArray[Any]:
    """Return the array in the bytes of a ``.npy`` file; ``source`` names it in the message of UntrustedFileError."""
    shape, fortran, dtype, start = npy_header(data, source)
    if dtype.hasobject or dtype.kind not in "?biufc" or dtype.subdtype is not None:
        raise UntrustedFileError(f"{source} was refused: it does not hold plain numbers.")
    content = data[start:]
    if math.prod(shape) * dtype.itemsize != len(content) or any(length < 0 for length in shape):
        raise UntrustedFileError(f"{source} was refused: its header claims shape {shape}, its length says otherwise.")
    array = np.frombuffer(bytearray(content), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def npy_header(data: bytes, source: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, Fortran order, type and where the content starts; raises UntrustedFileError."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version > _NEWEST_VERSION:
            raise ValueError(f"version {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
    except Exception as error:  # numpy's parser lets those of `ast` and `tokenize` through
        raise UntrustedFileError(f"{source} was refused: it is not a .npy file that holds numbers.") from error
    return shape, fortran, dtype, file.tell()
