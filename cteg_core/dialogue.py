"""Lines of dialogue: what a user asks to be performed, checked before anything is computed."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cteg_core.clip import Controls, Likeness, Word
from cteg_core.likeness import MAX_LIKE
from cteg_core.speech import check_word_times, spoken_words

MAX_TEXT_CHARACTERS: Final = 20_000
"""Bounds hostile input only: an hour of speech is about half of it."""
SEED_COUNT: Final = 2**31
"""Seeds are 0 to SEED_COUNT - 1, what a Blender integer property can hold."""
MAX_DURATION_SECONDS: Final = 3600.0
MAX_CHARACTER_NAME: Final = 200
MAX_CONTEXT_CHARACTERS: Final = 500
MAX_TIMED_WORDS: Final = 4_000
"""Half an hour of speech; with their times, so many fit a message of the sidecar's."""

C0_NAMES: Final[tuple[str, ...]] = (
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
)  # fmt: skip
"""ASCII's names of the control characters U+0000 to U+001F."""

_BLANK_CONTROLS: Final = frozenset("\t\n\v\f\r\x85")
"""Control characters that only lay text out: they become spaces."""

_CJK: Final = (
    r"\u1100-\u11ff\u2e80-\u2fdf\u3040-\u30ff\u3130-\u318f\u31f0-\u9fff"
    r"\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Unicode blocks of Chinese, Japanese and Korean letters, as a regular expression's ranges."""
_RUN: Final = 18
"""Letters, or equal marks, that count as one word at most: a text encoder may make a token of each of them, and
28 such words still fit the 512 tokens of a BERT."""
_WORD: Final = re.compile(
    rf"[{_CJK}]|(?:(?![{_CJK}])\w|(?<=\w)['’](?=\w)){{1,{_RUN}}}|(?P<mark>[^\w\s])(?P=mark){{0,{_RUN - 1}}}"
)

_ABBREVIATIONS: Final[tuple[str, ...]] = (
    "Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Sgt", "Capt", "Col", "Gen", "Lt", "Rev", "Jr", "Sr", "vs", "e.g", "i.e",
)  # fmt: skip
"""Words whose full stop does not end a sentence."""

_NOT_ABBREVIATED: Final = "".join(rf"(?<!\b{re.escape(word)}\.)" for word in _ABBREVIATIONS)
_CLOSING: Final = "[\"'”’»)\\]]*"
_BOUNDARIES: Final[tuple[re.Pattern[str], ...]] = (
    re.compile(rf"[.!?…]{_NOT_ABBREVIATED}{_CLOSING}\s+|[。！？]+[”’」』）]*\s*"),
    re.compile(rf"[,;:]{_CLOSING}\s+|\s+[-–—]+\s+|—|[，、；：]\s*"),
    re.compile(rf"(?:{_WORD.pattern})\s*"),
)
"""Where a text may be cut, best first: ends of sentences, of clauses, of words."""


class LineError(ValueError):
    """A line cannot be performed; the message is a sentence for the user."""


@dataclass(frozen=True)
class CheckedText:
    """Text that can be performed.

    Attributes:
        text: single-spaced, on one line, without control characters.
        notes: sentences that tell the user what to expect of unusual text.
    """

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DialogueLine:
    """One line of dialogue. One that exists can be performed: the rest raises LineError.

    Attributes:
        text: what is said; stored as :func:`checked_text` returns it.
        character: who says it, as the script names them; may be empty.
        start: seconds from the start of the scene.
        controls: what was asked for beside the text.
        seed: seed of the first take; see :func:`take_seed`.
    """

    text: str
    character: str = ""
    start: float = 0.0
    controls: Controls = field(default_factory=Controls)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", checked_text(self.text).text)
        if len(self.character) > MAX_CHARACTER_NAME:
            raise LineError(f"A character's name has at most {MAX_CHARACTER_NAME} letters; shorten it.")
        _refuse_unprintable(self.character, "name of the character")
        if not math.isfinite(self.start):
            raise LineError(f"A line starts at a time in seconds; {self.start} is none.")
        _check_seed(self.seed)
        _check_controls(self.controls)
        _check_words(self.controls.words, self.text)


def take_seed(line_seed: int, take: int) -> int:
    """Return the seed of take ``take`` (counted from 0) of a line: takes differ by their seed only."""
    return (line_seed + take) % SEED_COUNT


def checked_text(text: str) -> CheckedText:
    """Return ``text`` ready to be performed; raises LineError where it cannot be.

    Runs of blanks (newlines and tabs too) become one space. Nothing else is changed or left out:
    a text that cannot be performed as it stands is refused with a sentence that says why.
    """
    if not isinstance(text, str):
        raise LineError(f"The text of a line is a piece of text; got {type(text).__name__}.")
    _refuse_unprintable(text, "text")
    tidy = " ".join(text.split())
    if not any(_is_visible(character) for character in tidy):
        raise LineError("The line is empty; write what the character says.")
    if len(tidy) > MAX_TEXT_CHARACTERS:
        raise LineError(
            f"The line has {len(tidy)} characters, more than the {MAX_TEXT_CHARACTERS} of one line; "
            "split it into several lines."
        )
    return CheckedText(tidy, tuple(_notes(tidy)))


def sentences(text: str, max_words: int) -> tuple[str, ...]:
    """Split a long text into parts of at most ``max_words`` words whose concatenation is ``text``.

    Parts end at ends of sentences; a sentence that is too long by itself is split at its clauses,
    and a clause that is too long between its words. As many sentences as fit share a part, so a short
    text stays whole. Words are counted as :func:`word_count` does.

    Raises ValueError where ``max_words`` is below 1.
    """
    if max_words < 1:
        raise ValueError(f"A part of a text holds at least one word; got max_words={max_words}.")
    return tuple(_parts(text, max_words, 0))


def word_count(text: str) -> int:
    """Return how many words ``text`` has to a text encoder.

    A Chinese, Japanese or Korean character counts as a word, and so does a run of equal marks or emoji. A run
    of letters counts once for every 18 of them, so that no text hides its length by leaving out its spaces.
    """
    return len(_WORD.findall(text))


def _parts(text: str, max_words: int, level: int) -> Iterator[str]:
    if word_count(text) <= max_words:
        yield text
        return
    held, held_words = "", 0
    for piece in _cut_after(_BOUNDARIES[level], text):
        words = word_count(piece)
        if held and held_words + words > max_words:
            yield held
            held, held_words = "", 0
        if words > max_words:
            # An apostrophe belongs to a word only between letters: cut off from them it counts for itself, and a
            # piece that was one word may be two. Cutting between words once more then parts them.
            yield from _parts(piece, max_words, min(level + 1, len(_BOUNDARIES) - 1))
        else:
            held, held_words = held + piece, held_words + words
    if held:
        yield held


def _cut_after(boundary: re.Pattern[str], text: str) -> Iterator[str]:
    start = 0
    for match in boundary.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:]


def _refuse_unprintable(text: str, what: str) -> None:
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cs":
            problem = f"half of a broken character (U+{ord(character):04X})"
        elif category == "Cc" and character not in _BLANK_CONTROLS:
            code = ord(character)
            name = f"{C0_NAMES[code]}, " if code < len(C0_NAMES) else ""
            problem = f"a control character ({name}U+{code:04X})"
        else:
            continue
        before = text[max(0, position - 12) : position].strip()
        place = f"at character {position + 1}" + (f", after “{before}”" if before else "")
        raise LineError(f"The {what} holds {problem} {place}; delete it.")


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cf", "Zs", "Zl", "Zp", "Mn", "Me")


def _notes(text: str) -> Iterator[str]:
    letters = [character for character in text if unicodedata.category(character).startswith("L")]
    if not letters and not any(character.isdigit() for character in text):
        yield "The line has no words, so it is performed without speech."
    foreign = next((letter for letter in letters if not _is_latin(letter)), None)
    if foreign is not None:
        yield (
            f"The line has letters that are not Latin (first: {foreign}); emotion reading was learned from English, "
            "so set the emotion yourself if the performance does not fit."
        )


def _is_latin(letter: str) -> bool:
    name = unicodedata.name(letter, "")
    # Modifier letters and ordinals (ʼ, º, ª) stand beside any script.
    return "LATIN" in name or unicodedata.category(letter) == "Lm" or letter in "ªº"


_RANGES: Final[tuple[tuple[str, float, float], ...]] = (
    ("intensity", 0.0, 2.0),
    ("variety", 0.0, 2.0),
    ("guidance", 0.0, 3.0),
    ("duration", 0.04, MAX_DURATION_SECONDS),
)
"""Lawful range of each number among the controls."""


def _check_controls(controls: Controls) -> None:
    for name, lowest, highest in _RANGES:
        value = getattr(controls, name)
        if value is not None and not lowest <= value <= highest:
            raise LineError(f"The {name} of a line lies between {lowest:g} and {highest:g}; got {value}.")
    _check_like(controls.like)
    _refuse_unprintable(controls.context, "context")
    if len(controls.context) > MAX_CONTEXT_CHARACTERS:
        raise LineError(
            f"The context of a line has at most {MAX_CONTEXT_CHARACTERS} characters; got {len(controls.context)}."
        )
    emotion = controls.emotion
    if emotion is None:
        return
    if not all(0.0 <= probability <= 1.0 for probability in emotion.probabilities):
        raise LineError("The probabilities of an emotion lie between 0 and 1.")
    if not all(-1.0 <= value <= 1.0 for value in (emotion.valence, emotion.arousal, emotion.dominance)):
        raise LineError("Valence, arousal and dominance of an emotion lie between -1 and 1.")


def _check_like(like: tuple[Likeness, ...]) -> None:
    if len(like) > MAX_LIKE:
        raise LineError(f"A take stays near at most {MAX_LIKE} others; got {len(like)}.")
    for each in like:
        _check_seed(each.seed)
    if not all(0.0 <= each.share <= 1.0 for each in like) or sum(each.share**2 for each in like) > 1.0 + 1e-6:
        raise LineError("Shares of the takes to stay near to lie between 0 and 1, and their squares sum to at most 1.")


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_COUNT:
        raise LineError(f"A seed is a whole number from 0 to {SEED_COUNT - 1}; got {seed!r}.")


def _check_words(words: tuple[Word, ...], text: str) -> None:
    if not words:
        return
    if len(words) > MAX_TIMED_WORDS:
        raise LineError(f"A line has times for at most {MAX_TIMED_WORDS} words; got {len(words)}: split the line.")
    count = len(spoken_words(text))
    if len(words) != count:
        raise LineError(f"The line has {count} words, and times of {len(words)} are given: give every word its time.")
    if sum(len(word.text) for word in words) > MAX_TEXT_CHARACTERS:
        raise LineError("The texts of the timed words are longer than any line: give the words as they are said.")
    for word in words:
        _refuse_unprintable(word.text, "text of a timed word")
    try:
        check_word_times(words)
    except ValueError as error:
        raise LineError(str(error)) from None
    if words[-1].end > MAX_DURATION_SECONDS:
        raise LineError(f"The last word ends at {words[-1].end:g} s; a line lasts at most {MAX_DURATION_SECONDS:g} s.")
