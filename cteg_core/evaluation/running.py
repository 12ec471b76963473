"""A network run on a teacher-forcing batch: predictions frame by frame, and takes decoded under the same conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.model.conditions import Conditions, masked_text
from cteg_core.model.decoding import Lines, decode, draws_for
from cteg_core.model.generator import LATENT_TEMPERATURE
from cteg_core.model.network import CtegNetwork
from cteg_core.training.batches import Batch

Frames = NDArray[np.float32]

SLACK_FRAMES: Final = 30
"""How long past its true length a take may wait for the stop head."""


def true_frames(batch: Batch) -> list[Frames]:
    """Return the batch's true performances, ``[T, 53]`` each, normalised as the network sees them."""
    return _rows(batch.gold, batch.mask)


@torch.inference_mode()
def predict_frames(
    network: CtegNetwork, batch: Batch, *, use_posterior: bool = False, sample: bool = False
) -> list[Frames]:
    """Return what the network predicts for every true frame when shown those before it, ``[T, 53]`` each, normalised.

    Args:
        network: in evaluation mode, on any device.
        batch: on the CPU, without dropout (``training.batches.NO_DROPOUT``).
        use_posterior: let the latents see the frame that is predicted: reconstruction, not prediction.
        sample: draw latents and readout noise from torch's global generator, as the official ``evaluate.py`` does;
            False takes their means.
    """
    device = next(network.parameters()).device
    conditions = batch.conditions
    if conditions is not None:
        conditions = _taken(conditions, torch.arange(len(batch.gold)), device)
    if conditions is not None and not use_posterior and network.utterance_encoder is not None:
        prior = network.utterance_encoder.prior(conditions)
        drawn = prior.sample(torch.randn_like(prior.mean) if sample else None)
        conditions = replace(conditions, utterance=drawn)
    output = network(
        *(part.to(device) for part in (batch.frames, batch.markers, batch.frame_mask, batch.text, batch.text_mask)),
        conditions,
        use_posterior=use_posterior,
        sample=sample,
    )
    return _rows(output.frames.cpu(), batch.mask)


@dataclass(frozen=True)
class TakePlan:
    """How takes are decoded.

    Attributes:
        takes: K, of each line.
        seed: of all draws; the draws of a take depend on this, the line's number and the take's, never on the batch.
        temperature: of the per-frame latents.
        without_text: hide text and emotion (the paper's unconditional generation); the speech plan stays.
    """

    takes: int
    seed: int
    temperature: float = LATENT_TEMPERATURE
    without_text: bool = False


def perform_batch(network: CtegNetwork, batch: Batch, numbers: list[int], plan: TakePlan) -> list[list[Frames]]:
    """Decode takes of every performance's line under its own conditions: ``[B][K]``, ``[T, 53]`` each, normalised.

    A take ends when the stop head says so, not before the plan's last sound and at most a second after the truth.

    Args:
        network: in evaluation mode, on any device; its expression attention must be one that can be cached.
        batch: on the CPU, without dropout.
        numbers: the B lines' numbers, which with the seed choose the draws.
        plan: how many and how.

    Raises:
        ValueError: the batch holds no conditions, or the network cannot be decoded with caches.
    """
    if batch.conditions is None:
        raise ValueError("This batch holds no conditions: it was laid out for the official network.")
    lengths = batch.mask.sum(1).tolist()
    positions = max(lengths) + SLACK_FRAMES + 1
    conditions = _extended(batch.conditions, positions)
    text, text_mask = batch.text, batch.text_mask.squeeze(1)
    if plan.without_text:
        text, text_mask = masked_text(text, text_mask)
        conditions = replace(conditions, emotion_known=torch.zeros_like(conditions.emotion_known))
    rows = torch.arange(len(numbers)).repeat_interleave(plan.takes)
    least = [_last_sound(conditions.plan[row], length) for row, length in enumerate(lengths)]
    config = network.config
    draws = tuple(
        draws_for(_seed(plan.seed, number, take), positions, config.d_latent, config.utterance_latent)
        for number in numbers
        for take in range(plan.takes)
    )
    device = next(network.parameters()).device
    lines = Lines(
        text=text[rows].to(device),
        text_mask=text_mask[rows].unsqueeze(1).to(device),
        conditions=_taken(conditions, rows, device),
        start_frame=batch.frames[rows, 1].to(device),
        draws=draws,
        least=tuple(least[row] for row in rows.tolist()),
        most=tuple(lengths[row] + SLACK_FRAMES for row in rows.tolist()),
        temperature=plan.temperature,
    )
    decoded: list[list[Frames]] = [[] for _ in rows]
    for step in decode(network, lines):
        for row in np.flatnonzero(step.running).tolist():
            decoded[row].append(step.frames[row])
    stacked = [np.stack(frames) for frames in decoded]
    return [stacked[i : i + plan.takes] for i in range(0, len(stacked), plan.takes)]


def _rows(frames: Tensor, mask: Tensor) -> list[Frames]:
    return [one[kept].float().numpy() for one, kept in zip(frames, mask, strict=True)]


def _seed(seed: int, number: int, take: int) -> int:
    return int(np.random.SeedSequence([abs(seed), number, take]).generate_state(1, np.uint32)[0])


def _last_sound(plan: Tensor, length: int) -> int:
    sounding = plan.abs().sum(-1).nonzero()
    return min(length, int(sounding.max()) if len(sounding) else length // 2)


def _extended(conditions: Conditions, positions: int) -> Conditions:
    """Let conditions ``[B, L, ...]`` go on to ``positions``: silence, time running on, none remaining."""
    missing, course = positions - conditions.elapsed.shape[1], conditions.emotion_course
    if missing <= 0:
        return replace(
            conditions,
            plan=conditions.plan[:, :positions],
            elapsed=conditions.elapsed[:, :positions],
            remaining=conditions.remaining[:, :positions],
            emotion_course=None if course is None else course[:, :positions],
        )
    step = conditions.elapsed[:, 1:2] - conditions.elapsed[:, :1]
    later = conditions.elapsed[:, -1:] + step * torch.arange(1, missing + 1)
    pad = torch.nn.functional.pad
    return replace(
        conditions,
        plan=pad(conditions.plan, (0, 0, 0, missing)),
        elapsed=torch.cat((conditions.elapsed, later), dim=1),
        remaining=pad(conditions.remaining, (0, missing)),
        emotion_course=None if course is None else torch.cat((course, course[:, -1:].expand(-1, missing, -1)), dim=1),
    )


def _taken(conditions: Conditions, rows: Tensor, device: torch.device) -> Conditions:
    chosen = {name: value[rows].to(device) for name, value in vars(conditions).items() if value is not None}
    return replace(conditions, **chosen)
