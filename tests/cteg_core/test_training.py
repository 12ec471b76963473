"""Training: batches laid out right, steps that can be interrupted, losses that mean something."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cteg_core.__main__ import TRAINING_CONFIGURATIONS
from cteg_core.model.conditions import masked_text
from cteg_core.model.network import TeacherForced
from cteg_core.model.variational_layer import Gaussian
from cteg_core.training.batches import HISTORY_SCALE, NO_DROPOUT, Dropout, make_batch
from cteg_core.training.configurations import CONFIGURATIONS
from cteg_core.training.loop import TrainData, loss_of, train
from cteg_core.training.losses import LossConfig, frame_distance, training_loss
from cteg_core.training.order import TrainingOrder, held_out_lines
from cteg_core.training.schedule import learning_rate, optimizer_for
from cteg_core.training.text_states import TextStateCache
from tests.fakes.tiny_training import TEXTS, TINY, CountingEncoder, read_data, write_corpus


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return read_data(folder)


def test_states_are_computed_once_and_only_taken_for_their_own_texts(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    for _ in range(2):
        cache = TextStateCache.of(TEXTS, tmp_path, lambda: encoder)
    assert encoder.encoded == len(TEXTS)
    layers, mask = cache.batch([3, 0])
    assert mask.sum(1).tolist() == [5, 4]
    assert layers[0, 0, 0, 0] == len(TEXTS[3])
    assert layers[1, :, 4:].abs().sum() == 0
    TextStateCache.of(TEXTS[1:], tmp_path, lambda: encoder)
    assert encoder.encoded == 2 * len(TEXTS) - 1


def test_a_batch_predicts_each_frame_from_the_ones_before_it(data: TrainData) -> None:
    items = [data.corpus[0], data.corpus[1]]
    text, text_mask = data.states.batch([item.line_index for item in items])
    batch = make_batch(
        items, text[:, -1], text_mask, data.scaling, data.fps, NO_DROPOUT, torch.Generator().manual_seed(0)
    )
    for row, item in enumerate(items):
        length = len(item.frames)
        true = data.scaling.normalised(torch.from_numpy(item.frames))
        torch.testing.assert_close(batch.gold[row, 1 : length + 1], true)
        torch.testing.assert_close(batch.frames[row, 2 : length + 2], true)
        assert batch.mask[row].nonzero().flatten().tolist() == list(range(1, length + 1))
        assert batch.stop[row].nonzero().flatten().tolist() == [length]
        # The frame that ends the line has no time left behind it.
        assert batch.conditions.remaining[row, length] == 0.0
        assert batch.conditions.remaining[row, 1] == pytest.approx((length - 1) / 30)


def test_masked_text_says_nothing(data: TrainData) -> None:
    text, mask = data.states.batch([0, 1])
    hidden, hidden_mask = masked_text(text[:, -1], mask)
    assert hidden.abs().sum() == 0
    assert hidden_mask.sum(1).tolist() == [1, 1]


def test_training_lowers_the_loss_on_what_it_sees(data: TrainData, tmp_path: Path) -> None:
    config = replace(TINY, steps=60, batch=8, rate=5e-3, dropout=NO_DROPOUT, ema=0.5)
    everything = data.batch(range(len(data.corpus)), NO_DROPOUT, torch.Generator().manual_seed(0))
    losses = []
    for steps in (1, 60):
        network = train(data, config, tmp_path, stop_after=steps)
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(float(loss_of(network, everything, config.loss).reconstruction))
    assert losses[1] < 0.8 * losses[0]


def test_every_performance_can_be_drawn_and_batches_are_a_function_of_the_step(data: TrainData) -> None:
    order, again = (TrainingOrder(data.lengths, np.arange(0), TINY) for _ in range(2))
    seen = {index for step in range(200) for index in order.at(step)}
    assert seen == set(range(len(data.corpus)))
    assert order.at(17) == again.at(17)


def test_in_passes_every_performance_is_drawn_once_a_pass_and_held_out_ones_never(data: TrainData) -> None:
    held_out = data.held_out(0.34)
    order = TrainingOrder(data.lengths, held_out, replace(TINY, epochs=3, batch=6))
    kept = sorted(set(range(len(data.corpus))) - set(held_out.tolist()))
    assert order.steps == 3 * 3
    passes = [[index for step in range(3 * epoch, 3 * epoch + 3) for index in order.at(step)] for epoch in range(3)]
    assert [sorted(drawn) for drawn in passes] == [kept] * 3
    assert passes[0] != passes[1]


def test_whole_lines_are_held_out() -> None:
    lines = np.array([5, 5, 7, 9, 9, 9, 11, 12])
    held_out = held_out_lines(lines, 0.4)
    assert len(np.unique(lines[held_out])) == 2
    assert np.array_equal(held_out, np.flatnonzero(np.isin(lines, lines[held_out])))
    assert held_out_lines(lines, 0.0).size == 0


def test_nothing_to_train_on_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to train on: of 3 performances 1 are held out"):
        TrainingOrder(np.array([5, 400, 500]), np.array([0]), TINY)


def test_the_rate_warms_up_and_falls() -> None:
    rates = [learning_rate(step, TINY) for step in range(TINY.steps + 1)]
    assert rates[0] == pytest.approx(TINY.rate / 2)
    assert max(rates) == pytest.approx(TINY.rate)
    assert rates[-1] == pytest.approx(TINY.rate / 100)


def test_noams_curve_by_hand() -> None:
    """The official schedule: 2 * d^-0.5 * min(n^-0.5, n * 4000^-1.5) at step n, counted from 1; d = 768."""
    config = CONFIGURATIONS["emoava"].config
    rates = [learning_rate(number - 1, config) for number in (1, 4000, 16000)]
    assert rates == pytest.approx([2.0 / 768**0.5 / 4000**1.5, 2.0 / (768 * 4000) ** 0.5, 2.0 / (768 * 16000) ** 0.5])
    assert max(learning_rate(step, config) for step in range(0, 20_000, 7)) <= rates[1]


def test_without_decay_and_with_the_official_numbers_the_optimiser_is_adam() -> None:
    """One step of Adam from zero moments moves each weight by the rate, against its gradient's sign."""
    config = replace(CONFIGURATIONS["emoava"].config, rate=0.01)
    layer = torch.nn.Linear(3, 1, bias=False)
    before = layer.weight.detach().clone()
    optimizer = optimizer_for(layer, config)
    (layer.weight * torch.tensor([3.0, -0.5, 20.0])).sum().backward()
    optimizer.step()
    torch.testing.assert_close(before - layer.weight, torch.tensor([[0.01, -0.01, 0.01]]))


def test_the_command_offers_every_configuration() -> None:
    assert tuple(CONFIGURATIONS) == TRAINING_CONFIGURATIONS


def test_distance_by_hand() -> None:
    gold = torch.zeros(1, 2, 53)
    predicted = gold.clone()
    predicted[0, 0, 0], predicted[0, 0, 50] = 3.0, 2.0  # weighted: (3, 4) -> 5
    predicted[0, 1] = 100.0
    mask = torch.tensor([[True, False]])
    assert float(
        frame_distance(predicted, gold, mask, LossConfig(jaw_weight=2.0, squared_weight=0.0))
    ) == pytest.approx(5.0)
    assert float(
        frame_distance(predicted, gold, mask, LossConfig(jaw_weight=2.0, squared_weight=0.2))
    ) == pytest.approx(10.0)


def test_the_total_is_its_parts_by_their_weights() -> None:
    """Frames one off in one coefficient, a stop head that knows nothing, a KL of 6 nats, an utterance's of 1.5."""
    frames, gold = torch.zeros(1, 4, 53), torch.zeros(1, 4, 53)
    frames[0, :, 0] = torch.tensor([0.0, 1.0, 2.0, 3.0])
    mask = torch.tensor([[False, True, True, True]])
    utterance = Gaussian(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2))  # 2 nats and 0 from the standard normal
    prior = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    output = TeacherForced(frames, torch.full((1, 3, 2), 3.0), frames[:, :-1], torch.zeros(1, 4), utterance, prior)
    config = LossConfig(
        squared_weight=0.0, kl_weight=2.0, guided_weight=3.0, velocity_weight=5.0, stop_weight=7.0,
        utterance_weight=11.0, utterance_free_nats=0.5,
    )  # fmt: skip
    terms = training_loss(output, gold, mask, torch.tensor([[0.0, 0.0, 0.0, 1.0]]), config)
    parts = {
        "reconstruction": 2.0, "kl": 6.0, "guided": 1.5, "velocity": 1.0, "stop": math.log(2.0), "utterance": 1.5,
    }  # fmt: skip
    assert {name: float(getattr(terms, name)) for name in parts} == pytest.approx(parts, rel=1e-6)
    assert float(terms.total) == pytest.approx(2.0 + 12.0 + 4.5 + 5.0 + 7.0 * math.log(2.0) + 16.5, rel=1e-6)


def test_the_past_is_hidden_or_shown_at_a_wrong_strength(data: TrainData) -> None:
    def past(**shares: float) -> torch.Tensor:
        return data.batch([0, 1, 2], replace(NO_DROPOUT, **shares), torch.Generator().manual_seed(0)).frames

    true = past()
    assert past(no_history=1.0).abs().sum() == 0
    wrong = past(history=1.0)
    strengths = [float((wrong[row] * true[row]).sum() / true[row].square().sum()) for row in range(3)]
    assert len({round(strength, 3) for strength in strengths}) == 3
    assert all(HISTORY_SCALE[0] <= strength <= HISTORY_SCALE[1] for strength in strengths)
    torch.testing.assert_close(wrong, true * torch.tensor(strengths)[:, None, None])


def test_dropout_hides_whole_conditions(data: TrainData) -> None:
    always = Dropout(text=1.0, emotion=1.0, length=1.0, frames=1.0, history=0.0, no_history=0.0, frame_noise=0.0)
    batch = data.batch([0, 1, 2], always, torch.Generator().manual_seed(0))
    assert batch.text.abs().sum() == 0
    assert batch.conditions.emotion_known.sum() == 0
    assert batch.conditions.remaining_known.sum() == 0
    assert batch.frames.abs().sum() == 0
    assert batch.gold.abs().sum() > 0
