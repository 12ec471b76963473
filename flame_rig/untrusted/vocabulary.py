"""The names that a pickle may use, and what each does here: plain functions over plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from flame_rig.untrusted.limits import Meter, RefusalError
from flame_rig.untrusted.stand_ins import GlobalName, StandIn

Constructor = Callable[[tuple[object, ...], Meter], object]
"""Makes a value from a call's arguments; charges what it copies; raises RefusalError."""

_SCALARS: Final = (str, bytes, int, float, complex, type(None), GlobalName, StandIn, np.generic)
_KEY_DEPTH: Final = 4
_REFERENCE_BYTES: Final = 16


@dataclass(frozen=True)
class Vocabulary:
    """What one kind of file may name.

    Attributes:
        kind: the kind of file, for messages: ``a PyTorch checkpoint``.
        constructors: path of a name to what a call of it does here.
        names: paths that may be mentioned and not called.
        stand_ins: paths, or packages of them, whose calls become stand-ins.
    """

    kind: str
    constructors: Mapping[str, Constructor]
    names: frozenset[str] = frozenset()
    stand_ins: tuple[str, ...] = field(default=())

    def allows_stand_in(self, path: str) -> bool:
        """Return whether calls of ``path`` become stand-ins."""
        return any(path == allowed or path.startswith(allowed + ".") for allowed in self.stand_ins)

    def checked(self, name: GlobalName) -> GlobalName:
        """Return ``name`` if this kind of file may mention it; raises RefusalError otherwise."""
        path = name.path
        if path in self.constructors or path in self.names or self.allows_stand_in(path):
            return name
        raise RefusalError(f"it names {shown(path)}, which {self.kind} has no need of")

    def called(self, target: object, arguments: object, keywords: object, meter: Meter) -> object:
        """Return what a call in the pickle makes: a constructor's value or a stand-in; raises RefusalError."""
        if not isinstance(target, GlobalName):
            raise RefusalError(f"it calls {a_kind_of(target)} as if that were a function")
        if not isinstance(arguments, tuple) or not isinstance(keywords, dict):
            raise RefusalError(f"it calls {shown(target.path)} with something that is not a list of arguments")
        constructor = self.constructors.get(target.path)
        if constructor is not None and not keywords:
            return constructor(arguments, meter)
        if not self.allows_stand_in(target.path):
            raise RefusalError(f"it calls {shown(target.path)}, which {self.kind} has no need of")
        return StandIn(target, arguments, {str(key): value for key, value in keywords.items()})


def shown(text: str) -> str:
    """Return a name from a file as it may stand in a message: short and printable."""
    text = text if len(text) <= 80 else text[:77] + "..."
    return text if text.isprintable() else ascii(text)


def a_kind_of(value: object) -> str:
    """Return what a value is, for messages."""
    return f"a stand-in for {shown(value.kind.path)}" if isinstance(value, StandIn) else f"a {type(value).__name__}"


def as_key(value: object, depth: int = _KEY_DEPTH) -> object:
    """Return ``value`` if it may be hashed; raises RefusalError (hashing a deep tuple overflows the C stack)."""
    if isinstance(value, tuple) and depth > 0:
        for item in value:
            as_key(item, depth - 1)
        return value
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, frozenset):  # its items were checked when it was made
        return value
    raise RefusalError(f"it uses {a_kind_of(value)} as a key")


def _items(arguments: tuple[object, ...], meter: Meter) -> list[object]:
    """The items of the one list, tuple or set that a container is made from."""
    if not arguments:
        return []
    source = arguments[0]
    if len(arguments) > 1 or not isinstance(source, (list, tuple, set, frozenset)):
        raise RefusalError("it makes a container from something that is not a list")
    meter.charge(len(source) * _REFERENCE_BYTES)
    return list(source)


def _set(arguments: tuple[object, ...], meter: Meter) -> object:
    return {as_key(item) for item in _items(arguments, meter)}


def _frozenset(arguments: tuple[object, ...], meter: Meter) -> object:
    return frozenset(as_key(item) for item in _items(arguments, meter))


def _list(arguments: tuple[object, ...], meter: Meter) -> object:
    return _items(arguments, meter)


class Mapped(dict[object, object]):
    """A dictionary of a class of its own (``OrderedDict``); attributes set on it (torch's ``_metadata``) get lost."""


def _dictionary(arguments: tuple[object, ...], meter: Meter) -> object:
    result = Mapped()
    for pair in _items(arguments, meter):  # Python 2 wrote an OrderedDict as a list of pairs
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise RefusalError("it makes a dictionary from something that is not pairs")
        result[as_key(pair[0])] = pair[1]
    return result


def _complex(arguments: tuple[object, ...], meter: Meter) -> object:
    match arguments:
        case (int() | float() as real, int() | float() as imaginary):
            return complex(real, imaginary)
    raise RefusalError("it makes a complex number from something that is not two numbers")


def _encoded(arguments: tuple[object, ...], meter: Meter) -> object:
    """``_codecs.encode``: how protocols 0 to 2 write bytes."""
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            meter.charge(len(text))
            return text.encode("latin-1")
    raise RefusalError("it encodes text in a way that pickles do not use for bytes")


def _bytearray(arguments: tuple[object, ...], meter: Meter) -> object:
    match arguments:
        case ():
            return bytearray()
        case (bytes() as data,):
            meter.charge(len(data))
            return bytearray(data)
        case (str() as text, "latin1" | "latin-1"):
            meter.charge(len(text))
            return bytearray(text.encode("latin-1"))
    raise RefusalError("it makes a bytearray from something that is not bytes")


def _bytes(arguments: tuple[object, ...], meter: Meter) -> object:
    if arguments:
        raise RefusalError("it makes bytes in a way that pickles do not use")
    return b""


PYTHON_CONSTRUCTORS: Final[Mapping[str, Constructor]] = {
    "builtins.set": _set,
    "builtins.frozenset": _frozenset,
    "builtins.list": _list,
    "builtins.dict": _dictionary,
    "builtins.complex": _complex,
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _bytes,
    "collections.OrderedDict": _dictionary,
    "_codecs.encode": _encoded,
}
"""The containers and literals of Python itself."""
