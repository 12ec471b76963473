"""Decoding as the official EmoAva code does it, written plainly: the baseline of `decode.py`.

Each frame runs the whole decoder over the whole prefix, with nothing kept from the frame before: expression-wise
attention over the mean, word and frame embeddings, keys and values of the text for every layer, both Gaussians, both
feed-forward paths, fresh noise for every position. Only index -2 of the result is used.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cteg_core.model.network import FRAME_WIDTH, START, CtegNetwork


@torch.inference_mode()
def official_algorithm(
    network: CtegNetwork, start_frame: Tensor, text: Tensor, text_mask: Tensor, frame_count: int, *, sample: bool
) -> Tensor:
    """Return ``[B, 1 + frame_count, 53]``, the start frame first.

    Args:
        start_frame: ``[B, 53]``.
        text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``.
        sample: draw latents and readout noise as the official code does; False takes the latents' means.
    """
    batch = len(start_frame)
    frames = torch.cat((torch.zeros(batch, 1, FRAME_WIDTH), start_frame[:, None]), dim=1)
    for _ in range(frame_count):
        prefix = torch.cat((frames, torch.zeros(batch, 1, FRAME_WIDTH)), dim=1)
        length = prefix.shape[1]
        markers = torch.full((batch, length), -1)
        markers[:, 0] = START
        mask = torch.ones(batch, length, length, dtype=torch.bool).tril()
        hidden, guided = network.embed(prefix, markers, None), None
        for layer in network.layers:
            output = layer(hidden, guided, text, text_mask, mask, use_posterior=False, sample=sample)
            hidden, guided = output.hidden, output.guided
        if sample:
            hidden = hidden + network.config.readout_noise * torch.randn_like(hidden)
        network.guided_readout(guided)
        frames = torch.cat((frames, network.readout(hidden)[:, -2:-1]), dim=1)
    return frames[:, 1:]
