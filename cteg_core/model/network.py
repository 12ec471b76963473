"""CTEG: frames from text, one after another (paper section 4; `emoava` is the official network).

Layout of a sequence of T frames, as in the official code: position 0 holds a start marker, position 1
the start frame, positions 2 ... T + 1 the frames. The output at position t is the frame at t + 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cteg_core.model.attention import LAYER_NORM_EPS, sinusoid_table
from cteg_core.model.conditions import ConditionEmbedding, Conditions, UtteranceEncoder
from cteg_core.model.config import ModelConfig
from cteg_core.model.expression_attention import expression_attention
from cteg_core.model.variational_layer import Gaussian, VariationalLayer

FRAME_WIDTH = 53
PAD, START, END = range(3)


@dataclass(frozen=True)
class TeacherForced:
    """The network's output when the true frames are its input.

    Attributes:
        frames: ``[B, L, 53]``, the prediction of the frame at t + 1.
        kl: ``[B, L - 1, Z]`` nats, the mean over layers.
        guided: ``[B, L - 1, 53]``, the target-guided head's prediction from the prior's latent.
        stop_logits: ``[B, L]`` that the line ends with the predicted frame; None without the head.
        utterance, utterance_prior: posterior and prior of the utterance latent ``[B, U]``; None without one.
    """

    frames: Tensor
    kl: Tensor
    guided: Tensor
    stop_logits: Tensor | None
    utterance: Gaussian | None
    utterance_prior: Gaussian | None


class CtegNetwork(nn.Module):
    """The decoder of CTEG; the text encoder stays outside, its states ``[B, S, d_text]`` come in."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.markers = nn.Embedding(3, config.d_model)
        self.frame_embedding = nn.Linear(FRAME_WIDTH, config.d_model)
        self.register_buffer("positions", sinusoid_table(config.max_frames, config.d_model), persistent=False)
        self.expression_attention = expression_attention(config)
        self.conditions = ConditionEmbedding(config)
        self.utterance_encoder = UtteranceEncoder(config) if config.utterance_latent else None
        self.norm = nn.LayerNorm(config.d_model, eps=LAYER_NORM_EPS)
        self.layers = nn.ModuleList(VariationalLayer(config) for _ in range(config.layers))
        self.readout = nn.Linear(config.d_model, FRAME_WIDTH, bias=False)
        self.guided_readout = nn.Linear(config.d_model, FRAME_WIDTH, bias=False)
        self.stop = nn.Linear(config.d_model, 1) if config.stop_head else None

    def embed(self, frames: Tensor, markers: Tensor, conditions: Tensor | None) -> Tensor:
        """Embed decoder inputs.

        Args:
            frames: ``[B, L, 53]``, zero where a marker stands.
            markers: ``int64 [B, L]``, PAD, START or END where a marker stands, -1 at a frame.
            conditions: ``[B, L, D]`` added to the embedding, or None.
        """
        is_frame = (markers < 0).unsqueeze(-1)
        frames = self.expression_attention(frames)
        embedded = torch.where(is_frame, self.frame_embedding(frames), self.markers(markers.clamp_min(0)))
        embedded = embedded * math.sqrt(self.config.d_model)
        embedded = embedded + self.get_buffer("positions")[: frames.shape[1]]
        if conditions is not None:
            embedded = embedded + conditions
        result: Tensor = self.norm(embedded)
        return result

    def forward(
        self,
        frames: Tensor,
        markers: Tensor,
        frame_mask: Tensor,
        text: Tensor,
        text_mask: Tensor,
        conditions: Conditions | None = None,
        *,
        use_posterior: bool = True,
        sample: bool = True,
        latent_noise: Tensor | None = None,
    ) -> TeacherForced:
        """Teacher forcing.

        Args:
            frames, markers: decoder inputs as :meth:`embed` takes them.
            frame_mask: ``bool [B, L, L]``, True where a position may look.
            text, text_mask: ``[B, S, d_text]`` and ``bool [B, 1, S]``, True at real tokens.
            conditions: what the frames depend on beside the text; None in the official network.
            use_posterior: take latents from the posterior (training) or the prior (evaluation).
            sample: draw the latents (and readout noise); False takes their means.
            latent_noise: ``[B, L - 1, Z]`` standard normal for every layer's latents, in place of means.
        """
        condition, utterance, utterance_prior = None, None, None
        if conditions is not None:
            drawn = conditions.utterance
            if self.utterance_encoder is not None and drawn is None:
                utterance, utterance_prior = (
                    self.utterance_encoder(conditions),
                    self.utterance_encoder.prior(conditions),
                )
                drawn = utterance.sample(torch.randn_like(utterance.mean) if sample else None)
            condition = self.conditions(conditions, drawn)
        hidden = self.embed(frames, markers, condition)
        guided, divergences = None, []
        for layer in self.layers:
            output = layer(
                hidden,
                guided,
                text,
                text_mask,
                frame_mask,
                use_posterior=use_posterior,
                sample=sample,
                noise=latent_noise,
            )
            hidden, guided = output.hidden, output.guided
            divergences.append(output.kl)
        if sample and self.config.readout_noise:
            hidden = hidden + self.config.readout_noise * torch.randn_like(hidden)
        stop_logits = None if self.stop is None else self.stop(hidden).squeeze(-1)
        kl = torch.stack(divergences).mean(0)  # [B, L - 1, Z]
        return TeacherForced(
            self.readout(hidden), kl, self.guided_readout(guided), stop_logits, utterance, utterance_prior
        )

    def condition(self, conditions: Conditions, utterance_noise: Tensor) -> Tensor:
        """Return what decoding adds to its inputs, ``[B, L, D]``; ``utterance_noise`` is standard normal ``[B, U]``."""
        utterance = None
        if self.utterance_encoder is not None:
            utterance = self.utterance_encoder.prior(conditions).sample(utterance_noise)
        embedded: Tensor = self.conditions(conditions, utterance)
        return embedded
