"""An imported official checkpoint as a performer: text in, clips of FLAME coefficients out.

The network is the official one and decodes exactly as it does (`serial_inference`), with the differences that people
need: no white noise in front of the readout, latents whose noise is correlated in time, an end where the network says
that there is one, long text in parts, a length that can be asked for, and a rise from and a return to the rest face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import LineError, checked_text, sentences, word_count
from cteg_core.emoava.importing import TEXT_ENCODER_FOLDER
from cteg_core.emoava.loading import EmoavaModel, load_emoava
from cteg_core.emoava.text_encoder import MOST_TOKENS
from cteg_core.emoava.vocabulary import VOCABULARY_NAME
from cteg_core.model.checkpoint import CheckpointError, device_for
from cteg_core.model.decoding import draws_for
from cteg_core.model.easing import eased, joined
from cteg_core.model.official_decoding import decode_official
from cteg_core.model.parts import MAX_PART_WORDS, part_seed
from cteg_core.performer import Cancelled, FinishedTake, FrameChunk, TakeRequest

FPS: Final = 24.0
"""The rate that the official renderer shows frames at; the data keep the rates of their films."""
SPACE: Final = "flame-2020"
"""EMOCA v2, whose codes EmoAva holds, is built on FLAME 2020."""
MOST_FRAMES: Final = 254
"""Frames that the official code decodes of every line."""
END_NORM: Final = 1.8
"""A frame that is shorter than this is the end. The official data mark the end by a frame of zeros, and their real
frames are 3.58 long at least: this is half of it. (The paper's rule of 1.0 drowns in the official readout noise.)"""
LEAST_FRAMES: Final = 12
"""No performance ends within its first half second."""
CHUNK_FRAMES: Final = 32


@dataclass
class _Take:
    """A take while it is being made."""

    request: TakeRequest
    texts: tuple[str, ...]
    lengths: tuple[int, ...] | None
    frames: list[NDArray[np.float32]] = field(default_factory=list)
    stop_reason: str = ""
    unread: bool = False

    @property
    def length(self) -> int:
        return sum(len(frames) for frames in self.frames)


class EmoavaPerformer:
    """An imported official model; performs takes (see ``cteg_core.performer.Performer``)."""

    def __init__(self, model: EmoavaModel, checkpoint_id: str, device: str) -> None:
        """Wrap what is loaded; raises CheckpointError where no vocabulary was imported."""
        if model.tokenizer is None:
            raise CheckpointError(
                f"This imported checkpoint has no {TEXT_ENCODER_FOLDER}/{VOCABULARY_NAME}, so it cannot read text: "
                "import it again with --tokenizer and a folder that holds the vocabulary of bert-base-cased."
            )
        self._model = model
        self._tokenizer = model.tokenizer
        self._id = checkpoint_id
        self._device = device
        self._most = min(MOST_FRAMES, model.network.config.max_frames - 2)
        self._most_tokens = min(MOST_TOKENS, int(model.text_encoder.config.max_position_embeddings))

    @classmethod
    def load(cls, folder: Path, device: str) -> EmoavaPerformer:
        """Load an imported checkpoint; raises CheckpointError with a sentence."""
        where = device_for(device)
        model = load_emoava(folder, where)
        return cls(model, f"emoava@{model.sha256[:12]}", where)

    @property
    def checkpoint_id(self) -> str:
        """Name and shortened SHA-256 of the weights."""
        return self._id

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self._device

    def perform(
        self, requests: Sequence[TakeRequest], cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk | FinishedTake]:
        """Perform takes; parts of the same rank of all takes are decoded together."""
        takes = [self._take(request) for request in requests]
        for rank in range(max((len(take.texts) for take in takes), default=0)):
            active = [index for index, take in enumerate(takes) if rank < len(take.texts)]
            yield from self._perform_part(takes, active, rank, cancelled)
            for index in active:
                if rank == len(takes[index].texts) - 1:
                    yield FinishedTake(index, self._finish(takes[index]))

    def _take(self, request: TakeRequest) -> _Take:
        texts = sentences(checked_text(request.line.text).text, MAX_PART_WORDS)
        duration = request.line.controls.duration
        return _Take(request, texts, None if duration is None else _shared_out(texts, duration, self._most))

    def _perform_part(
        self, takes: Sequence[_Take], active: Sequence[int], rank: int, cancelled: Callable[[], bool]
    ) -> Iterator[FrameChunk]:
        rows = [takes[index] for index in active]
        bases = [take.length for take in rows]
        wanted = [self._most if take.lengths is None else take.lengths[rank] for take in rows]
        decoded: list[list[NDArray[np.float32]]] = [[] for _ in rows]
        reasons = ["" for _ in rows]
        sent = [0] * len(rows)
        for frames in self._decode(rows, rank, max(wanted)):
            if cancelled():
                raise Cancelled
            latest = frames.float().cpu().numpy()
            for row, take in enumerate(rows):
                if reasons[row]:
                    continue
                ends = take.lengths is None and len(decoded[row]) >= LEAST_FRAMES
                if ends and float(np.linalg.norm(latest[row])) < END_NORM:
                    reasons[row] = "end-frame"
                    continue
                decoded[row].append(latest[row])
                if len(decoded[row]) == wanted[row]:
                    reasons[row] = "limit" if take.lengths is None else "duration"
                if len(decoded[row]) - sent[row] >= CHUNK_FRAMES:
                    yield FrameChunk(active[row], bases[row] + sent[row], np.stack(decoded[row][sent[row] :]))
                    sent[row] = len(decoded[row])
            if all(reasons):
                break
        for row, take in enumerate(rows):
            frames_of_part = np.stack(decoded[row])
            take.frames.append(joined(take.frames[-1][-1], frames_of_part, FPS) if take.frames else frames_of_part)
            take.stop_reason = reasons[row]
            if rest := decoded[row][sent[row] :]:
                yield FrameChunk(active[row], bases[row] + sent[row], np.stack(rest))

    def _decode(self, rows: Sequence[_Take], rank: int, count: int) -> Iterator[Tensor]:
        config, device = self._model.network.config, torch.device(self._device)
        ids = self._ids(rows, rank)
        mask = ids["attention_mask"].bool().to(device)
        states = self._model.encode(ids["input_ids"].to(device), mask)
        noise = [
            draws_for(part_seed(take.request.seed, rank), count + 1, config.d_latent, 0).latent
            * take.request.line.controls.variety
            for take in rows
        ]
        start = [
            torch.from_numpy(take.frames[-1][-1]).to(device) if take.frames else self._model.start_frame
            for take in rows
        ]
        return decode_official(
            self._model.network,
            torch.stack(start),
            states,
            mask.unsqueeze(1),
            count,
            latent_noise=torch.stack(noise).to(device),
        )

    def _ids(self, rows: Sequence[_Take], rank: int) -> dict[str, Tensor]:
        texts = [take.texts[rank] for take in rows]
        for take, text in zip(rows, texts, strict=True):
            take.unread |= len(self._tokenizer(text, verbose=False)["input_ids"]) > self._most_tokens
        batch: dict[str, Tensor] = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._most_tokens, return_tensors="pt", verbose=False
        )
        return batch

    def _finish(self, take: _Take) -> ExpressionClip:
        request, controls = take.request, take.request.line.controls
        mean = self._model.start_frame.float().cpu().numpy()
        frames = mean + controls.intensity * (np.concatenate(take.frames) - mean)
        return ExpressionClip(
            frames=eased(frames.astype(np.float32), FPS),
            fps=FPS,
            space=SPACE,
            text=request.line.text,
            controls=controls,
            seed=request.seed,
            checkpoint=self._id,
            stop_reason=take.stop_reason,
            notes=(*checked_text(request.line.text).notes, *_left_out(controls), *_unread(take)),
        )


def _shared_out(texts: Sequence[str], duration: float, most: int) -> tuple[int, ...]:
    """Return how many frames each part lasts, by its words; raises LineError where that cannot be."""
    total = round(duration * FPS)
    weights = np.array([max(word_count(text), 1) for text in texts], dtype=np.float64)
    ends = np.round(np.cumsum(weights) / weights.sum() * total).astype(int)
    lengths = np.diff(ends, prepend=0)
    if (lengths < 1).any():
        raise LineError(f"{duration:g} s are too short for this line: give it more time or less text.")
    if (lengths > most).any():
        limit = int(most / FPS * weights.sum() / weights.max())
        raise LineError(f"{duration:g} s are too long for this line: ask for at most {limit} s.")
    return tuple(int(length) for length in lengths)


def _left_out(controls: Controls) -> Iterator[str]:
    """Yield a sentence for each control that the official network knows nothing of."""
    unknown = {
        "the emotion asked for": controls.emotion is not None,
        "guidance": controls.guidance != 1.0,
        "speech off": not controls.speech,
        "the words' times": bool(controls.words),
        "nearness to other takes": bool(controls.like),
    }
    names = [name for name, asked in unknown.items() if asked]
    if names:
        yield f"An EmoAva checkpoint performs from the text alone; left out: {', '.join(names)}."


def _unread(take: _Take) -> Iterator[str]:
    if take.unread:
        yield "A part of this line is longer than the text encoder reads at once; its end was not understood."
