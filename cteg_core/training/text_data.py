"""Labelled text from disk: GoEmotions and EmoBank, read from a path that the user gives.

Nothing of these files belongs in the repository. Rows that cannot be used (too long, nothing left after cleaning) are
left out; files that are not what they should be are refused with the line at fault.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cteg_core.emotion import EMOTION_LABELS

MAX_WORDS: Final = 30
MAX_FILE_BYTES: Final = 200_000_000
GOEMOTIONS_SPLITS: Final = ("train", "dev", "test")
_STAND_IN_NAMES: Final = ("Alex", "Sam", "Jordan", "Maria", "Chris", "Anna", "Daniel", "Kim", "Robin", "Lee")


@dataclass(frozen=True)
class LabelledLine:
    """A text with what people said it carries.

    Attributes:
        text: cleaned, 1 to ``MAX_WORDS`` words.
        emotions: 28 numbers, 1.0 for each label given (several may be); all 0 where the source has no labels.
        vad: valence, arousal, dominance from -1 to 1; None where the source has none.
        split: ``train``, ``dev`` or ``test``.
        clauses: the text cut where its emotion may turn, and
        arc: 28 numbers for each of them; empty where the source tells of the line as a whole only.
    """

    text: str
    emotions: tuple[float, ...]
    vad: tuple[float, float, float] | None
    split: str
    clauses: tuple[str, ...] = ()
    arc: tuple[tuple[float, ...], ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """Indices of the labels given."""
        return tuple(index for index, value in enumerate(self.emotions) if value > 0.0)


_SUBSTITUTIONS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\[([^\]\[]+)\]\(https?://[^)\s]*\)?"), r"\1"),  # a link keeps its words
    (re.compile(r"(?:https?://|www\.)\S+"), ""),
    (re.compile(r"(?<!\w)/?[ru]/(\w+)"), r"\1"),
    (re.compile(r"(?<=\s)/s\b\.?"), ""),
    (re.compile(r"\[RELIGION\]s\b"), "believers"),
    (re.compile(r"\[RELIGION\]"), "religion"),
    (re.compile(r"\[(?!NAME\])([A-Za-z ]+)\]"), r"\1"),
    (re.compile(r"(\*{1,3}|_{2}|~~|\^+)"), ""),
    (re.compile(r"^\s*(?:>|#)+\s*"), ""),
    (re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\ufeff\s]+"), " "),
    (re.compile(r" +([,.!?;:])"), r"\1"),
)
_NAME: Final = re.compile(r"\[NAME\]")


def clean_text(text: str) -> str:
    """Return ``text`` as a person would say it: no mark-up, no links, and stand-ins for masked names.

    A text that masks several names gets several different ones, always the same for the same text.
    """
    text = html.unescape(text)
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    first = len(text)
    for count in range(text.count("[NAME]")):
        text = _NAME.sub(_STAND_IN_NAMES[(first + count) % len(_STAND_IN_NAMES)], text, count=1)
    return text.strip()


def word_count(text: str) -> int:
    """Return how many words of letters or digits a text has."""
    return len(re.findall(r"\w+(?:['’-]\w+)*", text))


def read_goemotions(folder: Path, split: str) -> list[LabelledLine]:
    """Read one split of GoEmotions (Demszky et al., ACL 2020).

    Args:
        folder: holds ``train.tsv``, ``dev.tsv`` and ``test.tsv``: text, comma-separated label numbers, id.
        split: ``train``, ``dev`` or ``test``.

    Raises:
        ValueError: with the file and line at fault; or there is no such file.
        OSError: if the file cannot be read.
    """
    if split not in GOEMOTIONS_SPLITS:
        raise ValueError(f"GoEmotions has the splits {', '.join(GOEMOTIONS_SPLITS)}; there is no {split!r}.")
    path = folder / f"{split}.tsv"
    lines = []
    for number, row in enumerate(_checked_text(path).split("\n"), start=1):
        if not row.strip():
            continue
        fields = row.rstrip("\r").split("\t")
        if len(fields) != 3:
            raise ValueError(
                f"{path}, line {number}: GoEmotions has 3 columns divided by tabs; this row has {len(fields)}."
            )
        emotions = _emotions_of(fields[1], f"{path}, line {number}")
        text = clean_text(fields[0])
        if 1 <= word_count(text) <= MAX_WORDS:
            lines.append(LabelledLine(text, emotions, None, split))
    if not lines:
        raise ValueError(f"{path} holds no usable line.")
    return lines


def read_emobank(path: Path) -> list[LabelledLine]:
    """Read EmoBank (Buechel and Hahn, EACL 2017), all splits; its scale 1 to 5 is moved to -1 to 1.

    Args:
        path: ``emobank.csv`` with the columns id, split, V, A, D, text.

    Raises:
        ValueError: with the line at fault; or there is no such file.
        OSError: if the file cannot be read.
    """
    reader = csv.DictReader(_checked_text(path).splitlines(keepends=True), strict=True)
    missing = sorted({"split", "V", "A", "D", "text"} - set(reader.fieldnames or ()))
    if missing:
        raise ValueError(f"{path} is not EmoBank: it has no column {missing[0]!r} in its first line.")
    lines = []
    for row in _csv_rows(reader, path):
        where = f"{path}, line {reader.line_num}"
        if row["split"] not in GOEMOTIONS_SPLITS:
            raise ValueError(f"{where}: the split is train, dev or test; it says {row['split']!r}.")
        vad = (_rating(row["V"], where), _rating(row["A"], where), _rating(row["D"], where))
        text = clean_text(row["text"] or "")
        if 1 <= word_count(text) <= MAX_WORDS:
            lines.append(LabelledLine(text, (0.0,) * len(EMOTION_LABELS), vad, row["split"]))
    if not lines:
        raise ValueError(f"{path} holds no usable line.")
    return lines


def _checked_text(path: Path) -> str:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ValueError(
            f"There is no {path.name} in {path.parent}: labelled text is a folder with goemotions/ and emobank/ in it."
        ) from None
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path} has {size} bytes, more than any labelled text we know ({MAX_FILE_BYTES}).")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}).") from None


def _emotions_of(field: str, where: str) -> tuple[float, ...]:
    emotions = [0.0] * len(EMOTION_LABELS)
    for entry in field.split(","):
        # isdecimal alone admits other scripts' digits, which int reads too; both are harmless here.
        if not entry.isdecimal() or int(entry) >= len(EMOTION_LABELS):
            raise ValueError(f"{where}: a label is a number from 0 to {len(EMOTION_LABELS) - 1}; got {entry[:20]!r}.")
        emotions[int(entry)] = 1.0
    return tuple(emotions)


def _csv_rows(reader: csv.DictReader[str], path: Path) -> Iterator[dict[str, str]]:
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{path}, line {reader.line_num}: the row has not as many columns as the first line.")
            yield row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not a table of comma-separated values ({error}).") from None


def _rating(field: str, where: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = float("nan")
    if not 1.0 <= value <= 5.0:
        raise ValueError(f"{where}: a rating is a number from 1 to 5; got {field[:20]!r}.")
    return (value - 3.0) / 2.0
