"""The training loss: reconstruction, target-guided loss, KL, and the stop head's (paper section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from cteg_core.model.network import TeacherForced
from cteg_core.model.variational_layer import Gaussian, kl_divergence

JAW = slice(50, 53)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss.

    Attributes:
        jaw_weight: factor on the jaw's three numbers (official: 5).
        squared_weight: on the squared distance, added to the distance (official: 0). The distance alone is
            least at a median: of onsets that may come at any time, it would learn that none comes now.
        kl_weight: on the per-frame latents' KL.
        kl_mean_over_latent: average the KL over the latent's dimensions (official) or sum it.
        kl_over_padding: average the KL over every position of the batch, padding included (official), or over
            the positions that hold frames.
        guided_weight: on the target-guided loss L_g (official: 1).
        velocity_weight: on the distance between frame-to-frame differences (official: 0).
        stop_weight: on the stop head's cross-entropy.
        utterance_weight: on the utterance latent's KL, and
        utterance_free_nats: the part of it for each dimension that costs nothing.
    """

    jaw_weight: float = 2.0
    squared_weight: float = 0.2
    kl_weight: float = 1.0
    kl_mean_over_latent: bool = False
    kl_over_padding: bool = False
    guided_weight: float = 0.5
    velocity_weight: float = 0.3
    stop_weight: float = 1.0
    utterance_weight: float = 0.05
    utterance_free_nats: float = 0.25


OFFICIAL_LOSS: Final = LossConfig(
    jaw_weight=5.0,
    squared_weight=0.0,
    kl_weight=1.0,
    kl_mean_over_latent=True,
    kl_over_padding=True,
    guided_weight=1.0,
    velocity_weight=0.0,
    stop_weight=0.0,
    utterance_weight=0.0,
)


@dataclass(frozen=True)
class LossTerms:
    """The weighted total and its parts, each a scalar tensor."""

    total: Tensor
    reconstruction: Tensor
    guided: Tensor
    kl: Tensor
    velocity: Tensor
    stop: Tensor
    utterance: Tensor


def frame_distance(predicted: Tensor, target: Tensor, mask: Tensor, config: LossConfig) -> Tensor:
    """Return the mean Euclidean distance of frames ``[B, L, 53]`` where ``mask`` is True.

    The distance is not squared, as in the official code; ``config.squared_weight`` adds its square.
    """
    weight = torch.ones(predicted.shape[-1], device=predicted.device)
    weight[JAW] = config.jaw_weight
    # The gradient of a norm at 0 is not a number; the small term keeps a perfect frame harmless.
    squared = ((predicted - target) * weight).square().sum(-1)  # [B, L]
    distance = (squared + 1e-12).sqrt() + config.squared_weight * squared
    return (distance * mask).sum() / mask.sum().clamp_min(1)


def kl_term(kl: Tensor, mask: Tensor, config: LossConfig) -> Tensor:
    """Return the KL ``[B, L, Z]`` averaged over positions and reduced over the latent, in nats."""
    reduced = kl.mean(-1) if config.kl_mean_over_latent else kl.sum(-1)
    if config.kl_over_padding:
        return reduced.mean()
    return (reduced * mask).sum() / mask.sum().clamp_min(1)


def utterance_kl(posterior: Gaussian, prior: Gaussian, config: LossConfig) -> Tensor:
    """Return KL(q(u) || p(u | emotion)) of ``[B, U]`` in nats: mean over B, less the free nats, summed over U."""
    per_dimension = kl_divergence(posterior, prior).mean(0)  # [U]
    return (per_dimension - config.utterance_free_nats).clamp_min(0.0).sum()


def training_loss(output: TeacherForced, gold: Tensor, mask: Tensor, stop: Tensor, config: LossConfig) -> LossTerms:
    """Return the loss of a teacher-forced batch.

    Args:
        output: the network's.
        gold: ``[B, L, 53]``, the frame at t + 1.
        mask: ``bool [B, L]``, True where the loss counts.
        stop: ``[B, L]``, 1 where the line ends with the frame at t + 1.
    """
    reconstruction = frame_distance(output.frames, gold, mask, config)
    guided = frame_distance(output.guided, gold[:, :-1], mask[:, :-1], config)
    both = mask[:, 1:] & mask[:, :-1]
    velocity = frame_distance(output.frames.diff(dim=1), gold.diff(dim=1), both, config)
    kl = kl_term(output.kl, mask[:, :-1], config)
    zero = reconstruction.new_zeros(())
    stop_loss, utterance = zero, zero
    if output.stop_logits is not None:
        each = F.binary_cross_entropy_with_logits(output.stop_logits, stop, reduction="none")
        stop_loss = (each * mask).sum() / mask.sum().clamp_min(1)
    if output.utterance is not None and output.utterance_prior is not None:
        utterance = utterance_kl(output.utterance, output.utterance_prior, config)
    total = (
        reconstruction
        + config.guided_weight * guided
        + config.velocity_weight * velocity
        + config.kl_weight * kl
        + config.stop_weight * stop_loss
        + config.utterance_weight * utterance
    )
    return LossTerms(total, reconstruction, guided, kl, velocity, stop_loss, utterance)
