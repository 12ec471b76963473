"""The system libraries that Blender's module needs, and what to type when they are missing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from addon.runtime.errors import SetupError
from addon.runtime.processes import clean_environment
from addon.runtime.pythons import as_root

DEBIAN_PACKAGES: Final = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libXext.so.6": "libxext6",
    "libGL.so.1": "libgl1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libgomp.so.1": "libgomp1",
}
"""Which Debian package holds each library that some ``bpy`` wheel links to (4.2 needs the last two)."""

DEBIAN_RENDER_PACKAGES: Final = ("libegl1", "libegl-mesa0", "libgl1-mesa-dri")
"""What Workbench and EEVEE need besides, on a machine without a screen."""

PROBE_SECONDS: Final = 120


def check_blender_imports(python: Path) -> None:
    """Import ``bpy`` once in its environment.

    Raises:
        SetupError: it does not load; the sentence names what is missing and the line to type.
    """
    answer = subprocess.run(
        [str(python), "-I", "-c", "import bpy"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PROBE_SECONDS,
        env=clean_environment({}),
        check=False,
    )
    # Blender 4.x may crash at exit after a good import; only what the loader says is proof of a lack.
    words = answer.stderr.strip()
    if "Error" not in words:
        return
    missing = missing_libraries(_linked(python)) or missing_libraries(words)
    if missing:
        raise SetupError(missing_sentence(missing))
    raise SetupError(f"Blender's module does not load in {python.parent.parent}: {words.splitlines()[-1]}")


def missing_libraries(text: str) -> tuple[str, ...]:
    """Return the libraries that ``ldd``'s or the loader's words say are not found, in order."""
    names = re.findall(r"(lib[\w.+-]+\.so[.\d]*)(?: => not found|: cannot open shared object)", text)
    return tuple(dict.fromkeys(names))


def missing_sentence(missing: Sequence[str]) -> str:
    """Return what is missing and the line to type."""
    names = ", ".join(missing)
    packages = [DEBIAN_PACKAGES[name] for name in missing if name in DEBIAN_PACKAGES]
    if shutil.which("apt-get") and packages:
        return f"Blender's module needs system libraries that are missing ({names}); type: {apt_line(packages)}"
    return (
        f"Blender's module needs system libraries that are missing ({names}): "
        "install the packages that hold them with your system's package manager."
    )


def apt_line(packages: Sequence[str]) -> str:
    """Return the line that installs Debian packages."""
    return f"{as_root()}apt-get install -y --no-install-recommends {' '.join(packages)}"


def _linked(python: Path) -> str:
    """Return what ``ldd`` says of the environment's Blender module ('' where there is no ``ldd``)."""
    if sys.platform != "linux" or not shutil.which("ldd"):
        return ""
    modules = sorted(python.parent.parent.glob("lib/python*/site-packages/bpy/__init__*.so"))
    if not modules:
        return ""
    answer = subprocess.run(
        ["ldd", str(modules[0])], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
    )
    return answer.stdout
