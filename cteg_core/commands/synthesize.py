"""``python -m cteg_core synthesize``: a corpus of performances from labelled text."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Final

from cteg_core.training.corpus import CorpusReader, choose_lines, synthesise_corpus
from cteg_core.training.corpus_statistics import statistics_of
from cteg_core.training.dialogue_lines import read_dialogue
from cteg_core.training.text_data import LabelledLine, read_goemotions, word_count

PERFORMANCES_PER_LINE: Final = 2
LONGEST_LINE: Final = 16
"""Words: lines of dialogue are short (EmoAva's average 8), and comments on the web are not."""
LONGEST_DIALOGUE: Final = 22
"""Words: what the network performs in one go."""
STATISTICS_NAME: Final = "statistics.json"


def run(arguments: argparse.Namespace) -> int:
    """Write ``--pairs`` performances of labelled lines to ``--out``, and what they amount to; return 0 or 1."""
    try:
        chosen = _lines(arguments)
        performances = max(1, round(arguments.pairs / len(chosen)))
        synthesise_corpus(chosen, arguments.out, performances, arguments.seed, report=print)
        statistics = statistics_of(CorpusReader(arguments.out))
        text = json.dumps(asdict(statistics), indent=2)
        (arguments.out / STATISTICS_NAME).write_text(text + "\n", encoding="utf-8")
        print(text)
    except ImportError as error:
        print(f"This Python ({sys.executable}) cannot import {error.name}: install safetensors.", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.out}: {len(chosen)} lines, {performances} performances of each")
    return 0


def _lines(arguments: argparse.Namespace) -> list[LabelledLine]:
    """Return the project's dialogue and, for the rest of the lines that are wanted, comments of GoEmotions."""
    wanted = -(-arguments.pairs // PERFORMANCES_PER_LINE)
    dialogue = []
    if arguments.dialogue is not None and arguments.split != "dev":
        written = read_dialogue(arguments.dialogue, arguments.split)
        dialogue = [line.labelled() for line in written if word_count(line.text) <= LONGEST_DIALOGUE]
    comments = [
        line
        for line in read_goemotions(arguments.text / "goemotions", arguments.split)
        if word_count(line.text) <= LONGEST_LINE
    ]
    return dialogue[:wanted] + choose_lines(comments, max(0, wanted - len(dialogue)), arguments.seed)
