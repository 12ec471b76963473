"""The generator: lines in, clips out. The sidecar's performer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.clauses import arc_of
from cteg_core.clip import Controls, ExpressionClip, Word
from cteg_core.dialogue import LineError, checked_text, sentences
from cteg_core.emotion import EmotionRead
from cteg_core.gaze import add_gaze
from cteg_core.layers import add_blinks
from cteg_core.likeness import shares_of
from cteg_core.lips import seal_lips
from cteg_core.model.checkpoint import Checkpoint, device_for, load_checkpoint
from cteg_core.model.conditions import REFERENCE_FPS, Conditions, masked_text
from cteg_core.model.config import FRAME_RATES
from cteg_core.model.decoding import NOISE_CORRELATION, Draws, Guidance, Lines, decode, draws_for
from cteg_core.model.easing import eased, joined
from cteg_core.model.emotion_reading import EmotionReader, LineRead
from cteg_core.model.parts import (
    LEARNED_INTENSITY,
    MAX_PART_WORDS,
    Part,
    emotion_condition,
    part_conditions,
    part_plans,
    part_seed,
)
from cteg_core.model.steadying import steadied
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest
from cteg_core.visemes import SPEECH_WIDTH
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT

CHUNK_FRAMES: Final = 32
SLACK_SECONDS: Final = 1.0
"""How long past the planned end the stop head may wait."""
LATENT_TEMPERATURE: Final = 0.5
"""Of the per-frame latents' noise, which adds jitter and, by measurement (docs/model.md), nothing to how takes differ:
that is the utterance latent's doing, which is drawn at full strength."""


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

    @property
    def speech(self) -> NDArray[np.float32]:
        """The plan's features of every frame, ``[T, SPEECH_WIDTH]``: silence where a part outlasted its plan."""
        features = np.zeros((self.length, SPEECH_WIDTH), np.float32)
        first = 0
        for frames, part in zip(self.frames, self.parts, strict=True):
            planned = part.plan.features[: len(frames)]
            features[first : first + len(planned)] = planned
            first += len(frames)
        return features


class Generator:
    """A loaded checkpoint with its text encoder; performs takes (see ``cteg_core.performer.Performer``)."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        encoder: TextEncoder,
        device: str,
        *,
        unconditional: bool = False,
        fps: float | None = None,
    ) -> None:
        """Wrap what is loaded.

        Args:
            checkpoint, encoder, device: on the same device.
            unconditional: hide text and emotion from the decoder, as the paper's Diversity metric asks for; only
                the speech plan is left.
            fps: frames a second to perform at; None is the checkpoint's. Another needs a network that is told.

        Raises:
            ValueError: for another frame rate where the network knows one only, or one that it never met.
        """
        if fps is not None and fps != checkpoint.info.fps:
            _check_rate(fps, checkpoint)
        encoder.adapt_to(checkpoint.adapters)
        self._checkpoint = checkpoint
        self._encoder = encoder
        self._reader = EmotionReader(encoder, checkpoint.emotion_head)
        self._device = device
        self._unconditional = unconditional
        self._fps = checkpoint.info.fps if fps is None else fps

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

    def read_emotion(self, texts: Sequence[str], before: Sequence[str] | None = None) -> tuple[EmotionRead, ...]:
        """Read the emotion of texts of at most the encoder's length, each with what came ``before`` it, if known."""
        return self._reader.read(texts, before)

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
        reads = self._reads(texts, controls)
        fps = self._fps
        try:
            plans = part_plans(texts, controls, request.seed, fps, self._longest_part)
        except ValueError as error:
            raise LineError(str(error)) from None
        return tuple(
            Part(
                text=text,
                plan=plan,
                arc=arc_of(plan, read.clauses, np.stack([emotion_condition(each) for each in read.reads])),
                read=read.whole,
                fixed_length=controls.duration is not None or rank < len(texts) - 1,
                last=rank == len(texts) - 1,
            )
            for rank, (text, plan, read) in enumerate(zip(texts, plans, reads, strict=True))
        )

    def _reads(self, texts: Sequence[str], controls: Controls) -> Sequence[LineRead]:
        """Return what each part of a line carries: what the user asks for, or what is read."""
        asked = controls.emotion
        if asked is not None:
            return [LineRead(asked, (text,), (asked,)) for text in texts]
        # What came before a later part is the line itself, which its clauses carry.
        return self._reader.read_lines(texts, (controls.context, *[""] * (len(texts) - 1)))

    @property
    def _longest_part(self) -> int:
        """Frames that one part may last: what the position table holds beside markers and slack."""
        return self._checkpoint.network.config.max_frames - round(SLACK_SECONDS * self._fps) - 4

    def _perform_part(
        self, takes: Sequence[_Take], active: Sequence[int], rank: int, cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk]:
        fps, scaling = self._fps, self._checkpoint.scaling
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
            take.frames.append(joined(take.frames[-1][-1], frames, fps) if take.frames else frames)
            if rest := decoded[row][sent[row] :]:
                yield FrameChunk(index, bases[row] + sent[row], _within_space(np.stack(rest)))
            take.stop_reason = "duration" if part.fixed_length else "stop-head" if stopped[row] else "limit"

    def _lines(self, takes: Sequence[_Take], rank: int) -> Lines:
        config = self._checkpoint.network.config
        device = torch.device(self._device)
        parts = [take.parts[rank] for take in takes]
        slack = round(SLACK_SECONDS * self._fps)
        most = [part.plan.length + (0 if part.fixed_length else slack) for part in parts]
        least = [
            count if part.fixed_length else part.frame_of_last_word for part, count in zip(parts, most, strict=True)
        ]
        positions = max(most) + 1
        states = self._encoder.encode([part.text for part in parts])
        draws = []
        for take in takes:
            variety = take.request.line.controls.variety
            part_draws = draws_for(
                part_seed(take.request.seed, rank),
                positions,
                config.d_latent,
                config.utterance_latent,
                NOISE_CORRELATION ** (REFERENCE_FPS / self._fps),
            )
            # One performance has one utterance latent, however many parts it is decoded in.
            whole = self._utterance(take.request)
            draws.append(Draws(part_draws.latent * variety, whole * variety, part_draws.stop_threshold))
        start = np.stack([take.frames[-1][-1] if take.frames else np.zeros(53, np.float32) for take in takes])
        text, text_mask = states.last, states.mask
        controls = [take.request.line.controls for take in takes]
        intensities = [each.intensity for each in controls]
        conditions = part_conditions(parts, intensities, positions, self._fps, device)
        if self._unconditional:
            text, text_mask = masked_text(text, text_mask)
            conditions = _without_emotion(conditions)
        return Lines(
            text=text,
            text_mask=text_mask.unsqueeze(1),
            conditions=conditions,
            start_frame=self._checkpoint.scaling.normalised(torch.from_numpy(start).to(device)),
            draws=tuple(draws),
            least=tuple(least),
            most=tuple(most),
            temperature=LATENT_TEMPERATURE,
            guidance=Guidance(
                text, text_mask.unsqueeze(1), _without_emotion(conditions), tuple(c.guidance for c in controls)
            ),
        )

    def _utterance(self, request: TakeRequest) -> Tensor:
        """Return a take's draw of the utterance latent ``[U]``, mixed with those of the takes it stays near to."""
        config = self._checkpoint.network.config
        shares = shares_of(request.seed, request.line.controls)
        draws = (
            draws_for(part_seed(seed, 0), 1, config.d_latent, config.utterance_latent).utterance * share
            for seed, share in shares.items()
        )
        return reduce(torch.add, draws)

    def _finish(self, take: _Take) -> ExpressionClip:
        request, info = take.request, self._checkpoint.info
        controls = request.line.controls
        frames = np.concatenate(take.frames)
        if controls.intensity > LEARNED_INTENSITY:
            frames[:, :EXPRESSION_COUNT] *= controls.intensity / LEARNED_INTENSITY
        widths = self._checkpoint.steadying[0 if controls.speech else 1].numpy() * (self._fps / info.fps)
        frames = _within_space(steadied(frames, widths))
        if self._checkpoint.network.config.plan_width:
            frames = seal_lips(frames, take.speech)
        frames = eased(frames, self._fps)
        words = tuple(take.words)
        if controls.gaze:
            frames = add_gaze(frames, self._fps, request.seed)
        if controls.blinks:
            frames = add_blinks(frames, self._fps, request.seed, words)
        weights = np.array([part.plan.length for part in take.parts], dtype=np.float64)
        return ExpressionClip(
            frames=frames,
            fps=self._fps,
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


def _without_emotion(conditions: Conditions) -> Conditions:
    return replace(conditions, emotion_known=torch.zeros_like(conditions.emotion_known))


def _within_space(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(frames, CTEG_HEAD_1.lower, CTEG_HEAD_1.upper)


def _check_rate(fps: float, checkpoint: Checkpoint) -> None:
    known = checkpoint.info.fps
    if not checkpoint.network.config.frame_rate:
        raise ValueError(
            f"This checkpoint performs at {known:g} frames a second only: leave the rate out and resample its clips."
        )
    if not min(FRAME_RATES) <= fps <= max(FRAME_RATES):
        raise ValueError(
            f"This checkpoint has learned {min(FRAME_RATES):g} to {max(FRAME_RATES):g} frames a second; got {fps:g}."
        )


def _mean_read(reads: Sequence[EmotionRead], weights: NDArray[np.float64]) -> EmotionRead:
    p = weights @ np.array([read.probabilities for read in reads])
    affect = weights @ np.array([(read.valence, read.arousal, read.dominance) for read in reads])
    return EmotionRead(tuple(float(x) for x in p), *(float(x) for x in affect))
