"""What a person does with the installed extension; each step runs in a Blender of its own.

Called as ``python installed_steps.py STEP ZIP...`` outside the checkout; prints a JSON object in its last line.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import bpy

MODULE = "bl_ext.user_default.cteg"


def install(package: str) -> None:
    """Install the zip and enable it, as dropping it onto Blender's window does."""
    bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)


def versions() -> dict[str, Any]:
    """Return where the packages come from and which versions they say they are."""
    import cteg_core
    import flame_rig

    return {
        "enabled": MODULE in bpy.context.preferences.addons,
        "complete": hasattr(bpy.types, "CTEG_PT_dialogue"),
        "core": cteg_core.__version__,
        "files": [cteg_core.__file__, flame_rig.__file__],
    }


def perform() -> dict[str, Any]:
    """Import the API under its short name, add a head and bake a clip made by hand."""
    import numpy as np

    import cteg

    frames = np.zeros((10, 53), dtype=np.float32)
    frames[:, 50] = np.linspace(0.0, 0.2, 10)
    rig = cteg.add_head()
    clip = cteg.ExpressionClip(frames=frames, fps=24.0, space=rig.space, text="Ah.")
    take = cteg.bake(clip, rig, start_frame=1)
    bpy.context.scene.frame_set(take.frame_end)
    return {
        "api": cteg.add_head.__module__,
        "frames": [take.frame_start, take.frame_end],
        "jaw": rig.armature.pose.bones["jaw"].matrix_basis.to_quaternion().angle,
    }


def runtime() -> dict[str, Any]:
    """Ask the extension where its environment would lie and what it would be made of."""
    import importlib

    place = importlib.import_module(MODULE + ".runtime_place")
    command = importlib.import_module(MODULE + ".command")
    recipe = place.recipe()
    return {
        "folder": str(place.folder()),
        "state": place.status().state.name,
        "wheel": str(recipe.wheel),
        "version": recipe.version,
        "requirements": recipe.requirements,
        "codes": [command.main(["setup", *each]) for each in (["--requirements"], ["--check"], [], ["--fly"])],
    }


def main(step: str, packages: list[str]) -> dict[str, Any]:
    """Do one step; return what the test wants to know."""
    if step == "perform":
        install(packages[0])
        return versions() | perform()
    if step == "replace":
        install(packages[0])
        install(packages[1])
        return versions() | {"asks for a restart": hasattr(bpy.types, "CTEG_PT_restart")}
    if step == "runtime":
        install(packages[0])
        return runtime()
    if step == "enable":
        bpy.ops.preferences.addon_enable(module=MODULE)
        return versions()
    raise ValueError(step)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
    sys.stdout.flush()
    # Blender 4 may crash while Python shuts down.
    os._exit(0)
