"""The command line of ``run.py``."""

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import build_addon
from addon.runtime import command_line
from addon.runtime.errors import SetupError
from addon.runtime.processes import run_command, say
from addon.runtime.recipe import Recipe, recipe_of
from starter.checks import run_tests
from starter.environments import (
    VENVS,
    Blender,
    blender_python,
    made_interpreters,
    sidecar_command,
    sidecar_python,
)
from starter.requirements import CHECKOUT

ALL_BLENDERS: Final = ("4.2.23", "4.5.15", "5.2.3")
"""What ``--all-blenders`` adds: each line of Blender that is supported, at its newest release."""

DEMO_SECONDS: Final = 1800
RUNTIME: Final = "runtime"
"""Where ``setup`` makes its environment below ``VENVS``, if no other place is named."""
MAX_SEED: Final = 2**31 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"unknown: {' '.join(rest)}")
    try:
        if options.command == "demo":
            return _demo(options)
        if options.command == "test":
            return run_tests(_versions(options), rest)
        if options.command == "build":
            return _build(options)
        if options.command == "setup":
            return _set_up(options)
        print(json.dumps(made_interpreters(), indent=2))
    except (SetupError, build_addon.BuildError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is finished is kept.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="CTEG for Blender: a line of dialogue becomes a face.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | build | setup | env")
    demo = commands.add_parser("demo", help="perform a line: a .blend, a picture and a video in out/")
    demo.add_argument("text", help="the line of dialogue")
    demo.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: out)")
    demo.add_argument("--seed", type=_seed, help=f"0 to {MAX_SEED}; the same seed gives the same performance")
    demo.add_argument("--takes", type=_takes, default=1, help="how many performances, 1 to 9 (default: 1)")
    demo.add_argument("--no-video", action="store_true", help="leave out the video")
    demo.add_argument("--no-render", action="store_true", help="leave out the picture and the video")
    test = commands.add_parser("test", help="style, types and tests; other arguments go to pytest")
    test.add_argument("--blender", metavar="X.Y.Z,...", default="", help="releases of Blender to test on as well")
    test.add_argument("--all-blenders", action="store_true", help=f"the same as --blender {','.join(ALL_BLENDERS)}")
    build = commands.add_parser("build", help="build the extension's zip, and the sidecar it talks to")
    build.add_argument("--out", type=Path, default=CHECKOUT / "dist", help="folder for the zip (default: dist)")
    build.add_argument("--zip-only", action="store_true", help="do not make the sidecar that the zip will talk to")
    setup = commands.add_parser("setup", help=f"{command_line.SUMMARY}, for Blender to use")
    command_line.add_arguments(setup)
    commands.add_parser("env", help="print the interpreters that were made, as JSON")
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value <= MAX_SEED:
        raise argparse.ArgumentTypeError(f"a seed is 0 to {MAX_SEED}")
    return value


def _takes(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 9:
        raise argparse.ArgumentTypeError("takes are 1 to 9")
    return value


def _versions(options: argparse.Namespace) -> tuple[str, ...]:
    named = tuple(part.strip() for part in options.blender.split(",") if part.strip())
    return tuple(dict.fromkeys((*named, *(ALL_BLENDERS if options.all_blenders else ()))))


def _demo(options: argparse.Namespace) -> int:
    started = time.monotonic()
    blender = blender_python(Blender())
    sidecar = sidecar_python()
    say(f"Environments ready in {VENVS} ({time.monotonic() - started:.1f} s)")
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    flags = [flag for flag, on in (("--no-video", options.no_video), ("--no-render", options.no_render)) if on]
    # The text travels on its own after "--", so that a line that begins with a dash stays a line.
    command = [
        blender, "-m", "demo", "--out", options.out.resolve(), "--seed", str(seed),
        "--takes", str(options.takes), *flags, "--", options.text,
    ]  # fmt: skip
    environment = {
        "CTEG_SIDECAR": shlex.join(sidecar_command(sidecar)),
        # The demo neither reads nor changes the settings of a Blender that the user may have.
        "BLENDER_USER_RESOURCES": str(VENVS / "blender-settings"),
    }
    done = run_command(command, "working", seconds=DEMO_SECONDS, environment=environment, folder=CHECKOUT)
    if done.code not in (0, 1):
        # With 1 the demo has said itself what is wrong.
        print(f"\nThe demo did not finish (code {done.code}).", file=sys.stderr)
    return 1 if done.code else 0


def _build(options: argparse.Namespace) -> int:
    validator = build_addon.find_validator(blender_python(Blender()).parent.parent)
    extension = build_addon.write_extension(build_addon.read_sources(), options.out.resolve())
    build_addon.validate(extension, validator)
    say(f"{extension} ({extension.stat().st_size / 1e6:.1f} MB), accepted by Blender's validator")
    if not options.zip_only:
        # The add-on refuses a sidecar of another build, so the two are made together.
        say(f"Its sidecar, for the add-on's preferences: {shlex.join(sidecar_command(sidecar_python()))}")
    return 0


def _set_up(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="cteg-wheel-") as folder:

        def recipe() -> Recipe:
            return recipe_of(build_addon.write_wheel(build_addon.read_sources(), Path(folder)))

        code = command_line.run(options, command_line.Surroundings(VENVS / RUNTIME, recipe))
    if code == 0 and not (options.check or options.remove or options.requirements):
        place = (options.env or VENVS / RUNTIME).expanduser().absolute()
        say(f"Blender uses it where its preferences name it, or where CTEG_RUNTIME={shlex.quote(str(place))} is set.")
    return code
