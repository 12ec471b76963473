"""The word list of bert-base-cased, which an official checkpoint needs and does not contain."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from cteg_core.emoava.architecture import ImportRefused
from flame_rig.untrusted.limits import read_bounded

VOCABULARY_NAME: Final = "vocab.txt"
EXPECTED_WORDS: Final = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]"}
"""Ids that the official code uses by number."""
_MOST_BYTES: Final = 16 << 20


def read_vocabulary(path: Path, size: int) -> bytes:
    """Return the bytes of a vocabulary of ``size`` words, one a line.

    Raises ImportRefused when it is not the text encoder's, UntrustedFileError when it is too large, OSError when it
    cannot be read.
    """
    if not path.is_file():
        raise ImportRefused(f"There is no {path.name} in {path.parent}: name a folder that holds bert-base-cased's.")
    data = read_bounded(path, _MOST_BYTES)
    try:
        words = data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise ImportRefused(f"{path} is not UTF-8 text.") from None
    if len(words) != size:
        raise ImportRefused(f"{path} has {len(words)} words; the checkpoint's text encoder knows {size}.")
    for index, expected in EXPECTED_WORDS.items():
        if words[index].strip() != expected:
            raise ImportRefused(f"{path} has {words[index].strip()!r} as word {index}; it should be {expected}.")
    return data


def tokenizer_config(longest: int) -> dict[str, Any]:
    """Return transformers' configuration of the tokenizer: cased, at most ``longest`` tokens."""
    return {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": longest}
