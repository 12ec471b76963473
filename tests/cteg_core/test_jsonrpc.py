"""Messages as lines: round trips, and what hostile bytes come to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.jsonrpc import (
    MAX_MESSAGE_BYTES,
    ErrorCode,
    Failure,
    Message,
    Notification,
    Request,
    Result,
    RpcError,
    bounded_lines,
    decode,
    encode,
)

IDS = st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARAMS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Request, IDS, st.text(max_size=30), PARAMS),
    st.builds(Notification, st.text(max_size=30), PARAMS),
    st.builds(Result, IDS, PARAMS),
    st.builds(Failure, st.none() | IDS, st.integers(-(2**31), 2**31), st.text(max_size=50)),
)


@given(MESSAGES)
def test_a_message_survives_its_line(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == message


def test_a_line_is_what_the_specification_says() -> None:
    assert json.loads(encode(Request(3, "load", {"a": "ü"}))) == {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "load",
        "params": {"a": "ü"},
    }
    assert json.loads(encode(Failure(None, -32700, "No."))) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": "No."},
    }


def refusal_of(line: bytes) -> RpcError | None:
    try:
        decode(line)
    except RpcError as error:
        return error
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(line: bytes) -> None:
    refusal = refusal_of(line)
    assert refusal is None or refusal.sentence.endswith(".")


@given(VALUES)
def test_any_json_is_a_message_or_refused(value: object) -> None:
    line = json.dumps({"jsonrpc": "2.0", "method": "x", "id": value, "params": value}).encode()
    refusal = refusal_of(line)
    assert refusal is not None
    assert refusal.code in (ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_PARAMS)


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"hello", ErrorCode.PARSE_ERROR, None),
        (b"\xff\xfe", ErrorCode.PARSE_ERROR, None),
        (b"[" * 100_000, ErrorCode.PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', ErrorCode.PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"x"}', ErrorCode.PARSE_ERROR, None),
        (b"x" * (MAX_MESSAGE_BYTES + 1), ErrorCode.PARSE_ERROR, None),
        (b"[]", ErrorCode.INVALID_REQUEST, None),
        (b'{"id":1,"method":"x"}', ErrorCode.INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1}', ErrorCode.INVALID_REQUEST, 1),
        (b'{"jsonrpc":"2.0","id":true,"method":"x"}', ErrorCode.INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', ErrorCode.INVALID_REQUEST, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', ErrorCode.INVALID_PARAMS, 1),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}', ErrorCode.INVALID_REQUEST, 1),
    ],
)
def test_what_is_no_message_is_refused_by_code(line: bytes, code: int, request_id: int | None) -> None:
    with pytest.raises(RpcError) as refusal:
        decode(line)
    assert (refusal.value.code, refusal.value.request_id) == (code, request_id)


def test_a_message_that_is_too_long_is_not_written() -> None:
    fits = MAX_MESSAGE_BYTES - len(encode(Notification("x", {"a": ""}))) + 1
    assert len(encode(Notification("x", {"a": "y" * fits}))) == MAX_MESSAGE_BYTES + 1
    with pytest.raises(ValueError, match="at most 1048576 bytes"):
        encode(Notification("x", {"a": "y" * (fits + 1)}))


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], piece: int) -> None:
    data = b"".join(line + b"\n" for line in lines) + b"no newline"
    pieces = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    limit = 10
    wanted = [line[: limit + 1] for line in lines]
    assert list(bounded_lines(lambda _: next(pieces, b""), limit)) == wanted
    pieces = iter([data[start : start + piece] for start in range(0, len(data), piece)])
    assert list(bounded_lines(lambda _: next(pieces, b""), limit, with_rest=True)) == [*wanted, b"no newline"]


def test_a_line_that_is_too_long_is_told_of_before_it_ends() -> None:
    pieces = iter([b"x" * 8, b"x" * 8, b"x" * 8])
    lines = bounded_lines(lambda _: next(pieces), 10)
    assert next(lines) == b"x" * 11
    assert len(list(pieces)) == 1


def test_the_documentation_lists_every_code() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "sidecar.md"
    listed = re.findall(r"^\| −(\d+) \| (\w+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {(-int(number), name) for number, name in listed} == {(code.value, code.name) for code in ErrorCode}
