"""``python -m cteg_core import-emoava``."""

from __future__ import annotations

import argparse
import sys

from cteg_core.emoava.importing import TEXT_ENCODER_FOLDER, import_emoava
from cteg_core.emoava.vocabulary import VOCABULARY_NAME


def run(arguments: argparse.Namespace) -> int:
    """Import an official checkpoint and say what came of it; return the exit status."""
    try:
        imported = import_emoava(arguments.checkpoint, arguments.dataset, arguments.tokenizer, arguments.out)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{imported.folder}: network {imported.network_numbers / 1e6:.2f} million numbers, "
        f"text encoder {imported.encoder_numbers / 1e6:.2f} million."
    )
    if not imported.has_vocabulary:
        print(
            f"To generate from text it still needs the vocabulary of bert-base-cased: "
            f"import again with --tokenizer and a folder that holds {VOCABULARY_NAME}, "
            f"or nothing can turn text into the ids that {TEXT_ENCODER_FOLDER} reads."
        )
    else:
        print(f"Perform with it: python -m cteg_core generate --checkpoint {imported.folder} …")
    return 0
