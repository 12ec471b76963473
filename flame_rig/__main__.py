"""``python -m flame_rig report FILE``: what a FLAME file is, and how well it makes the 52 ARKit shapes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flame_rig.flame_file import EDITIONS, read_flame
from flame_rig.report import FileReport, report_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 1 with a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m flame_rig", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="read a FLAME file, solve its map to and from ARKit, print residuals")
    report.add_argument("file", type=Path, help="a FLAME model: .pkl or .npz")
    report.add_argument("--edition", choices=sorted(EDITIONS), help="say which, where the content does not tell")
    report.add_argument("--identity-components", type=int, metavar="N", help="of a file with fewer components than 400")
    report.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        file = read_flame(options.file, options.edition, options.identity_components)
    except OSError as error:
        print(f"{options.file} cannot be read: {error.strerror or error}.", file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        made = report_of(file, options.file.name)
    except ValueError as error:
        # what the file is stays worth knowing
        print(*FileReport.of(file, options.file.name).lines(), sep="\n")
        print(f"It cannot be mapped to and from ARKit. {error}", file=sys.stderr)
        return 1
    print(made.to_json() if options.json else made.to_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
