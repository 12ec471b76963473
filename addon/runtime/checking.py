"""Looking into an environment: does it run, which versions does it have, what can it compute on?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from .encoder import PLACE, Carrier
from .errors import SetupError
from .marker import Found
from .place import Place
from .processes import clean_environment

_SECONDS: Final = 180
"""The first import of torch on a slow disk takes its time."""
_QUOTED_LETTERS: Final = 300
_NO_WINDOW: Final = 0x08000000 if sys.platform == "win32" else 0

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
print()
print(json.dumps({"python": platform.python_version(), "packages": packages, "devices": devices}))
"""


def look(place: Place, carrier: Carrier) -> Found:
    """Run an environment's interpreter and return what it finds; raises SetupError where it does not work."""
    for name in carrier.sha256:
        if not (place.venv / PLACE / name).is_file():
            raise SetupError(f"The text encoder's {name} is missing.")
    return ask(place.python)


def ask(python: Path) -> Found:
    """Return what an interpreter finds; raises SetupError where it does not run or lacks something."""
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", _PROGRAM],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            env=clean_environment({}),
            creationflags=_NO_WINDOW,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{python} did not load the network's packages within {_SECONDS} s.") from None
    except OSError as error:
        raise SetupError(f"{python} does not start ({error.strerror or error}).") from None
    try:
        record = json.loads(answer.stdout.strip().splitlines()[-1])
        return Found(record["python"], dict(record["packages"]), dict(record["devices"]))
    except (ValueError, KeyError, TypeError, IndexError):
        said = answer.stderr.strip().splitlines() or [f"it ended with code {answer.returncode}"]
        raise SetupError(f"The packages do not load: {said[-1][:_QUOTED_LETTERS]}.") from None
