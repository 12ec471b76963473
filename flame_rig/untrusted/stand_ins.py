"""What a pickle's names become: names, and objects that keep their data and can do nothing with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_RENAMED: Final = (
    ("__builtin__", "builtins"),
    ("copy_reg", "copyreg"),
    ("numpy.core", "numpy._core"),
)
"""Packages whose names changed since some pickles were written: old, current."""


@dataclass(frozen=True)
class GlobalName:
    """A name that a pickle mentions. Nothing was imported."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Module and name, as the packages of today spell them."""
        for old, current in _RENAMED:
            if self.module == old or self.module.startswith(old + "."):
                return f"{current}{self.module[len(old) :]}.{self.name}"
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class StandIn:
    """An object of a class or function that was never looked up.

    Attributes:
        kind: what the pickle would have called.
        arguments, keywords: what it would have called it with.
        state: what it would have set on the object; None if nothing.
        items, pairs: what it would have appended to or stored in the object.
    """

    kind: GlobalName
    arguments: tuple[object, ...] = ()
    keywords: dict[str, object] = field(default_factory=dict)
    state: object = None
    items: list[object] = field(default_factory=list)
    pairs: list[tuple[object, object]] = field(default_factory=list)

    def attribute(self, name: str) -> object:
        """Return what the pickle would have set as an attribute; raises KeyError without it."""
        if not isinstance(self.state, dict):
            raise KeyError(name)
        return self.state[name]
