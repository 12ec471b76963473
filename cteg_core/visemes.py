"""What the mouth does for English spelling: visemes, and rules that turn letters into them.

Speech here is planned from text alone, so a grapheme-to-viseme table is enough: many phonemes look alike
(p, b, m), and what the eye checks is that lips close for *m*, bite for *f*, round for *oo* and open for *ah*.
Real lip sync can replace the mouth later (DESIGN.md, "Layers").
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

SPEECH_CHANNELS: Final[tuple[str, ...]] = (
    "open", "spread", "round", "press", "bite", "tongue", "voiced", "accent",
)  # fmt: skip
"""Per-frame speech features: jaw opening, lip spreading, lip rounding, closed lips (m b p), lower lip under the
upper teeth (f v), tongue tip behind or between the teeth, whether a word is being said, stress."""

SPEECH_WIDTH: Final = len(SPEECH_CHANNELS)


@dataclass(frozen=True)
class Viseme:
    """Mouth targets of one speech sound, each in [0, 1], and its share of a syllable's time."""

    open: float = 0.0
    spread: float = 0.0
    round: float = 0.0
    press: float = 0.0
    bite: float = 0.0
    tongue: float = 0.0
    share: float = 0.5
    vowel: bool = False


VISEMES: Final[dict[str, Viseme]] = {
    # Vowels, named after ARPAbet.
    "AA": Viseme(open=0.85, spread=0.10, share=1.1, vowel=True),
    "AE": Viseme(open=0.70, spread=0.45, share=1.1, vowel=True),
    "AH": Viseme(open=0.42, spread=0.10, share=0.8, vowel=True),
    "AO": Viseme(open=0.65, round=0.45, share=1.1, vowel=True),
    "EH": Viseme(open=0.50, spread=0.40, share=0.9, vowel=True),
    "ER": Viseme(open=0.30, round=0.35, share=1.0, vowel=True),
    "IH": Viseme(open=0.30, spread=0.45, share=0.7, vowel=True),
    "IY": Viseme(open=0.22, spread=0.80, share=1.0, vowel=True),
    "OW": Viseme(open=0.45, round=0.75, share=1.1, vowel=True),
    "UH": Viseme(open=0.28, round=0.55, share=0.8, vowel=True),
    "UW": Viseme(open=0.20, round=0.95, share=1.0, vowel=True),
    # Second halves of diphthongs: they follow a vowel and carry no syllable of their own.
    "y": Viseme(open=0.24, spread=0.65, share=0.6),
    "w": Viseme(open=0.20, round=0.85, share=0.6),
    # Consonant groups that look alike.
    "M": Viseme(press=1.0, share=0.65),
    "F": Viseme(open=0.08, bite=1.0, share=0.65),
    "TH": Viseme(open=0.20, spread=0.15, tongue=1.0, share=0.55),
    "T": Viseme(open=0.12, spread=0.25, tongue=0.5, share=0.45),
    "S": Viseme(open=0.08, spread=0.40, tongue=0.2, share=0.60),
    "SH": Viseme(open=0.14, round=0.60, share=0.65),
    "K": Viseme(open=0.22, spread=0.10, share=0.45),
    "H": Viseme(open=0.30, share=0.30),
    "L": Viseme(open=0.28, spread=0.15, tongue=0.8, share=0.45),
    "R": Viseme(open=0.18, round=0.45, share=0.45),
    "W": Viseme(open=0.12, round=0.95, share=0.50),
    "Y": Viseme(open=0.15, spread=0.60, share=0.40),
}
"""Targets in the order of dominance models (Cohen and Massaro 1993); the numbers are our judgement on the head."""

WHOLE_WORDS: Final[dict[str, str]] = {
    "a": "AH", "i": "AA y", "the": "TH AH", "to": "T UW", "too": "T UW", "two": "T UW", "do": "T UW",
    "you": "Y UW", "your": "Y AO R", "youre": "Y AO R", "of": "AH F", "was": "W AH S", "were": "W ER",
    "are": "AA R", "im": "AA y M", "ive": "AA y F", "ill": "AA y L", "id": "AA y T", "he": "H IY", "she": "SH IY",
    "we": "W IY", "me": "M IY", "be": "M IY", "my": "M AA y", "by": "M AA y", "why": "W AA y", "so": "S OW w",
    "no": "T OW w", "go": "K OW w", "have": "H AE F", "one": "W AH T", "once": "W AH T S", "what": "W AH T",
    "who": "H UW", "said": "S EH T", "some": "S AH M", "come": "K AH M", "love": "L AH F", "done": "T AH T",
    "gone": "K AO T", "now": "T AA w", "how": "H AA w", "know": "T OW w", "dont": "T OW T", "wont": "W OW T",
    "eye": "AA y", "eyes": "AA y S", "they": "TH EH y", "theyre": "TH EH R", "there": "TH EH R", "their": "TH EH R",
    "where": "W EH R", "says": "S EH S", "been": "M IH T", "give": "K IH F", "live": "L IH F", "good": "K UH T",
    "look": "L UH K", "book": "M UH K", "could": "K UH T", "would": "W UH T", "should": "SH UH T",
    "people": "M IY M L", "friend": "F R EH T", "heart": "H AA R T", "great": "K R EH y T", "cant": "K AE T T",
    "0": "S IH R OW", "1": "W AH T", "2": "T UW", "3": "TH R IY", "4": "F AO R", "5": "F AA y F",
    "6": "S IH K S", "7": "S EH F AH T", "8": "EH y T", "9": "T AA y T",
}  # fmt: skip
"""Frequent words whose spelling misleads, and the ten digits (numbers are read digit by digit)."""

_LONG_VOWEL: Final[dict[str, str]] = {"a": "EH y", "e": "IY", "i": "AA y", "o": "OW w", "u": "UW", "y": "AA y"}

# Pattern, visemes. The first rule that matches at a position wins; ^ and $ are the word's ends.
_RULES: Final[tuple[tuple[str, str], ...]] = (
    (r"^kn", "T"), (r"^wr", "R"), (r"^ps", "S"), (r"^y", "Y"), (r"^who", "H UW"), (r"^ex", "EH K S"),
    (r"eigh", "EH y"), (r"igh", "AA y"), (r"ough(?=t)", "AO"), (r"augh(?=t)", "AO"), (r"ough$", "AH F"),
    (r"ough", "OW"), (r"augh", "AE F"), (r"tion|sion|cian", "SH AH T"), (r"tious|cious", "SH AH S"),
    (r"ture$", "SH ER"), (r"(?<=[td])ed$", "IH T"), (r"(?<=[aeiouy].)ed$|(?<=[aeiouy]..)ed$", "T"),
    (r"(?<=[sxz])es$|(?<=[sc]h)es$|(?<=[cg])es$", "IH S"), (r"mb$", "M"), (r"mn$", "M"), (r"le$", "AH L"),
    (r"les$", "AH L S"), (r"dge", "SH"), (r"tch", "SH"), (r"sch", "S K"), (r"ch|sh|zh", "SH"), (r"ph", "F"),
    (r"th", "TH"), (r"wh", "W"), (r"gh", ""), (r"ck", "K"), (r"qu", "K W"), (r"ng", "K"), (r"x", "K S"),
    (r"ee|ea|ie(?!t)", "IY"), (r"oo", "UW"), (r"ou", "AA w"), (r"ow$", "OW w"), (r"ow", "AA w"),
    (r"oi|oy", "AO y"), (r"ai|ay|ei|ey(?!$)", "EH y"), (r"ey$", "IY"), (r"au|aw", "AO"), (r"ew|ue|ui", "UW"),
    (r"oa|oe$", "OW w"), (r"ar", "AA R"), (r"er|ir|ur|yr", "ER"), (r"or", "AO R"),
    (r"o(?=l[dkt])", "OW w"), (r"i(?=nd$|ld$)", "AA y"), (r"y$", "IY"), (r"o$", "OW w"), (r"i$", "AA y"),
    (r"c(?=[eiy])", "S"), (r"g(?=e$|es$|i[aeo])|j", "SH"), (r"u(?=sh|ll)", "UH"),
    (r"a$", "AH"), (r"a", "AE"), (r"e", "EH"), (r"i|y", "IH"), (r"o", "AA"), (r"u", "AH"),
    (r"[bpm]", "M"), (r"[fv]", "F"), (r"[tdn]", "T"), (r"[sz]", "S"), (r"[kgcq]", "K"),
    (r"(?<=[aeiou])h$", ""), (r"h", "H"), (r"l", "L"), (r"r", "R"), (r"w", "W"),
)  # fmt: skip

_COMPILED: Final = tuple((re.compile(pattern), tuple(sounds.split())) for pattern, sounds in _RULES)
_MAGIC_E: Final = re.compile(r"([aeiouy])(?=[bcdfgklmnpstvz]e(?:s|d)?$)")
_SILENT_E: Final = re.compile(r"(?<=[^aeiouy])e$|(?<=[^aeiouysxzhcg])e(?=s$)")
_DOUBLED: Final = re.compile(r"([^aeiou\d])\1+")
_LENGTHENED: Final = re.compile(r"(.)\1{2,}")


def latin_letters(text: str) -> str:
    """Return the plain lower-case Latin letters and digits of ``text``, accents removed ("Café's" -> "cafes")."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if c.isascii() and c.isalnum())


@lru_cache(maxsize=16384)
def visemes_of_word(word: str) -> tuple[str, ...]:
    """Return the names of the visemes that say an English word, in order; empty if it holds no Latin letter.

    A drawn-out word ("nooooo") is said once: length is timing's concern.

    >>> visemes_of_word("mob")
    ('M', 'AA', 'M')
    """
    letters = latin_letters(word)
    if letters in WHOLE_WORDS:
        return tuple(WHOLE_WORDS[letters].split())
    if (once := _LENGTHENED.sub(r"\1", letters)) in WHOLE_WORDS:
        return tuple(WHOLE_WORDS[once].split())
    letters = _DOUBLED.sub(r"\1", _LENGTHENED.sub(r"\1\1", letters))
    sounds: list[str] = []
    position = 0
    while position < len(letters):
        step, found = _sounds_at(letters, position, spoken=any(VISEMES[s].vowel for s in sounds))
        sounds.extend(found)
        position += step
    return tuple(sounds)


def _sounds_at(letters: str, position: int, *, spoken: bool) -> tuple[int, tuple[str, ...]]:
    """Return how many letters the rule at ``position`` takes, and its visemes."""
    if letters[position].isdigit():
        return 1, tuple(WHOLE_WORDS[letters[position]].split())
    if (magic := _MAGIC_E.match(letters, position)) and not (position and letters[position - 1] in "aeiou"):
        return 1, tuple(_LONG_VOWEL[magic[1]].split())
    if spoken and _SILENT_E.match(letters, position):
        return 1, ()
    if letters[position] == "e" and position == len(letters) - 1:
        return 1, ("IY",)
    for pattern, sounds in _COMPILED:
        if match := pattern.match(letters, position):
            return match.end() - position, sounds
    return 1, ()


def syllable_count(word: str) -> int:
    """Return how many syllables a word has: its vowel visemes, at least 1 for any word with letters."""
    sounds = visemes_of_word(word)
    return max(1, sum(VISEMES[s].vowel for s in sounds)) if sounds else 0
