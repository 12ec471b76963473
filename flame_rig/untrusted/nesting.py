"""How deep a value nests, found without recursion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flame_rig.untrusted.limits import RefusalError
from flame_rig.untrusted.stand_ins import StandIn

_CONTAINERS = (list, tuple, dict, StandIn)


def check_depth(value: object, limit: int) -> None:
    """Raise RefusalError when ``value`` nests more than ``limit`` levels deep.

    Values that are shared count at their deepest; one that contains itself counts once. Keys and the items of sets
    are shallow already (:func:`~flame_rig.untrusted.vocabulary.as_key`).
    """
    heights: dict[int, int] = {}
    open_path: list[tuple[object, Iterator[object]]] = []
    height_of_open: list[int] = []

    def enter(node: object) -> None:
        if len(open_path) >= limit:
            raise RefusalError(f"it nests more than {limit} levels deep")
        heights[id(node)] = 0  # while it is open, so that a cycle ends here
        open_path.append((node, _children(node)))
        height_of_open.append(0)

    if _is_container(value):
        enter(value)
    while open_path:
        node, children = open_path[-1]
        for child in children:
            if not _is_container(child):
                continue
            known = heights.get(id(child))
            if known is None:
                enter(child)
                break
            height_of_open[-1] = max(height_of_open[-1], known)
        else:
            open_path.pop()
            height = height_of_open.pop() + 1
            heights[id(node)] = height
            if height > limit:
                raise RefusalError(f"it nests more than {limit} levels deep")
            if height_of_open:
                height_of_open[-1] = max(height_of_open[-1], height)


def _is_container(value: object) -> bool:
    return isinstance(value, _CONTAINERS) or (isinstance(value, np.ndarray) and value.dtype.hasobject)


def _children(node: object) -> Iterator[object]:
    if isinstance(node, (list, tuple)):
        yield from node
    elif isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, np.ndarray):
        yield from node.flat
    elif isinstance(node, StandIn):
        yield node.arguments
        yield node.keywords
        yield node.state
        yield node.items
        for key, value in node.pairs:
            yield key
            yield value
