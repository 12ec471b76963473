"""Emotions as scripts write them: ``joy``, ``joy 0.6 sadness 0.4``, ``angry``, ``fear 60%, arousal 0.8``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from cteg_core.affect import expected_affect
from cteg_core.emotion import EMOTION_LABELS, EmotionRead
from cteg_core.scripts.times import plain

MAX_CHARACTERS: Final = 1000
AFFECT: Final = ("valence", "arousal", "dominance")

OTHER_WORDS: Final[dict[str, str]] = {
    "afraid": "fear", "amused": "amusement", "angry": "anger", "annoyed": "annoyance", "confused": "confusion",
    "curious": "curiosity", "disappointed": "disappointment", "disgusted": "disgust", "embarrassed": "embarrassment",
    "excited": "excitement", "furious": "anger", "grateful": "gratitude", "happiness": "joy", "happy": "joy",
    "joyful": "joy", "loving": "love", "nervous": "nervousness", "proud": "pride", "relieved": "relief",
    "sad": "sadness", "scared": "fear", "surprised": "surprise",
}  # fmt: skip
"""Usual words for a label beside its own name."""

_PIECES: Final = re.compile(r"[^\W\d_]+|[-+]?(?:[0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})%?|\S")
_BETWEEN: Final = frozenset(",;:=+|/()")


def emotion_of(value: str | Mapping[str, Any]) -> EmotionRead:
    """Return the emotion that a cell or an object of labels and numbers asks for.

    Labels without a number share what is asked for alike. Valence, arousal and dominance may be named too; else they
    follow the labels. Raises ValueError with the end of a sentence.
    """
    pairs = tuple(_pairs(value) if isinstance(value, str) else _items(value))
    labels = [name for name, _ in pairs if name not in AFFECT]
    if not labels:
        raise ValueError("no emotion is named")
    probabilities = dict.fromkeys(EMOTION_LABELS, 0.0)
    affect: dict[str, float] = {}
    for name, number in pairs:
        if name in AFFECT:
            affect[name] = _number(name, 0.0 if number is None else number, -1.0)
        else:
            share = 1.0 / len(labels) if number is None else number
            probabilities[name] = _number(name, probabilities[name] + share, 0.0)
    expected = expected_affect(np.array(list(probabilities.values())))
    tone = [affect.get(name, float(follows)) for name, follows in zip(AFFECT, expected, strict=True)]
    return EmotionRead(tuple(probabilities.values()), *tone)


def emotion_text(emotion: EmotionRead) -> str:
    """Return an emotion as a cell of a table."""
    strong = [(label, value) for label, value in zip(EMOTION_LABELS, emotion.probabilities, strict=True) if value]
    tone = [(name, getattr(emotion, name)) for name in AFFECT]
    return " ".join(f"{name} {plain(value)}" for name, value in (*(strong or [("neutral", 0.0)]), *tone))


def _pairs(text: str) -> Iterator[tuple[str, float | None]]:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"an emotion is written in at most {MAX_CHARACTERS} characters")
    name: str | None = None
    for piece in _PIECES.findall(text):
        if piece in _BETWEEN:
            continue
        if piece[0].isalpha():
            if name is not None:
                yield name, None
            name = _name(piece)
        elif name is None or not any(character.isdecimal() for character in piece):
            raise ValueError(f"“{piece}” belongs to no emotion")
        else:
            yield name, float(piece.rstrip("%")) / (100.0 if piece.endswith("%") else 1.0)
            name = None
    if name is not None:
        yield name, None


def _items(value: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"“{str(name)[:40]}” needs a number")
        yield _name(str(name)), float(number)


def _name(word: str) -> str:
    folded = word.casefold()
    name = OTHER_WORDS.get(folded, folded)
    if name not in EMOTION_LABELS and name not in AFFECT:
        raise ValueError(f"“{word[:40]}” is none of the {len(EMOTION_LABELS)} emotions")
    return name


def _number(name: str, value: float, lowest: float) -> float:
    if not lowest <= value <= 1.0 + 1e-9:
        raise ValueError(f"the {name} lies between {lowest:g} and 1; got {value:g}")
    return min(value, 1.0)
