"""JSON: a list of objects, or an object whose ``lines`` are one."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from cteg_core.scripts.lines import Broken, Findings
from cteg_core.scripts.records import add_record, fields_of

MAX_DEPTH: Final = 16
_SHOWN_KEYS: Final = 20
_TOKENS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.S)
"""Strings, which never are given back (an open one is looked at once), and brackets outside of them."""


def read_json(text: str, fps: float | None, found: Findings) -> None:
    """Add the lines of a JSON text. Raises Broken where it is none, or not of this shape."""
    unread: dict[str, None] = {}
    for number, item in enumerate(_items(text), 1):
        place = f"Item {number}"
        if not isinstance(item, dict):
            found.leave_out(place, "it is no object; write {“character”: …, “text”: …}.")
            continue
        fields = fields_of(item)
        unread.update(dict.fromkeys(key for key in item if key not in fields.values()))
        values = {field: item[key] for field, key in fields.items()}
        if "text" not in fields:
            found.leave_out(place, "it has no “text”.")
            continue
        add_record(values, place, number, fps, found)
    if unread:
        found.note(f"Names that are not read: {', '.join(name[:40] for name in list(unread)[:_SHOWN_KEYS])}.")


def holds_lines(text: str) -> bool:
    """Return whether a text is JSON of this shape, whatever its items are."""
    try:
        return bool(_items(text))
    except Broken:
        return False


def _items(text: str) -> list[Any]:
    content = _parsed(text)
    items = content.get("lines") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise Broken('it holds no list of lines: write [{"character": …, "text": …}, …], or {"lines": […]}')
    return items


def _parsed(text: str) -> Any:
    if not _is_shallow(text):
        raise Broken(f"its objects lie more than {MAX_DEPTH} deep in each other: a script needs three")
    try:
        # A number too big for a float is infinite, and then refused where it stands.
        return json.loads(text, parse_int=_number)
    except json.JSONDecodeError as error:
        raise Broken(f"this is not JSON ({error.msg}, column {error.colno})", f"row {error.lineno}") from None
    except (ValueError, RecursionError):
        raise Broken("this is not JSON that can be read") from None


def _number(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float(digits)


def _is_shallow(text: str) -> bool:
    depth = 0
    for match in _TOKENS.finditer(text):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif token in ("]", "}"):
            depth -= 1
    return True
