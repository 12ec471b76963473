"""Decoding: frames one after another, with caches, for many performances at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.model.conditions import Conditions
from cteg_core.model.network import FRAME_WIDTH, START, CtegNetwork

NOISE_CORRELATION = 0.9
"""Correlation of the latent's noise from one frame to the next: independent draws are seen as jitter."""


@dataclass(frozen=True)
class Draws:
    """Every random number one performance needs, drawn on the CPU from its own seed.

    Attributes:
        latent: ``[L, Z]`` standard normal, correlated in time.
        utterance: ``[U]`` standard normal.
        stop_threshold: in (0, 1); the line stops when the chance of still running falls below it.
    """

    latent: Tensor
    utterance: Tensor
    stop_threshold: float


def draws_for(seed: int, positions: int, latent_width: int, utterance_width: int) -> Draws:
    """Return the draws of one performance: they depend on the seed, never on batch or device."""
    generator = torch.Generator().manual_seed(seed)
    utterance = torch.randn(utterance_width, generator=generator)
    threshold = float(torch.rand((), generator=generator))
    white = torch.randn(positions, latent_width, generator=generator).numpy()
    return Draws(torch.from_numpy(_correlated(white)), utterance, threshold)


def _correlated(white: NDArray[np.float32]) -> NDArray[np.float32]:
    """First-order autoregressive noise of unit variance from white noise ``[L, Z]``."""
    noise = white.copy()
    fresh = np.float32((1 - NOISE_CORRELATION**2) ** 0.5)
    for t in range(1, len(noise)):
        noise[t] = np.float32(NOISE_CORRELATION) * noise[t - 1] + fresh * white[t]
    return noise


@dataclass(frozen=True)
class Lines:
    """A batch of B performances to decode, over at most L frames.

    Attributes:
        text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``.
        conditions: as in training, over L + 1 positions (position 0 is the start marker's).
        start_frame: ``[B, 53]`` normalised.
        draws: B of them.
        least, most: frames before which a performance may not stop and at which it must.
        temperature: factor on the per-frame latent's noise.
    """

    text: Tensor
    text_mask: Tensor
    conditions: Conditions
    start_frame: Tensor
    draws: tuple[Draws, ...]
    least: tuple[int, ...]
    most: tuple[int, ...]
    temperature: float = 1.0


@dataclass(frozen=True)
class Step:
    """One decoded frame of every performance.

    Attributes:
        frames: ``float32 [B, 53]``, normalised.
        running: ``bool [B]``, False where the performance had ended before this frame.
        stopped: ``bool [B]``, True where this frame is the last because the stop head said so.
    """

    frames: NDArray[np.float32]
    running: NDArray[np.bool_]
    stopped: NDArray[np.bool_]


@torch.inference_mode()
def decode(network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Step]:
    """Yield one :class:`Step` a frame until every performance has ended or ``cancelled()`` is True."""
    longest = max(lines.most)
    device = lines.text.device
    caches = network.start(lines.text, longest + 2)
    utterance = torch.stack([draw.utterance for draw in lines.draws]).to(device)
    noise = torch.stack([draw.latent for draw in lines.draws]).to(device) * lines.temperature  # [B, L+1, Z]
    condition = network.condition(lines.conditions, utterance)  # [B, L+1, D]
    threshold = np.array([draw.stop_threshold for draw in lines.draws])
    least, most = np.array(lines.least), np.array(lines.most)
    running = np.ones(len(lines.draws), dtype=bool)
    survival = np.ones(len(lines.draws))
    network.step(None, condition[:, :1], lines.text_mask, caches, noise[:, :1])
    frame = lines.start_frame
    for count in range(1, longest + 1):
        if cancelled():
            return
        frame, stop_logit = network.step(
            frame, condition[:, count : count + 1], lines.text_mask, caches, noise[:, count : count + 1]
        )
        stopped = np.zeros_like(running)
        if stop_logit is not None:
            hazard = torch.sigmoid(stop_logit).double().cpu().numpy()
            survival = np.where(count >= least, survival * (1.0 - hazard), survival)
            stopped = running & (count >= least) & (survival < threshold)
        yield Step(frame.float().cpu().numpy(), running.copy(), stopped)
        running &= ~stopped & (count < most)
        if not running.any():
            return


@torch.inference_mode()
def decode_whole_prefix(
    network: CtegNetwork, start_frame: Tensor, text: Tensor, text_mask: Tensor, frame_count: int
) -> Tensor:
    """Decode as the official code does: the whole prefix again for each frame, latents at their means.

    Args:
        start_frame: ``[B, 53]``.
        text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``.
        frame_count: frames to decode.

    Returns:
        ``[B, 1 + frame_count, 53]``, the start frame first.
    """
    batch = start_frame.shape[0]
    blank = start_frame.new_zeros(batch, 1, FRAME_WIDTH)
    frames = start_frame.unsqueeze(1)  # [B, 1, 53]
    for _ in range(frame_count):
        # The last index gets no latent, so a blank frame stands behind the one that is read.
        prefix = torch.cat((blank, frames, blank), dim=1)
        length = prefix.shape[1]
        markers = torch.full((batch, length), -1, device=prefix.device)
        markers[:, 0] = START
        mask = torch.ones(batch, length, length, dtype=torch.bool, device=prefix.device).tril()
        output = network(prefix, markers, mask, text, text_mask, use_posterior=False, sample=False)
        frames = torch.cat((frames, output.frames[:, -2:-1]), dim=1)
    return frames
