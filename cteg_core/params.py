"""Parameters of messages, taken out one by one and checked; all raise RpcError (INVALID_PARAMS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from cteg_core.jsonrpc import ErrorCode, MessageId, RpcError

MAX_NAME: Final = 1000
"""Letters of an id, a version, a device or a name."""


def is_texts(value: Any, most: int) -> TypeGuard[list[str]]:
    """Return whether ``value`` is a list of at most ``most`` texts."""
    return isinstance(value, list) and len(value) <= most and all(isinstance(text, str) for text in value)


def id_in(params: Mapping[str, Any]) -> MessageId:
    """Return the id that the parameter ``id`` holds."""
    value = params.get("id")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise refusal("id", "the id of a request")


def text_in(params: Mapping[str, Any], name: str, most: int, default: str | None = None) -> str:
    """Return a text of at most ``most`` characters; it may be missing where there is a default."""
    value = params.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise refusal(name, f"a text of at most {most} characters")
    return value


def whole_in(params: Mapping[str, Any], name: str, lowest: int, highest: int) -> int:
    """Return a whole number in ``[lowest, highest]``."""
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise refusal(name, f"a whole number from {lowest} to {highest}")
    return value


def number_in(params: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """Return a number; it may be missing where there is a default."""
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(name, "a number")
    try:
        return float(value)
    except OverflowError:
        raise refusal(name, "a number") from None


def refusal(name: str, wanted: str) -> RpcError:
    """Return what to raise where a parameter is not ``wanted``."""
    return RpcError(ErrorCode.INVALID_PARAMS, f"The parameter {name!r} of a message is {wanted}.")
