"""Clips over a pipe: frames go out as they are decoded, and come together again on the other side.

What was streamed is a promise, the finished clip the truth: frames that a last pass changed (a blink, the
way back to rest) are sent once more, so that the receiver's clip equals the sender's to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import FRAME_WIDTH, MAX_CLIP_FRAMES, ExpressionClip
from cteg_core.clip_record import clip_from_record, clip_record
from cteg_core.jsonrpc import ErrorCode, MessageId, RpcError
from cteg_core.protocol import MAX_CHUNK_FRAMES, FramesProgress, TakeHeader


class FrameBuffer:
    """Frames of a take that come piece by piece."""

    def __init__(self) -> None:
        self._storage = np.empty((MAX_CHUNK_FRAMES, FRAME_WIDTH), dtype=np.float32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, first_frame: int, frames: NDArray[np.float32]) -> None:
        """Store ``[n, 53]`` frames over or right behind those that came before; raises ValueError elsewhere."""
        end = first_frame + len(frames)
        if not 0 <= first_frame <= self._count or end > MAX_CLIP_FRAMES:
            raise ValueError(f"Frames {first_frame} to {end} do not follow the {self._count} before them.")
        if end > len(self._storage):
            grown = np.empty((2 * end, FRAME_WIDTH), dtype=np.float32)
            grown[: self._count] = self.frames
            self._storage = grown
        self._storage[first_frame:end] = frames
        self._count = max(self._count, end)

    @property
    def frames(self) -> NDArray[np.float32]:
        """``float32 [n, 53]``: what came so far."""
        return self._storage[: self._count]


class ClipSender:
    """The sending half of one take of a line (of a request of many lines: the one with the index ``line``)."""

    def __init__(self, request_id: MessageId, take: int, line: int = 0) -> None:
        self._request_id = request_id
        self._take = take
        self._line = line
        self._sent = FrameBuffer()

    def frames(self, first_frame: int, frames: NDArray[np.float32]) -> Iterator[FramesProgress]:
        """Yield the messages for frames ``[n, 53]`` of a take under way, the first of them being ``first_frame``."""
        frames = np.asarray(frames, dtype=np.float32)
        self._sent.put(first_frame, frames)
        yield from self._chunks(first_frame, frames)

    def finish(self, clip: ExpressionClip) -> Iterator[FramesProgress | TakeHeader]:
        """Yield the messages that complete the take: what changed or was never sent, then the header."""
        for first in range(0, len(clip.frames), MAX_CHUNK_FRAMES):
            wanted = clip.frames[first : first + MAX_CHUNK_FRAMES]
            if not np.array_equal(wanted, self._sent.frames[first : first + len(wanted)]):
                yield from self._chunks(first, wanted)
        yield TakeHeader(self._request_id, self._take, len(clip.frames), clip_record(clip), self._line)

    def _chunks(self, first_frame: int, frames: NDArray[np.float32]) -> Iterator[FramesProgress]:
        for first in range(0, len(frames), MAX_CHUNK_FRAMES):
            part = frames[first : first + MAX_CHUNK_FRAMES]
            yield FramesProgress(self._request_id, self._take, first_frame + first, part, self._line)


@dataclass
class ClipReceiver:
    """The receiving half of the takes of one line.

    Attributes:
        takes: how many were asked for.
        clips: finished ones by take.
    """

    takes: int
    clips: dict[int, ExpressionClip] = field(default_factory=dict)
    _buffers: dict[int, FrameBuffer] = field(default_factory=dict)

    @property
    def frame_count(self) -> int:
        """Frames received so far, those of finished takes included."""
        under_way = sum(len(buffer) for buffer in self._buffers.values())
        return under_way + sum(len(clip.frames) for clip in self.clips.values())

    def receive(self, progress: FramesProgress | TakeHeader) -> None:
        """Take in a message; raises RpcError where it does not fit those before it."""
        if progress.take >= self.takes or progress.take in self.clips:
            raise _damaged(f"take {progress.take + 1} was not under way")
        buffer = self._buffers.setdefault(progress.take, FrameBuffer())
        if isinstance(progress, FramesProgress):
            try:
                buffer.put(progress.first_frame, progress.frames)
            except ValueError:
                raise _damaged(f"frames of take {progress.take + 1} are missing") from None
            return
        if progress.frame_count > len(buffer):
            raise _damaged(f"frames of take {progress.take + 1} are missing")
        self.clips[progress.take] = clip_from_record(progress.record, buffer.frames[: progress.frame_count].copy())
        del self._buffers[progress.take]

    def finished(self) -> tuple[ExpressionClip, ...]:
        """Return all clips in the order of takes; raises RpcError where one is missing."""
        missing = [take for take in range(self.takes) if take not in self.clips]
        if missing:
            raise _damaged(f"take {missing[0] + 1} never ended")
        return tuple(self.clips[take] for take in range(self.takes))


def _damaged(what: str) -> RpcError:
    return RpcError(ErrorCode.INVALID_REQUEST, f"The sidecar's messages do not fit together: {what}.")
