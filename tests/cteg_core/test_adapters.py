"""Adapters of the text encoder: off they change no bit, on they add what was learned; the encoder stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cteg_core.model.adapters import SCALE, Adapters, rank_of
from cteg_core.model.text_encoder import READ_LAYERS, TextEncoderError
from tests.fakes.tiny_bert import MOST_TOKENS, WIDTH, random_adapters, tiny_encoder, tiny_model

IDS = torch.tensor([[2, 9, 14, 40, 3], [2, 20, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def read(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(input_ids=IDS, attention_mask=MASK).last_hidden_state)


def changed(adapters: Adapters, seed: int = 1) -> dict[str, Tensor]:
    """Give adapters random weights and return them."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: value + 0.3 * torch.randn(value.shape, generator=generator) for name, value in adapters.state().items()
    }
    adapters.load(state)
    return state


def test_off_they_change_no_bit_whatever_they_hold() -> None:
    model = tiny_model(layers=2)
    before = read(model)
    adapters = Adapters(model, rank=3)
    assert torch.equal(read(model), before)
    changed(adapters)
    assert torch.equal(read(model), before)


def test_on_they_change_nothing_at_first_and_something_with_other_weights() -> None:
    model = tiny_model(layers=2)
    before = read(model)
    adapters = Adapters(model, rank=3)
    with adapters.applied():
        assert torch.equal(read(model), before)
    changed(adapters)
    with adapters.applied():
        assert (read(model) - before).abs().max() > 0.1
    assert torch.equal(read(model), before)


def test_a_linear_map_gets_a_low_rank_addition() -> None:
    model = tiny_model(layers=1)
    base = model.encoder.layer[0].attention.self.query
    adapters = Adapters(model, rank=2)
    changed(adapters)
    adapted = model.encoder.layer[0].attention.self.query
    x = torch.randn(3, WIDTH)
    wanted = x @ base.weight.T + base.bias + SCALE * x @ adapted.down.T @ adapted.up.T
    with torch.no_grad(), adapters.applied():
        torch.testing.assert_close(adapted(x), wanted)


def test_a_norm_gets_another_gain_and_bias() -> None:
    model = tiny_model(layers=1)
    adapters = Adapters(model, rank=2)
    norm = model.encoder.layer[0].output.LayerNorm
    with torch.no_grad():
        norm.gain.fill_(2.0)
        norm.bias.fill_(0.5)
    x = torch.randn(3, WIDTH)
    plain = norm(x)
    with torch.no_grad(), adapters.applied():
        torch.testing.assert_close(norm(x), 2.0 * plain + 0.5)  # a new BERT's gain is 1, its bias 0


def test_they_go_off_again_after_a_failure_and_stay_on_within_another_use() -> None:
    model = tiny_model(layers=1)
    adapters = Adapters(model, rank=2)
    before = read(model)
    changed(adapters)

    def failing() -> None:
        with adapters.applied():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert torch.equal(read(model), before)
    with adapters.applied():
        with adapters.applied():
            pass
        assert not torch.equal(read(model), before)


def test_nothing_else_is_trained() -> None:
    model = tiny_model(layers=2)
    adapters = Adapters(model, rank=2)
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert trained == {id(parameter) for parameter in adapters.parameters()}
    # In each layer six linear maps and two norms, of two tensors each.
    assert len(adapters.parameters()) == len(adapters.state()) == 2 * (6 + 2) * 2
    with adapters.applied():
        model(input_ids=IDS, attention_mask=MASK).last_hidden_state.square().sum().backward()
    assert all(parameter.grad is not None for parameter in adapters.parameters())


def test_weights_travel_to_another_encoder_of_the_same_weights() -> None:
    one, other = tiny_model(layers=2), tiny_model(layers=2)
    first = Adapters(one, rank=2)
    state = changed(first)
    second = Adapters(other, rank_of(state))
    second.load(first.state())
    with first.applied(), second.applied():
        assert torch.equal(read(one), read(other))
    # They were copied, not shared.
    changed(first, seed=2)
    for name, value in second.state().items():
        assert torch.equal(value, state[name])


def test_what_does_not_fit_is_refused_with_a_sentence() -> None:
    model = tiny_model(layers=1)
    adapters = Adapters(model, rank=2)
    state = adapters.state()
    name = next(iter(state))
    with pytest.raises(ValueError, match="of another text encoder"):
        adapters.load({key: value for key, value in state.items() if key != name})
    with pytest.raises(ValueError, match="of another text encoder"):
        adapters.load(Adapters(tiny_model(layers=2), rank=2).state())
    with pytest.raises(ValueError, match=f"adapter {name} has shape"):
        adapters.load({**state, name: torch.zeros(5, WIDTH)})
    with pytest.raises(ValueError, match="has adapters already"):
        Adapters(model, rank=2)
    for other in (nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))):
        with pytest.raises(ValueError, match="not a BERT that adapters fit"):
            Adapters(other, rank=2)


def test_the_rank_is_read_from_the_weights() -> None:
    state = Adapters(tiny_model(layers=1), rank=3).state()
    assert rank_of(state) == 3
    for wrong in ({}, {"0.down": torch.zeros(3)}, {**state, "9.down": torch.zeros(4, WIDTH)}):
        with pytest.raises(ValueError, match="not the weights of adapters"):
            rank_of(wrong)


# The text encoder.


def test_the_encoder_reads_both_ways() -> None:
    encoder = tiny_encoder()
    texts = ["You kept it.", "Oh."]
    before = encoder.encode(texts)
    assert torch.equal(encoder.encode_adapted(texts).layers, before.layers)  # there are none yet
    encoder.adapt_to({})
    assert torch.equal(encoder.encode_adapted(texts).layers, before.layers)
    encoder.adapt_to(random_adapters())
    assert torch.equal(encoder.encode(texts).layers, before.layers)
    adapted = encoder.encode_adapted(texts)
    assert (adapted.layers - before.layers).abs().max() > 0.1
    assert torch.equal(encoder.encode(texts).last, before.last)
    other = random_adapters(seed=6)
    encoder.adapt_to(other)
    assert not torch.equal(encoder.encode_adapted(texts).layers, adapted.layers)
    with pytest.raises(ValueError, match="has shape"):
        encoder.adapt_to(random_adapters(rank=3))


def test_a_checkpoint_without_adapters_is_read_without_those_of_the_one_before() -> None:
    encoder = tiny_encoder()
    plain = encoder.encode_adapted(["You kept it."]).layers
    encoder.adapt_to(random_adapters())
    adapted = encoder.encode_adapted(["You kept it."]).layers
    encoder.adapt_to({})
    assert torch.equal(encoder.encode_adapted(["You kept it."]).layers, plain)
    encoder.adapt_to(random_adapters())
    assert torch.equal(encoder.encode_adapted(["You kept it."]).layers, adapted)


def test_tokens_say_which_letters_they_stand_for() -> None:
    states = tiny_encoder().encode(["ab, c", "d"])
    assert states.layers.shape == (2, len(READ_LAYERS), 6, WIDTH)
    assert states.spans is not None
    assert states.spans[0].tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [4, 5], [0, 0]]
    assert states.spans[1].tolist() == [[0, 0], [0, 1], *[[0, 0]] * 4]
    assert states.mask[1].tolist() == [True] * 3 + [False] * 3


def test_letters_of_what_came_before_are_not_the_texts() -> None:
    encoder = tiny_encoder()
    states = encoder.encode_adapted(["ab"], ["xyz"])
    assert states.spans is not None
    assert states.spans[0].tolist() == [[0, 0]] * 5 + [[0, 1], [1, 2], [0, 0]]
    other = encoder.encode_adapted(["ab"], ["xyy"])
    assert not torch.allclose(states.last[0, 5:7], other.last[0, 5:7])


def test_unknown_signs_are_counted_and_long_texts_refused() -> None:
    encoder = tiny_encoder()
    assert encoder.encode(["a ☃ b ☃", "ok"]).unknown == (2, 0)
    assert encoder.max_tokens == MOST_TOKENS
    assert encoder.token_count("ab c") == 5
    with pytest.raises(TextEncoderError, match="split it"):
        encoder.encode(["a " * MOST_TOKENS])
