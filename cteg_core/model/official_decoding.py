"""Decoding as the official code does it: no conditions, no stop, a fixed number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from cteg_core.model.conditions import Conditions
from cteg_core.model.decoders import Given
from cteg_core.model.decoding import Mode, decoder_for
from cteg_core.model.network import FRAME_WIDTH, START, CtegNetwork


@torch.inference_mode()
def decode_official(
    network: CtegNetwork,
    start_frame: Tensor,
    text: Tensor,
    text_mask: Tensor,
    frame_count: int,
    *,
    mode: Mode = "exact",
    latent_noise: Tensor | None = None,
    readout_noise: Tensor | None = None,
) -> Iterator[Tensor]:
    """Yield frames ``[B, 53]`` one after another, as `serial_inference` of the official code makes them.

    ``exact`` is the official result (latents of earlier positions keep their noise, which changes nothing with one
    layer); ``fast`` is cached, and lets each position keep the jaw's offset that it got when it was the latest.

    Args:
        start_frame: ``[B, 53]``, the mean frame.
        text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``.
        frame_count: how many frames; the official code makes 254.
        latent_noise: ``[B, frame_count + 1, Z]`` standard normal; None takes the latents' means.
        readout_noise: ``[B, frame_count, D]`` as it is added in front of the readout (official deviation: the
            configuration's ``readout_noise``); None adds none.

    Raises ValueError where the position table is too short.
    """
    given = Given(text, text_mask, None, latent_noise, frame_count + 1)
    decoder = decoder_for(network, given, mode)
    frame = start_frame
    for index in range(frame_count):
        frame, _ = decoder.step(frame, None if readout_noise is None else readout_noise[:, index])
        yield frame


@torch.inference_mode()
def decode_whole_prefix(
    network: CtegNetwork,
    start_frame: Tensor,
    text: Tensor,
    text_mask: Tensor,
    frame_count: int,
    conditions: Conditions | None = None,
    latent_noise: Tensor | None = None,
) -> Tensor:
    """Decode as the official code does, through teacher forcing of the whole prefix for each frame.

    Slow, and short: what the fast ways are tested against.

    Args:
        start_frame: ``[B, 53]``.
        text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``.
        frame_count: frames to decode.
        conditions: over ``frame_count + 1`` positions or more, with the utterance latent; None in the official network.
        latent_noise: ``[B, frame_count + 1, Z]`` standard normal; None takes the latents' means.

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
        output = network(
            prefix,
            markers,
            mask,
            text,
            text_mask,
            None if conditions is None else _first(conditions, length),
            use_posterior=False,
            sample=False,
            latent_noise=None if latent_noise is None else latent_noise[:, : length - 1],
        )
        frames = torch.cat((frames, output.frames[:, -2:-1]), dim=1)
    return frames


def _first(conditions: Conditions, length: int) -> Conditions:
    """Return conditions over ``length`` positions; those of the blank last one are never read."""

    def cut(values: Tensor) -> Tensor:
        return torch.cat((values[:, : length - 1], values[:, :1]), dim=1)

    return replace(
        conditions,
        plan=cut(conditions.plan),
        elapsed=cut(conditions.elapsed),
        remaining=cut(conditions.remaining),
    )
