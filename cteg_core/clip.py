"""ExpressionClip: one generated performance, and its JSON form."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.emotion import EmotionRead

FRAME_WIDTH: Final = 53
CLIP_FORMAT: Final = 1
MAX_CLIP_FRAMES: Final = 200_000


@dataclass(frozen=True)
class Word:
    """A spoken word and when it is said, in seconds from the clip's start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Likeness:
    """A take to stay near to: its seed, and the share of its utterance latent's draw, 0 to 1."""

    seed: int
    share: float


@dataclass(frozen=True)
class Controls:
    """What the user asked for beside the text.

    Attributes:
        emotion: the emotion to act; None reads it from the text.
        intensity: 0 neutral ... 1 as read ... up to 2 exaggerated.
        duration: seconds the clip must last; None lets the network stop by itself.
        speech: whether mouth and jaw speak the words.
        blinks: whether seeded blinks are added after decoding.
        variety: how far takes may differ (temperature of the latents), 0 to 2.
        guidance: how strictly the emotion is acted (classifier-free guidance), 0 to 3: 0 leaves it to the text and
            the mouth, 1 acts as learned, more overstates what the emotion changes.
        words: when each word of the text is said, where that is known (a recording's forced alignment, say); in
            order, in seconds from the clip's start. Empty plans the times.
        like: takes of the line to stay near to (:mod:`cteg_core.likeness`); the squares of their shares sum to at
            most 1, and the rest is the seed's own. Empty leaves it all to the seed.
        context: what was said or happened just before; the line's emotion is read with it. May be empty.
        gaze: whether seeded shifts of the eyes are added after decoding; off, they do what the emotion does alone.
    """

    emotion: EmotionRead | None = None
    intensity: float = 1.0
    duration: float | None = None
    speech: bool = True
    blinks: bool = True
    variety: float = 1.0
    guidance: float = 1.0
    words: tuple[Word, ...] = ()
    like: tuple[Likeness, ...] = ()
    context: str = ""
    gaze: bool = True


@dataclass(frozen=True, eq=False)
class ExpressionClip:
    """One take of a line: frames and everything needed to say where they came from.

    Attributes:
        frames: ``float32 [T, 53]``, 50 expression coefficients and the jaw's axis-angle (radians).
        fps: frames a second of ``frames``.
        space: id of the expression space.
        text: the line as it was performed.
        words: planned word times.
        emotion: the emotion that was acted (read from the text unless the controls gave one).
        controls, seed: what was asked for; the same text, controls, seed and checkpoint give
            bit-identical frames.
        checkpoint: id of the checkpoint (SHA-256 of its weights, shortened, behind its name).
        stop_reason: ``stop-head``, ``duration`` or ``limit``.
        notes: sentences for the user (for example: text outside the encoder's vocabulary).
    """

    frames: NDArray[np.float32]
    fps: float
    space: str
    text: str
    words: tuple[Word, ...] = ()
    emotion: EmotionRead | None = None
    controls: Controls = field(default_factory=Controls)
    seed: int = 0
    checkpoint: str = ""
    stop_reason: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frames = np.ascontiguousarray(self.frames, dtype=np.float32)
        if frames.ndim != 2 or frames.shape[1] != FRAME_WIDTH:
            raise ValueError(f"A clip's frames are [T, {FRAME_WIDTH}]; got shape {frames.shape}.")
        if not 1 <= len(frames) <= MAX_CLIP_FRAMES:
            raise ValueError(f"A clip has 1 to {MAX_CLIP_FRAMES} frames; got {len(frames)}.")
        if not np.isfinite(frames).all():
            raise ValueError("A clip's frames must be finite numbers; got NaN or infinity.")
        if not (np.isfinite(self.fps) and 1.0 <= self.fps <= 1000.0):
            raise ValueError(f"A clip's frame rate is 1 to 1000 frames a second; got {self.fps}.")
        object.__setattr__(self, "frames", frames)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.frames) / self.fps

    def to_json(self) -> str:
        """Return the clip as a JSON text; frames are base64 of little-endian float32."""
        record = asdict(self)
        record["format"] = CLIP_FORMAT
        record["frame_count"] = len(self.frames)
        record["frames"] = encode_frames(self.frames)
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ExpressionClip:
        """Read what :meth:`to_json` wrote; raises ValueError with a sentence on anything else."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise ValueError(f"This is not a clip: it is not JSON ({error}).") from None
        if not isinstance(record, dict) or record.get("format") != CLIP_FORMAT:
            raise ValueError(f"This is not a clip of format {CLIP_FORMAT} that this version can read.")
        try:
            return cls(
                frames=decode_frames(record["frames"], int(record["frame_count"])),
                fps=float(record["fps"]),
                space=str(record["space"]),
                text=str(record["text"]),
                words=words_from_record(record["words"]),
                emotion=emotion_from_record(record["emotion"]),
                controls=controls_from_record(record["controls"]),
                seed=int(record["seed"]),
                checkpoint=str(record["checkpoint"]),
                stop_reason=str(record["stop_reason"]),
                notes=tuple(str(note) for note in record["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"This clip is incomplete or damaged: {error!r}.") from None


def encode_frames(frames: NDArray[np.float32]) -> str:
    """Return ``[n, 53]`` frames as base64 of little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(frames, dtype="<f4").tobytes()).decode("ascii")


def decode_frames(text: str, frame_count: int) -> NDArray[np.float32]:
    """Return ``float32 [frame_count, 53]`` from base64; raises ValueError on any other size."""
    if not 0 <= frame_count <= MAX_CLIP_FRAMES:
        raise ValueError(f"A frame count of {frame_count} is out of bounds (0 to {MAX_CLIP_FRAMES}).")
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise ValueError("The frames are not base64 text.") from None
    if len(data) != frame_count * FRAME_WIDTH * 4:
        raise ValueError(f"{frame_count} frames are {frame_count * FRAME_WIDTH * 4} bytes; got {len(data)}.")
    return np.frombuffer(data, dtype="<f4").reshape(frame_count, FRAME_WIDTH).astype(np.float32)


def emotion_from_record(record: Any) -> EmotionRead | None:
    """Read an :class:`EmotionRead` from its ``asdict`` form; None stays None."""
    if record is None:
        return None
    return EmotionRead(
        tuple(float(p) for p in record["probabilities"]),
        float(record["valence"]),
        float(record["arousal"]),
        float(record["dominance"]),
    )


def words_from_record(record: Any) -> tuple[Word, ...]:
    """Read words from the list of their ``asdict`` forms."""
    return tuple(Word(str(word["text"]), float(word["start"]), float(word["end"])) for word in record)


def controls_from_record(record: Any) -> Controls:
    """Read :class:`Controls` from its ``asdict`` form; missing entries take their defaults."""
    duration = record.get("duration")
    return Controls(
        emotion=emotion_from_record(record.get("emotion")),
        intensity=float(record.get("intensity", 1.0)),
        duration=None if duration is None else float(duration),
        speech=bool(record.get("speech", True)),
        blinks=bool(record.get("blinks", True)),
        variety=float(record.get("variety", 1.0)),
        guidance=float(record.get("guidance", 1.0)),
        words=words_from_record(record.get("words", ())),
        like=tuple(Likeness(_seed(each["seed"]), float(each["share"])) for each in record.get("like", ())),
        context=_text(record.get("context", "")),
        gaze=bool(record.get("gaze", True)),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"A context is a piece of text; got {value!r}.")
    return value


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"A seed is a whole number; got {value!r}.")
    return value
