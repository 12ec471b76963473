"""Decoding: guidance, caches, batches, and that every fast path gives what the plain one gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cteg_core.model.conditions import Conditions, masked_text
from cteg_core.model.config import EMOAVA, ModelConfig
from cteg_core.model.decoding import Guidance, Lines, decode, draws_for
from cteg_core.model.expression_attention import FoldedExpressionAttention
from cteg_core.model.network import START, CtegNetwork, TeacherForced
from cteg_core.model.official_decoding import decode_official, decode_whole_prefix
from cteg_core.model.prepared import Linear
from tests.fakes.tiny_networks import TINY, conditions_of, network_of

TINY_OFFICIAL = replace(
    EMOAVA, d_text=12, d_model=16, d_inner=32, heads=2, d_head=8, d_latent=16, d_expression_attention=8, max_frames=64
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


# Fast ways give what the slow way gives.


def whole_prefix(network: CtegNetwork, lines: Lines) -> np.ndarray:
    """The lines' frames ``[B, T, 53]``, all worked out again for each, with the same draws."""
    draws = torch.stack([draw.latent for draw in lines.draws]) * lines.temperature
    conditions = lines.conditions
    if network.utterance_encoder is not None:
        with torch.no_grad():
            prior = network.utterance_encoder.prior(conditions)
            utterance = prior.sample(torch.stack([draw.utterance for draw in lines.draws]))
        conditions = replace(conditions, utterance=utterance)
    frames = decode_whole_prefix(
        network, lines.start_frame, lines.text, lines.text_mask, max(lines.most), conditions, draws
    )
    return frames[:, 1:].numpy()


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["causal", "off", "official"])
@pytest.mark.parametrize("lta", [True, False])
def test_decoding_equals_full_recomputation(kind: str, layers: int, lta: bool) -> None:
    config = replace(TINY, expression_attention=kind, layers=layers, latent_temporal_attention=lta)
    network, lines = network_of(config), lines_of(config, count=3, most=18)
    lines = replace(lines, start_frame=torch.full((3, 53), 0.3))
    np.testing.assert_allclose(decoded(network, lines), whole_prefix(network, lines), atol=1e-5)


def official_given(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Start frames, and texts of different lengths."""
    generator = torch.Generator().manual_seed(8)
    mask = torch.ones(batch, 1, 7, dtype=torch.bool)
    mask[0, :, 4:] = False
    return torch.randn(batch, 53, generator=generator), torch.randn(batch, 7, 12, generator=generator), mask


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("drawn", [True, False])
def test_the_exact_mode_is_the_official_algorithm(layers: int, drawn: bool) -> None:
    network, given = network_of(replace(TINY_OFFICIAL, layers=layers)), official_given()
    noise = torch.randn(2, 36, 16, generator=torch.Generator().manual_seed(9)) if drawn else None
    exact = torch.stack(list(decode_official(network, *given, 35, latent_noise=noise)), dim=1)
    slow = decode_whole_prefix(network, *given, 35, latent_noise=noise)
    torch.testing.assert_close(exact, slow[:, 1:], atol=1e-5, rtol=0)


def test_the_fast_mode_leaves_the_past_alone() -> None:
    network, given = network_of(TINY_OFFICIAL), official_given()
    exact, fast = (torch.stack(list(decode_official(network, *given, 20, mode=mode)), 1) for mode in ("exact", "fast"))
    torch.testing.assert_close(fast[:, 0], exact[:, 0], atol=1e-5, rtol=0)
    assert not torch.allclose(fast[:, 5:], exact[:, 5:], atol=1e-5)
    # With an offset that never changes there is no past to leave alone.
    torch.nn.init.zeros_(network.expression_attention.lower.weight)
    torch.nn.init.constant_(network.expression_attention.lower.bias, 0.7)
    exact, fast = (torch.stack(list(decode_official(network, *given, 20, mode=mode)), 1) for mode in ("exact", "fast"))
    torch.testing.assert_close(fast, exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_readout_noise_is_added_in_front_of_the_readout(mode: str) -> None:
    network, given = network_of(TINY_OFFICIAL), official_given()
    noise = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(9))
    plain, noisy = (next(iter(decode_official(network, *given, 1, mode=mode, readout_noise=n))) for n in (None, noise))
    torch.testing.assert_close(noisy - plain, noise[:, 0] @ network.readout.weight.t(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_more_frames_than_the_position_table_holds_are_refused(mode: str) -> None:
    network, given = network_of(TINY_OFFICIAL), official_given()
    assert len(list(decode_official(network, *given, 63, mode=mode))) == 63
    with pytest.raises(ValueError, match="65 positions are more than this network's 64"):
        next(iter(decode_official(network, *given, 64, mode=mode)))


@pytest.mark.parametrize("kind", ["causal", "official"])
def test_a_folded_expression_attention_is_the_same_function(kind: str) -> None:
    module = network_of(replace(TINY, expression_attention=kind)).expression_attention
    frame = torch.randn(4, 53, generator=torch.Generator().manual_seed(2))
    folded = FoldedExpressionAttention.of(module)
    assert folded is not None
    with torch.no_grad():
        moved = module(frame[:, None])[:, 0]
        torch.testing.assert_close(frame[:, 50:] + folded(frame), moved[:, 50:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", [1, 3, 32])
@pytest.mark.parametrize("width", [24, 768])
@pytest.mark.parametrize("relu", [True, False])
def test_a_prepared_map_does_the_work_of_its_modules(rows: int, width: int, relu: bool) -> None:
    torch.manual_seed(0)
    modules = [torch.nn.Linear(width, width), torch.nn.Linear(width, 2 * width, bias=False)]
    x = torch.randn(rows, width)
    with torch.inference_mode():
        expected = torch.cat([module(x) for module in modules], dim=1) * 2.0
        result = Linear(modules, rows, scale=2.0, relu=relu)(x)
    torch.testing.assert_close(result, expected.relu() if relu else expected, atol=1e-4, rtol=0)


# Batches.


def row_of(lines: Lines, row: int) -> Lines:
    """One performance alone."""
    one = slice(row, row + 1)
    conditions = replace(
        lines.conditions,
        **{name: value[one] for name, value in vars(lines.conditions).items() if value is not None},
    )
    return replace(
        lines,
        text=lines.text[one],
        text_mask=lines.text_mask[one],
        conditions=conditions,
        start_frame=lines.start_frame[one],
        draws=lines.draws[one],
        least=lines.least[one],
        most=lines.most[one],
    )


@pytest.mark.parametrize("kind", ["causal", "official"])
def test_performances_that_end_leave_the_batch_and_change_nothing_for_the_rest(kind: str) -> None:
    config = replace(TINY, expression_attention=kind)
    lengths = (3, 17, 9, 3, 12)
    network, lines = network_of(config), lines_of(config, count=5, most=17)
    mask = lines.text_mask.clone()
    mask[1, :, 2:] = False
    lines = replace(lines, least=lengths, most=lengths, text_mask=mask)
    steps = list(decode(network, lines))
    together = np.stack([step.frames for step in steps], axis=1)
    assert len(steps) == 17
    for row, length in enumerate(lengths):
        assert [step.running[row] for step in steps] == [count < length for count in range(17)]
        np.testing.assert_allclose(together[row, :length], decoded(network, row_of(lines, row))[0], atol=1e-5)
        assert (together[row, length:] == together[row, length - 1]).all()


def test_guided_performances_leave_with_both_rows() -> None:
    lengths = (4, 15, 4, 10)
    network, lines = network_of(TINY), lines_of(TINY, count=4, most=15)
    strengths = (2.0, 1.0, 1.5, 3.0)
    long = decoded(network, guided(lines, *strengths))
    short = decoded(network, guided(replace(lines, least=lengths, most=lengths), *strengths))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(short[row, :length], long[row, :length], atol=1e-5)


def test_padded_tokens_are_never_looked_at() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=6)
    junk = torch.full((2, 3, TINY.d_text), 1e3)
    padded = replace(
        lines,
        text=torch.cat((lines.text, junk), 1),
        text_mask=torch.cat((lines.text_mask, torch.zeros(2, 1, 3, dtype=torch.bool)), -1),
    )
    np.testing.assert_allclose(decoded(network, padded), decoded(network, lines), atol=1e-5)


# Number formats and devices.


def test_half_precision_keeps_close_to_single() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=2, most=12, temperature=0.5)
    single = decoded(network, lines)
    half = decoded(network_of(TINY).to(torch.bfloat16), lines)
    assert np.abs(half - single).mean() < 0.1 * np.abs(single).mean()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["causal", "official"])
def test_a_gpu_decodes_what_the_cpu_decodes(kind: str) -> None:
    config = replace(TINY, expression_attention=kind)
    lines = guided(lines_of(config, count=3, most=12), 1.0, 2.0, 0.5)

    def moved(conditions: Conditions) -> Conditions:
        return replace(conditions, **{k: v.cuda() for k, v in vars(conditions).items() if v is not None})

    assert lines.guidance is not None
    elsewhere = replace(
        lines,
        text=lines.text.cuda(),
        text_mask=lines.text_mask.cuda(),
        conditions=moved(lines.conditions),
        start_frame=lines.start_frame.cuda(),
        guidance=replace(
            lines.guidance,
            text=lines.guidance.text.cuda(),
            text_mask=lines.guidance.text_mask.cuda(),
            conditions=moved(lines.guidance.conditions),
        ),
    )
    on_gpu = decoded(network_of(config).cuda(), elsewhere)
    np.testing.assert_allclose(on_gpu, decoded(network_of(config), lines), atol=1e-3)
