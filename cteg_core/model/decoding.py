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
class Guidance:
    """Classifier-free guidance (Ho and Salimans 2022): how far each performance leans on what it was given.

    A performance of strength w is decoded from two rows that share past frames, draws and time, and its frame is
    ``without + w * (with - without)``: 0 ignores what is withheld here, 1 is decoding as usual (at no further cost),
    beyond 1 overstates it. Its end is the row's with everything.

    Attributes:
        text, text_mask, conditions: as in :class:`Lines`, with that withheld which guidance strengthens.
        strengths: w of each of the B performances, finite.
    """

    text: Tensor
    text_mask: Tensor
    conditions: Conditions
    strengths: tuple[float, ...]


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
        guidance: None decodes every performance as usual.
    """

    text: Tensor
    text_mask: Tensor
    conditions: Conditions
    start_frame: Tensor
    draws: tuple[Draws, ...]
    least: tuple[int, ...]
    most: tuple[int, ...]
    temperature: float = 1.0
    guidance: Guidance | None = None


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
    rows = _rows(network, lines)
    caches = network.start(rows.text, longest + 2)
    threshold = np.array([draw.stop_threshold for draw in lines.draws])
    least, most = np.array(lines.least), np.array(lines.most)
    running = np.ones(len(lines.draws), dtype=bool)
    survival = np.ones(len(lines.draws))
    network.step(None, rows.condition[:, :1], rows.text_mask, caches, rows.noise[:, :1])
    frame = lines.start_frame
    for count in range(1, longest + 1):
        if cancelled():
            return
        now = slice(count, count + 1)
        predicted, stop_logit = network.step(
            rows.fed(frame), rows.condition[:, now], rows.text_mask, caches, rows.noise[:, now]
        )
        frame = rows.guided(predicted)
        stopped = np.zeros_like(running)
        if stop_logit is not None:
            hazard = torch.sigmoid(stop_logit[: len(running)]).double().cpu().numpy()
            survival = np.where(count >= least, survival * (1.0 - hazard), survival)
            stopped = running & (count >= least) & (survival < threshold)
        yield Step(frame.float().cpu().numpy(), running.copy(), stopped)
        running &= ~stopped & (count < most)
        if not running.any():
            return


@dataclass(frozen=True)
class _Rows:
    """The rows of a decoding batch: one for each of B performances, then one more for each that is guided.

    Attributes:
        text, text_mask: ``[R, S, d_text]`` and ``bool [R, 1, S]``.
        condition: ``[R, L, D]``.
        noise: ``[R, L, Z]``.
        led: ``int64 [R - B]``, the performance of each row behind the first B, and ``strength`` ``[R - B, 1]``.
    """

    text: Tensor
    text_mask: Tensor
    condition: Tensor
    noise: Tensor
    led: Tensor
    strength: Tensor

    def fed(self, frame: Tensor) -> Tensor:
        """Give every row the latest frame ``[B, 53]`` of its performance."""
        return torch.cat((frame, frame[self.led])) if len(self.led) else frame

    def guided(self, predicted: Tensor) -> Tensor:
        """Return the frames ``[B, 53]`` that the rows' predictions ``[R, 53]`` make."""
        if not len(self.led):
            return predicted
        frame, without = predicted.tensor_split((len(predicted) - len(self.led),))
        leaning = without + self.strength * (frame[self.led] - without)
        return frame.index_copy(0, self.led, leaning)


def _rows(network: CtegNetwork, lines: Lines) -> _Rows:
    """Lay out a batch; raises ValueError where a strength is missing or not finite."""
    device, guidance = lines.text.device, lines.guidance
    utterance = torch.stack([draw.utterance for draw in lines.draws]).to(device)
    noise = torch.stack([draw.latent for draw in lines.draws]).to(device) * lines.temperature
    condition = network.condition(lines.conditions, utterance)
    text, text_mask = lines.text, lines.text_mask
    strengths = () if guidance is None else guidance.strengths
    if guidance is not None and (len(strengths) != len(lines.draws) or not np.isfinite(strengths).all()):
        raise ValueError(f"Guidance needs one finite strength for each of {len(lines.draws)} performances.")
    led = torch.tensor([row for row, w in enumerate(strengths) if w != 1.0], dtype=torch.long, device=device)
    if guidance is not None and len(led):
        text = torch.cat((text, guidance.text[led]))
        text_mask = torch.cat((text_mask, guidance.text_mask[led]))
        condition = torch.cat((condition, network.condition(guidance.conditions, utterance)[led]))
        noise = torch.cat((noise, noise[led]))
    strength = text.new_tensor([w for w in strengths if w != 1.0]).unsqueeze(-1)
    return _Rows(text, text_mask, condition, noise, led, strength)


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
