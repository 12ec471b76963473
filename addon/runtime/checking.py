"""Looking into an environment: does it run, which versions does it have, what can it compute on?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .encoder import PLACE, Carrier
from .errors import SetupError
from .marker import Found
from .place import Place
from .processes import TIMED_OUT, follow

_SECONDS: Final = 180
"""The first import of torch on a slow disk takes its time."""
_QUOTED_LETTERS: Final = 300

_PROGRAM: Final = """
import json, platform
from importlib.metadata import PackageNotFoundError, version
import torch, transformers, safetensors, cteg_core

def known(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

devices = {"cpu": platform.processor() or platform.machine()}
if torch.cuda.is_available():
    devices["cuda"] = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
if torch.backends.mps.is_available():
    devices["mps"] = "Apple's GPU"
packages = {name: known(name) for name in ("torch", "transformers", "safetensors", "numpy")}
packages |= {"torch": str(torch.__version__), "cteg": cteg_core.__version__}
print(json.dumps({"python": platform.python_version(), "packages": packages, "devices": devices}))
"""


def look(place: Place, carrier: Carrier, on_beat: Callable[[], None] = lambda: None) -> Found:
    """Run an environment's interpreter and return what it finds; raises SetupError where it does not work.

    Args:
        place: where the environment lies.
        carrier: what put the text encoder there.
        on_beat: called several times a second.
    """
    for name in carrier.sha256:
        if not (place.venv / PLACE / name).is_file():
            raise SetupError(f"The text encoder's {name} is missing.")
    return _ask(place.python, on_beat)


def _ask(python: Path, on_beat: Callable[[], None]) -> Found:
    title = "checking what is installed"
    try:
        done = follow([python, "-I", "-c", _PROGRAM], title, _SECONDS, lambda _line: None, on_beat)
    except OSError as error:
        raise SetupError(f"{python} does not start ({error.strerror or error}).") from None
    if done.code == TIMED_OUT:
        raise SetupError(f"{python} did not load the network's packages within {_SECONDS} s.")
    try:
        record = json.loads(next(line for line in reversed(done.output) if line.startswith('{"python"')))
        return Found(record["python"], dict(record["packages"]), dict(record["devices"]))
    except (ValueError, KeyError, TypeError, StopIteration):
        said = [line for line in done.output if line.strip()] or [f"it ended with code {done.code}"]
        raise SetupError(f"The packages do not load: {said[-1].strip()[:_QUOTED_LETTERS]}.") from None
