"""What frames depend on beside the text: emotion, speech plan, time, and the utterance latent.

None of this is in the paper; every part can be switched off in the configuration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cteg_core.model.config import ModelConfig
from cteg_core.model.variational_layer import Gaussian

FRAME_WIDTH = 53
TIMING_WIDTH = 5
REFERENCE_FPS = 30.0
UTTERANCE_SEGMENTS = 8


@dataclass(frozen=True)
class Conditions:
    """The conditions of a batch of B performances over L decoder positions.

    Attributes:
        emotion: ``[B, E]``: 28 probabilities, valence, arousal, dominance, intensity; of the line as a whole.
        emotion_known: ``[B]``, 1 where the emotion is given, 0 where the text must tell it.
        plan: ``[B, L, P]``, the speech plan of the frame that each position predicts.
        elapsed: ``[B, L]`` seconds from the line's start to the predicted frame.
        remaining: ``[B, L]`` seconds from the predicted frame to the line's end; 0 if unknown.
        remaining_known: ``[B]``, 1 where the line's length is given.
        returns_to_rest: ``[B]``, 1 where the line ends at the rest face, 0 where another follows.
        frame_seconds: ``[B]`` time between frames; None where the network knows one frame rate only.
        emotion_course: ``[B, L, E]``, the emotion of the frame that each position predicts, where a line turns from one
            to another; None where every frame has the line's.
        utterance: ``[B, U]`` the utterance latent, or None to take it from the target.
        target, target_mask: ``[B, T, 53]`` and ``[B, T]``, read by the utterance encoder only.
    """

    emotion: Tensor
    emotion_known: Tensor
    plan: Tensor
    elapsed: Tensor
    remaining: Tensor
    remaining_known: Tensor
    returns_to_rest: Tensor
    frame_seconds: Tensor | None = None
    emotion_course: Tensor | None = None
    utterance: Tensor | None = None
    target: Tensor | None = None
    target_mask: Tensor | None = None


class ConditionEmbedding(nn.Module):
    """Turns :class:`Conditions` into one vector per decoder position."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d_model = config.d_model
        self.emotion = (
            nn.Sequential(nn.Linear(config.emotion_width + 1, d_model), nn.GELU(), nn.Linear(d_model, d_model))
            if config.emotion_width
            else None
        )
        self.plan = nn.Linear(config.plan_width, d_model) if config.plan_width else None
        self.timing = (
            nn.Sequential(nn.Linear(TIMING_WIDTH + config.frame_rate, d_model), nn.GELU(), nn.Linear(d_model, d_model))
            if config.timing
            else None
        )
        self.knows_frame_rate = config.frame_rate
        self.utterance = nn.Linear(config.utterance_latent, d_model) if config.utterance_latent else None
        self.scale = math.sqrt(d_model)

    def forward(self, conditions: Conditions, utterance: Tensor | None) -> Tensor:
        """Return ``[B, L, D]``, on the scale of the frame embedding.

        Raises ValueError without the time between frames where the network is told the frame rate.
        """
        batch, length = conditions.elapsed.shape
        total: Tensor = conditions.elapsed.new_zeros((batch, length, 1))
        if self.emotion is not None:
            course = conditions.emotion_course
            course = conditions.emotion.unsqueeze(1) if course is None else course  # [B, L or 1, E]
            known = conditions.emotion_known[:, None, None].expand(-1, course.shape[1], 1)
            total = total + self.emotion(torch.cat((course * known, known), -1))
        if self.plan is not None:
            total = total + self.plan(conditions.plan)
        if self.timing is not None:
            known = conditions.remaining_known.unsqueeze(-1).expand(batch, length)
            features = [
                conditions.elapsed / 5.0,
                torch.exp(-conditions.elapsed / 0.5),
                known * conditions.remaining / 5.0,
                known * torch.exp(-conditions.remaining / 0.5),
                conditions.returns_to_rest.unsqueeze(-1).expand(batch, length),
            ]
            if self.knows_frame_rate:
                if conditions.frame_seconds is None:
                    raise ValueError("This network is told the frame rate: conditions need the time between frames.")
                frames = conditions.frame_seconds * REFERENCE_FPS  # [B], 1 at 30 frames a second
                features.append(frames.unsqueeze(-1).expand(batch, length))
            total = total + self.timing(torch.stack(features, -1))
        if self.utterance is not None and utterance is not None:
            total = total + self.utterance(utterance).unsqueeze(1)
        return total * self.scale


class UtteranceEncoder(nn.Module):
    """q(u | performance, emotion) and p(u | emotion): the latent that makes takes differ as performances.

    The target is averaged over eight equal segments of its own length, with each segment's spread,
    so that the latent can say how strongly, how early and how lopsidedly a line is acted.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.knows_emotion = config.emotion_width > 0
        width = UTTERANCE_SEGMENTS * FRAME_WIDTH + FRAME_WIDTH + config.emotion_width
        self.body = nn.Sequential(
            nn.Linear(width, config.d_model), nn.GELU(), nn.Linear(config.d_model, config.d_model)
        )
        self.mean = nn.Linear(config.d_model, config.utterance_latent)
        self.log_variance = nn.Linear(config.d_model, config.utterance_latent)
        self.prior_body = nn.Sequential(
            nn.Linear(config.emotion_width + 1, config.d_model), nn.GELU(), nn.Linear(config.d_model, config.d_model)
        )
        self.prior_mean = nn.Linear(config.d_model, config.utterance_latent)
        self.prior_log_variance = nn.Linear(config.d_model, config.utterance_latent)

    def prior(self, conditions: Conditions) -> Gaussian:
        """Return p(u | emotion) ``[B, U]``.

        Were the prior blind to the emotion, the latent would learn to carry it, and a drawn one would act another
        emotion than the line's.
        """
        known = conditions.emotion_known.unsqueeze(-1)  # [B, 1]
        given = torch.cat((conditions.emotion * known, known), -1) if self.knows_emotion else torch.zeros_like(known)
        body = self.prior_body(given)
        return Gaussian(self.prior_mean(body), self.prior_log_variance(body).clamp(-8.0, 4.0))

    def forward(self, conditions: Conditions) -> Gaussian:
        """Return the posterior ``[B, U]``; raises ValueError without a target."""
        if conditions.target is None or conditions.target_mask is None:
            raise ValueError("The utterance latent's posterior needs the target frames.")
        mask = conditions.target_mask  # [B, T]
        lengths = mask.sum(1, keepdim=True).clamp_min(1)
        place = (mask.cumsum(1) - 1).clamp_min(0) * UTTERANCE_SEGMENTS // lengths  # [B, T]
        segment = nn.functional.one_hot(place.long(), UTTERANCE_SEGMENTS).to(conditions.target.dtype)
        segment = segment * mask.unsqueeze(-1)  # [B, T, S]
        sums = segment.transpose(1, 2) @ conditions.target  # [B, S, 53]
        means = sums / segment.sum(1).clamp_min(1).unsqueeze(-1)
        peak = conditions.target.abs().masked_fill(~mask.bool().unsqueeze(-1), 0.0).amax(1)  # [B, 53]
        seen = (means.flatten(1), peak, *((conditions.emotion,) if self.knows_emotion else ()))
        body = self.body(torch.cat(seen, -1))
        return Gaussian(self.mean(body), self.log_variance(body).clamp(-8.0, 4.0))


def masked_text(text: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Hide texts whole: states ``[B, S, d_text]`` of zero, and in ``bool [B, S]`` one token left to look at."""
    hidden = torch.zeros_like(text_mask)
    hidden[:, 0] = True
    return torch.zeros_like(text), hidden
