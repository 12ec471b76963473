"""numpy's arrays in pickles: rebuilt from checked shapes, plain number types and bytes of exactly the right length."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from flame_rig.untrusted.limits import Meter, RefusalError
from flame_rig.untrusted.stand_ins import GlobalName, StandIn
from flame_rig.untrusted.vocabulary import PYTHON_CONSTRUCTORS, Constructor, Vocabulary, shown

_PLAIN_TYPE: Final = re.compile(r"[<>|=]?([?biufcSU][0-9]{0,6}|O8?)")
"""Booleans, numbers, fixed-length text, and references to other values of the pickle: no records, no subclasses."""
_MOST_AXES: Final = 32
_RECONSTRUCTED: Final = "numpy.ndarray"


@dataclass(eq=False)
class ElementType:
    """A number type while its pickle is read: the byte order comes after the code."""

    code: str
    byte_order: str = "="

    def resolved(self) -> np.dtype[Any]:
        """Return numpy's type; raises RefusalError if there is none."""
        code = "O" if self.code.startswith("O") else self.code
        try:
            return np.dtype(code).newbyteorder(self.byte_order)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise RefusalError(f"it names a number type {shown(self.code)} that numpy does not have") from None

    def set_state(self, state: object) -> None:
        """Take over the byte order; raises RefusalError for records and nested types."""
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.byte_order = str(order)
            case _:
                raise RefusalError("it describes a number type that is not plain")


def checked_shape(shape: object) -> tuple[int, ...]:
    """Return ``shape`` if it is one; raises RefusalError."""
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise RefusalError("it gives an array a shape that is none")
    if not all(type(length) is int and 0 <= length < 1 << 48 for length in shape):
        raise RefusalError("it gives an array a shape that is none")
    return shape


def _element_type(arguments: tuple[object, ...], meter: Meter) -> object:
    if not arguments or not isinstance(arguments[0], str) or not _PLAIN_TYPE.fullmatch(arguments[0]):
        named = shown(str(arguments[0])) if arguments and isinstance(arguments[0], str) else "without a name"
        raise RefusalError(f"it has an array of a number type ({named}) that is not plain")
    return ElementType(arguments[0])


def _empty_array(arguments: tuple[object, ...], meter: Meter) -> object:
    """``_reconstruct``: an empty array, filled by :func:`set_array_state`."""
    match arguments:
        case (GlobalName() as name, (0,), b"b" | "b") if name.path == _RECONSTRUCTED:
            return np.ndarray((0,), np.int8)
    raise RefusalError("it has an array of a class that is not numpy's own")


def _raw(data: object) -> bytes | bytearray:
    if isinstance(data, str):  # Python 2's bytes, read as Latin-1
        try:
            return data.encode("latin-1")
        except UnicodeEncodeError:
            raise RefusalError("it has an array whose bytes are text") from None
    if not isinstance(data, (bytes, bytearray)):
        raise RefusalError("it has an array whose bytes are not bytes")
    return data


def _checked_type(element: object, count: int, data_length: int) -> np.dtype[Any]:
    if not isinstance(element, ElementType):
        raise RefusalError("it has an array without a number type")
    dtype = element.resolved()
    expected = count if dtype.hasobject else count * dtype.itemsize
    if expected != data_length:
        raise RefusalError(f"it has an array of {expected} bytes or items by its shape, and {data_length} are there")
    return dtype


def set_array_state(array: NDArray[Any], state: object, meter: Meter) -> None:
    """Fill the empty array of ``_reconstruct``; raises RefusalError unless shape, type and data agree."""
    match state:
        case (int(), shape, element, bool() | int() as fortran, data):
            pass
        case _:
            raise RefusalError("it fills an array in a way that numpy does not use")
    if array.shape != (0,) or array.dtype != np.int8:
        raise RefusalError("it fills an array twice")
    shape = checked_shape(shape)
    count = math.prod(shape)
    content = data if isinstance(data, list) else _raw(data)
    dtype = _checked_type(element, count, len(content))
    if dtype.hasobject != isinstance(content, list):
        raise RefusalError("it fills an array of numbers with references, or the other way round")
    meter.charge(len(content) * (8 if isinstance(content, list) else 1))
    content = content if isinstance(content, list) else bytes(content)
    # Reached only with a list or bytes of the right length, so that numpy's own method has nothing left to trust.
    cast(Any, array).__setstate__((1, shape, dtype, bool(fortran), content))


def _scalar(arguments: tuple[object, ...], meter: Meter) -> object:
    if len(arguments) != 2:
        raise RefusalError("it has a number in a form that numpy does not use")
    raw = _raw(arguments[1])
    dtype = _checked_type(arguments[0], 1, len(raw))
    if dtype.hasobject:
        raise RefusalError("it has a number that is a reference")
    return np.frombuffer(bytes(raw), dtype, 1)[0]


def _from_buffer(arguments: tuple[object, ...], meter: Meter) -> object:
    """``_frombuffer``: how protocol 5 writes arrays."""
    match arguments:
        case (data, element, shape, "C" | "F" as order):
            axes = None
        case (data, element, shape, "K", tuple() as axes):
            order = "C"
        case (data, element, shape, "C" | "F" as order, None):
            axes = None
        case _:
            raise RefusalError("it has an array in a form that numpy does not use")
    raw, shape = _raw(data), checked_shape(shape)
    dtype = _checked_type(element, math.prod(shape), len(raw))
    if dtype.hasobject:
        raise RefusalError("it has an array of references in the form of numbers")
    if axes is not None and sorted(checked_shape(axes)) != list(range(len(shape))):
        raise RefusalError("it orders an array's axes in a way that is no order")
    meter.charge(len(raw))
    array = np.frombuffer(bytearray(raw), dtype).reshape(shape, order="F" if order == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _new_object(arguments: tuple[object, ...], meter: Meter) -> object:
    """``copyreg._reconstructor``: how protocols 0 and 1 make an object of a class."""
    match arguments:
        case (GlobalName() as kind, GlobalName() as base, None) if base.path == "builtins.object":
            return StandIn(kind)
    raise RefusalError("it makes an object in a way that pickles of data do not use")


NUMPY_CONSTRUCTORS: Final[Mapping[str, Constructor]] = {
    **PYTHON_CONSTRUCTORS,
    "copyreg._reconstructor": _new_object,
    "numpy.dtype": _element_type,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _from_buffer,
}

NUMPY_DATA: Final = Vocabulary(
    kind="a file of arrays",
    constructors=NUMPY_CONSTRUCTORS,
    names=frozenset({"builtins.object", _RECONSTRUCTED}),
)
"""Python's containers and numpy's arrays, and nothing else."""
