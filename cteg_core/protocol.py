"""The sidecar's protocol: its methods and what flows with them, checked on arrival.

Requests: ``initialize``, ``load``, ``generate``, ``read``, ``shutdown``. Notifications: ``$/progress`` (frames of a
take as they come, then the take's clip without frames) and ``$/cancelRequest``. The parameters a reader
does not know are left alone, so that either side may grow without breaking the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import MAX_CLIP_FRAMES, decode_frames, emotion_from_record, encode_frames
from cteg_core.clip_record import checked_controls
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, SEED_COUNT, DialogueLine, LineError
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import ErrorCode, MessageId, RpcError
from cteg_core.params import MAX_NAME, id_in, is_texts, number_in, refusal, text_in, whole_in

PROTOCOL_VERSION: Final = 1
"""Raised when a message changes its meaning, never when one is added."""

INITIALIZE: Final = "initialize"
LOAD: Final = "load"
GENERATE: Final = "generate"
READ: Final = "read"
SHUTDOWN: Final = "shutdown"
PROGRESS: Final = "$/progress"
CANCEL: Final = "$/cancelRequest"

MAX_CHUNK_FRAMES: Final = 64
MAX_TAKES: Final = 64
"""Takes that are performed together: of one line, or of all lines of a request."""
MAX_LINES: Final = MAX_TAKES
MAX_TEXTS: Final = 64


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
            raise refusal("packages", "an object of versions by name")
        return cls(whole_in(params, "protocol", 0, SEED_COUNT), text_in(params, "version", MAX_NAME), packages)


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
        return cls(text_in(params, "checkpoint", MAX_NAME, ""), text_in(params, "device", MAX_NAME, ""))


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
        return cls(_line(line, "line"), whole_in(params, "takes", 1, MAX_TAKES))


@dataclass(frozen=True)
class TakesOfLines:
    """Parameters of ``generate`` for many lines, which are performed as one batch.

    Attributes:
        lines: 1 to ``MAX_LINES``; on arrival, what is wrong with a line stands in its place.
        takes: of each line; lines x takes is at most ``MAX_TAKES``.
    """

    lines: tuple[DialogueLine | RpcError, ...]
    takes: int = 1

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        lines = [asdict(line) for line in self.lines if isinstance(line, DialogueLine)]
        return {"lines": lines, "takes": self.takes}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> TakesOfLines:
        """Read :meth:`to_params`; raises RpcError, but never for one of the lines."""
        records, takes = params.get("lines"), whole_in(params, "takes", 1, MAX_TAKES)
        if not isinstance(records, list) or not 1 <= len(records) <= MAX_LINES:
            raise refusal("lines", f"a list of 1 to {MAX_LINES} lines")
        if len(records) * takes > MAX_TAKES:
            raise refusal("takes", f"so small that all lines together have at most {MAX_TAKES} takes")
        return cls(tuple(_line_or_refusal(record) for record in records), takes)


@dataclass(frozen=True)
class FailedLine:
    """A line of many that was not performed.

    Attributes:
        line: its index in the request.
        code: one of :class:`ErrorCode`.
        sentence: what failed and what to do.
    """

    line: int
    code: int
    sentence: str


def failed_lines_result(takes: int, failed: Sequence[FailedLine]) -> dict[str, Any]:
    """Return the result of a ``generate`` of many lines."""
    errors = [{"line": each.line, "code": each.code, "message": each.sentence} for each in failed]
    return {"takes": takes, "errors": errors}


def failed_lines(result: Mapping[str, Any], count: int) -> tuple[FailedLine, ...]:
    """Read :func:`failed_lines_result` for a request of ``count`` lines; raises RpcError."""
    errors = result.get("errors", [])
    if not isinstance(errors, list) or len(errors) > count or not all(isinstance(error, dict) for error in errors):
        raise refusal("errors", f"a list of at most {count} objects")
    return tuple(
        FailedLine(
            whole_in(error, "line", 0, count - 1),
            whole_in(error, "code", -SEED_COUNT, SEED_COUNT),
            text_in(error, "message", MAX_TEXT_CHARACTERS),
        )
        for error in errors
    )


@dataclass(frozen=True)
class TextsToRead:
    """Parameters of ``read``.

    Attributes:
        texts: 1 to ``MAX_TEXTS``, each as long as a line may be.
        before: what was said just before each (``Controls.context``), or nothing for none of them.
    """

    texts: tuple[str, ...]
    before: tuple[str, ...] = ()

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"texts": list(self.texts)} | ({"before": list(self.before)} if any(self.before) else {})

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> TextsToRead:
        """Read :meth:`to_params`; raises RpcError."""
        texts = params.get("texts")
        if not is_texts(texts, MAX_TEXTS) or not texts:
            raise refusal("texts", f"a list of 1 to {MAX_TEXTS} texts")
        before = params.get("before", [])
        if not is_texts(before, len(texts)) or len(before) not in (0, len(texts)):
            raise refusal("before", "a list of as many texts as are read")
        return cls(tuple(texts), tuple(before))


@dataclass(frozen=True)
class TextEmotions:
    """Result of ``read``: what each text says; None where it is no text that could be performed."""

    emotions: tuple[EmotionRead | None, ...]

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"emotions": [None if read is None else asdict(read) for read in self.emotions]}

    @classmethod
    def from_params(cls, params: Mapping[str, Any], count: int) -> TextEmotions:
        """Read :meth:`to_params` for ``count`` texts; raises RpcError."""
        records = params.get("emotions")
        if not isinstance(records, list) or len(records) != count:
            raise refusal("emotions", f"a list of {count} emotions")
        return cls(tuple(_emotion(record) for record in records))


@dataclass(frozen=True, eq=False)
class FramesProgress:
    """Some frames of a take under way; frames sent again replace those sent before.

    Attributes:
        request_id: the ``generate`` they belong to.
        take: counted from 0.
        first_frame: index of the first of them in the take.
        frames: ``float32 [n, 53]``, 1 to ``MAX_CHUNK_FRAMES``.
        line: index of the line in a request of many.
    """

    request_id: MessageId
    take: int
    first_frame: int
    frames: NDArray[np.float32]
    line: int = 0

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.request_id,
            "take": self.take,
            "first_frame": self.first_frame,
            "frame_count": len(self.frames),
            "frames": encode_frames(self.frames),
        } | _line_param(self.line)

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> FramesProgress:
        count = whole_in(params, "frame_count", 1, MAX_CHUNK_FRAMES)
        try:
            frames = decode_frames(params["frames"], count)
        except (KeyError, ValueError):
            raise refusal("frames", f"base64 of {count} frames") from None
        first_frame = whole_in(params, "first_frame", 0, MAX_CLIP_FRAMES - count)
        return cls(id_in(params), whole_in(params, "take", 0, MAX_TAKES - 1), first_frame, frames, _line_index(params))


@dataclass(frozen=True)
class TakeHeader:
    """A take is complete: its clip without the frames, which came before.

    Attributes:
        request_id: the ``generate`` it belongs to.
        take: counted from 0.
        frame_count: how many frames the clip has.
        record: the clip's other entries, as :func:`clip_record` makes them.
        line: index of the line in a request of many.
    """

    request_id: MessageId
    take: int
    frame_count: int
    record: Mapping[str, Any]
    line: int = 0

    def to_params(self) -> dict[str, Any]:
        """Return the JSON form."""
        count = self.frame_count
        return {"id": self.request_id, "take": self.take, "frame_count": count, "clip": self.record} | _line_param(
            self.line
        )

    @classmethod
    def _from_params(cls, params: Mapping[str, Any]) -> TakeHeader:
        record = params.get("clip")
        if not isinstance(record, dict):
            raise refusal("clip", "an object")
        count = whole_in(params, "frame_count", 1, MAX_CLIP_FRAMES)
        return cls(id_in(params), whole_in(params, "take", 0, MAX_TAKES - 1), count, record, _line_index(params))


def progress_from_params(params: Mapping[str, Any]) -> FramesProgress | TakeHeader:
    """Read the parameters of ``$/progress``; raises RpcError."""
    return TakeHeader._from_params(params) if "clip" in params else FramesProgress._from_params(params)


def cancel_params(request_id: MessageId) -> dict[str, Any]:
    """Return the parameters of ``$/cancelRequest``."""
    return {"id": request_id}


def cancelled_id(params: Mapping[str, Any]) -> MessageId:
    """Read the parameters of ``$/cancelRequest``; raises RpcError."""
    return id_in(params)


def _line(record: Any, name: str) -> DialogueLine:
    if not isinstance(record, dict):
        raise refusal(name, "an object")
    # The line's own checks bound the text: it is never a reason to cut.
    text, character = record.get("text"), text_in(record, "character", MAX_NAME, "")
    try:
        controls = checked_controls(record.get("controls", {}))
        start = number_in(record, "start", 0.0)
        return DialogueLine(text, character, start, controls, record.get("seed", 0))  # type: ignore[arg-type]
    except LineError as error:
        raise RpcError(ErrorCode.LINE_REFUSED, str(error)) from None


def _line_or_refusal(record: Any) -> DialogueLine | RpcError:
    try:
        return _line(record, "lines")
    except RpcError as refused:
        return refused


def _line_index(params: Mapping[str, Any]) -> int:
    return whole_in(params, "line", 0, MAX_LINES - 1) if "line" in params else 0


def _line_param(line: int) -> dict[str, int]:
    return {"line": line} if line else {}


def _emotion(record: Any) -> EmotionRead | None:
    try:
        emotion = emotion_from_record(record)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise refusal("emotions", "a list of emotions") from None
    if emotion is not None:
        numbers = (*emotion.probabilities, emotion.valence, emotion.arousal, emotion.dominance)
        if not all(isfinite(number) for number in numbers):
            raise refusal("emotions", "a list of emotions in numbers")
    return emotion
