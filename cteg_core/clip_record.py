"""A clip without its frames, as it follows them over the pipe; checked on arrival."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import Controls, ExpressionClip, Word, controls_from_record, emotion_from_record
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, SEED_COUNT
from cteg_core.jsonrpc import ErrorCode, RpcError
from cteg_core.params import MAX_NAME, is_texts, number_in, refusal, text_in, whole_in

_MAX_NOTES: Final = 100


def clip_record(clip: ExpressionClip) -> dict[str, Any]:
    """Return a clip without its frames, so packed that the longest line's clip fits a message.

    Word times are base64 of little-endian float64 pairs (start, end): exact, and a third of their digits.
    """
    times = np.array([(word.start, word.end) for word in clip.words], dtype="<f8")
    return {
        "fps": clip.fps,
        "space": clip.space,
        "text": clip.text,
        "words": [word.text for word in clip.words],
        "word_times": base64.b64encode(times.tobytes()).decode("ascii"),
        "emotion": None if clip.emotion is None else asdict(clip.emotion),
        "controls": asdict(clip.controls),
        "seed": clip.seed,
        "checkpoint": clip.checkpoint,
        "stop_reason": clip.stop_reason,
        "notes": list(clip.notes),
    }


def clip_from_record(record: Mapping[str, Any], frames: NDArray[np.float32]) -> ExpressionClip:
    """Join what :func:`clip_record` made with the clip's frames, ``float32 [T, 53]``; raises RpcError."""
    words, notes = record.get("words"), record.get("notes")
    if not is_texts(words, MAX_TEXT_CHARACTERS):
        raise refusal("words", "a list of texts")
    if not is_texts(notes, _MAX_NOTES):
        raise refusal("notes", "a list of texts")
    times = _word_times(record, len(words))
    try:
        emotion = emotion_from_record(record.get("emotion"))
        return ExpressionClip(
            frames=frames,
            fps=number_in(record, "fps"),
            space=text_in(record, "space", MAX_NAME),
            text=text_in(record, "text", MAX_TEXT_CHARACTERS),
            words=tuple(Word(text, start, end) for text, (start, end) in zip(words, times, strict=True)),
            emotion=emotion,
            controls=checked_controls(record.get("controls", {})),
            seed=whole_in(record, "seed", 0, SEED_COUNT - 1),
            checkpoint=text_in(record, "checkpoint", MAX_NAME),
            stop_reason=text_in(record, "stop_reason", MAX_NAME),
            notes=tuple(notes),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcError(ErrorCode.INVALID_PARAMS, f"A clip of the sidecar is damaged: {error}") from None


def _word_times(record: Mapping[str, Any], count: int) -> list[tuple[float, float]]:
    try:
        data = base64.b64decode(record["word_times"], validate=True)
        times = np.frombuffer(data, dtype="<f8").reshape(count, 2)
    except (KeyError, TypeError, ValueError):
        raise refusal("word_times", f"base64 of {count} pairs of seconds") from None
    if not np.isfinite(times).all():
        raise refusal("word_times", "times in seconds")
    return [(float(start), float(end)) for start, end in times]


def checked_controls(record: Any) -> Controls:
    """Read controls from their ``asdict`` form; raises RpcError."""
    if not isinstance(record, dict):
        raise refusal("controls", "an object")
    try:
        return controls_from_record(record)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise refusal("controls", "the controls of a line") from None
