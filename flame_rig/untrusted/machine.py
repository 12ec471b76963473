"""The machine that a pickle's program runs on: a stack, a memory, and no way out.

The opcodes' arguments are cut out of the file by the standard library's ``pickletools``, which is a disassembler and
runs nothing; what each opcode does here is a row of ``_ACTIONS``. An opcode without a row is refused.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from flame_rig.untrusted.arrays import ElementType, set_array_state
from flame_rig.untrusted.limits import Limits, Meter, RefusalError
from flame_rig.untrusted.nesting import check_depth
from flame_rig.untrusted.stand_ins import GlobalName, StandIn
from flame_rig.untrusted.vocabulary import Mapped, Vocabulary, a_kind_of, as_key

PersistentLoader = Callable[[object], object]
"""Turns a persistent id (torch's reference to a storage) into a value; raises RefusalError."""

_NEWEST_PROTOCOL: Final = 5


class Machine:
    """Runs one pickle's program."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits, persistent: PersistentLoader | None = None) -> None:
        self.vocabulary = vocabulary
        self.meter = Meter(limits.produced_bytes)
        self._limits = limits
        self._persistent = persistent
        self._stack: list[object] = []
        self._marked: list[list[object]] = []
        self._memory: dict[int, object] = {}

    def run(self, program: bytes) -> object:
        """Return the pickled value; raises RefusalError."""
        count = position = 0
        try:
            for opcode, argument, place in pickletools.genops(program):
                position = place or 0
                count += 1
                if count > self._limits.opcodes:
                    raise RefusalError(f"its program has more than {self._limits.opcodes} steps")
                action = _ACTIONS.get(opcode.name)
                if action is None:
                    raise RefusalError(_REFUSED.get(opcode.name, f"it uses {opcode.name}, which this reader does not"))
                action(self, argument)
        except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
            raise RefusalError(f"its program is damaged near byte {position} ({type(error).__name__})") from error
        if position + 1 != len(program):
            raise RefusalError(f"{len(program) - position - 1} bytes follow the end of its program")
        value = self.pop()
        if self._stack or self._marked:
            raise RefusalError("its program ends in the middle of something")
        check_depth(value, self._limits.depth)
        return value

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> object:
        """Take the top of the stack."""
        if not self._stack:
            raise RefusalError("its program takes from an empty stack")
        return self._stack.pop()

    def top(self) -> object:
        """Return the top of the stack."""
        if not self._stack:
            raise RefusalError("its program takes from an empty stack")
        return self._stack[-1]

    def mark(self) -> None:
        """Start a new stack on top of this one."""
        if len(self._marked) >= self._limits.depth:
            raise RefusalError(f"it nests more than {self._limits.depth} levels deep")
        self._marked.append(self._stack)
        self._stack = []

    def pop_to_mark(self) -> list[object]:
        """Take everything above the last mark, and the mark."""
        if not self._marked:
            raise RefusalError("its program returns to a mark that was never set")
        above, self._stack = self._stack, self._marked.pop()
        return above

    def remember(self, index: int) -> None:
        """Keep the top of the stack under a number."""
        if len(self._memory) >= self._limits.memo_entries:
            raise RefusalError(f"its program remembers more than {self._limits.memo_entries} values")
        if index < 0:
            raise RefusalError("its program remembers under a number below zero")
        self._memory[index] = self.top()

    def memorise(self) -> None:
        """Keep the top of the stack under the next number."""
        self.remember(len(self._memory))

    def recall(self, index: int) -> None:
        """Push what was kept under a number."""
        if index not in self._memory:
            raise RefusalError("its program recalls what it never remembered")
        self.push(self._memory[index])

    def name(self, module: object, name: object) -> GlobalName:
        """Return a checked name."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise RefusalError("it has a name that is not text")
        return self.vocabulary.checked(GlobalName(module, name))

    def call(self, target: object, arguments: object, keywords: object) -> None:
        """Push what calling ``target`` makes."""
        self.push(self.vocabulary.called(target, arguments, keywords, self.meter))

    def persistent(self, identifier: object) -> None:
        """Push what a persistent id stands for."""
        if self._persistent is None:
            raise RefusalError("it refers to data outside the file")
        self.push(self._persistent(identifier))


def _protocol(machine: Machine, argument: Any) -> None:
    if argument > _NEWEST_PROTOCOL:
        raise RefusalError(f"it is a pickle of protocol {argument}; this reader knows those up to {_NEWEST_PROTOCOL}")


def _ignore(machine: Machine, argument: Any) -> None:
    pass


def _literal(machine: Machine, argument: Any) -> None:
    machine.push(argument)


def _constant(value: object) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.push(value)


def _fresh(make: Callable[[], object]) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.push(make())


def _tuple_of(count: int) -> Callable[[Machine, Any], None]:
    def action(machine: Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(items)))

    return action


def _pop(machine: Machine, _: Any) -> None:
    machine.pop()


def _pop_to_mark(machine: Machine, _: Any) -> None:
    machine.pop_to_mark()


def _extend(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, StandIn):
        target.items.extend(items)
    else:
        raise RefusalError(f"it appends to {a_kind_of(target)}")


def _append(machine: Machine, _: Any) -> None:
    item = machine.pop()
    _extend(machine, [item])


def _store(machine: Machine, flat: list[object]) -> None:
    if len(flat) % 2:
        raise RefusalError("it stores a key without a value")
    target = machine.top()
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if isinstance(target, dict):
        target.update((as_key(key), value) for key, value in pairs)
    elif isinstance(target, StandIn):
        target.pairs.extend(pairs)
    else:
        raise RefusalError(f"it stores items in {a_kind_of(target)}")


def _dictionary(machine: Machine, _: Any) -> None:
    flat = machine.pop_to_mark()
    machine.push({})
    _store(machine, flat)


def _store_one(machine: Machine, _: Any) -> None:
    value = machine.pop()
    _store(machine, [machine.pop(), value])


def _add_items(machine: Machine, _: Any) -> None:
    items = machine.pop_to_mark()
    target = machine.top()
    if not isinstance(target, set):
        raise RefusalError(f"it adds to {a_kind_of(target)} as if that were a set")
    target.update(as_key(item) for item in items)


def _global(machine: Machine, argument: Any) -> None:
    module, _, name = argument.partition(" ")
    machine.push(machine.name(module, name))


def _stack_global(machine: Machine, _: Any) -> None:
    name = machine.pop()
    machine.push(machine.name(machine.pop(), name))


def _reduce(machine: Machine, _: Any) -> None:
    arguments = machine.pop()
    machine.call(machine.pop(), arguments, {})


def _new_object_with_keywords(machine: Machine, _: Any) -> None:
    keywords, arguments = machine.pop(), machine.pop()
    machine.call(machine.pop(), arguments, keywords)


def _instance(machine: Machine, argument: Any) -> None:
    module, _, name = argument.partition(" ")
    arguments = tuple(machine.pop_to_mark())
    machine.call(machine.name(module, name), arguments, {})


def _object(machine: Machine, _: Any) -> None:
    above = machine.pop_to_mark()
    if not above:
        raise RefusalError("it makes an object without a class")
    machine.call(above[0], tuple(above[1:]), {})


def _build(machine: Machine, _: Any) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, StandIn):
        if target.state is not None:
            raise RefusalError(f"it sets the state of {a_kind_of(target)} twice")
        target.state = state
    elif isinstance(target, np.ndarray):
        set_array_state(target, state, machine.meter)
    elif isinstance(target, ElementType):
        target.set_state(state)
    elif not (isinstance(target, Mapped) and isinstance(state, dict)):
        raise RefusalError(f"it sets the state of {a_kind_of(target)}")


_LITERALS: Final = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip

_ACTIONS: Final[Mapping[str, Callable[[Machine, Any], None]]] = {
    **dict.fromkeys(_LITERALS, _literal),
    "PROTO": _protocol,
    "FRAME": _ignore,
    "STOP": _ignore,
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    "EMPTY_LIST": _fresh(list),
    "EMPTY_DICT": _fresh(dict),
    "EMPTY_SET": _fresh(set),
    "EMPTY_TUPLE": _constant(()),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "FROZENSET": lambda machine, _: machine.push(frozenset(as_key(item) for item in machine.pop_to_mark())),
    "DICT": _dictionary,
    "APPEND": _append,
    "APPENDS": lambda machine, _: _extend(machine, machine.pop_to_mark()),
    "SETITEM": _store_one,
    "SETITEMS": lambda machine, _: _store(machine, machine.pop_to_mark()),
    "ADDITEMS": _add_items,
    "MARK": lambda machine, _: machine.mark(),
    "POP": _pop,
    "POP_MARK": _pop_to_mark,
    "DUP": lambda machine, _: machine.push(machine.top()),
    "PUT": lambda machine, index: machine.remember(index),
    "BINPUT": lambda machine, index: machine.remember(index),
    "LONG_BINPUT": lambda machine, index: machine.remember(index),
    "MEMOIZE": lambda machine, _: machine.memorise(),
    "GET": lambda machine, index: machine.recall(index),
    "BINGET": lambda machine, index: machine.recall(index),
    "LONG_BINGET": lambda machine, index: machine.recall(index),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _instance,
    "OBJ": _object,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _new_object_with_keywords,
    "BUILD": _build,
    "BINPERSID": lambda machine, _: machine.persistent(machine.pop()),
}

_OUTSIDE: Final = "it refers to data outside the file"
_REGISTRY: Final = "it uses the extension registry, whose meaning lies outside the file"
_REFUSED: Final[Mapping[str, str]] = {
    "PERSID": _OUTSIDE,
    "NEXT_BUFFER": _OUTSIDE,
    "READONLY_BUFFER": _OUTSIDE,
    "EXT1": _REGISTRY,
    "EXT2": _REGISTRY,
    "EXT4": _REGISTRY,
}
