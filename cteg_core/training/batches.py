"""Batches for teacher forcing: decoder inputs, gold frames, masks and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.model.attention import causal_mask
from cteg_core.model.checkpoint import Scaling
from cteg_core.model.conditions import Conditions, masked_text
from cteg_core.model.network import FRAME_WIDTH, PAD, START
from cteg_core.training.corpus import CorpusItem
from flame_rig.resample import resample_values


@dataclass(frozen=True)
class Dropout:
    """What is hidden from the network at random, so that each part works without the others.

    Attributes:
        text: chance that a line's text is masked.
        emotion: chance that its emotion condition is withheld.
        both: chance that text and emotion are withheld together, beside those two: what guidance leads away from.
        length: chance that its remaining time is withheld.
        frames: chance for each past frame to be blanked.
        history: chance for a line's past to be shown at a wrong strength, ``HISTORY_SCALE`` of the true one.
        no_history: chance for a line's past to be hidden altogether.
        frame_noise: largest deviation (normalised units) of noise on past frames, drawn for each line.

    A performance is smooth, so copying the last frame nearly always predicts the next one; a network that
    learns to copy never begins to act when it is left to itself. With a past that lies about its strength it has to
    take the strength from the conditions, and only the course of things from the past.
    """

    text: float = 0.1
    emotion: float = 0.15
    both: float = 0.05
    length: float = 0.2
    frames: float = 0.1
    history: float = 0.5
    no_history: float = 0.25
    frame_noise: float = 0.3


HISTORY_SCALE = (0.0, 1.4)


@dataclass(frozen=True)
class Batch:
    """One teacher-forced batch; shapes as ``CtegNetwork.forward`` and ``training_loss`` take them.

    ``conditions`` are None where frames depend on the text alone, as in the official network.
    """

    frames: Tensor
    markers: Tensor
    frame_mask: Tensor
    text: Tensor
    text_mask: Tensor
    conditions: Conditions | None
    gold: Tensor
    mask: Tensor
    stop: Tensor


NO_DROPOUT = Dropout(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

MOST_RESAMPLED: Final = 480
"""Frames; a performance that another rate would make longer keeps its own: attention costs the square of a length."""


def make_batch(
    items: Sequence[CorpusItem],
    text: Tensor,
    text_mask: Tensor,
    scaling: Scaling,
    fps: float | Sequence[float],
    dropout: Dropout,
    generator: torch.Generator,
) -> Batch:
    """Lay performances out for teacher forcing.

    Args:
        items: B performances.
        text, text_mask: their text states ``[B, S, d_text]`` and mask ``bool [B, S]``.
        scaling: normalisation of frames.
        fps: frames a second, of all performances or of each.
        dropout: what to hide.
        generator: of the random choices.

    Layout for T frames: position 0 the start marker, 1 the start frame, 2 ... T + 1 the frames; the
    output at position t is frame t, 1 <= t <= T. Position T + 1 is there for the last posterior.
    """
    lengths = torch.tensor([len(item.frames) for item in items])
    count, positions = len(items), int(lengths.max()) + 2
    frames = torch.zeros(count, positions, FRAME_WIDTH)
    gold = torch.zeros(count, positions, FRAME_WIDTH)
    plan = torch.zeros(count, positions, items[0].speech.shape[1])
    for row, item in enumerate(items):
        length = len(item.frames)
        target = scaling.normalised(torch.from_numpy(np.ascontiguousarray(item.frames, dtype=np.float32)))
        frames[row, 1] = scaling.normalised(torch.from_numpy(item.start_frame))
        frames[row, 2 : length + 2] = target
        gold[row, 1 : length + 1] = target
        plan[row, 1 : length + 1] = torch.from_numpy(np.ascontiguousarray(item.speech, dtype=np.float32))
    place = torch.arange(positions)
    markers = torch.where(place <= lengths[:, None] + 1, -1, PAD)
    markers[:, 0] = START
    mask = (place >= 1) & (place <= lengths[:, None])
    rates = torch.tensor([fps] * count if isinstance(fps, float) else fps)  # [B]
    times = place / rates[:, None]  # [B, L]
    together = _kept(count, dropout.both, generator)
    course = torch.zeros(count, positions, items[0].emotion.shape[0])
    for row, item in enumerate(items):
        course[row, 1:] = torch.from_numpy(item.arc.over(positions - 1))
    conditions = Conditions(
        emotion=torch.from_numpy(np.stack([emotion_vector(item) for item in items])),
        emotion_course=course,
        emotion_known=together * _kept(count, dropout.emotion, generator),
        plan=plan,
        elapsed=times,
        remaining=((lengths / rates)[:, None] - times).clamp_min(0.0),
        remaining_known=_kept(count, dropout.length, generator),
        returns_to_rest=torch.tensor([float(item.settles) for item in items]),
        frame_seconds=1.0 / rates,
        target=gold[:, 1:-1],
        target_mask=mask[:, 1:-1].float(),
    )
    text, text_mask = _masked_text(text, text_mask, together * _kept(count, dropout.text, generator))
    return Batch(
        frames=_disturbed(frames, dropout, generator),
        markers=markers,
        frame_mask=causal_mask(positions, frames.device),
        text=text,
        text_mask=text_mask.unsqueeze(1),
        conditions=conditions,
        gold=gold,
        mask=mask,
        stop=(place == lengths[:, None]).float(),
    )


def drawn_frame_rates(
    lengths: Sequence[int], fps: float, rates: Sequence[float], generator: torch.Generator
) -> list[float]:
    """Draw one of ``rates`` for each performance of ``lengths`` frames at ``fps``; without any it is ``fps``."""
    if not rates:
        return [fps] * len(lengths)
    drawn = [rates[i] for i in torch.randint(len(rates), (len(lengths),), generator=generator).tolist()]
    return [fps if count * rate / fps > MOST_RESAMPLED else rate for count, rate in zip(lengths, drawn, strict=True)]


def at_frame_rate(item: CorpusItem, fps: float, wanted: float) -> CorpusItem:
    """Return a performance of ``fps`` frames a second at another rate; peaks stay (``flame_rig.resample``)."""
    if fps == wanted:
        return item
    frames = resample_values(item.frames, fps, wanted).astype(np.float32)
    speech = resample_values(item.speech, fps, wanted).astype(np.float32)
    arc = item.arc.at_rate(wanted / fps, len(frames))
    return replace(item, frames=frames, speech=speech, arc=arc, start_frame=frames[0].copy())


def emotion_vector(item: CorpusItem) -> NDArray[np.float32]:
    """Return ``float32 [32]``: 28 strengths, valence, arousal, dominance, intensity."""
    return np.asarray(item.emotion, dtype=np.float32)


def _masked_text(text: Tensor, text_mask: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    blank, blank_mask = masked_text(text, text_mask)
    keep = kept.bool()
    return torch.where(keep[:, None, None], text, blank), torch.where(keep[:, None], text_mask, blank_mask)


def _disturbed(frames: Tensor, dropout: Dropout, generator: torch.Generator) -> Tensor:
    count, positions, _ = frames.shape
    amount = torch.rand(count, 1, 1, generator=generator) * dropout.frame_noise
    noise = torch.randn(frames.shape, generator=generator) * amount
    kept = _kept(count * positions, dropout.frames, generator).view(count, positions, 1)
    low, high = HISTORY_SCALE
    lies = low + (high - low) * torch.rand(count, generator=generator)
    scale = torch.where(_kept(count, dropout.history, generator).bool(), torch.ones(count), lies)
    scale = scale * _kept(count, dropout.no_history, generator)
    return (frames * scale[:, None, None] + noise) * kept


def _kept(count: int, chance_of_dropping: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) >= chance_of_dropping).float()
