"""pip, asked quietly: its progress in a line each, its failures in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starter.progress import TIMED_OUT, StarterError, run_command, say

INSTALL_SECONDS: Final = 1500
"""Long enough for two gigabytes over a slow line."""

_OPTIONS: Final = ("--disable-pip-version-check", "--no-input", "--timeout", "60", "--retries", "2")

_DOWNLOAD: Final = re.compile(r"\s*Downloading (\S+?)(?:-py\d\S*|-cp\d\S*|\.tar\.gz\S*)? \(([\d.]+) (MB|GB)\)")

_REASONS: Final = (
    (
        re.compile(r"No space left on device|Errno 28"),
        "the disk is full: free about 4 GB and type the same command again",
    ),
    (
        re.compile(r"NewConnectionError|name resolution|Network is unreachable|ConnectTimeout|ReadTimeout|ProxyError"),
        "the package index cannot be reached: check the network or pip's proxy settings and type the same command "
        "again; what is finished is kept",
    ),
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError"),
        "the package index's certificate is not trusted here: check pip's certificate settings (PIP_CERT)",
    ),
    (
        re.compile(r"No matching distribution found for (?P<what>\S+)"),
        "there is no {what} for this Python and this system",
    ),
)
"""What in pip's output means what, the first that is found wins."""


def install_requirements(python: Path, requirements: Sequence[str], log: Path) -> None:
    """Install packages from the index; raises StarterError."""
    _pip(python, ["install", *requirements], f"installing {_names(requirements)}", log)


def install_wheel(python: Path, wheel: Path, log: Path) -> None:
    """Install a wheel that lies on disk over whatever version there is; raises StarterError."""
    _pip(
        python, ["install", "--force-reinstall", "--no-deps", "--no-index", str(wheel)], f"installing {wheel.name}", log
    )


def download_wheel(python: Path, requirement: str, folder: Path, log: Path) -> Path:
    """Fetch a wheel without installing it; return its path; raises StarterError."""
    options = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    _pip(python, options, f"fetching {requirement}", log)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise StarterError(f"pip left {len(wheels)} wheels for {requirement} in {folder}; one was expected.")
    return wheels[0]


def _pip(python: Path, arguments: Sequence[str], title: str, log: Path) -> None:
    say(f"  {title}")
    verb, *rest = arguments
    command: list[str | Path] = [python, "-I", "-m", "pip", verb, *_OPTIONS, "--progress-bar", "off", *rest]
    done = run_command(command, title, seconds=INSTALL_SECONDS, show=_progress, log=log)
    if done.code != 0:
        reason = failure_reason(done.code, done.output)
        raise StarterError(f"{title[0].upper()}{title[1:]} failed: {reason}. All of pip's words: {log}")


def _progress(line: str) -> str | None:
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
        return f"it took more than {INSTALL_SECONDS // 60} minutes; type the same command again to go on"
    text = "\n".join(output)
    for pattern, sentence in _REASONS:
        found = pattern.search(text)
        if found:
            return sentence.format(**found.groupdict())
    errors = [line for line in output if line.startswith("ERROR")]
    return (errors or list(output[-1:]) or [f"pip ended with code {code}"])[-1].strip().rstrip(".")


def _names(requirements: Sequence[str]) -> str:
    """Return the packages' names, without versions and markers, each once."""
    return ", ".join(dict.fromkeys(re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements))
