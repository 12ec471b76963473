"""A real Blender with its window on a screen of its own, and the hands and eyes to use it: no test in here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

EYES: Final = Path(__file__).with_name("eyes.py")
SCREEN: Final = (1600, 1200)
_STEP: Final = 12
"""Pixels between two looks; the smallest button is 18 high."""
COLUMNS: Final = (0.6, 0.3, 0.1, 0.45, 0.86, 0.8, 0.73)
"""Shares of the sidebar's width at which to look for a control, in this order."""
HEADER: Final = 28
"""Pixels from the header of a closed panel to the next."""
PANELS: Final = 4
PATIENCE: Final = 300.0


class LostSightError(AssertionError):
    """Something that should be on the screen is not there, or does not happen."""


def missing_tools() -> str:
    """Return why the walk cannot be done here, as a sentence; "" where it can."""
    blender = os.environ.get("CTEG_BLENDER", "")
    if not blender:
        return "CTEG_BLENDER is not set: give it the path of a Blender to walk through its window."
    if shutil.which(blender) is None:
        return f"CTEG_BLENDER is {blender}, which is no program."
    for tool in ("Xvfb", "xdotool", "import", "convert"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed: the walk needs Xvfb, xdotool and ImageMagick."
    return ""


@contextmanager
def screen() -> Iterator[str]:
    """Start an X server of one's own and give its display."""
    read, write = os.pipe()
    command = ("Xvfb", "-displayfd", str(write), "-screen", "0", f"{SCREEN[0]}x{SCREEN[1]}x24", "+extension", "GLX",
               "-nolisten", "tcp")  # fmt: skip
    server = subprocess.Popen(command, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise LostSightError("Xvfb did not start.")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


@dataclass
class Hands:
    """What an artist does: pointing, clicking, typing. Places are in pixels from the screen's top left."""

    display: str

    def _xdotool(self, *words: object) -> None:
        environment = dict(os.environ, DISPLAY=self.display)
        subprocess.run(("xdotool", *map(str, words)), check=True, env=environment, capture_output=True)

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self._xdotool("mousemove", round(x), round(y))

    def click(self, button: int = 1, times: int = 1) -> None:
        """Click where the pointer is."""
        self._xdotool("click", "--repeat", times, "--delay", 120, button)

    def type(self, text: str) -> None:
        """Type a text."""
        self._xdotool("type", "--delay", 40, text)

    def press(self, *keys: str) -> None:
        """Press keys, such as ``ctrl+a``, one after the other."""
        self._xdotool("key", "--delay", 80, *keys)

    def resize(self, title: str, width: int, height: int) -> None:
        """Move a window to the top left and make it as large as this; ``title`` is a part of its title."""
        found = ("search", "--onlyvisible", "--name", title)
        self._xdotool(*found, "windowmove", 0, 0)
        self._xdotool(*found, "windowsize", width, height)

    def picture(self, path: Path, place: tuple[int, int, int, int], *, trim: bool = False) -> None:
        """Save a part of the screen: left, top, width, height; ``trim`` cuts off what is empty around it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        left, top, width, height = place
        environment = dict(os.environ, DISPLAY=self.display)
        whole = path.with_suffix(".whole.png")
        cut = ["-fuzz", "2%", "-trim", "+repage", "-bordercolor", "#303030", "-border", "8"] if trim else []
        crop = ["-crop", f"{width}x{height}+{left}+{top}", "+repage"]
        for words in (["import", "-window", "root", whole], ["convert", whole, *crop, *cut, path]):
            subprocess.run(words, check=True, env=environment, capture_output=True)
        whole.unlink()


class Blender:
    """A Blender that was started with its window, the tab in front.

    Attributes:
        hands: for it.
        open: which of the tab's panels is the only open one, from the top; None while all are.
    """

    def __init__(self, hands: Hands, connection: socket.socket) -> None:
        self.hands = hands
        self._known: dict[tuple[str, int], tuple[float, float]] = {}
        self.open: int | None = None
        self._connection = connection
        self._answers = connection.makefile("rb")

    def see(self, expression: str) -> Any:
        """Return what an expression is inside Blender; see ``eyes``. Looking changes nothing that an artist sees."""
        self._connection.sendall(json.dumps(expression).encode() + b"\n")
        line = self._answers.readline()
        if not line:
            raise LostSightError(f"Blender is gone; asked was {expression}.")
        answer = json.loads(line)
        if "error" in answer:
            raise LostSightError(f"{expression}:\n{answer['error']}")
        return answer["saw"]

    def wait_for(self, expression: str, seconds: float = 240.0) -> Any:
        """Wait until an expression is true inside Blender and return it; raises LostSightError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.see(expression)
            if found:
                return found
            time.sleep(0.1)
        panel = self.see("said()") or "nothing"
        raise LostSightError(f"This did not become true within {seconds:.0f} s: {expression}. The panel says: {panel}")

    def settle(self) -> None:
        """Let Blender draw what has changed."""
        for _ in range(4):
            self.see("None")
            time.sleep(0.05)

    def find(self, what: str, *, nth: int = 0, columns: Sequence[float] = COLUMNS) -> tuple[float, float]:
        """Point at a control of the sidebar and return where it is on the screen; raises LostSightError.

        Args:
            what: a part of the operator's call or of the property's path; see ``eyes.pointed_at``.
            nth: which one, from the top, where there are more.
            columns: shares of the sidebar's width at which to look.
        """
        known = self._known.get((what, nth))
        if known is not None and what in self._at(*known):
            return known
        left, top, width, height = self.sidebar()
        # What is being drawn late, on a busy machine, is there when one looks again.
        for column in (*columns, *columns):
            seen, last = 0, ""
            for y in range(top + 10, top + height - 6, _STEP):
                now = self._at(left + column * width, y)
                if what in now and now != last:
                    if seen == nth:
                        self._known[what, nth] = (left + column * width, y)
                        return self._known[what, nth]
                    seen += 1
                last = now
        raise LostSightError(f"“{what}” is not in the sidebar.")

    def _at(self, x: float, y: float) -> str:
        self.hands.point(x, y)
        self.see("None")
        return str(self.see("pointed_at()"))

    def sidebar(self) -> tuple[int, int, int, int]:
        """Return the sidebar's left, top, width and height on the screen."""
        left, bottom, width, height, whole = self.see("place()")
        return left, whole - bottom - height, width, height

    def click(self, what: str, *, nth: int = 0, columns: Sequence[float] = COLUMNS, times: int = 1) -> None:
        """Find a control and click it."""
        self.find(what, nth=nth, columns=columns)
        self.hands.click(times=times)
        self.settle()

    def enter(self, what: str, value: object) -> None:
        """Write into a field: into a number as artists do, by Enter over it."""
        self.find(what)
        self.hands.press("Return")
        self.settle()
        self.hands.press("ctrl+a")
        self.hands.type(str(value))
        self.hands.press("Return")
        self.settle()

    def open_only(self, panel: int) -> None:
        """Close all panels but one, by clicks on their headers; panels count from the top."""
        left, top, width, _height = self.sidebar()
        if self.open is None:
            # All are open at first: each that is closed brings the next header to its place.
            for each in range(PANELS):
                self._click_header(left, top, width, each)
            self._click_header(left, top, width, panel)
        elif self.open != panel:
            self._click_header(left, top, width, self.open)
            self._click_header(left, top, width, panel)
        self.open = panel

    def _click_header(self, left: int, top: int, width: int, panel: int) -> None:
        self.hands.point(left + 0.4 * width, top + HEADER // 2 + 2 + panel * HEADER)
        self.settle()
        self.hands.click()
        self.settle()

    def picture(self, path: Path, *, pointer: tuple[float, float] | None = None) -> None:
        """Save what the sidebar shows, without the tabs beside it; the pointer rests elsewhere, or at a place."""
        left, top, width, height = self.sidebar()
        self.hands.point(*(pointer or (left - 200, top + height - 60)))
        if pointer is None:
            self.settle()
        self.hands.picture(path, (left, top + 2, width - 28, height - 8), trim=True)


@contextmanager
def blender(
    command: str, user_folder: Path, log: Path, environment: Mapping[str, str], file: Path
) -> Iterator[Blender]:
    """Start Blender with its window, a file, and the CTEG tab in front; and end it."""
    with screen() as display, socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        whole = dict(os.environ, **environment, DISPLAY=display, BLENDER_USER_RESOURCES=str(user_folder),
                     CTEG_EYES_PORT=str(server.getsockname()[1]), PYTHONUNBUFFERED="1")  # fmt: skip
        words = (command, "--window-geometry", "0", "0", *map(str, SCREEN), str(file), "--python", str(EYES))
        with log.open("a") as out:
            process = subprocess.Popen(words, env=whole, stdout=out, stderr=out, start_new_session=True)
        try:
            connection, _ = server.accept()
            connection.settimeout(PATIENCE)
            with connection:
                shown = Blender(Hands(display), connection)
                shown.wait_for("show_tab()")
                shown.settle()
                yield shown
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def in_background(command: str, user_folder: Path, *words: str) -> None:
    """Let Blender do something without its window; raises LostSightError with what it said where that fails."""
    environment = dict(os.environ, BLENDER_USER_RESOURCES=str(user_folder))
    done = subprocess.run((command, *words), env=environment, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise LostSightError(f"{' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
