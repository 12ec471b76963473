"""When the sidecar's silence counts as a hang."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deadlines:
    """Seconds of silence after which the sidecar counts as hung.

    Attributes:
        hello: from its start to its answer (a network login included).
        load: while the model is loaded (a download of the text encoder included).
        generate: while a line is performed.
        cancel: from a cancel to the end of the request.
    """

    hello: float = 60.0
    load: float = 600.0
    generate: float = 120.0
    cancel: float = 10.0
