"""The set-up in a process of its own: its order comes on standard input, what it does goes out as lines of JSON.

The first line that it is sent is the order. Any other, and the end of its input, cut it off: so it ends with the
program that started it. It ends with exactly one line that says how it went.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from . import processes, setting_up
from .errors import SetupError
from .place import Place
from .progress import Progress
from .recipe import Recipe
from .wish import Wish

SET_UP: Final = "set up"
REMOVE: Final = "remove"

PROGRESS: Final = "progress"
LOG: Final = "log"
DONE: Final = "done"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
"""What a line of its output is about: each is an object with one of these names."""


def order(task: str, place: Place, recipe: Recipe | None = None, wish: Wish | None = None) -> bytes:
    """Return the line that tells a worker what to do; ``SET_UP`` wants a recipe and a wish."""
    record = {
        "task": task,
        "folder": str(place.folder),
        "recipe": None if recipe is None else recipe.to_record(),
        "wish": None if wish is None else wish.to_record(),
    }
    return json.dumps(record).encode("ascii") + b"\n"


def main() -> int:
    """Do what standard input says; return the exit status."""
    processes.children_lead_sessions = False
    output = sys.stdout.buffer
    # What a library prints by mistake is not to be taken for a line of ours.
    sys.stdout = sys.stderr

    def say(kind: str, what: object) -> None:
        output.write(json.dumps({kind: what}).encode("ascii") + b"\n")
        output.flush()

    first = sys.stdin.buffer.readline()
    stop = threading.Event()
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    try:
        say(DONE, _do(json.loads(first), say, stop))
    except SetupError as error:
        say(FAILED, str(error))
        return 1
    except KeyboardInterrupt:
        say(CANCELLED, "")
        return 130
    return 0


def _do(record: Mapping[str, Any], say: Callable[[str, object], None], stop: threading.Event) -> object:
    place = Place(Path(record["folder"]))
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        # Looked at here and not raised from outside: a child that is just being started must not be lost.
        if stop.is_set():
            raise KeyboardInterrupt
        if told[-1:] != [progress]:
            told[:] = [progress]
            say(PROGRESS, progress.to_record())

    if record["task"] == REMOVE:
        return {"left": list(setting_up.remove(place, tell))}
    recipe, wish = Recipe.from_record(record["recipe"]), Wish.from_record(record["wish"])
    setting_up.set_up(place, recipe, wish, tell, lambda line: say(LOG, line))
    return {"left": []}


def _watch(stop: threading.Event) -> None:
    sys.stdin.buffer.readline()
    stop.set()
