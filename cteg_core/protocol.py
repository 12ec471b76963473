"""The sidecar's protocol: its methods and what flows with them, checked on arrival.

Requests: ``initialize``, ``load``, ``generate``, ``shutdown``. Notifications: ``$/progress`` (frames of a
take as they come, then the take's clip without frames) and ``$/cancelRequest``. The parameters a reader
does not know are left alone, so that either side may grow without breaking the other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeGuard

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import (
    MAX_CLIP_FRAMES,
    Controls,
    ExpressionClip,
    Word,
    controls_from_record,
    decode_frames,
    emotion_from_record,
    encode_frames,
)
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, SEED_COUNT, DialogueLine, LineError
from cteg_core.jsonrpc import ErrorCode, MessageId, RpcError

PROTOCOL_VERSION: Final = 1
"""Raised when a message changes its meaning, never when one is added."""

INITIALIZE: Final = "initialize"
LOAD: Final = "load"
GENERATE: Final = "generate"
SHUTDOWN: Final = "shutdown"
PROGRESS: Final = "$/progress"
CANCEL: Final = "$/cancelRequest"

MAX_CHUNK_FRAMES: Final = 64
MAX_TAKES: Final = 64
_MAX_NAME: Final = 1000
_MAX_NOTES: Final = 100


def is_same_build(one: str, other: str) -> bool:
    """Return whether two versions of ``cteg_core`` can work together.

    A wheel's version names its build (``0.1.0+h3f...``) and must be matched exactly. A checkout's names the release
    alone, and the wheel that was built from it has another: there only the release can be compared.

    >>> is_same_build("0.1.0", "0.1.0+h3f"), is_same_build("0.1.0+h3f", "0.1.0+h40")
    (True, False)
    """
    (release, _, build), (other_release, _, other_build) = one.partition("+"), other.partition("+")
    return release == other_release and (build == other_build or not (build and other_build))


@dataclass(frozen=True)
class Versions:
    """Parameters and result of ``initialize``: who speaks.

    Attributes:
        protocol: :data:`PROTOCOL_VERSION` of the speaker.
        version: version of its ``cteg_core``.
        packages: version of every package the speaker computes with, by name; empty = not installed.
    """

    protocol: int
    version: str
    packages: Mapping[str, str]

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"protocol": self.protocol, "version": self.version, "packages": dict(self.packages)}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Versions:
        """Read :meth:`to_params`; raises RpcError."""
        packages = params.get("packages", {})
        if not isinstance(packages, dict) or not all(isinstance(value, str) for value in packages.values()):
            raise _refusal("packages", "an object of versions by name")
        return cls(_whole(params, "protocol", 0, SEED_COUNT), _text(params, "version", _MAX_NAME), packages)


@dataclass(frozen=True)
class Loaded:
    """Parameters and result of ``load``: the checkpoint asked for, and the one that is loaded.

    Attributes:
        checkpoint: its id (name and shortened SHA-256); empty in a request = the sidecar's own choice.
        device: where it computes; only in a result.
    """

    checkpoint: str = ""
    device: str = ""

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Loaded:
        """Read :meth:`to_params`; raises RpcError."""
        return cls(_text(params, "checkpoint", _MAX_NAME, ""), _text(params, "device", _MAX_NAME, ""))


@dataclass(frozen=True)
class TakesOfLine:
    """Parameters of ``generate``: a line, and how many takes of it."""

    line: DialogueLine
    takes: int = 1

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"line": asdict(self.line), "takes": self.takes}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> TakesOfLine:
        """Read :meth:`to_params`; raises RpcError (LINE_REFUSED where the line cannot be performed)."""
        line = params.get("line")
        if not isinstance(line, dict):
            raise _refusal("line", "an object")
        takes = _whole(params, "takes", 1, MAX_TAKES)
        # The line's own checks bound the text: it is never a reason to cut.
        text, character = line.get("text"), _text(line, "character", _MAX_NAME, "")
        try:
            controls = _controls(line.get("controls", {}))
            start = _number(line, "start", 0.0)
            return cls(DialogueLine(text, character, start, controls, line.get("seed", 0)), takes)  # type: ignore[arg-type]
        except LineError as error:
            raise RpcError(ErrorCode.LINE_REFUSED, str(error)) from None


@dataclass(frozen=True, eq=False)
class FramesProgress:
    """Some frames of a take under way; frames sent again replace those sent before.

    Attributes:
        request_id: the ``generate`` they belong to.
        take: counted from 0.
        first_frame: index of the first of them in the take.
        frames: ``float32 [n, 53]``, 1 to ``MAX_CHUNK_FRAMES``.
    """

    request_id: MessageId
    take: int
    first_frame: int
    frames: NDArray[np.float32]

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.request_id,
            "take": self.take,
            "first_frame": self.first_frame,
            "frame_count": len(self.frames),
            "frames": encode_frames(self.frames),
        }

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> FramesProgress:
        count = _whole(params, "frame_count", 1, MAX_CHUNK_FRAMES)
        try:
            frames = decode_frames(params["frames"], count)
        except (KeyError, ValueError):
            raise _refusal("frames", f"base64 of {count} frames") from None
        first_frame = _whole(params, "first_frame", 0, MAX_CLIP_FRAMES - count)
        return cls(_id(params), _whole(params, "take", 0, MAX_TAKES - 1), first_frame, frames)


@dataclass(frozen=True)
class TakeHeader:
    """A take is complete: its clip without the frames, which came before.

    Attributes:
        request_id: the ``generate`` it belongs to.
        take: counted from 0.
        frame_count: how many frames the clip has.
        record: the clip's other entries, as :func:`clip_record` makes them.
    """

    request_id: MessageId
    take: int
    frame_count: int
    record: Mapping[str, Any]

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"id": self.request_id, "take": self.take, "frame_count": self.frame_count, "clip": self.record}

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> TakeHeader:
        record = params.get("clip")
        if not isinstance(record, dict):
            raise _refusal("clip", "an object")
        count = _whole(params, "frame_count", 1, MAX_CLIP_FRAMES)
        return cls(_id(params), _whole(params, "take", 0, MAX_TAKES - 1), count, record)


def progress_from_params(params: Mapping[str, Any]) -> FramesProgress | TakeHeader:
    """Read the parameters of ``$/progress``; raises RpcError."""
    return TakeHeader._from_params(params) if "clip" in params else FramesProgress._from_params(params)


def cancel_params(request_id: MessageId) -> dict[str, Any]:
    """Return the parameters of ``$/cancelRequest``."""
    return {"id": request_id}


def cancelled_id(params: Mapping[str, Any]) -> MessageId:
    """Read the parameters of ``$/cancelRequest``; raises RpcError."""
    return _id(params)


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
    if not _is_texts(words, MAX_TEXT_CHARACTERS):
        raise _refusal("words", "a list of texts")
    if not _is_texts(notes, _MAX_NOTES):
        raise _refusal("notes", "a list of texts")
    times = _word_times(record, len(words))
    try:
        emotion = emotion_from_record(record.get("emotion"))
        return ExpressionClip(
            frames=frames,
            fps=_number(record, "fps"),
            space=_text(record, "space", _MAX_NAME),
            text=_text(record, "text", MAX_TEXT_CHARACTERS),
            words=tuple(Word(text, start, end) for text, (start, end) in zip(words, times, strict=True)),
            emotion=emotion,
            controls=_controls(record.get("controls", {})),
            seed=_whole(record, "seed", 0, SEED_COUNT - 1),
            checkpoint=_text(record, "checkpoint", _MAX_NAME),
            stop_reason=_text(record, "stop_reason", _MAX_NAME),
            notes=tuple(notes),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcError(ErrorCode.INVALID_PARAMS, f"A clip of the sidecar is damaged: {error}") from None


def _word_times(record: Mapping[str, Any], count: int) -> list[tuple[float, float]]:
    try:
        data = base64.b64decode(record["word_times"], validate=True)
        times = np.frombuffer(data, dtype="<f8").reshape(count, 2)
    except (KeyError, TypeError, ValueError):
        raise _refusal("word_times", f"base64 of {count} pairs of seconds") from None
    if not np.isfinite(times).all():
        raise _refusal("word_times", "times in seconds")
    return [(float(start), float(end)) for start, end in times]


def _controls(record: Any) -> Controls:
    if not isinstance(record, dict):
        raise _refusal("controls", "an object")
    try:
        return controls_from_record(record)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise _refusal("controls", "the controls of a line") from None


def _is_texts(value: Any, most: int) -> TypeGuard[list[str]]:
    return isinstance(value, list) and len(value) <= most and all(isinstance(text, str) for text in value)


def _id(params: Mapping[str, Any]) -> MessageId:
    value = params.get("id")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise _refusal("id", "the id of a request")


def _text(params: Mapping[str, Any], name: str, most: int, default: str | None = None) -> str:
    value = params.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise _refusal(name, f"a text of at most {most} characters")
    return value


def _whole(params: Mapping[str, Any], name: str, lowest: int, highest: int) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise _refusal(name, f"a whole number from {lowest} to {highest}")
    return value


def _number(params: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal(name, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _refusal(name, "a number") from None


def _refusal(name: str, wanted: str) -> RpcError:
    return RpcError(ErrorCode.INVALID_PARAMS, f"The parameter {name!r} of a message is {wanted}.")
