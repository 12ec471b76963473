"""pip, asked quietly: its failures in a sentence. Which index it asks is for its own settings to say."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from .errors import SetupError
from .processes import TIMED_OUT, Finished, run_command, say

INSTALL_SECONDS: Final = 3600
"""Long enough for three gigabytes over a slow line."""

Runner: TypeAlias = Callable[[Sequence[str | Path], str, Mapping[str, str]], Finished]
"""Runs a command under a title, with variables on top of the environment."""

_OPTIONS: Final = ("--disable-pip-version-check", "--no-input", "--timeout", "60", "--retries", "2")

_ELSEWHERE: Final = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_ROOT": ""}
"""Settings that would put packages anywhere but into the environment, taken back."""

_NO_SETTINGS: Final = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_CONSTRAINT": ""}
"""What a folder of wheels is read with: nothing else is looked at."""

_REASONS: Final = (
    (
        re.compile(r"No space left on device|Errno 28|not enough space on the disk"),
        "the disk is full: free about 4 GB and try again",
    ),
    (
        re.compile(r"NewConnectionError|name resolution|Network is unreachable|ConnectTimeout|ReadTimeout|ProxyError"),
        "the package index cannot be reached: check the network or pip's proxy settings and try again; what is "
        "finished is kept",
    ),
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError"),
        "the package index's certificate is not trusted here: check pip's certificate settings (PIP_CERT)",
    ),
    (
        re.compile(r"Wheel '(?P<what>[^']+)' located at .* is invalid|Invalid wheel filename: '?(?P<name>[^'\s]+)"),
        "the wheel {what} is damaged: fetch it anew and try again",
    ),
    (
        re.compile(r"THESE PACKAGES DO NOT MATCH THE HASHES|BadZipFile|File is not a zip file|Bad CRC-32"),
        "a package is damaged: fetch it anew and try again",
    ),
    (
        re.compile(r"No matching distribution found for (?P<what>\S+)"),
        "there is no {what} for this Python and this system",
    ),
    (
        re.compile(r"No module named pip"),
        "this Python has no pip: on Debian and Ubuntu install python3-venv, elsewhere choose another Python",
    ),
)
"""What in pip's output means what, the first that is found wins."""

_DOWNLOAD: Final = re.compile(r"\s*Downloading (\S+?)(?:-py\d\S*|-cp\d\S*|\.tar\.gz\S*)? \(([\d.]+) (MB|GB)\)")


class Pip:
    """The pip of one environment.

    Args:
        python: the environment's interpreter.
        log: where all of its words are, for its failures to name.
        run: runs it.
        wheels: a folder of wheels to take everything from, with no index; None asks the index.
    """

    def __init__(self, python: Path, log: Path, run: Runner | None = None, wheels: Path | None = None) -> None:
        self._python = python
        self._log = log
        self._run = run or self._run_shown
        self._wheels = wheels

    def install(self, requirements: Sequence[str]) -> None:
        """Install packages; raises SetupError."""
        options = [*self._source, "--only-binary", ":all:"] if self._wheels else []
        self._pip(["install", *options, *requirements], f"installing {_names(requirements)}")

    def install_wheel(self, wheel: Path) -> None:
        """Install a wheel that lies on disk over whatever version there is; raises SetupError."""
        self._pip(
            ["install", "--force-reinstall", "--no-deps", "--no-index", str(wheel)], f"installing {wheel.name}"
        )

    def download(self, requirement: str, folder: Path) -> Path:
        """Fetch a wheel without installing it; return its path; raises SetupError."""
        options = [*self._source, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
        self._pip(["download", *options], f"fetching {requirement}")
        wheels = sorted(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise SetupError(f"pip left {len(wheels)} wheels for {requirement} in {folder}; one was expected.")
        return wheels[0]

    @property
    def _source(self) -> list[str]:
        return ["--no-index", "--find-links", str(self._wheels)] if self._wheels else []

    def _pip(self, arguments: Sequence[str], title: str) -> None:
        verb, *rest = arguments
        command: list[str | Path] = [self._python, "-I", "-u", "-m", "pip", verb, *_OPTIONS, "--progress-bar", "off"]
        done = self._run([*command, *rest], title, _ELSEWHERE | (_NO_SETTINGS if self._wheels else {}))
        if done.code != 0:
            reason = failure_reason(done.code, done.output)
            raise SetupError(f"{title[0].upper()}{title[1:]} failed: {reason}. All of pip's words: {self._log}")

    def _run_shown(self, command: Sequence[str | Path], title: str, environment: Mapping[str, str]) -> Finished:
        say(f"  {title}")
        return run_command(
            command, title, seconds=INSTALL_SECONDS, show=_shown, environment=environment, log=self._log
        )


def _shown(line: str) -> str | None:
    """Turn pip's lines into progress: downloads of a megabyte and more, and the copying."""
    download = _DOWNLOAD.match(line)
    if download and (download[3] == "GB" or float(download[2]) >= 1.0):
        return f"    downloading {download[1]} ({download[2]} {download[3]})"
    if line.startswith("Installing collected packages"):
        return "    unpacking"
    return None


def failure_reason(code: int, output: Sequence[str]) -> str:
    """Say in half a sentence why pip failed, from its return code and its output."""
    if code == TIMED_OUT:
        return f"it took more than {INSTALL_SECONDS // 60} minutes; try again to go on"
    if code < 0:
        return f"pip was ended by signal {-code}, as happens when memory runs out; try again"
    text = "\n".join(output)
    for pattern, sentence in _REASONS:
        found = pattern.search(text)
        if found:
            words = {name: value for name, value in found.groupdict().items() if value}
            return sentence.format(**({"what": words.get("name", "")} | words))
    errors = [line for line in output if line.startswith("ERROR")]
    return (errors or list(output[-1:]) or [f"pip ended with code {code}"])[-1].strip().rstrip(".")


def _names(requirements: Sequence[str]) -> str:
    """Return the packages' names, without versions and markers, each once."""
    return ", ".join(dict.fromkeys(re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements))
