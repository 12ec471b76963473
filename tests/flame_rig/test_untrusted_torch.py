"""PyTorch checkpoints from strangers, read without torch: tensors come through, everything else is refused."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flame_rig.untrusted.limits import Limits, UntrustedFileError
from flame_rig.untrusted.stand_ins import StandIn
from flame_rig.untrusted.torch_zip import TORCH_DATA, StoredTensor, TorchCheckpoint, with_stand_ins
from tests.fakes.pickle_code import (
    call,
    dictionary,
    group,
    named,
    number,
    program,
    storage,
    tensor,
    text,
    write_checkpoint,
    write_zip,
)

SIX = np.arange(6, dtype="<f4")


def read(path: Path, name: str = "w") -> np.ndarray:
    with TorchCheckpoint(path) as checkpoint:
        value: Any = checkpoint.value
        stored = value[name]
        assert isinstance(stored, StoredTensor)
        return stored.read()


def saved(tmp_path: Path, code: bytes, data: bytes = SIX.tobytes()) -> Path:
    return write_checkpoint(tmp_path / "a.pt", dictionary({"w": code}), {"0": data})


# What comes through.


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ((2, 3), (3, 1), 0, [[0, 1, 2], [3, 4, 5]]),
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),
        ((2,), (2,), 3, [3, 5]),
        ((), (), 4, 4),
        ((2, 2), (0, 1), 1, [[1, 2], [1, 2]]),
        ((0, 5), (5, 1), 0, np.zeros((0, 5))),
    ],
)
def test_a_tensor_is_its_part_of_the_storage(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, expected: object, tmp_path: Path
) -> None:
    again = read(saved(tmp_path, tensor("Float", "0", 6, shape, strides, offset)))
    np.testing.assert_array_equal(again, np.asarray(expected))
    assert again.flags.writeable


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("Double", "f8"), ("Float", "f4"), ("Half", "f2"), ("Long", "i8"), ("Int", "i4"), ("Short", "i2"),
     ("Char", "i1"), ("Byte", "u1"), ("Bool", "?")],
)  # fmt: skip
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_kind_of_number_comes_through(kind: str, dtype: str, order: str, tmp_path: Path) -> None:
    values = np.array([0, 1, 1, 0, 1], dtype)
    data = values.astype(values.dtype.newbyteorder("<" if order == "little" else ">")).tobytes()
    path = write_checkpoint(tmp_path / "a.pt", dictionary({"w": tensor(kind, "0", 5, (5,), (1,))}), {"0": data}, order)
    np.testing.assert_array_equal(read(path), values)


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    """By hand: 1.0 is 0x3F80, -2.5 is 0xC020 (sign, exponent 128, mantissa 0100000)."""
    path = saved(tmp_path, tensor("BFloat16", "0", 2, (2,), (1,)), struct.pack("<2H", 0x3F80, 0xC020))
    again = read(path)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, [1.0, -2.5])


def test_parameters_and_tensors_with_attributes_are_tensors(tmp_path: Path) -> None:
    inner = tensor("Float", "0", 6, (6,), (1,))
    parameter = call("torch._utils._rebuild_parameter", inner, b"\x88", call("collections.OrderedDict"))
    arguments = group(storage("Float", "0", 6), number(0), group(number(6)), group(number(1)), b"\x89", b"}")
    attributed = call(
        "torch._tensor._rebuild_from_type_v2",
        named("torch._utils._rebuild_tensor_v2"), named("torch.Tensor"), arguments, dictionary({"note": number(1)}),
    )  # fmt: skip
    path = write_checkpoint(tmp_path / "a.pt", dictionary({"w": parameter, "v": attributed}), {"0": SIX.tobytes()})
    np.testing.assert_array_equal(read(path, "w"), SIX)
    np.testing.assert_array_equal(read(path, "v"), SIX)


def test_settings_of_other_packages_stand_in(tmp_path: Path) -> None:
    settings = named("argparse.Namespace") + b")\x81" + dictionary({"n_head": number(4)}) + b"b"
    path = write_checkpoint(tmp_path / "a.pt", dictionary({"settings": settings}), {})
    with TorchCheckpoint(path, with_stand_ins("argparse.Namespace")) as checkpoint:
        value: Any = checkpoint.value
        assert isinstance(value["settings"], StandIn)
        assert value["settings"].attribute("n_head") == 4
    with pytest.raises(UntrustedFileError, match=r"names argparse\.Namespace"):
        TorchCheckpoint(path)


# What is refused.


def refused(path: Path, reason: str, limits: Limits | None = None) -> None:
    with pytest.raises(UntrustedFileError, match=reason) as error:
        read(path) if limits is None else TorchCheckpoint(path, TORCH_DATA, limits)
    message = str(error.value)
    assert message.startswith(f"{path} was refused: ")
    assert message.endswith(".")
    assert message.isprintable()


TENSORS = {
    "more numbers than the entry has": (tensor("Float", "0", 7, (7,), (1,)), "claims 7 numbers of 4 bytes"),
    "fewer numbers than the entry has": (tensor("Float", "0", 5, (5,), (1,)), "claims 5 numbers of 4 bytes"),
    "fewer numbers than none": (tensor("Float", "0", -6, (1,), (1,)), "claims -6 numbers"),
    "another size of number": (tensor("Double", "0", 6, (6,), (1,)), "claims 6 numbers of 8 bytes"),
    "a shape beyond the storage": (tensor("Float", "0", 6, (7,), (1,)), "reaches beyond"),
    "a stride beyond the storage": (tensor("Float", "0", 6, (2,), (6,)), "reaches beyond"),
    "an offset beyond the storage": (tensor("Float", "0", 6, (1,), (1,), 6), "reaches beyond"),
    "a negative offset": (tensor("Float", "0", 6, (1,), (1,), -1), "strides that do not fit"),
    "a negative stride": (tensor("Float", "0", 6, (2,), (-1,), 1), "a shape that is none"),
    "one number a billion times": (tensor("Float", "0", 6, (1 << 30,), (0,)), "reaches beyond"),
    "strides of another rank": (tensor("Float", "0", 6, (6,), (1, 1)), "strides that do not fit"),
    "a storage that is not there": (tensor("Float", "9", 6, (6,), (1,)), "does not hold"),
    "a storage by a path": (tensor("Float", "../0", 6, (6,), (1,)), "does not hold"),
    "a storage of an unknown kind": (tensor("Untyped", "0", 24, (24,), (1,)), "names torch.UntypedStorage"),
    "a storage of no kind": (
        group(text("storage"), named("torch.Tensor"), text("0"), text("cpu"), number(6)) + b"Q", "does not know"
    ),
    "a reference that torch does not make": (text("storage") + b"Q", "in a way that torch does not use"),
    "a tensor without a storage": (
        call("torch._utils._rebuild_tensor_v2", number(1), number(0), b")", b")"), "way that torch does not use"
    ),
    "a parameter of text": (call("torch._utils._rebuild_parameter", text("a")), "not a tensor"),
    "another function in a tensor's place": (
        call("torch._tensor._rebuild_from_type_v2", named("builtins.set"), named("torch.Tensor"), b")", b"}"),
        "way that torch does not use",
    ),
    "torch's own loader": (call("torch.load", text("a.pt")), "names torch.load"),
    "a shell": (call("os.system", text("touch victim")), "names os.system"),
}  # fmt: skip


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_lie_are_refused(case: str, tmp_path: Path) -> None:
    code, reason = TENSORS[case]
    refused(saved(tmp_path, code), reason)


def test_a_storage_of_two_kinds_is_refused(tmp_path: Path) -> None:
    code = dictionary({"w": tensor("Float", "0", 6, (6,), (1,)), "v": tensor("Int", "0", 6, (6,), (1,))})
    refused(write_checkpoint(tmp_path / "a.pt", code, {"0": SIX.tobytes()}), "as two kinds of numbers")


GOOD = {
    "archive/data.pkl": program(dictionary({"w": tensor("Float", "0", 6, (6,), (1,))})),
    "archive/data/0": SIX.tobytes(),
}

ENTRIES = {
    "a way out": ("archive/../../victim", "would not write"),
    "an absolute path": ("/archive/victim", "would not write"),
    "a drive": ("C:/victim", "would not write"),
    "a backslash": ("archive\\..\\victim", "would not write"),
    "a line break": ("archive/a\nb", "would not write"),
    "a name that ends at a NUL": ("archive/a\0b", "would not write"),
    "no folder": ("victim", "would not write"),
    "a folder": ("archive/folder/", "would not write"),
    "a long name": ("archive/" + "a" * 300, "would not write"),
    "another folder at the top": ("other/data.pkl", "more than one folder"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_names_that_torch_would_not_write_are_refused(case: str, tmp_path: Path) -> None:
    name, reason = ENTRIES[case]
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for good, data in GOOD.items():
            archive.writestr(good, data)
        entry = zipfile.ZipInfo("archive/placeholder")
        entry.filename = name
        archive.writestr(entry, b"x")
    refused(path, reason)
    assert sorted(tmp_path.iterdir()) == [path]


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.pt", GOOD)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", GOOD["archive/data.pkl"])
    refused(path, "two entries of one name")


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    refused(
        write_zip(tmp_path / "a.pt", {**GOOD, "archive/data/1": bytes(10_000_000)}, zipfile.ZIP_DEFLATED), "compressed"
    )


def patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change the last entry of the zip's directory; ``change`` gets the file and the place of that entry."""
    data = bytearray(path.read_bytes())
    change(data, data.rindex(b"PK\x01\x02"))
    path.write_bytes(data)
    return path


def put(format_: str, offset: int, value: int) -> Callable[[bytearray, int], None]:
    return lambda data, entry: struct.pack_into(format_, data, entry + offset, value)


def claim_four_gigabytes(data: bytearray, entry: int) -> None:
    struct.pack_into("<II", data, entry + 20, 0xFFFF_FFF0, 0xFFFF_FFF0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("<I", 24, 0xFFFF_FFF0), "compressed"),
        (claim_four_gigabytes, "claims more bytes than the file has"),
        (put("<H", 8, 1), "encrypted"),
        (put("<I", 42, 0), "damaged"),
        (put("<I", 42, 0x7FFF_FFFF), "damaged"),
        (put("<I", 16, 0x1234_5678), "damaged"),
        (put("<H", 6, 99), "damaged"),
    ],
    ids=["size", "both sizes", "encrypted", "another entry's place", "a place outside", "checksum", "version"],
)
def test_a_directory_that_lies_is_refused(
    change: Callable[[bytearray, int], None], reason: str, tmp_path: Path
) -> None:
    refused(patched(write_zip(tmp_path / "a.pt", GOOD), change), reason)


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A hundred directory entries for one stretch of the file: what it claims is more than it has."""
    path = write_zip(tmp_path / "a.pt", {**GOOD, "archive/data/1": bytes(4000)})
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    last = data[data.rindex(b"PK\x01\x02") : end]
    copies = b"".join(last.replace(b"data/1", b"dat%03d" % i)[: len(last)] for i in range(100))
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 103, 103, end - start + len(copies))
    path.write_bytes(data[:end] + copies + tail)
    refused(path, "damaged|claims more bytes")


def test_a_damaged_number_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.pt", GOOD)
    data = path.read_bytes()
    path.write_bytes(data.replace(SIX.tobytes(), SIX[::-1].tobytes()))
    refused(path, "archive/data/0 is damaged")


def test_a_checkpoint_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.pt", GOOD).read_bytes()
    path = tmp_path / "a.pt"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(path, "was refused")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a zip"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "not a zip"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
    ],
    ids=["empty", "torch before 1.6", "zeros"],
)
def test_other_files_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    refused(path, reason)


def test_a_zip_without_a_pickle_is_refused(tmp_path: Path) -> None:
    refused(write_zip(tmp_path / "a.pt", {"archive/data/0": b"1234"}), "no entry archive/data.pkl")


def test_an_unknown_byte_order_is_refused(tmp_path: Path) -> None:
    refused(write_zip(tmp_path / "a.pt", {**GOOD, "archive/byteorder": b"middle"}), "byte order")


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    refused(write_zip(tmp_path / "a.pt", GOOD), "larger than 100 bytes", Limits(file_bytes=100))


def test_a_payload_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    payload = call("os.mkdir", text(str(victim)))
    path = write_checkpoint(tmp_path / "a.pt", dictionary({"settings": payload}), {})
    refused(path, r"names os\.mkdir")
    assert not victim.exists()
    with zipfile.ZipFile(path) as archive:
        pickle.loads(archive.read("archive/data.pkl"))
    assert victim.exists(), "the payload is a real one"
