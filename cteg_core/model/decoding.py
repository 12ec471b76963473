"""Decoding: frames one after another, with caches, for many performances at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.model.conditions import Conditions
from cteg_core.model.decoders import CachedDecoder, Decoder, Given, WholePrefixDecoder
from cteg_core.model.network import FRAME_WIDTH, CtegNetwork
from cteg_core.model.prepared import PreparedNetwork

Mode = Literal["exact", "fast"]
"""What to do where EwA is the official one, which moves the jaw of the whole past at every step: work the prefix out
again (``exact``), or leave the past as it was (``fast``). Elsewhere both are the same, exact and fast."""

COMPACT_BELOW = 0.75
"""Ended performances leave the batch once fewer than this part of it still run: moving the caches costs as much as
reading them once."""
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


def draws_for(
    seed: int, positions: int, latent_width: int, utterance_width: int, correlation: float = NOISE_CORRELATION
) -> Draws:
    """Return the draws of one performance: they depend on the seed, never on batch or device.

    ``correlation`` of the latent's noise from one frame to the next; 0 is white noise, as in the official code.
    """
    generator = torch.Generator().manual_seed(seed)
    utterance = torch.randn(utterance_width, generator=generator)
    threshold = float(torch.rand((), generator=generator))
    white = torch.randn(positions, latent_width, generator=generator).numpy()
    return Draws(torch.from_numpy(_correlated(white, correlation)), utterance, threshold)


def _correlated(white: NDArray[np.float32], correlation: float) -> NDArray[np.float32]:
    """First-order autoregressive noise of unit variance from white noise ``[L, Z]``."""
    noise = white.copy()
    fresh = np.float32((1 - correlation**2) ** 0.5)
    for t in range(1, len(noise)):
        noise[t] = np.float32(correlation) * noise[t - 1] + fresh * white[t]
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
        readout_noise: ``[B, L + 1, D]``, added in front of the readout at each position (as the official code does
            with white noise of deviation ``readout_noise``); None adds none.
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
    readout_noise: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """One decoded frame of every performance.

    Attributes:
        frames: ``float32 [B, 53]``, normalised; where a performance has ended, its last one.
        running: ``bool [B]``, False where the performance had ended before this frame.
        stopped: ``bool [B]``, True where this frame is the last because the stop head said so.
    """

    frames: NDArray[np.float32]
    running: NDArray[np.bool_]
    stopped: NDArray[np.bool_]


@torch.inference_mode()
def decode(
    network: CtegNetwork, lines: Lines, cancelled: Callable[[], bool] = lambda: False, *, mode: Mode = "exact"
) -> Iterator[Step]:
    """Yield one :class:`Step` a frame until every performance has ended or ``cancelled()`` is True.

    Raises ValueError where lines last longer than the position table, or guidance does not fit them.
    """
    longest = max(lines.most)
    batch = _Batch(network, lines, longest + 1, mode)
    threshold = np.array([draw.stop_threshold for draw in lines.draws])
    least, most = np.array(lines.least), np.array(lines.most)
    running = np.ones(len(lines.draws), dtype=bool)
    survival = np.ones(len(lines.draws))
    present = np.arange(len(lines.draws))  # the performances that are still in the batch
    frames = np.empty((len(lines.draws), FRAME_WIDTH), dtype=np.float32)
    for count in range(1, longest + 1):
        if cancelled():
            return
        latest, hazard = batch.step()
        was_running = running[present]
        frames[present[was_running]] = latest[was_running]
        stopped = np.zeros_like(running)
        if hazard is not None:
            survival[present] *= np.where(count >= least[present], 1.0 - hazard, 1.0)
            stopped = running & (count >= least) & (survival < threshold)
        yield Step(frames.copy(), running.copy(), stopped)
        running &= ~stopped & (count < most)
        if not running.any():
            return
        if running[present].mean() < COMPACT_BELOW:
            batch.keep(running[present])
            present = present[running[present]]


class _Batch:
    """The rows of a batch: one for each of B performances, then one more for each that is guided."""

    def __init__(self, network: CtegNetwork, lines: Lines, positions: int, mode: Mode) -> None:
        weight = network.readout.weight
        guidance, count = lines.guidance, len(lines.draws)
        strengths = (1.0,) * count if guidance is None else guidance.strengths
        if len(strengths) != count or not np.isfinite(strengths).all():
            raise ValueError(f"Guidance needs one finite strength for each of {count} performances.")
        self._led = torch.tensor([row for row, w in enumerate(strengths) if w != 1.0], dtype=torch.long).to(
            weight.device
        )
        self._strength = weight.new_tensor([w for w in strengths if w != 1.0]).unsqueeze(-1)
        self._frame = lines.start_frame.to(weight)
        utterance = torch.stack([draw.utterance for draw in lines.draws]).to(weight)
        noise = torch.stack([draw.latent for draw in lines.draws]).to(weight) * lines.temperature  # [B, L, Z]
        condition = network.condition(_cast(lines.conditions, weight.dtype), utterance)  # [B, L, D]
        text, text_mask = lines.text, lines.text_mask
        if guidance is not None and len(self._led):
            without = network.condition(_cast(guidance.conditions, weight.dtype), utterance)
            condition = torch.cat((condition, without[self._led]))
            text = torch.cat((text, guidance.text[self._led]))
            text_mask = torch.cat((text_mask, guidance.text_mask[self._led]))
            noise = torch.cat((noise, noise[self._led]))
        given = Given(text.to(weight.dtype), text_mask, condition[:, :positions], noise[:, :positions], positions)
        self._decoder = decoder_for(network, given, mode)
        self._readout_noise = None if lines.readout_noise is None else lines.readout_noise.to(weight)
        self._position = 0

    def step(self) -> tuple[NDArray[np.float32], NDArray[np.float64] | None]:
        """Return the next frames ``[B, 53]`` and each one's chance ``[B]`` to be the last (None: no stop head)."""
        count = len(self._frame)
        fed = torch.cat((self._frame, self._frame[self._led])) if len(self._led) else self._frame
        self._position += 1
        noise = None if self._readout_noise is None else self._readout_noise[:, self._position]  # [B, D]
        if noise is not None and len(self._led):
            noise = torch.cat((noise, noise[self._led]))
        predicted, stop_logit = self._decoder.step(fed, noise)
        self._frame = predicted[:count]
        if len(self._led):
            given, without = self._frame[self._led], predicted[count:]
            self._frame = self._frame.index_copy(0, self._led, without + self._strength * (given - without))
        hazard = None if stop_logit is None else stop_logit[:count].double().sigmoid().cpu().numpy()
        return self._frame.float().cpu().numpy(), hazard

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Go on with some performances alone, ``bool [B]``."""
        chosen = torch.from_numpy(kept).to(self._frame.device)
        led_kept = chosen[self._led]
        rows = torch.cat((chosen, led_kept)).nonzero().squeeze(-1)
        self._led = (chosen.cumsum(0) - 1)[self._led[led_kept]]
        self._strength, self._frame = self._strength[led_kept], self._frame[chosen]
        self._readout_noise = None if self._readout_noise is None else self._readout_noise[chosen]
        self._decoder.keep(rows)


def decoder_for(network: CtegNetwork, given: Given, mode: Mode) -> Decoder:
    """Return the decoder that a network and a mode ask for.

    Raises ValueError where the position table is too short.
    """
    if given.length > network.config.max_frames:
        raise ValueError(
            f"{given.length} positions are more than this network's {network.config.max_frames}: decode a shorter line."
        )
    whole = mode == "exact" and network.config.expression_attention == "official"
    states = len(given.text) * (given.length if whole else 1)
    prepared = PreparedNetwork(network, states)
    return WholePrefixDecoder(prepared, given) if whole else CachedDecoder(prepared, given)


def _cast(conditions: Conditions, dtype: torch.dtype) -> Conditions:
    """Return conditions in the network's number format."""
    given = {entry.name: getattr(conditions, entry.name) for entry in fields(conditions)}
    return replace(conditions, **{name: value.to(dtype) for name, value in given.items() if value is not None})
