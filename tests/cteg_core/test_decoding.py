"""Decoding: guidance, caches, batches, and that every fast path gives what the plain one gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cteg_core.model.conditions import Conditions, masked_text
from cteg_core.model.config import DEFAULT, ModelConfig
from cteg_core.model.decoding import Guidance, Lines, decode, draws_for
from cteg_core.model.network import START, CtegNetwork, TeacherForced

TINY = replace(
    DEFAULT,
    d_text=12,
    d_model=16,
    d_inner=32,
    heads=2,
    d_head=8,
    d_latent=4,
    utterance_latent=3,
    d_expression_attention=8,
)


def network_of(config: ModelConfig, seed: int = 0) -> CtegNetwork:
    torch.manual_seed(seed)
    return CtegNetwork(config).eval()


def conditions_of(batch: int, positions: int, config: ModelConfig, seed: int = 1) -> Conditions:
    generator = torch.Generator().manual_seed(seed)
    return Conditions(
        emotion=torch.rand(batch, config.emotion_width, generator=generator),
        emotion_known=torch.ones(batch),
        plan=torch.rand(batch, positions, config.plan_width, generator=generator),
        elapsed=torch.arange(positions).expand(batch, positions) / 30,
        remaining=torch.rand(batch, positions, generator=generator),
        remaining_known=torch.ones(batch),
        returns_to_rest=torch.ones(batch),
    )


def lines_of(config: ModelConfig, count: int, most: int, temperature: float = 1.0) -> Lines:
    generator = torch.Generator().manual_seed(5)
    return Lines(
        text=torch.randn(count, 6, config.d_text, generator=generator),
        text_mask=torch.ones(count, 1, 6, dtype=torch.bool),
        conditions=conditions_of(count, most + 1, config),
        start_frame=torch.zeros(count, 53),
        draws=tuple(draws_for(seed, most + 1, config.d_latent, config.utterance_latent) for seed in range(count)),
        least=(most,) * count,
        most=(most,) * count,
        temperature=temperature,
    )


def decoded(network: CtegNetwork, lines: Lines) -> np.ndarray:
    return np.stack([step.frames for step in decode(network, lines)], axis=1)  # [B, T, 53]


def forced(network: CtegNetwork, lines: Lines, frames: np.ndarray) -> TeacherForced:
    """What the network predicts of ``frames`` ``[B, T, 53]`` from those before, latents at their means.

    The whole sequence at once, without any cache; outputs are cut to the T frames.
    """
    batch, count = frames.shape[:2]
    blank = torch.zeros(batch, 1, 53)
    inputs = torch.cat((blank, lines.start_frame[:, None], torch.from_numpy(frames[:, :-1]), blank), 1)
    markers = torch.full(inputs.shape[:2], -1)
    markers[:, 0] = START
    conditions = lines.conditions

    def longer(values: torch.Tensor) -> torch.Tensor:
        # The last position gets no latent, so one more stands behind those that are read.
        return torch.cat((values[:, : count + 1], values[:, :1]), 1)

    utterance = None
    if network.utterance_encoder is not None:
        noise = torch.stack([draw.utterance for draw in lines.draws])
        utterance = network.utterance_encoder.prior(conditions).sample(noise)
    conditions = replace(
        conditions,
        plan=longer(conditions.plan),
        elapsed=longer(conditions.elapsed),
        remaining=longer(conditions.remaining),
        utterance=utterance,
    )
    mask = torch.ones(1, count + 2, count + 2, dtype=torch.bool).tril()
    with torch.no_grad():
        output = network(
            inputs, markers, mask, lines.text, lines.text_mask, conditions, use_posterior=False, sample=False
        )
    stops = None if output.stop_logits is None else output.stop_logits[:, 1:-1]
    return replace(output, frames=output.frames[:, 1:-1], stop_logits=stops)


# Classifier-free guidance.


def withheld(lines: Lines) -> Lines:
    """The lines without text and emotion."""
    text, text_mask = masked_text(lines.text, lines.text_mask.squeeze(1))
    conditions = replace(lines.conditions, emotion_known=torch.zeros_like(lines.conditions.emotion_known))
    return replace(lines, text=text, text_mask=text_mask.unsqueeze(1), conditions=conditions)


def guided(lines: Lines, *strengths: float) -> Lines:
    without = withheld(lines)
    return replace(lines, guidance=Guidance(without.text, without.text_mask, without.conditions, strengths))


def test_strength_one_is_decoding_as_usual_to_the_bit() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=6)
    assert decoded(network, guided(lines, 1.0, 1.0)).tobytes() == decoded(network, lines).tobytes()


def test_strength_zero_ignores_what_is_withheld() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=6)
    led = decoded(network, guided(lines, 0.0, 0.0))
    np.testing.assert_allclose(led, decoded(network, withheld(lines)), atol=1e-5)
    assert not np.allclose(led, decoded(network, lines), atol=1e-2)


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_the_first_frame_lies_on_the_line_through_both_predictions(strength: float) -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=1)
    given, without = decoded(network, lines), decoded(network, withheld(lines))
    led = decoded(network, guided(lines, strength, strength))
    np.testing.assert_allclose(led, without + strength * (given - without), atol=1e-5)


def test_both_rows_see_the_guided_past_and_the_frame_lies_on_the_line_through_their_predictions() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=5, temperature=0.0)
    frames = decoded(network, guided(lines, 3.0, 3.0))
    given, without = (forced(network, source, frames).frames for source in (lines, withheld(lines)))
    np.testing.assert_allclose(frames, without + 3.0 * (given - without), atol=1e-4)


def test_each_performance_has_a_strength_of_its_own() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=3, most=5)
    mixed = decoded(network, guided(lines, 1.0, 2.0, 0.0))
    np.testing.assert_allclose(mixed[0], decoded(network, lines)[0], atol=1e-5)
    np.testing.assert_allclose(mixed[1], decoded(network, guided(lines, 2.0, 2.0, 2.0))[1], atol=1e-5)
    np.testing.assert_allclose(mixed[2], decoded(network, withheld(lines))[2], atol=1e-5)


def test_the_guided_line_ends_where_its_row_with_everything_says() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=4, most=30, temperature=0.0)
    assert network.stop is not None
    torch.nn.init.constant_(network.stop.bias, -2.5)
    lines = replace(lines, least=(2, 2, 2, 2))
    steps = list(decode(network, guided(lines, *[2.5] * 4)))
    logits = forced(network, lines, np.stack([step.frames for step in steps], axis=1)).stop_logits
    assert logits is not None
    survival = (1.0 - logits[:, 1:].double().sigmoid()).cumprod(1)  # frame 1 may not be the last
    ends = [
        1 + next(i for i, alive in enumerate(row) if alive < draw.stop_threshold)
        for row, draw in zip(survival.tolist(), lines.draws, strict=True)
    ]
    assert [next(i for i, step in enumerate(steps) if step.stopped[row]) for row in range(4)] == ends


@pytest.mark.parametrize("strengths", [(1.5,), (1.5, float("nan")), (1.5, 2.0, 1.0)])
def test_guidance_needs_a_finite_strength_for_each_performance(strengths: tuple[float, ...]) -> None:
    lines = guided(lines_of(TINY, count=2, most=3), *strengths)
    with pytest.raises(ValueError, match="one finite strength for each of 2 performances"):
        decoded(network_of(TINY), lines)
