"""``python -m cteg_core synthesize``: a corpus of performances from labelled text."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from cteg_core.training.corpus import choose_lines, synthesise_corpus
from cteg_core.training.text_data import read_goemotions, word_count

PERFORMANCES_PER_LINE: Final = 2
LONGEST_LINE: Final = 16
"""Words: lines of dialogue are short (EmoAva's average 8), and comments on the web are not."""


def run(arguments: argparse.Namespace) -> int:
    """Read a split of GoEmotions from ``--text``, write ``--pairs`` performances to ``--out``; return 0 or 1."""
    try:
        lines = [
            line
            for line in read_goemotions(arguments.text / "goemotions", arguments.split)
            if word_count(line.text) <= LONGEST_LINE
        ]
        wanted = -(-arguments.pairs // PERFORMANCES_PER_LINE)
        chosen = choose_lines(lines, wanted, arguments.seed)
        performances = max(1, round(arguments.pairs / len(chosen)))
        synthesise_corpus(chosen, arguments.out, performances, arguments.seed, report=print)
    except ImportError as error:
        print(f"This Python ({sys.executable}) cannot import {error.name}: install safetensors.", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.out}: {len(chosen)} lines, {performances} performances of each")
    return 0
