"""The generator: lines in, clips out. The sidecar's performer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.affect import expected_affect
from cteg_core.clip import ExpressionClip, Word
from cteg_core.dialogue import LineError, checked_text, sentences
from cteg_core.emotion import EmotionRead
from cteg_core.layers import add_blinks
from cteg_core.model.checkpoint import Checkpoint, device_for, load_checkpoint
from cteg_core.model.conditions import Conditions, masked_text
from cteg_core.model.decoding import Draws, Lines, decode, draws_for
from cteg_core.model.emotion_acting import acted, calibrated
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest
from cteg_core.speech import SpeechPlan, plan_speech
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT

MAX_PART_WORDS: Final = 22
"""Longer text is performed in parts of at most so many words, each starting where the last one ended."""
CHUNK_FRAMES: Final = 32
SLACK_SECONDS: Final = 1.0
"""How long past the planned end the stop head may wait."""
LATENT_TEMPERATURE: Final = 0.5
"""Of the per-frame latents' noise. At 1 the frame-to-frame acceleration was twice the corpus's, at 0.5 within a quarter
of it; what makes takes differ is the utterance latent, which is drawn at full strength."""
MIN_PART_FRAMES: Final = 3
EASE_IN_FRAMES: Final = 5
EASE_OUT_FRAMES: Final = 12
JOIN_FRAMES: Final = 12
"""A part takes over from where the last one ended within so many frames."""
LEARNED_INTENSITY: Final = 1.3
"""The corpus holds intensities up to this; beyond it frames are scaled."""


@dataclass(frozen=True)
class Part:
    """A stretch of a line that is decoded in one go.

    Attributes:
        text: its words.
        plan: when they are said.
        emotion: what to act, and ``read``: what was read (or asked for).
        fixed_length: whether it must last exactly the plan's length.
        last: whether the line ends with it.
    """

    text: str
    plan: SpeechPlan
    emotion: NDArray[np.float32]
    read: EmotionRead
    fixed_length: bool
    last: bool


@dataclass
class _Take:
    """A take while it is being made."""

    request: TakeRequest
    parts: tuple[Part, ...]
    frames: list[NDArray[np.float32]]
    words: list[Word]
    stop_reason: str = ""

    @property
    def length(self) -> int:
        return sum(len(frames) for frames in self.frames)


class Generator:
    """A loaded checkpoint with its text encoder; performs takes (see ``cteg_core.performer.Performer``)."""

    def __init__(
        self, checkpoint: Checkpoint, encoder: TextEncoder, device: str, *, unconditional: bool = False
    ) -> None:
        """Wrap what is loaded. ``unconditional`` hides text and emotion from the decoder, as the paper's Diversity
        metric asks for; only the speech plan is left."""
        self._checkpoint = checkpoint
        self._encoder = encoder
        self._device = device
        self._unconditional = unconditional

    @classmethod
    def load(cls, checkpoint: Path | None, text_encoder: Path | None, device: str) -> Generator:
        """Load a checkpoint (default: the shipped one) and the text encoder it needs.

        Raises CheckpointError or TextEncoderError (both ValueError) with a sentence.
        """
        where = device_for(device)
        return cls(load_checkpoint(checkpoint, where), TextEncoder.load(text_encoder, where), where)

    @property
    def checkpoint_id(self) -> str:
        """Name and shortened SHA-256 of the weights."""
        return self._checkpoint.id

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self._device

    def read_emotion(self, texts: Sequence[str]) -> tuple[EmotionRead, ...]:
        """Read the emotion of texts of at most the encoder's length."""
        states = self._encoder.encode(texts)
        with torch.inference_mode():
            logits, affect = self._checkpoint.emotion_head(states.layers, states.mask)
        p = calibrated(logits.sigmoid().cpu().numpy(), self._checkpoint.thresholds.cpu().numpy())
        return tuple(
            EmotionRead(tuple(float(x) for x in row), *(float(x) for x in vad))
            for row, vad in zip(p, affect.cpu().numpy(), strict=True)
        )

    def perform(
        self, requests: Sequence[TakeRequest], cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk | FinishedTake]:
        """Perform takes; parts of the same rank of all takes are decoded together."""
        takes = [_Take(request, self._parts(request), [], []) for request in requests]
        for rank in range(max((len(take.parts) for take in takes), default=0)):
            active = [index for index, take in enumerate(takes) if rank < len(take.parts)]
            yield from self._perform_part(takes, active, rank, cancelled)
            for index in active:
                if rank == len(takes[index].parts) - 1:
                    yield FinishedTake(index, self._finish(takes[index]))

    def _parts(self, request: TakeRequest) -> tuple[Part, ...]:
        line, controls = request.line, request.line.controls
        texts = sentences(checked_text(line.text).text, MAX_PART_WORDS)
        reads = (controls.emotion,) * len(texts) if controls.emotion is not None else self.read_emotion(texts)
        fps = self._checkpoint.info.fps
        try:
            plans = self._plans(request, texts, fps)
        except ValueError as error:
            raise LineError(str(error)) from None
        return tuple(
            Part(
                text=text,
                plan=plan,
                emotion=_emotion_condition(read),
                read=read,
                fixed_length=controls.duration is not None or rank < len(texts) - 1,
                last=rank == len(texts) - 1,
            )
            for rank, (text, plan, read) in enumerate(zip(texts, plans, reads, strict=True))
        )

    def _plans(self, request: TakeRequest, texts: Sequence[str], fps: float) -> tuple[SpeechPlan, ...]:
        controls = request.line.controls
        seeds = [_part_seed(request.seed, rank) for rank in range(len(texts))]
        speech, longest = controls.speech, self._longest_part
        plans = [plan_speech(t, fps=fps, seed=s, speech=speech) for t, s in zip(texts, seeds, strict=True)]
        lengths = np.array([plan.length for plan in plans])
        if controls.duration is None:
            # Only a "word" of hundreds of letters or digits is that long; it is said in a rush.
            wanted = np.minimum(lengths, longest)
        else:
            # Ends are rounded, not lengths: the parts then add up to the requested duration to the frame.
            natural = np.concatenate(([0], lengths.cumsum()))
            ends = np.round(natural / natural[-1] * round(controls.duration * fps)).astype(int)
            wanted = np.diff(ends)
            if (wanted < MIN_PART_FRAMES).any():
                raise LineError(f"{controls.duration:g} s are too short for this line: give it more time or less text.")
            if (wanted > longest).any():
                limit = int(longest / fps * natural[-1] / lengths.max())
                raise LineError(f"{controls.duration:g} s are too long for this line: ask for at most {limit} s.")
        return tuple(
            plan if plan.length == count else plan_speech(t, fps=fps, seed=s, speech=speech, duration=int(count) / fps)
            for t, s, plan, count in zip(texts, seeds, plans, wanted, strict=True)
        )

    @property
    def _longest_part(self) -> int:
        """Frames that one part may last: what the position table holds beside markers and slack."""
        return self._checkpoint.network.config.max_frames - round(SLACK_SECONDS * self._checkpoint.info.fps) - 4

    def _perform_part(
        self, takes: Sequence[_Take], active: Sequence[int], rank: int, cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk]:
        fps, scaling = self._checkpoint.info.fps, self._checkpoint.scaling
        lines = self._lines([takes[index] for index in active], rank)
        decoded: list[list[NDArray[np.float32]]] = [[] for _ in active]
        stopped = np.zeros(len(active), dtype=bool)
        sent = [0] * len(active)
        bases = [takes[index].length for index in active]
        for step in decode(self._checkpoint.network, lines, cancelled):
            frames = scaling.restored(torch.from_numpy(step.frames)).numpy()
            stopped |= step.stopped
            for row in np.flatnonzero(step.running).tolist():
                decoded[row].append(frames[row])
                if len(decoded[row]) - sent[row] >= CHUNK_FRAMES:
                    fresh = _within_space(np.stack(decoded[row][sent[row] :]))
                    yield FrameChunk(active[row], bases[row] + sent[row], fresh)
                    sent[row] = len(decoded[row])
        if cancelled():
            raise Cancelled
        for row, index in enumerate(active):
            take = takes[index]
            part = take.parts[rank]
            start = take.length / fps
            take.words += [replace(word, start=word.start + start, end=word.end + start) for word in part.plan.words]
            frames = np.stack(decoded[row])
            take.frames.append(_joined(take.frames[-1][-1], frames) if take.frames else frames)
            if rest := decoded[row][sent[row] :]:
                yield FrameChunk(index, bases[row] + sent[row], _within_space(np.stack(rest)))
            take.stop_reason = "duration" if part.fixed_length else "stop-head" if stopped[row] else "limit"

    def _lines(self, takes: Sequence[_Take], rank: int) -> Lines:
        info, config = self._checkpoint.info, self._checkpoint.network.config
        device = torch.device(self._device)
        parts = [take.parts[rank] for take in takes]
        slack = round(SLACK_SECONDS * info.fps)
        most = [part.plan.length + (0 if part.fixed_length else slack) for part in parts]
        least = [
            count if part.fixed_length else _frame_of_last_word(part.plan)
            for part, count in zip(parts, most, strict=True)
        ]
        positions = max(most) + 1
        states = self._encoder.encode([part.text for part in parts])
        draws = []
        for take in takes:
            controls = take.request.line.controls
            part_draws = draws_for(
                _part_seed(take.request.seed, rank), positions, config.d_latent, config.utterance_latent
            )
            # One performance has one utterance latent, however many parts it is decoded in.
            whole = draws_for(_part_seed(take.request.seed, 0), 1, config.d_latent, config.utterance_latent)
            draws.append(
                Draws(
                    part_draws.latent * controls.variety, whole.utterance * controls.variety, part_draws.stop_threshold
                )
            )
        start = np.stack([take.frames[-1][-1] if take.frames else np.zeros(53, np.float32) for take in takes])
        text, text_mask = states.last, states.mask
        intensities = [take.request.line.controls.intensity for take in takes]
        conditions = part_conditions(parts, intensities, positions, info.fps, device)
        if self._unconditional:
            text, text_mask = masked_text(text, text_mask)
            conditions = replace(conditions, emotion_known=torch.zeros_like(conditions.emotion_known))
        return Lines(
            text=text,
            text_mask=text_mask.unsqueeze(1),
            conditions=conditions,
            start_frame=self._checkpoint.scaling.normalised(torch.from_numpy(start).to(device)),
            draws=tuple(draws),
            least=tuple(least),
            most=tuple(most),
            temperature=LATENT_TEMPERATURE,
        )

    def _finish(self, take: _Take) -> ExpressionClip:
        request, info = take.request, self._checkpoint.info
        controls = request.line.controls
        frames = np.concatenate(take.frames)
        if controls.intensity > LEARNED_INTENSITY:
            frames[:, :EXPRESSION_COUNT] *= controls.intensity / LEARNED_INTENSITY
        frames = _eased(_within_space(frames))
        words = tuple(take.words)
        if controls.blinks:
            frames = add_blinks(frames, info.fps, request.seed, words)
        weights = np.array([part.plan.length for part in take.parts], dtype=np.float64)
        return ExpressionClip(
            frames=frames,
            fps=info.fps,
            space=info.space,
            text=request.line.text,
            words=words,
            emotion=_mean_read([part.read for part in take.parts], weights / weights.sum()),
            controls=controls,
            seed=request.seed,
            checkpoint=self.checkpoint_id,
            stop_reason=take.stop_reason,
            notes=checked_text(request.line.text).notes,
        )


def _emotion_condition(read: EmotionRead) -> NDArray[np.float32]:
    """Return ``[31]``: strengths to act, and the affect that goes with them on the corpus's scale.

    The affect that the head reads stays information for the user: sentences about sad things are
    rated near the middle of EmoBank's scale, where a sad face is far from it.
    """
    strengths = acted(read)
    return np.concatenate((strengths, expected_affect(strengths))).astype(np.float32)


def part_conditions(
    parts: Sequence[Part], intensities: Sequence[float], positions: int, fps: float, device: torch.device
) -> Conditions:
    """Return the conditions of parts over ``positions`` decoder positions.

    Position t predicts frame t - 1 of the part (position 0 holds the start marker).
    """
    times = torch.arange(positions, dtype=torch.float32) / fps
    plan_width = parts[0].plan.features.shape[1]
    plan = torch.zeros(len(parts), positions, plan_width)
    remaining = torch.zeros(len(parts), positions)
    for row, part in enumerate(parts):
        plan[row, 1 : part.plan.length + 1] = torch.from_numpy(part.plan.features)
        remaining[row] = (part.plan.length / fps - times).clamp_min(0.0)
    emotion = torch.stack(
        [
            torch.from_numpy(np.append(part.emotion, np.float32(min(intensity, LEARNED_INTENSITY))))
            for part, intensity in zip(parts, intensities, strict=True)
        ]
    )
    return Conditions(
        emotion=emotion.to(device),
        emotion_known=torch.ones(len(parts), device=device),
        plan=plan.to(device),
        elapsed=times.expand(len(parts), positions).to(device),
        remaining=remaining.to(device),
        # The plan says when the line should end; the stop head says when it does.
        remaining_known=torch.ones(len(parts), device=device),
        returns_to_rest=_flags([part.last for part in parts], device),
    )


def _flags(values: Sequence[bool], device: torch.device) -> Tensor:
    return torch.tensor([float(value) for value in values], device=device)


def _part_seed(seed: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint32)[0])


def _frame_of_last_word(plan: SpeechPlan) -> int:
    spoken = plan.words[-1].end if plan.words else 0.5 * plan.length / plan.fps
    return min(plan.length, round(spoken * plan.fps))


def _within_space(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(frames, CTEG_HEAD_1.lower, CTEG_HEAD_1.upper)


def _eased(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the first frames rise from the rest face and the last ones settle into it, exactly."""
    count = len(frames)
    window = np.ones(count, dtype=np.float32)
    rise, fall = min(EASE_IN_FRAMES, count // 3), min(EASE_OUT_FRAMES, count // 3)
    window[: rise + 1] *= _smoothstep(rise + 1)
    window[count - fall - 1 :] *= _smoothstep(fall + 1)[::-1]
    return frames * window[:, None]


def _joined(last: NDArray[np.float32], frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let ``frames`` ``[T, 53]`` go on from ``last`` ``[53]``: the gap between the two fades away.

    The network knows its start frame, and still leaves it by up to a quarter of a smile in one frame.
    """
    fade = np.zeros(len(frames), dtype=np.float32)
    count = min(JOIN_FRAMES, len(frames))
    fade[:count] = _smoothstep(count + 1)[:0:-1]
    joined: NDArray[np.float32] = frames + fade[:, None] * (last - frames[0])
    return joined


def _smoothstep(count: int) -> NDArray[np.float32]:
    t = np.linspace(0.0, 1.0, count, dtype=np.float32) if count > 1 else np.zeros(count, dtype=np.float32)
    return t * t * (3.0 - 2.0 * t)


def _mean_read(reads: Sequence[EmotionRead], weights: NDArray[np.float64]) -> EmotionRead:
    p = weights @ np.array([read.probabilities for read in reads])
    affect = weights @ np.array([(read.valence, read.arousal, read.dominance) for read in reads])
    return EmotionRead(tuple(float(x) for x in p), *(float(x) for x in affect))
