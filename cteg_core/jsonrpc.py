"""JSON-RPC 2.0, one UTF-8 object per line: messages to and from bytes, hostile until parsed.

Source: the JSON-RPC 2.0 specification; batches are left out, and parameters and results are objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

MAX_MESSAGE_BYTES: Final = 1 << 20
"""Longest line, its newline not counted."""
_MAX_ID_LETTERS: Final = 64
_READ_BYTES: Final = 1 << 16

MessageId = int | str


class ErrorCode(IntEnum):
    """Stable codes of failures; a number that was once given out keeps its meaning."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    CANCELLED = -32800
    NOT_INITIALIZED = -32001
    NOT_LOADED = -32002
    VERSION_MISMATCH = -32003
    LINE_REFUSED = -32004
    CHECKPOINT_UNUSABLE = -32005
    OUT_OF_MEMORY = -32006
    PACKAGES_MISSING = -32007
    BUSY = -32008


class RpcError(Exception):
    """A failure that the other side is told of.

    Attributes:
        code: one of :class:`ErrorCode`, or a number that this version does not know.
        sentence: what failed and what to do.
        request_id: the request it belongs to, where that could be read.
    """

    def __init__(self, code: int, sentence: str, request_id: MessageId | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.request_id = request_id


@dataclass(frozen=True)
class Request:
    """Asks for exactly one :class:`Result` or :class:`Failure` with the same id."""

    id: MessageId
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Notification:
    """Tells something that is not answered."""

    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A request's good end."""

    id: MessageId
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A request's bad end; without an id where the request could not be read."""

    id: MessageId | None
    code: int
    message: str


Message = Request | Notification | Result | Failure


def encode(message: Message) -> bytes:
    """Return the message as a line, newline included.

    Raises ValueError where it is longer than ``MAX_MESSAGE_BYTES`` or holds what JSON cannot.
    """
    record: dict[str, Any] = {"jsonrpc": "2.0"}
    match message:
        case Request(request_id, method, params):
            record |= {"id": request_id, "method": method, "params": params}
        case Notification(method, params):
            record |= {"method": method, "params": params}
        case Result(request_id, result):
            record |= {"id": request_id, "result": result}
        case Failure(maybe_id, code, sentence):
            record |= {"id": maybe_id, "error": {"code": code, "message": sentence}}
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8; in JSON it can stand as an escape, and the reader refuses it where it matters.
    line = text.encode("utf-8", errors="backslashreplace")
    if len(line) > MAX_MESSAGE_BYTES:
        raise ValueError(f"A message has at most {MAX_MESSAGE_BYTES} bytes; this one has {len(line)}.")
    return line + b"\n"


def decode(line: bytes) -> Message:
    """Return the message that a line (without its newline) holds; raises RpcError on anything else."""
    if len(line) > MAX_MESSAGE_BYTES:
        raise RpcError(ErrorCode.PARSE_ERROR, f"A line was longer than the {MAX_MESSAGE_BYTES} bytes of a message.")
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RpcError(ErrorCode.PARSE_ERROR, "A line was not a JSON object in UTF-8.") from None
    if not isinstance(record, dict) or record.get("jsonrpc") != "2.0":
        raise RpcError(ErrorCode.INVALID_REQUEST, "A message was not a JSON-RPC 2.0 object.")
    if "method" in record:
        return _decode_call(record)
    return _decode_answer(record)


def bounded_lines(
    read: Callable[[int], bytes], limit: int = MAX_MESSAGE_BYTES, with_rest: bool = False
) -> Iterator[bytes]:
    """Yield lines, without their newlines, until ``read`` returns no more bytes.

    Memory stays bounded: a line longer than ``limit`` comes, as soon as it is, as its first ``limit + 1`` bytes (which
    :func:`decode` refuses), and the rest of it is dropped. A last line without a newline is no line, and is yielded
    only ``with_rest``: half a message says nothing, half a complaint does.
    """
    held = bytearray()
    dropping = False
    while data := read(_READ_BYTES):
        for number, piece in enumerate(data.split(b"\n")):
            if number > 0:
                if not dropping:
                    yield bytes(held)
                held.clear()
                dropping = False
            if not dropping:
                held += piece[: limit + 1 - len(held)]
                if len(held) > limit:
                    yield bytes(held)
                    dropping = True
    if with_rest and held and not dropping:
        yield bytes(held)


def _decode_call(record: dict[str, Any]) -> Request | Notification:
    method = record["method"]
    request_id = _checked_id(record["id"]) if "id" in record else None
    if not isinstance(method, str):
        raise RpcError(ErrorCode.INVALID_REQUEST, "The method of a message is a text.", request_id)
    params = record.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(ErrorCode.INVALID_PARAMS, "The parameters of a message are an object.", request_id)
    return Notification(method, params) if request_id is None else Request(request_id, method, params)


def _decode_answer(record: dict[str, Any]) -> Result | Failure:
    raw_id = record.get("id")
    answer_id = None if raw_id is None else _checked_id(raw_id)
    error = record.get("error")
    if error is not None:
        if not (isinstance(error, dict) and _is_whole(error.get("code")) and isinstance(error.get("message"), str)):
            raise RpcError(ErrorCode.INVALID_REQUEST, "An error is a code with a message.", answer_id)
        return Failure(answer_id, error["code"], error["message"])
    result = record.get("result")
    if answer_id is None or not isinstance(result, dict):
        raise RpcError(ErrorCode.INVALID_REQUEST, "A message was neither a call nor an answer.", answer_id)
    return Result(answer_id, result)


def _checked_id(value: Any) -> MessageId:
    if _is_whole(value) or (isinstance(value, str) and len(value) <= _MAX_ID_LETTERS):
        return value  # type: ignore[no-any-return]
    raise RpcError(ErrorCode.INVALID_REQUEST, f"The id of a message is a number or at most {_MAX_ID_LETTERS} letters.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON.")
