"""What a CTEG network is built from: sizes, and every switch that differs from the official code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

ExpressionAttentionKind = Literal["official", "causal", "off"]


@dataclass(frozen=True)
class ModelConfig:
    """The architecture of one CTEG network.

    Attributes:
        d_text: width of the text encoder's states.
        d_model, d_inner, heads, d_head, layers: widths of the decoder (paper: 768, 2048, 12, 64, 1).
        dropout: inside attention, feed-forward and embeddings.
        d_latent: width of the per-frame latent; equal to ``d_model`` it is added without a lift,
            as the official code does.
        expression_attention: ``official`` averages the whole sequence and has no coefficient
            identity; ``causal`` attends within the current frame, with an embedding for each
            coefficient; ``off`` leaves the jaw alone.
        d_expression_attention: width of the ``causal`` kind's tokens.
        latent_temporal_attention: whether latents come from LTA over what was seen so far (official), or from
            the current position's view of the text alone.
        utterance_latent: width of the latent drawn once per performance; 0 is none (official).
        emotion_width: width of the emotion condition; 0 is none (official).
        plan_width: width of the per-frame speech plan; 0 is none (official).
        timing: whether elapsed and remaining time enter the decoder (official: no).
        frame_rate: whether the time between frames enters the decoder, so that one network learns from
            and performs at several frame rates (official: no); needs ``timing``.
        stop_head: whether the network says when the line ends (official: no).
        readout_noise: deviation of the white noise added in front of the readout during training
            (official: exp(0.5) = 1.649; default: none, because it is visible as jitter).
        max_frames: length of the position table, in decoder positions.
    """

    d_text: int = 384
    d_model: int = 256
    d_inner: int = 1024
    heads: int = 4
    d_head: int = 64
    layers: int = 1
    dropout: float = 0.1
    d_latent: int = 32
    expression_attention: ExpressionAttentionKind = "causal"
    d_expression_attention: int = 32
    latent_temporal_attention: bool = True
    utterance_latent: int = 16
    emotion_width: int = 32
    plan_width: int = 8
    timing: bool = True
    frame_rate: bool = False
    stop_head: bool = True
    readout_noise: float = 0.0
    max_frames: int = 640

    def __post_init__(self) -> None:
        if self.frame_rate and not self.timing:
            raise ValueError("A network that is told the frame rate is told the time too: switch timing on.")

    def to_record(self) -> dict[str, Any]:
        """Return the configuration as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ModelConfig:
        """Read what :meth:`to_record` wrote; raises ValueError on an unknown or missing entry.

        Entries of ``ADDED_LATER`` may be missing: they mean what networks were before they existed.
        """
        known = {entry.name for entry in fields(cls)}
        record = {**ADDED_LATER, **record}
        if set(record) != known:
            odd = ", ".join(sorted(set(record) ^ known))
            raise ValueError(f"The checkpoint's architecture and this version's differ in: {odd}.")
        return cls(**record)


FRAME_RATES: Final = (24.0, 25.0, 30.0, 60.0)
"""Frames a second at which a network that is told the frame rate learns. EmoAva's clips keep those of their sources."""

ADDED_LATER: Final[Mapping[str, Any]] = {"latent_temporal_attention": True, "frame_rate": False}
"""Entries younger than the first checkpoint, with the value that every record written without them meant."""

EMOAVA: Final = ModelConfig(
    d_text=768,
    d_model=768,
    d_inner=2048,
    heads=12,
    d_head=64,
    layers=1,
    d_latent=768,
    expression_attention="official",
    utterance_latent=0,
    emotion_width=0,
    plan_width=0,
    timing=False,
    stop_head=False,
    readout_noise=1.6487212707001282,
    max_frames=256,
)
"""The official network (argparse defaults and train.sh of the EmoAva code)."""

DEFAULT: Final = ModelConfig()
"""The network that ships."""
