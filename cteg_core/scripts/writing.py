"""Lines of dialogue as the text of a script file, for a round trip through other tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from cteg_core.scripts.emotions import AFFECT, emotion_text
from cteg_core.scripts.lines import ScriptError, ScriptLine
from cteg_core.scripts.subtitles import MARKS, without_tags
from cteg_core.scripts.times import clock, plain
from cteg_core.speech import plan_speech

COLUMNS: Final = ("character", "text", "start", "duration", "emotion", "intensity", "seed", "hints", "context")


def write_csv(lines: Sequence[ScriptLine]) -> str:
    """Return lines as a table with commas; what all lines leave out has no column."""
    rows = [_cells(line) for line in lines]
    columns = [name for name in COLUMNS if name in COLUMNS[:2] or any(row[name] for row in rows)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)
    return out.getvalue()


def write_json(lines: Sequence[ScriptLine]) -> str:
    """Return lines as JSON: an object whose ``lines`` are a list of objects."""
    return json.dumps({"lines": [_record(line) for line in lines]}, ensure_ascii=False, indent=1) + "\n"


def write_srt(lines: Sequence[ScriptLine]) -> str:
    """Return lines as SubRip subtitles, in the order of their starts; speakers stand before a colon.

    A line without a duration lasts as long as saying it is planned to. Raises ScriptError for a line without a start.
    """
    homeless = next((line for line in lines if line.start is None), None)
    if homeless is not None:
        raise ScriptError(f"Subtitles need times, and “{homeless.text[:40]}” has no start: set it, or write CSV.")
    cues = []
    for number, line in enumerate(sorted(lines, key=lambda line: line.start or 0.0), 1):
        start = line.start or 0.0
        seconds = line.duration or plan_speech(line.text, seed=line.seed or 0).length / 30.0
        speaker = f"{line.character}: " if line.character else ""
        cues.append(f"{number}\n{clock(start)} --> {clock(start + seconds)}\n{_literal(speaker + line.text)}\n")
    return "\n".join(cues)


def _cells(line: ScriptLine) -> dict[str, str]:
    return {
        "character": line.character,
        "text": line.text,
        "start": "" if line.start is None else plain(line.start),
        "duration": "" if line.duration is None else plain(line.duration),
        "emotion": "" if line.emotion is None else emotion_text(line.emotion),
        "intensity": "" if line.intensity is None else plain(line.intensity),
        "seed": "" if line.seed is None else str(line.seed),
        # The semicolon stands between directions.
        "hints": "; ".join(hint.replace(";", ",") for hint in line.hints),
        "context": line.context,
    }


def _record(line: ScriptLine) -> dict[str, Any]:
    record: dict[str, Any] = {
        "character": line.character, "text": line.text, "start": line.start, "duration": line.duration,
        "emotion": None, "intensity": line.intensity, "seed": line.seed, "hints": list(line.hints),
        "context": line.context,
    }  # fmt: skip
    if line.emotion is not None:
        strong = {label: value for label, value in line.emotion.strongest(28) if value} or {"neutral": 0.0}
        record["emotion"] = strong | {name: getattr(line.emotion, name) for name in AFFECT}
    return {name: value for name, value in record.items() if value not in (None, "", [])}


def _literal(text: str) -> str:
    """Return a text so that nothing in it is taken for a tag."""
    if without_tags(text) == text:
        return text
    return "".join(f"&#{ord(character)};" if character in MARKS else character for character in text)
