"""The default network: caching, causality, conditions, and that every switch can be turned off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cteg_core.model.conditions import Conditions
from cteg_core.model.config import DEFAULT, ModelConfig
from cteg_core.model.decoding import Lines, decode, draws_for
from cteg_core.model.network import START, CtegNetwork
from tests.fakes.tiny_networks import TINY, conditions_of, network_of


def lines_of(config: ModelConfig, count: int, most: int, variety: float = 1.0) -> Lines:
    generator = torch.Generator().manual_seed(5)
    draws = tuple(draws_for(seed, most + 1, config.d_latent, config.utterance_latent) for seed in range(count))
    return Lines(
        text=torch.randn(count, 6, config.d_text, generator=generator),
        text_mask=torch.ones(count, 1, 6, dtype=torch.bool),
        conditions=conditions_of(count, most + 1, config),
        start_frame=torch.zeros(count, 53),
        draws=draws,
        least=(most,) * count,
        most=(most,) * count,
        temperature=variety,
    )


def decoded(network: CtegNetwork, lines: Lines) -> np.ndarray:
    return np.stack([step.frames for step in decode(network, lines)], axis=1)  # [B, T, 53]


@pytest.mark.parametrize("kind", ["causal", "off"])
def test_cached_decoding_equals_teacher_forcing_on_its_own_frames(kind: str) -> None:
    config = replace(TINY, expression_attention=kind, layers=2)
    network, lines = network_of(config), lines_of(config, count=3, most=9, variety=0.0)
    frames = torch.from_numpy(decoded(network, lines))
    count = frames.shape[1]
    inputs = torch.cat((torch.zeros(3, 1, 53), lines.start_frame[:, None], frames[:, :-1], torch.zeros(3, 1, 53)), 1)
    markers = torch.full(inputs.shape[:2], -1)
    markers[:, 0] = START
    mask = torch.ones(1, count + 2, count + 2, dtype=torch.bool).tril()
    padded = conditions_of(3, count + 1, config)
    padded = replace(
        padded,
        plan=torch.cat((padded.plan, torch.zeros(3, 1, config.plan_width)), 1),
        elapsed=torch.arange(count + 2).expand(3, count + 2) / 30,
        remaining=torch.cat((padded.remaining, torch.zeros(3, 1)), 1),
        utterance=network.utterance_encoder.prior(lines.conditions).sample(
            torch.stack([draw.utterance for draw in lines.draws])
        ),
    )
    with torch.no_grad():
        again = network(inputs, markers, mask, lines.text, lines.text_mask, padded, use_posterior=False, sample=False)
    torch.testing.assert_close(again.frames[:, 1:-1], frames, atol=1e-5, rtol=0)


def test_a_line_decodes_alike_alone_and_in_a_batch() -> None:
    network, lines = network_of(TINY), lines_of(TINY, count=3, most=7)
    together = decoded(network, lines)

    def row(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[1:2]

    conditions = replace(
        lines.conditions,
        **{
            name: row(getattr(lines.conditions, name))
            for name in (
                "emotion",
                "emotion_known",
                "plan",
                "elapsed",
                "remaining",
                "remaining_known",
                "returns_to_rest",
            )
        },
    )
    alone = replace(
        lines,
        text=row(lines.text),
        text_mask=row(lines.text_mask),
        conditions=conditions,
        start_frame=row(lines.start_frame),
        draws=lines.draws[1:2],
        least=lines.least[1:2],
        most=lines.most[1:2],
    )
    np.testing.assert_allclose(decoded(network, alone)[0], together[1], atol=1e-5)


def test_the_past_never_depends_on_the_future() -> None:
    network = network_of(TINY)
    generator = torch.Generator().manual_seed(3)
    frames = torch.randn(1, 8, 53, generator=generator)
    changed = frames.clone()
    changed[:, 5:] += 1.0
    markers = torch.full((1, 8), -1)
    mask = torch.ones(1, 8, 8, dtype=torch.bool).tril()
    text, text_mask = torch.randn(1, 4, TINY.d_text, generator=generator), torch.ones(1, 1, 4, dtype=torch.bool)
    conditions = replace(conditions_of(1, 8, TINY), utterance=torch.zeros(1, TINY.utterance_latent))
    with torch.no_grad():
        outputs = [
            network(f, markers, mask, text, text_mask, conditions, use_posterior=False, sample=False).frames
            for f in (frames, changed)
        ]
    torch.testing.assert_close(outputs[0][:, :5], outputs[1][:, :5])
    assert not torch.allclose(outputs[0][:, 5:], outputs[1][:, 5:])


CONDITIONS = ("emotion", "emotion_known", "plan", "elapsed", "remaining", "remaining_known", "returns_to_rest")


def hears(network: CtegNetwork, conditions: Conditions, name: str) -> bool:
    """Return whether what decoding adds to its inputs depends on one condition."""
    noise = torch.zeros(len(conditions.emotion), TINY.utterance_latent)
    other = replace(conditions, **{name: 1.0 - getattr(conditions, name)})
    with torch.no_grad():
        plain, changed = (network.condition(each, noise) for each in (conditions, other))
    return not torch.allclose(plain, changed, atol=1e-6)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_heard(name: str) -> None:
    assert hears(network_of(TINY), conditions_of(2, 5, TINY), name)


@pytest.mark.parametrize(("name", "known"), [("emotion", "emotion_known"), ("remaining", "remaining_known")])
def test_what_is_withheld_is_not_heard(name: str, known: str) -> None:
    conditions = replace(conditions_of(2, 5, TINY), **{known: torch.zeros(2)})
    assert not hears(network_of(TINY), conditions, name)


@pytest.mark.parametrize(
    ("switched_off", "names"),
    [
        ({"emotion_width": 0}, ("emotion", "emotion_known")),
        ({"plan_width": 0}, ("plan",)),
        ({"timing": False}, ("elapsed", "remaining", "remaining_known", "returns_to_rest")),
    ],
)
def test_a_condition_that_is_switched_off_is_not_heard(switched_off: dict[str, Any], names: tuple[str, ...]) -> None:
    network, conditions = network_of(replace(TINY, **switched_off)), conditions_of(2, 5, TINY)
    assert [name for name in CONDITIONS if not hears(network, conditions, name)] == list(names)


def test_coefficients_have_an_identity_in_causal_attention_and_none_in_the_official() -> None:
    frames = torch.randn(1, 1, 53, generator=torch.Generator().manual_seed(2))
    permuted = frames.clone()
    permuted[..., :50] = frames[..., torch.randperm(50, generator=torch.Generator().manual_seed(4))]
    with torch.no_grad():
        causal = network_of(TINY).expression_attention
        assert not torch.allclose(causal(frames)[..., 50:], causal(permuted)[..., 50:], atol=1e-6)
        official = network_of(replace(TINY, expression_attention="official")).expression_attention
        torch.testing.assert_close(official(frames)[..., 50:], official(permuted)[..., 50:], atol=1e-5, rtol=0)


def test_the_stop_head_ends_lines_each_at_its_own_time() -> None:
    network = network_of(TINY)
    assert network.stop is not None
    torch.nn.init.constant_(network.stop.bias, -3.0)  # about one chance in twenty a frame
    lines = replace(lines_of(TINY, count=4, most=60), least=(2, 2, 2, 2))
    steps = list(decode(network, lines))
    ends = [next(i for i, step in enumerate(steps) if step.stopped[row] or i == 59) for row in range(4)]
    assert len(set(ends)) > 1
    for row, end in enumerate(ends):
        assert all(step.running[row] == (i <= end) for i, step in enumerate(steps))


def test_a_cancelled_decode_yields_nothing_more() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 3

    assert len(list(decode(network_of(TINY), lines_of(TINY, 1, 20), cancelled))) == 3


def test_draws_depend_on_the_seed_alone() -> None:
    one, again, other = draws_for(7, 20, 4, 3), draws_for(7, 20, 4, 3), draws_for(8, 20, 4, 3)
    assert torch.equal(one.latent, again.latent)
    assert one.stop_threshold == again.stop_threshold
    assert not torch.equal(one.utterance, other.utterance)


def test_configurations_survive_their_record_and_refuse_another() -> None:
    assert ModelConfig.from_record(DEFAULT.to_record()) == DEFAULT
    with pytest.raises(ValueError, match="differ in: novelty"):
        ModelConfig.from_record({**DEFAULT.to_record(), "novelty": 1})
