"""``blender -b head.blend --command cteg bake --text "…" --out out.blend``, and ``… --command cteg setup``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

import bpy

from . import api, preferences, runtime_place
from .jobs import JobProgress
from .operators.runtime import why_offline
from .rig import active_rig, rigs_of
from .runtime import command_line

NAME: Final = "cteg"


class ExitCode(IntEnum):
    """What the command ends with."""

    DONE = 0
    FAILED = 1
    MISUSED = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command with the arguments behind its name; return its exit code.

    Errors go to standard error, in a sentence; the paths of what was written go to standard output.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:
        # argparse has printed help or what is wrong; Blender has to go on and end by itself.
        return int(end.code or ExitCode.DONE)
    if options.command == "setup":
        return _set_up(options)
    try:
        _bake(options)
    except api.CtegError as error:
        print(f"cteg: {error}", file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"blender -b FILE --command {NAME}", description="Text to facial performance."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    bake = commands.add_parser("bake", help="let a head of the open file perform a line, and save the file")
    bake.add_argument("--text", required=True, help="what the character says")
    bake.add_argument("--out", required=True, type=Path, help="the .blend file to write")
    bake.add_argument("--head", help="name of the head's mesh (default: the only or the active head)")
    bake.add_argument("--add-head", action="store_true", help="add a head to the file first")
    bake.add_argument("--seed", type=int, default=0, help="seed of the first take (default: %(default)s)")
    bake.add_argument("--takes", type=int, default=1, help="how many performances (default: %(default)s)")
    bake.add_argument("--frame", type=int, help="frame that the line starts at (default: the first of the scene)")
    bake.add_argument("--nla", action="store_true", help="add a strip to the NLA, beside what the head plays")
    setup = commands.add_parser("setup", help=command_line.SUMMARY, description=command_line.SUMMARY)
    command_line.add_arguments(setup)
    return parser


def _set_up(options: argparse.Namespace) -> int:
    preferences.choose_folder()
    offline = why_offline().replace("choose a folder of wheels", "name a folder of wheels with --from")
    code = command_line.run(
        options, command_line.Surroundings(runtime_place.folder(), runtime_place.recipe, offline)
    )
    runtime_place.look_anew()
    return code


def _bake(options: argparse.Namespace) -> None:
    out = options.out.absolute()
    if not out.parent.is_dir():
        raise api.CtegError(f"The folder {out.parent} does not exist; make it first.")
    scene = bpy.context.scene
    rig = api.add_head() if options.add_head else _chosen_rig(options.head)
    takes = api.perform(
        options.text,
        rig,
        seed=options.seed,
        takes=options.takes,
        start_frame=scene.frame_start if options.frame is None else options.frame,
        to_nla=options.nla,
        on_progress=_show,
    )
    for note in dict.fromkeys(note for take in takes for note in take.notes):
        print(f"cteg: {note}", file=sys.stderr)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(out))
    except RuntimeError as error:
        raise api.CtegError(f"The file {out} cannot be written: {str(error).strip()}") from None
    print(out)


def _chosen_rig(name: str | None) -> api.Rig:
    names = [rig.name for rig in rigs_of(bpy.data.objects)]
    if name is not None:
        rig = api.find_rig(bpy.data.objects.get(name))
        if rig is None:
            raise api.CtegError(f"The file has no head called “{name}”; it has {_listed(names)}.")
        return rig
    rig = active_rig(bpy.context)
    if rig is None:
        advice = "choose one with --head" if names else "add one with --add-head"
        raise api.CtegError(f"The file has {_listed(names)}; {advice}.")
    return rig


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names) if names else "no head"


def _show(progress: JobProgress) -> None:
    frames = f", {progress.frames} frames" if progress.frames else ""
    print(f"cteg: {progress.message}{frames}", file=sys.stderr)
