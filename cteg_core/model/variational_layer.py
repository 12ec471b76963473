"""One layer of the conditional variational autoregressive decoder (CVAD) with latent temporal attention.

Paper section 4; the one-frame shift as in the official code: what was seen one frame later (and so
contains the target) gives the posterior, what is seen now gives the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cteg_core.model.attention import FeedForward, MultiHeadAttention
from cteg_core.model.config import ModelConfig


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian: mean and log variance, ``[..., Z]``."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor | None) -> Tensor:
        """Return mean + noise * deviation, ``[..., Z]``; no noise gives the mean."""
        if noise is None:
            return self.mean
        return self.mean + noise * (0.5 * self.log_variance).exp()


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Tensor:
    """Return KL(posterior || prior) for each dimension, ``[..., Z]``, in nats."""
    ratio = (posterior.log_variance.exp() + (posterior.mean - prior.mean) ** 2) / prior.log_variance.exp()
    return 0.5 * (prior.log_variance - posterior.log_variance + ratio - 1.0)


@dataclass(frozen=True)
class LayerOutput:
    """What a layer gives in teacher forcing.

    Attributes:
        hidden: ``[B, L, D]``.
        kl: ``[B, L - 1, Z]``; position t compares the posterior of frame t + 1 with the prior at t.
        guided: ``[B, L - 1, D]``, the target-guided path: the prior's latents alone, through a
            feed-forward of their own, handed from layer to layer.
    """

    hidden: Tensor
    kl: Tensor
    guided: Tensor


class VariationalLayer(nn.Module):
    """Self-attention, text attention, latent temporal attention (LTA), latent, text attention, FFN."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (config.d_model, config.heads, config.d_head, config.dropout)
        self.self_attention = MultiHeadAttention(*sizes)
        self.text_attention = MultiHeadAttention(*sizes, d_memory=config.d_text)
        self.temporal_attention = MultiHeadAttention(*sizes) if config.latent_temporal_attention else None
        self.text_attention_second = MultiHeadAttention(*sizes, d_memory=config.d_text)
        self.feed_forward = FeedForward(config.d_model, config.d_inner, config.dropout)
        self.guided_feed_forward = FeedForward(config.d_model, config.d_inner, config.dropout)
        self.posterior_mean = nn.Linear(config.d_model, config.d_latent)
        self.posterior_log_variance = nn.Linear(config.d_model, config.d_latent)
        self.prior_mean = nn.Linear(config.d_model, config.d_latent)
        self.prior_log_variance = nn.Linear(config.d_model, config.d_latent)
        self.lift = nn.Identity() if config.d_latent == config.d_model else nn.Linear(config.d_latent, config.d_model)

    def prior(self, temporal: Tensor) -> Gaussian:
        """p(z_t | what was seen up to t), from LTA's output ``[..., D]``."""
        return Gaussian(self.prior_mean(temporal), self.prior_log_variance(temporal))

    def posterior(self, temporal: Tensor) -> Gaussian:
        """q(z_t | what was seen up to t + 1), from LTA's output ``[..., D]`` one frame later."""
        return Gaussian(self.posterior_mean(temporal), self.posterior_log_variance(temporal))

    def forward(
        self,
        x: Tensor,
        guided: Tensor | None,
        text: Tensor,
        text_mask: Tensor,
        frame_mask: Tensor,
        *,
        use_posterior: bool,
        sample: bool,
        noise: Tensor | None = None,
    ) -> LayerOutput:
        """Teacher forcing over ``[B, L, D]``; masks are ``[B, 1, S]`` and ``[B, L, L]``, True = look.

        ``guided`` is the layer below's, None in the first layer; ``noise`` ``[B, L - 1, Z]`` is given to the
        latents that are not drawn.
        """
        hidden = self.self_attention(x, x, frame_mask)
        context = self.text_attention(hidden, text, text_mask)
        temporal = context
        if self.temporal_attention is not None:
            temporal = self.temporal_attention(context, context, frame_mask)
        prior = self.prior(temporal[:, :-1])
        posterior = self.posterior(temporal[:, 1:])
        used = posterior if use_posterior else prior
        latent = self.lift(used.sample(torch.randn_like(used.mean) if sample else noise))  # [B, L-1, D]
        hidden = torch.cat((hidden[:, :-1] + latent, hidden[:, -1:]), dim=1)
        hidden = self.feed_forward(self.text_attention_second(hidden, text, text_mask))
        prior_latent = self.lift(prior.sample(torch.randn_like(prior.mean) if sample else noise))
        guided = self.guided_feed_forward(prior_latent if guided is None else prior_latent + guided)
        return LayerOutput(hidden, kl_divergence(posterior, prior), guided)
