"""Pickles from strangers: data comes through, nothing runs, everything else is refused with a sentence."""

from __future__ import annotations

import collections
import contextlib
import copyreg
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_rig.untrusted.arrays import NUMPY_DATA
from flame_rig.untrusted.limits import Limits, UntrustedFileError
from flame_rig.untrusted.npy import read_npy
from flame_rig.untrusted.pickles import parse_pickle, read_pickle
from flame_rig.untrusted.stand_ins import StandIn
from tests.fakes.pickle_code import STOP, call, dictionary, group, named, number, numbers, program, raw, text

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def parse(data: bytes, **limits: int) -> Any:
    return parse_pickle(data, "a.pkl", NUMPY_DATA, Limits(**limits))


class Payload:
    """Leaves a file behind when a pickle of it is loaded by Python itself."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


# What comes through.

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.text()), inner)
        | st.sets(st.integers() | st.text())
        | st.frozensets(st.integers())
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)  # fmt: skip


@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_values_come_through_every_protocol(value: object, protocol: int) -> None:
    assert parse(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(5, dtype=">i2"),
        np.array([True, False]),
        np.array(["x", "longer"]),
        np.array(3.5),
        np.zeros((0, 53), np.float32),
        np.array([1, "two", None], dtype=object),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_through_every_protocol(array: np.ndarray, protocol: int) -> None:
    again = parse(pickle.dumps(array, protocol))
    np.testing.assert_array_equal(again, array)
    assert (again.dtype.kind, again.dtype.itemsize) == (array.dtype.kind, array.dtype.itemsize)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_shared_values_stay_shared_and_numpy_scalars_are_numbers(protocol: int) -> None:
    array = np.ones(3)
    value = collections.OrderedDict(first=array, second=array, third=np.float32(0.5))
    again = parse(pickle.dumps(value, protocol))
    assert list(again) == ["first", "second", "third"]
    assert again["first"] is again["second"]
    assert again["third"] == np.float32(0.5)


def test_a_value_that_contains_itself_comes_through() -> None:
    value: list[Any] = [1]
    value.append(value)
    again = parse(pickle.dumps(value))
    assert again[1] is again


def test_python_2s_byte_strings_are_latin_1() -> None:
    short = lambda data: b"U" + bytes([len(data)]) + data  # noqa: E731
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n" + group(named("numpy.ndarray"), numbers(0), short(b"b")) + b"R"
        + group(
            number(1), numbers(2),
            call("numpy.dtype", short(b"f4"), number(0), number(1))
            + group(number(3), short(b"<"), b"N", b"N", b"N", number(-1), number(-1), number(0)) + b"b",
            b"\x89", short(np.array([1.5, -2.0], "<f4").tobytes()),
        )
        + b"b"
    )  # fmt: skip
    vocabulary = replace(NUMPY_DATA, stand_ins=("chumpy", "scipy.sparse"))
    wrapped = named("chumpy.ch.Ch") + b")\x81" + dictionary({"x": array}) + b"b"
    value: Any = parse_pickle(program(b"}" + short(b"shapedirs") + wrapped + b"s"), "flame.pkl", vocabulary)
    stand_in = value["shapedirs"]
    assert isinstance(stand_in, StandIn)
    assert stand_in.kind.path == "chumpy.ch.Ch"
    np.testing.assert_array_equal(stand_in.attribute("x"), [1.5, -2.0])


# Nothing runs.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_payload_that_leaves_something_behind_does_not(tmp_path: Path, protocol: int) -> None:
    victim, path = tmp_path / "victim", tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([1, Payload(victim)], protocol))
    with pytest.raises(UntrustedFileError, match=r"a\.pkl was refused: it names (posix|nt)\.mkdir, which"):
        read_pickle(path)
    assert not victim.exists()
    pickle.loads(path.read_bytes())
    assert victim.exists(), "the payload is a real one"


def test_a_payload_whose_name_may_stand_in_does_not_run_either(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    vocabulary = replace(NUMPY_DATA, stand_ins=(os.mkdir.__module__, "os"))
    value = parse_pickle(pickle.dumps(Payload(victim)), "a.pkl", vocabulary)
    assert isinstance(value, StandIn)
    assert value.arguments == (str(victim),)
    assert not victim.exists()


def test_a_pickle_within_a_pickle_is_bytes(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    inner = pickle.dumps(Payload(victim))
    assert parse(pickle.dumps({"data": inner})) == {"data": inner}
    assert not victim.exists()


def test_a_name_that_stands_in_is_not_imported() -> None:
    sys.modules.pop("this", None)
    value = parse_pickle(program(call("this.poem", number(1))), "a.pkl", replace(NUMPY_DATA, stand_ins=("this",)))
    assert isinstance(value, StandIn)
    assert "this" not in sys.modules


def test_the_state_of_a_stand_in_is_kept_and_not_set() -> None:
    vocabulary = replace(NUMPY_DATA, stand_ins=("ours",))
    state = dictionary({"__setstate__": named("ours.f"), "__class__": number(7), "kind": text("other")})
    value = parse_pickle(program(named("ours.Thing") + b")\x81" + state + b"b"), "a.pkl", vocabulary)
    assert type(value) is StandIn
    assert value.kind.path == "ours.Thing"
    assert value.attribute("__class__") == 7
    with pytest.raises(KeyError):
        value.attribute("absent")


def test_items_of_a_stand_in_are_kept() -> None:
    vocabulary = replace(NUMPY_DATA, stand_ins=("ours",))
    code = named("ours.Bag") + b")\x81" + b"(" + number(1) + number(2) + b"e" + text("k") + number(3) + b"s"
    value = parse_pickle(program(code), "a.pkl", vocabulary)
    assert isinstance(value, StandIn)
    assert (value.items, value.pairs) == ([1, 2], [("k", 3)])


# What is refused.

SHELL = text("touch victim")
HOSTILE = {
    "GLOBAL": (named("os.system") + group(SHELL) + b"R", "names os.system"),
    "STACK_GLOBAL": (text("os") + text("system") + b"\x93" + group(SHELL) + b"R", "names os.system"),
    "dotted STACK_GLOBAL": (text("numpy") + text("dtype.os.system") + b"\x93", r"names numpy.dtype.os.system"),
    "STACK_GLOBAL of numbers": (number(1) + number(2) + b"\x93", "name that is not text"),
    "INST": (b"(" + SHELL + b"ios\nsystem\n", "names os.system"),
    "OBJ": (b"(" + named("os.system") + SHELL + b"o", "names os.system"),
    "OBJ of data": (b"(" + text("os.system") + SHELL + b"o", "calls a str"),
    "OBJ of nothing": (b"(o", "without a class"),
    "NEWOBJ": (named("subprocess.Popen") + group(SHELL) + b"\x81", "names subprocess.Popen"),
    "NEWOBJ_EX": (named("subprocess.Popen") + group(SHELL) + b"}\x92", "names subprocess.Popen"),
    "eval": (call("builtins.eval", text("1")), "names builtins.eval"),
    "Python 2's eval": (call("__builtin__.eval", text("1")), "names builtins.eval"),
    "getattr": (call("builtins.getattr", text("a"), text("b")), "names builtins.getattr"),
    "numpy's own loader": (call("numpy.load", text("a.npy")), "names numpy.load"),
    "REDUCE of data": (text("os.system") + group(SHELL) + b"R", "calls a str"),
    "REDUCE of a name that is no function": (call("numpy.ndarray", numbers(1 << 30)), "calls numpy.ndarray"),
    "REDUCE without arguments": (named("builtins.set") + number(1) + b"R", "not a list of arguments"),
    "keywords to a constructor": (named("builtins.set") + b")" + dictionary({"a": b"N"}) + b"\x92", "calls builtins"),
    "BUILD of a list": (b"]" + dictionary({"__setstate__": named("builtins.set")}) + b"b", "state of a list"),
    "BUILD of a dict": (b"}" + dictionary({"a": b"N"}) + b"b", "state of a dict"),
    "EXT1": (b"\x82\x01", "extension registry"),
    "EXT2": (b"\x83\x01\x01", "extension registry"),
    "EXT4": (b"\x84\x01\x01\x01\x00", "extension registry"),
    "PERSID": (b"Psomewhere\n", "outside the file"),
    "BINPERSID": (text("somewhere") + b"Q", "outside the file"),
    "NEXT_BUFFER": (b"\x97", "outside the file"),
    "protocol 6": (b"\x80\x06N", "protocol 6"),
    "an opcode that does not exist": (b"\xff", "damaged"),
    "an empty stack": (b"0", "empty stack"),
    "a mark that was never set": (b"t", "mark"),
    "a value that was never kept": (b"h\x07", "never remembered"),
    "two values": (b"NN", "in the middle"),
    "an open mark": (b"(N", "in the middle"),
    "a key without a value": (b"}(" + text("a") + b"u", "key without a value"),
    "a list as a key": (b"}]Ns", "list as a key"),
    "a list in a set": (b"\x8f(]\x90", "list as a key"),
    "appending to a dict": (b"}Na", "appends to a dict"),
    "items in a list": (b"]NNs", "stores items in a list"),
    "adding to a list": (b"](N\x90", "as if that were a set"),
    "an endless string": (b"X\xff\xff\xff\x7fab", "damaged"),
    "a key of a million levels": (b"}" + b")" + b"\x85" * 1_000_000 + b"Ns", "as a key"),
    "a list of a thousand levels": (b"]" * 1001 + b"a" * 1000, "more than 200 levels"),
    "a thousand marks": (b"(" * 1001, "more than 200 levels"),
    "bytes by another codec": (call("_codecs.encode", text("a"), text("rot13")), "encodes text"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_programs_are_refused_with_a_sentence(case: str) -> None:
    code, reason = HOSTILE[case]
    with pytest.raises(UntrustedFileError, match=reason) as refused:
        parse(program(code))
    message = str(refused.value)
    assert message.startswith("a.pkl was refused: ")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 250


def test_an_extension_that_is_registered_is_refused_too(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    copyreg.add_extension(os.mkdir.__module__, "mkdir", 0xF1)
    try:
        data = pickle.dumps(Payload(victim))
        assert b"\x82\xf1" in data
        with pytest.raises(UntrustedFileError, match="extension registry"):
            parse(data)
    finally:
        copyreg.remove_extension(os.mkdir.__module__, "mkdir", 0xF1)
    assert not victim.exists()


def reconstructed(shape: bytes, kind: str, data: bytes, target: bytes = named("numpy.ndarray")) -> bytes:
    dtype = call("numpy.dtype", text(kind), b"\x89", b"\x88")
    empty = call("numpy._core.multiarray._reconstruct", target, numbers(0), raw(b"b"))
    return empty + group(number(1), shape, dtype, b"\x89", data) + b"b"


ARRAYS = {
    "too little data": (reconstructed(numbers(4), "f4", raw(b"1234")), "16 bytes or items by its shape, and 4"),
    "an enormous shape": (reconstructed(numbers(1 << 30, 1 << 30), "f8", raw(b"")), "by its shape, and 0"),
    "a negative shape": (reconstructed(numbers(-1), "f4", raw(b"1234")), "a shape that is none"),
    "forty axes": (reconstructed(numbers(*[1] * 40), "f4", raw(b"1234")), "a shape that is none"),
    "a shape of text": (reconstructed(group(text("4")), "f4", raw(b"1234")), "a shape that is none"),
    "references without a list": (reconstructed(numbers(8), "O8", raw(b"12345678")), "references"),
    "numbers from a list": (reconstructed(numbers(1), "i1", b"(Nl"), "references"),
    "records": (reconstructed(numbers(1), "V4", raw(b"1234")), "not plain"),
    "a type that numpy lacks": (reconstructed(numbers(1), "f3", raw(b"123")), "does not have"),
    "a subclass": (reconstructed(numbers(1), "i1", raw(b"1"), named("numpy.dtype")), "not numpy's own"),
    "a second state": (
        reconstructed(numbers(1), "f4", raw(b"1234"))
        + group(number(1), numbers(1), call("numpy.dtype", text("f4")), b"\x89", raw(b"1234")) + b"b", "twice"
    ),
    "a scalar of the wrong size": (
        call("numpy._core.multiarray.scalar", call("numpy.dtype", text("f8")), raw(b"1234")), "8 bytes or items"
    ),
    "a scalar that is a pointer": (
        call("numpy._core.multiarray.scalar", call("numpy.dtype", text("O8")), raw(b"1")), "reference"
    ),
    "a buffer of pointers": (
        call("numpy._core.numeric._frombuffer", raw(b"1"), call("numpy.dtype", text("O8")), numbers(1), text("C")),
        "references",
    ),
    "a buffer that is too short": (
        call("numpy._core.numeric._frombuffer", raw(b"1234"), call("numpy.dtype", text("f8")), numbers(9), text("C")),
        "72 bytes",
    ),
    "a nested number type": (
        call("numpy.dtype", text("f4")) + group(number(3), text("<"), numbers(1), b"N", b"N") + b"b", "not plain"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_lie_are_refused(case: str) -> None:
    code, reason = ARRAYS[case]
    with pytest.raises(UntrustedFileError, match=reason):
        parse(program(code))


# Memory.


def test_a_bomb_of_copies_is_refused() -> None:
    """One list of a thousand items, copied by `set` over and over: 16 kB each time from six bytes of program."""
    items = b"](" + b"".join(number(i) for i in range(1000)) + b"eq\x01"
    copies = b"".join(b"cbuiltins\nset\nh\x01\x85R" for _ in range(200))
    with pytest.raises(UntrustedFileError, match="more memory"):
        parse(program(b"(" + items + copies + b"l"), produced_bytes=1_000_000)


def test_a_bomb_of_references_stays_as_small_as_its_program() -> None:
    """Sixty lists, each twice in the next: 2^60 items to whoever walks it; here it is sixty lists."""
    code = b"]" + b"".join(b"q\x010](h\x01h\x01e" for _ in range(60))
    value = parse(program(code))
    levels = 0
    while value:
        assert value[0] is value[1]
        value, levels = value[0], levels + 1
    assert levels == 60


def test_a_memory_index_costs_nothing() -> None:
    assert parse(program(b"Nr\xff\xff\xff\xff")) is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"memo_entries": 100}, "remembers more than 100"), ({"opcodes": 100}, "more than 100 steps")],
)
def test_limits_hold(limits: dict[str, int], reason: str) -> None:
    code = b"]" + b"".join(b"r" + i.to_bytes(4, "little") for i in range(200))
    assert parse(program(code)) == []
    with pytest.raises(UntrustedFileError, match=reason):
        parse(program(code), **limits)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(b"x" * 1000))
    with pytest.raises(UntrustedFileError, match="larger than 100 bytes"):
        read_pickle(path, limits=Limits(file_bytes=100))


# Damage.

SAMPLE = pickle.dumps({"frames": np.arange(106, dtype=np.float32).reshape(2, 53), "text": ["hello", (1, 2.5)]}, 2)


def test_a_pickle_that_was_cut_off_anywhere_is_refused() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(UntrustedFileError):
            parse(SAMPLE[:length])


def test_what_follows_a_pickle_is_refused() -> None:
    with pytest.raises(UntrustedFileError, match="3 bytes follow"):
        parse(SAMPLE + b"abc")


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_pickle_gives_a_value_or_a_refusal(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    with contextlib.suppress(UntrustedFileError):
        parse(bytes(data))


@given(st.binary(max_size=60))
def test_noise_gives_a_value_or_a_refusal(noise: bytes) -> None:
    with contextlib.suppress(UntrustedFileError):
        parse(b"\x80\x04" + noise + STOP)


# .npy


@pytest.mark.parametrize("array", [np.arange(53, dtype=np.float32), np.asfortranarray(np.eye(3)), np.array(2)], ids=str)
def test_npy_files_come_through(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    again = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype


def test_an_npy_file_with_a_pickle_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    np.save(tmp_path / "a.npy", np.array([Payload(victim)], dtype=object), allow_pickle=True)
    with pytest.raises(UntrustedFileError, match="plain numbers"):
        read_npy(tmp_path / "a.npy")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("old", "new"), [(b"(53,)", b"(99,)"), (b"'<f4'", b"'<f8'"), (b"(53,)", b"(-1,)"), (b"\x93NUMPY", b"\x93NUMBY"),
                     (b"{'descr'", b"(((((((("), (b"\x01\x00", b"\x03\x00")]
)  # fmt: skip
def test_an_npy_file_that_lies_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(53, np.float32))
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(UntrustedFileError, match=r"a\.npy was refused: "):
        read_npy(path)
