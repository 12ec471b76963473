"""What there is to say to the user beside the buttons: what came of the last thing that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from .redraw import redraw_sidebars


@dataclass(frozen=True)
class Outcome:
    """What came of the last thing that the user asked for: sentences to show beside the button."""

    sentences: tuple[str, ...]
    failed: bool = False


_outcome: Outcome | None = None


def outcome() -> Outcome | None:
    """Return what there is to say; None where there is nothing."""
    return _outcome


def show(result: Outcome) -> None:
    """Say what came of something, in the place of what was said before."""
    global _outcome
    _outcome = result
    redraw_sidebars()


def say(sentence: str, *, failed: bool = False) -> None:
    """Say one sentence."""
    show(Outcome((sentence,), failed))


def clear() -> None:
    """Have nothing more to say."""
    global _outcome
    _outcome = None
