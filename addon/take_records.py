"""A take as a line of text, and back: what the history writes into the file.

The frames are bytes of little-endian float32, sorted by significance and component so that they pack well, then zlib
and base64. A line that cannot be read is the reader's to skip: no other take suffers.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import FRAME_WIDTH, MAX_CLIP_FRAMES, ExpressionClip
from cteg_core.clip_record import clip_from_record, clip_record
from cteg_core.jsonrpc import RpcError

_MAX_ID: Final = 64


@dataclass(frozen=True, eq=False)
class Take:
    """A performance of a line.

    Attributes:
        take_id, line_id: stable ids, unlike places in a list.
        clip: what was performed, and all that it was made from.
        kept: it is not dropped when the history gets too long.
        made_at: seconds since 1970.
    """

    take_id: str
    line_id: str
    clip: ExpressionClip
    kept: bool
    made_at: float


def packed_clip(clip: ExpressionClip) -> str:
    """Return a clip as JSON on one line."""
    record = clip_record(clip)
    record["frame_count"] = len(clip.frames)
    record["frames"] = base64.b64encode(zlib.compress(_sorted_bytes(clip.frames), 6)).decode("ascii")
    return json.dumps(record, ensure_ascii=False)


def take_line(take: Take, clip: str) -> str:
    """Return a take as a line of text; ``clip`` is its :func:`packed_clip`."""
    head = json.dumps({"take": take.take_id, "line": take.line_id, "kept": take.kept, "made": take.made_at})
    return f'{head[:-1]}, "clip": {clip}}}'


def take_of_line(text: str) -> Take:
    """Read :func:`take_line`; raises ValueError with a sentence on anything else."""
    try:
        record = json.loads(text)
        clip = record["clip"]
        frames = _frames(clip["frames"], clip["frame_count"])
        take = Take(
            _id(record["take"]),
            _id(record["line"]),
            clip_from_record(clip, frames),
            bool(record["kept"]),
            float(record["made"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, zlib.error, RpcError) as error:
        raise ValueError(f"A stored take is damaged ({error}).") from None
    if not math.isfinite(take.made_at):
        raise ValueError("A stored take is damaged (it was made at no time).")
    return take


def _id(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_ID:
        raise ValueError("it has no id")
    return value


def _sorted_bytes(frames: NDArray[np.float32]) -> bytes:
    parts = np.ascontiguousarray(frames, dtype="<f4").view(np.uint8).reshape(len(frames), FRAME_WIDTH, 4)
    return parts.transpose(2, 1, 0).tobytes()


def _frames(text: Any, count: Any) -> NDArray[np.float32]:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_CLIP_FRAMES:
        raise ValueError("it has no frames")
    size = count * FRAME_WIDTH * 4
    # No further than they should reach, whatever the packed bytes would unfold to.
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(data) != size:
        raise ValueError(f"{count} frames are {size} bytes")
    parts = np.frombuffer(data, dtype=np.uint8).reshape(4, FRAME_WIDTH, count).transpose(2, 1, 0)
    return np.ascontiguousarray(parts).view("<f4").reshape(count, FRAME_WIDTH).astype(np.float32)
