"""Faces to start from: six that come with the add-on, and the user's own, as JSON files in the extension's folder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import bpy

from cteg_core.emotion import EMOTION_LABELS

from . import lines
from .errors import CtegError

FORMAT: Final = 1
_MAX_NAME: Final = 60
_MAX_BYTES: Final = 100_000
_SUFFIX: Final = ".json"


@dataclass(frozen=True)
class FacePreset:
    """Settings of a line under a name.

    Attributes:
        emotion: strengths from 0 to 1 by label; labels that are not named are 0.
        tone: valence, arousal and dominance from -1 to 1; None follows the emotion.
        intensity, expressiveness, upper, lower, smoothing: as on a line.
    """

    name: str
    emotion: Mapping[str, float] = field(default_factory=dict)
    tone: tuple[float, float, float] | None = None
    intensity: float = 1.0
    expressiveness: float = 1.0
    upper: float = 1.0
    lower: float = 1.0
    smoothing: float = 0.0


BUILT_IN: Final[tuple[FacePreset, ...]] = (
    FacePreset("Joy", {"joy": 0.9, "amusement": 0.3}, intensity=1.1, lower=1.1),
    FacePreset("Sadness", {"sadness": 0.9, "grief": 0.3}, intensity=1.1, upper=1.1, lower=0.9),
    FacePreset("Anger", {"anger": 0.9, "annoyance": 0.3}, intensity=1.2, upper=1.15),
    FacePreset("Fear", {"fear": 0.9, "nervousness": 0.4}, intensity=1.1, upper=1.2),
    FacePreset("Disgust", {"disgust": 0.9, "disapproval": 0.2}, intensity=1.2),
    FacePreset("Surprise", {"surprise": 0.9, "realization": 0.2}, intensity=1.1, upper=1.15),
)

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "intensity": (0.0, 2.0),
    "expressiveness": (0.0, 3.0),
    "upper": (0.0, 2.0),
    "lower": (0.0, 2.0),
    "smoothing": (0.0, 1.0),
}


def apply(preset: FacePreset, line: lines.Line) -> None:
    """Set a line's emotion, strength and weights to a preset's; its text, seed and takes stay."""
    line.emotion = [float(preset.emotion.get(label, 0.0)) for label in EMOTION_LABELS]
    line.emotion_override = True
    line.affect_override = preset.tone is not None
    if preset.tone is not None:
        line.valence, line.arousal, line.dominance = preset.tone
    for name in _RANGES:
        setattr(line, name, getattr(preset, name))


def of_line(name: str, scene: bpy.types.Scene, line: lines.Line) -> FacePreset:
    """Return a line's settings as a preset; where it does not override the emotion, what its take was read to carry."""
    emotion = lines.emotion_of(line) if line.emotion_override else lines.emotion_read(scene, line)
    values = emotion.probabilities if emotion is not None else (0.0,) * len(EMOTION_LABELS)
    shares = {label: round(value, 4) for label, value in zip(EMOTION_LABELS, values, strict=True) if value >= 0.0005}
    tone = (line.valence, line.arousal, line.dominance) if line.emotion_override and line.affect_override else None
    numbers = {each: round(float(getattr(line, each)), 4) for each in _RANGES}
    return FacePreset(_checked_name(name), shares, tone, **numbers)


def own() -> tuple[FacePreset, ...]:
    """Return the user's presets by name; files that are none are passed over."""
    folder = _folder(create=False)
    if folder is None or not folder.is_dir():
        return ()
    stamp = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob(f"*{_SUFFIX}")))
    if _cache.get("stamp") != (folder, stamp):
        _cache["presets"] = tuple(preset for name, _ in stamp if (preset := _read(folder / name)) is not None)
        _cache["stamp"] = (folder, stamp)
    presets: tuple[FacePreset, ...] = _cache["presets"]
    return presets


_cache: dict[str, Any] = {}


def find(name: str) -> FacePreset:
    """Return a preset by its name, the user's own first; raises CtegError where there is none."""
    for preset in (*own(), *BUILT_IN):
        if preset.name == name:
            return preset
    raise CtegError(f"There is no preset called “{name}”.")


def save(preset: FacePreset) -> Path:
    """Write a preset of the user's, in the place of one of the same name; raises CtegError."""
    folder = _folder(create=True)
    if folder is None:
        raise CtegError("Blender has no folder for the add-on's files: install CTEG as an extension.")
    path = folder / _file_name(preset.name)
    record = {"cteg": "face", "format": FORMAT, **asdict(preset)}
    try:
        path.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    except OSError as error:
        raise CtegError(f"The preset {path} cannot be written: {error.strerror}.") from None
    return path


def remove(name: str) -> None:
    """Delete a preset of the user's; raises CtegError where there is none of that name."""
    folder = _folder(create=False)
    path = folder / _file_name(name) if folder is not None else None
    if path is None or not path.is_file():
        raise CtegError(f"You have no preset called “{name}”; those that come with CTEG stay.")
    try:
        path.unlink()
    except OSError as error:
        raise CtegError(f"The preset {path} cannot be deleted: {error.strerror}.") from None


def preset_of_json(text: str) -> FacePreset:
    """Read what :func:`save` wrote; raises ValueError with a sentence on anything else."""
    try:
        record = json.loads(text)
        if record["cteg"] != "face" or record["format"] != FORMAT:
            raise ValueError("it is of another format")
        emotion = {str(label): _within(value, 0.0, 1.0) for label, value in record["emotion"].items()}
        if unknown := sorted(set(emotion) - set(EMOTION_LABELS)):
            raise ValueError(f"{unknown[0]} is no emotion")
        tone = record.get("tone")
        if tone is not None:
            valence, arousal, dominance = (_within(value, -1.0, 1.0) for value in tone)
            tone = (valence, arousal, dominance)
        numbers = {name: _within(record[name], *limits) for name, limits in _RANGES.items() if name in record}
        return FacePreset(_checked_name(record["name"]), emotion, tone, **numbers)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, CtegError) as error:
        raise ValueError(f"This is not a preset of CTEG's ({error}).") from None


def _within(value: Any, lowest: float, highest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    if not lowest <= value <= highest:
        raise ValueError(f"{value} is not between {lowest:g} and {highest:g}")
    return float(value)


def _checked_name(name: Any) -> str:
    tidy = " ".join(name.split()) if isinstance(name, str) else ""
    if not tidy or not tidy.isprintable() or len(tidy) > _MAX_NAME:
        raise CtegError(f"A preset's name has 1 to {_MAX_NAME} letters.")
    return tidy


def _file_name(name: str) -> str:
    # Letters of any script stay; whatever a file system could take for a path does not. The hash keeps names apart.
    plain = re.sub(r"[^\w -]", "_", name).strip() or "_"
    if plain == name and name.casefold() not in _RESERVED:
        return f"{plain}{_SUFFIX}"
    return f"{plain}-{sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 16**6:06x}{_SUFFIX}"


_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)))
)
"""Names that Windows keeps for devices."""


def _read(path: Path) -> FacePreset | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        return preset_of_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _folder(*, create: bool) -> Path | None:
    package = __package__ or ""
    try:
        return Path(bpy.utils.extension_path_user(package, path="presets", create=create))
    except ValueError:
        # In a checkout the add-on is no extension, and has no folder of its own.
        base = bpy.utils.user_resource("CONFIG", path="cteg/presets", create=create)
        return Path(base) if base else None
