"""What was handed to the sidecar and what came of it; and the requests that carry it there.

A line, a list of lines, texts to read: what a caller holds. Requests are the client's: a long list becomes several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cteg_core.clip import ExpressionClip
from cteg_core.clip_stream import ClipReceiver
from cteg_core.dialogue import MAX_TEXT_CHARACTERS, DialogueLine
from cteg_core.emotion import EmotionRead
from cteg_core.jsonrpc import MAX_MESSAGE_BYTES, ErrorCode, RpcError
from cteg_core.protocol import (
    GENERATE,
    MAX_LINES,
    MAX_TAKES,
    MAX_TEXTS,
    READ,
    FramesProgress,
    TakeHeader,
    TakesOfLine,
    TakesOfLines,
    TextEmotions,
    TextsToRead,
    failed_lines,
)

from .errors import CtegError

_ENVELOPE_BYTES: Final = 1000
"""What a request has around its lines, at most."""
_LINE_BYTES: Final = 4000
"""What a line has beside its texts, at most: an emotion of 31 numbers, 16 likenesses, a dozen numbers and all names."""
_WORD_BYTES: Final = 90
"""What a timed word has beside its text, at most: two numbers of up to 24 letters and three names."""


class SidecarError(CtegError):
    """The sidecar did not do what was asked; the message is a sentence for the user.

    Attributes:
        code: the sidecar's own code, or None where the process failed and not the request.
    """

    def __init__(self, sentence: str, code: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(eq=False)
class TakesUnderWay:
    """A line handed to the sidecar, and what came of it.

    Attributes:
        asked: the line and its number of takes.
        error: why it failed, once it did.
        cancelled: whether the caller gave it up.
        clips: its takes in order, once they are all there.
    """

    asked: TakesOfLine
    error: SidecarError | None = None
    cancelled: bool = False
    clips: tuple[ExpressionClip, ...] | None = None
    receiver: ClipReceiver = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = ClipReceiver(self.asked.takes)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.cancelled or self.error is not None or self.clips is not None

    @property
    def frame_count(self) -> int:
        """Frames that came so far, over all takes."""
        return self.receiver.frame_count


@dataclass(frozen=True, eq=False)
class LinesUnderWay:
    """Lines handed to the sidecar together; each has its own end.

    Attributes:
        lines: in the order they were given, one each.
    """

    lines: tuple[TakesUnderWay, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return all(line.is_over for line in self.lines)

    @property
    def frame_count(self) -> int:
        """Frames that came so far, over all lines and takes."""
        return sum(line.frame_count for line in self.lines)


@dataclass(eq=False)
class ReadUnderWay:
    """Texts whose emotion is being read.

    Attributes:
        texts: as they were given.
        before: what was said just before each; or nothing for none of them.
        error: why they were not read, once that is so.
        cancelled: whether the caller gave them up.
        emotions: one for each text, once they are all there; None where a text is none that a line could have.
    """

    texts: tuple[str, ...]
    before: tuple[str, ...] = ()
    error: SidecarError | None = None
    cancelled: bool = False
    emotions: tuple[EmotionRead | None, ...] | None = None
    read: dict[int, tuple[EmotionRead | None, ...]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.cancelled or self.error is not None or self.emotions is not None


UnderWay = TakesUnderWay | LinesUnderWay | ReadUnderWay
ErrorOf = Callable[[str, int], SidecarError]


class SidecarRequest(Protocol):
    """A request on its way: fills what callers hold."""

    @property
    def method(self) -> str:
        """The protocol's method."""

    @property
    def is_given_up(self) -> bool:
        """Whether the rest of it is wanted no more."""

    @property
    def has_begun(self) -> bool:
        """Whether something of it came."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing but its answer is missing."""

    def params(self) -> dict[str, Any]:
        """Return the request's parameters."""

    def progress(self, progress: FramesProgress | TakeHeader) -> None:
        """Take in progress; raises RpcError where it does not fit."""

    def result(self, result: Mapping[str, Any], error_of: ErrorOf) -> None:
        """Take in the good end; raises RpcError where it is none. ``error_of`` words what failed in part."""

    def fail(self, error: SidecarError) -> None:
        """Take in the bad end: what is complete stays."""

    def give_up(self) -> None:
        """Let callers know that nothing more will come: what is complete stays."""


@dataclass(frozen=True, eq=False)
class GenerateRequest:
    """Takes of one line or of several, performed as one batch."""

    lines: tuple[TakesUnderWay, ...]
    method: str = GENERATE

    @property
    def is_given_up(self) -> bool:
        """See :class:`SidecarRequest`."""
        return self.is_complete and any(line.cancelled for line in self.lines)

    @property
    def has_begun(self) -> bool:
        """See :class:`SidecarRequest`."""
        return any(line.frame_count for line in self.lines)

    @property
    def is_complete(self) -> bool:
        """See :class:`SidecarRequest`."""
        return all(line.is_over for line in self.lines)

    def params(self) -> dict[str, Any]:
        """See :class:`SidecarRequest`."""
        first = self.lines[0].asked
        if len(self.lines) == 1:
            return first.to_params()
        return TakesOfLines(tuple(line.asked.line for line in self.lines), first.takes).to_params()

    def progress(self, progress: FramesProgress | TakeHeader) -> None:
        """See :class:`SidecarRequest`."""
        if progress.line >= len(self.lines):
            raise _damaged(f"line {progress.line + 1} was not asked for")
        line = self.lines[progress.line]
        if line.cancelled:
            return
        line.receiver.receive(progress)
        if len(line.receiver.clips) == line.asked.takes:
            line.clips = line.receiver.finished()

    def result(self, result: Mapping[str, Any], error_of: ErrorOf) -> None:
        """See :class:`SidecarRequest`."""
        for failed in failed_lines(result, len(self.lines)):
            self._fail_line(self.lines[failed.line], error_of(failed.sentence, failed.code))
        for index, line in enumerate(self.lines):
            if not line.is_over:
                line.receiver.finished()
                raise _damaged(f"line {index + 1} never ended")

    def fail(self, error: SidecarError) -> None:
        """See :class:`SidecarRequest`."""
        for line in self.lines:
            self._fail_line(line, error)

    def give_up(self) -> None:
        """See :class:`SidecarRequest`."""
        for line in self.lines:
            line.cancelled = line.cancelled or not line.is_over

    @staticmethod
    def _fail_line(line: TakesUnderWay, error: SidecarError) -> None:
        if not line.is_over:
            line.error = error


@dataclass(frozen=True, eq=False)
class ReadRequest:
    """Some of the texts to read: those from ``first`` on."""

    under_way: ReadUnderWay
    first: int
    texts: tuple[str, ...]
    before: tuple[str, ...] = ()
    method: str = READ

    @property
    def is_given_up(self) -> bool:
        """See :class:`SidecarRequest`."""
        return self.under_way.cancelled

    @property
    def has_begun(self) -> bool:
        """See :class:`SidecarRequest`."""
        return False

    @property
    def is_complete(self) -> bool:
        """See :class:`SidecarRequest`."""
        return self.under_way.is_over

    def params(self) -> dict[str, Any]:
        """See :class:`SidecarRequest`."""
        return TextsToRead(self.texts, self.before).to_params()

    def progress(self, progress: FramesProgress | TakeHeader) -> None:
        """See :class:`SidecarRequest`."""
        raise _damaged("frames came where none were asked for")

    def result(self, result: Mapping[str, Any], error_of: ErrorOf) -> None:
        """See :class:`SidecarRequest`."""
        held = self.under_way.read
        held[self.first] = TextEmotions.from_params(result, len(self.texts)).emotions
        if sum(len(part) for part in held.values()) == len(self.under_way.texts) and not self.under_way.is_over:
            self.under_way.emotions = tuple(read for first in sorted(held) for read in held[first])

    def fail(self, error: SidecarError) -> None:
        """See :class:`SidecarRequest`."""
        if not self.under_way.is_over:
            self.under_way.error = error

    def give_up(self) -> None:
        """See :class:`SidecarRequest`."""
        self.under_way.cancelled = self.under_way.cancelled or not self.under_way.is_over


def generate_requests(lines: Sequence[TakesUnderWay]) -> Iterator[GenerateRequest]:
    """Yield requests for lines with the same number of takes: as many lines in each as the protocol lets in."""
    held: list[TakesUnderWay] = []
    held_bytes = 0
    for line in lines:
        size = _most_bytes(line.asked.line)
        most = min(MAX_LINES, MAX_TAKES // max(1, line.asked.takes))
        if held and (len(held) >= most or held_bytes + size > MAX_MESSAGE_BYTES - _ENVELOPE_BYTES):
            yield GenerateRequest(tuple(held))
            held, held_bytes = [], 0
        held.append(line)
        held_bytes += size
    if held:
        yield GenerateRequest(tuple(held))


def read_requests(under_way: ReadUnderWay) -> Iterator[ReadRequest]:
    """Yield requests that read all texts: as many in each as the protocol lets in."""
    texts: list[str] = []
    before = under_way.before
    first, held_bytes = 0, 0
    for index, text in enumerate(under_way.texts):
        # Nothing that long can be a line's text, and it need not travel to be told so.
        texts.append(text if len(text) <= MAX_TEXT_CHARACTERS else "")
        size = _letters(texts[-1]) + (_letters(before[index]) if before else 0)
        if index > first and (
            index - first >= MAX_TEXTS or held_bytes + size > MAX_MESSAGE_BYTES - _ENVELOPE_BYTES
        ):
            yield ReadRequest(under_way, first, tuple(texts[first:index]), before[first:index])
            first, held_bytes = index, 0
        held_bytes += size
    if first < len(under_way.texts):
        yield ReadRequest(under_way, first, tuple(texts[first:]), before[first:])


def _most_bytes(line: DialogueLine) -> int:
    """Return more bytes than a line has in a message: a bound is found in no time, where writing it out takes some."""
    controls = line.controls
    words = sum(_letters(word.text) + _WORD_BYTES for word in controls.words)
    return _letters(line.text) + _letters(line.character) + _letters(controls.context) + words + _LINE_BYTES


def _letters(text: str) -> int:
    """Return more bytes than a text has in JSON, quotes and comma included: a letter has four at most."""
    return 4 * len(text) + 4


def _damaged(what: str) -> RpcError:
    return RpcError(ErrorCode.INVALID_REQUEST, f"The sidecar's messages do not fit together: {what}.")
