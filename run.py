#!/usr/bin/env python3
"""Start here: ``python3 run.py demo "A line of dialogue"`` or ``python3 run.py test``.

Only the standard library is needed; the environments are made under ``.venvs/`` on first use. This
file keeps to syntax that old Pythons can read, so that they too get a sentence and not a traceback.
"""

import sys

SUPPORTED = ((3, 11), (3, 13))

if sys.version_info[:2] not in SUPPORTED:
    sys.exit(
        "This is Python {}.{}, and Blender's module exists for Python 3.11 and 3.13 only: "
        "install one of them and type `python3.11 run.py ...` or `python3.13 run.py ...`.".format(*sys.version_info)
    )

from starter.cli import main  # only now: it needs a Python that fits

if __name__ == "__main__":
    sys.exit(main())
