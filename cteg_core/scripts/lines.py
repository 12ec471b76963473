"""What readers of scripts return, and how they say what they could not read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from cteg_core.clip import Controls
from cteg_core.dialogue import MAX_CONTEXT_CHARACTERS, DialogueLine, LineError, checked_text
from cteg_core.emotion import EmotionRead

MAX_LINES: Final = 10_000
"""Lines of one script; a feature film has about 1,500."""
MAX_HINTS: Final = 16
MAX_HINT_CHARACTERS: Final = 200
_MAX_NOTES: Final = 50


class ScriptError(ValueError):
    """A script cannot be read at all; the message is a sentence that names the file, the row and what to do."""


class Broken(Exception):  # noqa: N818 - what a reader knows of a ScriptError: not yet the file's name
    """The file as a whole cannot be read.

    Args:
        sentence: what is wrong and what to do.
        where: ``row 12``, say; empty where no place is to blame.
    """

    def __init__(self, sentence: str, where: str = "") -> None:
        super().__init__(sentence, where)
        self.sentence = sentence
        self.where = where


@dataclass(frozen=True)
class ScriptLine:
    """One line of a script. One that exists can be performed: the rest raises LineError.

    Attributes:
        character: who says it, as the script names them; may be empty.
        text: what is said, single-spaced.
        start: seconds from the start of the script's time; None where it has none.
        duration: seconds; None lets the line end by itself.
        hints: directions in the script's own words, such as ``quietly``; nothing acts on them by itself.
        context: what was said or happened just before; may be empty.
        emotion, intensity, seed: where the script says them.
        notes: sentences that tell the user what to expect of unusual text.
        row: where it stands in its file: the row, or the item of a JSON list, counted from 1; 0 where unknown.
    """

    character: str
    text: str
    start: float | None = None
    duration: float | None = None
    hints: tuple[str, ...] = ()
    context: str = ""
    emotion: EmotionRead | None = None
    intensity: float | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    row: int = 0

    def __post_init__(self) -> None:
        if self.start is not None and not 0.0 <= self.start < float("inf"):
            raise LineError(f"A line starts at 0 seconds or later; got {self.start}.")
        if len(self.hints) > MAX_HINTS or any(len(hint) > MAX_HINT_CHARACTERS for hint in self.hints):
            raise LineError(
                f"A line has at most {MAX_HINTS} directions of {MAX_HINT_CHARACTERS} characters; shorten them."
            )
        object.__setattr__(self, "hints", tuple(checked_text(hint).text for hint in self.hints))
        object.__setattr__(self, "text", self.dialogue_line().text)

    def dialogue_line(self, seed: int = 0, controls: Controls = Controls()) -> DialogueLine:  # noqa: B008 - frozen
        """Return the line as it is asked of a performer.

        Args:
            seed: of its first take, where the script has none.
            controls: what applies besides; what the script says goes before it.
        """
        said = replace(
            controls,
            emotion=controls.emotion if self.emotion is None else self.emotion,
            intensity=controls.intensity if self.intensity is None else self.intensity,
            duration=controls.duration if self.duration is None else self.duration,
            context=self.context or controls.context,
        )
        return DialogueLine(
            self.text, self.character, self.start or 0.0, said, seed if self.seed is None else self.seed
        )


@dataclass(frozen=True)
class Script:
    """What a script file holds.

    Attributes:
        lines: in the order of the file.
        notes: sentences for the user, with rows: what was left out, and what was read in an unusual way.
        left_out: how many lines could not be read; a note names each of the first ones.
    """

    lines: tuple[ScriptLine, ...]
    notes: tuple[str, ...] = ()
    left_out: int = 0


class Findings:
    """What a reader has found so far. Places are ``Row 12`` or ``Item 3``."""

    def __init__(self) -> None:
        self._lines: list[ScriptLine] = []
        self._notes: list[str] = []
        self._more_notes = 0
        self._left_out = 0

    def add(self, place: str, row: int, character: str, text: str, context: str = "", **others: Any) -> None:
        """Add a line, or a note why it cannot be performed; raises Broken where there are too many lines."""
        if len(self._lines) >= MAX_LINES:
            raise Broken(f"a script holds at most {MAX_LINES} lines: split the file", place.lower())
        try:
            notes = checked_text(text).notes
            context = self._fitting_context(place, context)
            line = ScriptLine(" ".join(character.split()), text, context=context, notes=notes, row=row, **others)
        except LineError as error:
            self.leave_out(place, str(error))
            return
        self._lines.append(line)

    def leave_out(self, place: str, sentence: str) -> None:
        """Note that what stands there is no line of the script's, and why; raises Broken where that is all there is."""
        if self._left_out >= MAX_LINES:
            raise Broken(f"more than {MAX_LINES} lines of it cannot be read: this is no script", place.lower())
        self._left_out += 1
        self.note(f"{place} was left out: {sentence}")

    def note(self, sentence: str) -> None:
        """Tell the user something; the first 50 are kept and the rest counted."""
        if len(self._notes) < _MAX_NOTES:
            self._notes.append(sentence)
        else:
            self._more_notes += 1

    def script(self) -> Script:
        """Return what was found."""
        more = (f"There are {self._more_notes} more notes like these.",) if self._more_notes else ()
        return Script(tuple(self._lines), (*self._notes, *more), self._left_out)

    def _fitting_context(self, place: str, context: str) -> str:
        if not context.strip():
            return ""
        try:
            return last_words(checked_text(context).text, MAX_CONTEXT_CHARACTERS)
        except LineError as error:
            self.note(f"{place}: the line is read without its context. {error}")
            return ""


def last_words(text: str, most: int) -> str:
    """Return the end of a single-spaced text, at most ``most`` characters, cut between words where it can be."""
    if len(text) <= most:
        return text
    end = text[-most:]
    _, space, rest = end.partition(" ")
    return rest if space and text[-most - 1] != " " else end
