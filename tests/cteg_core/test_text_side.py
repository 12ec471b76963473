"""Training of the text side: examples and their tokens, the loss by hand, runs that go on where they stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.model.adapters import Adapters
from cteg_core.model.emotion_head import EmotionHead
from cteg_core.model.emotion_reading import EmotionReader
from cteg_core.training import text_side
from cteg_core.training.dialogue_lines import WrittenLine
from cteg_core.training.resume import ResumeError
from cteg_core.training.text_batches import (
    POOL_BATCHES,
    TextBatch,
    TextExample,
    TextExamples,
    batches_of,
    examples_of_dialogue,
    examples_of_text,
)
from cteg_core.training.text_data import LabelledLine
from cteg_core.training.text_layers import RememberedLayers, layers_of
from cteg_core.training.text_resume import STATE_NAME, TextState
from cteg_core.training.text_side import (
    GROUPS,
    RATER_NAME,
    TextSide,
    TextStage,
    TextTraining,
    as_rater,
    one_cycle,
    read_examples,
    text_loss,
    train_text_side,
    without_readout,
)
from tests.fakes.tiny_bert import HEAD, random_adapters, tiny_encoder, tiny_head, tiny_model, tiny_tokenizer

EYE = np.eye(28)
JOY, ANGER, LOVE, NEUTRAL = (EMOTION_LABELS.index(label) for label in ("joy", "anger", "love", "neutral"))
CONFIG = TextTraining(
    stages=(TextStage("comments", 2, 1.0, 1.0, 0.0, 1e-2), TextStage("dialogue", 1, 0.5, 1.0, 1.0, 1e-2)),
    rater_stages=(),
    head=HEAD,
    rank=2,
    batch=4,
    save_every=3,
    longest=40,
)


def shares(**given: float) -> tuple[float, ...]:
    return tuple(float(given.get(label, 0.0)) for label in EMOTION_LABELS)


def comment(text: str, label: int) -> LabelledLine:
    return LabelledLine(text, tuple(EYE[label]), None, "train")


def rated(text: str, valence: float) -> LabelledLine:
    return LabelledLine(text, (0.0,) * 28, (valence, 0.1, -0.1), "train")


def written(*clauses: str, context: str = "", arc: tuple[tuple[float, ...], ...] = ()) -> WrittenLine:
    arc = arc or tuple(tuple(EYE[label]) for label in (JOY, ANGER, NEUTRAL)[: len(clauses)])
    return WrittenLine("scene", context, clauses, arc, 0.6, 0.3, 0.2, 0.1, "train", "a:1")


TURNING = written("You kept it all.", "Now get out.", context="She opens it.")
COMMENTS = [comment(f"so {word}", label) for word, label in zip(
    ("glad", "cross", "sweet", "plain", "happy", "mad", "dear", "flat"), (JOY, ANGER, LOVE, NEUTRAL) * 2, strict=True
)]  # fmt: skip
RATED = [rated("a good day", 0.8), rated("a bad day", -0.8)]
LINES = [TURNING, written("The kettle is on.", context="Morning."), written("Oh no.")]


def tokenised() -> TextExamples:
    examples = examples_of_text([*COMMENTS, *RATED]) + examples_of_dialogue(LINES, clauses=True)
    return TextExamples(examples, tiny_tokenizer())


# Examples.


def test_comments_have_labels_and_sentences_ratings() -> None:
    first, second = examples_of_text([COMMENTS[0], RATED[0]])
    assert (first.source, first.labels, first.affect) == ("comments", tuple(EYE[JOY]), ())
    assert (second.source, second.labels, second.affect) == ("affect", (), (0.8, 0.1, -0.1))


def test_a_line_that_turns_is_an_example_and_each_clause_another() -> None:
    whole, first, second = examples_of_dialogue([TURNING], clauses=True)
    assert (whole.source, whole.before, whole.span) == ("dialogue", "She opens it.", (0, 0))
    assert whole.affect == (0.3, 0.2, 0.1)
    # Four words of joy, three of anger: relative to the strongest.
    assert whole.labels[JOY] == 1.0
    assert whole.labels[ANGER] == pytest.approx(3 / 4)
    for clause, example, label in zip(TURNING.clauses, (first, second), (JOY, ANGER), strict=True):
        assert example.source == "clause"
        assert example.text[slice(*example.span)] == clause
        assert example.labels == tuple(EYE[label])
        assert example.affect == ()
    assert examples_of_dialogue([TURNING], clauses=False) == [whole]
    assert len(examples_of_dialogue([LINES[1]], clauses=True)) == 1


def test_the_tokens_of_a_clause_are_its_letters() -> None:
    examples = TextExamples(examples_of_dialogue([TURNING], clauses=True), tiny_tokenizer())
    batch = examples.batch([0, 1, 2], 160)
    tokenizer = tiny_tokenizer()

    def read(row: int) -> str:
        pieces = tokenizer.convert_ids_to_tokens(batch.ids[row][batch.pooled[row]].tolist())
        return "".join(piece.removeprefix("##") for piece in pieces)

    assert read(1) == "youkeptitall."
    assert read(2) == "nowgetout."
    assert torch.equal(batch.pooled[0], batch.mask[0])
    assert batch.kinds[0].tolist().count(1) == len("youkeptitall.nowgetout.") + 1  # and the end
    assert batch.shared.tolist() == [True] * 3
    assert batch.affect[0].tolist() == pytest.approx([0.3, 0.2, 0.1])
    assert batch.affect[1:].isnan().all()


def test_examples_are_padded_and_cut() -> None:
    examples = tokenised()
    batch = examples.batch([0, 8], 4)
    assert batch.ids.shape == (2, 4)
    assert batch.mask.all()
    assert batch.shared.tolist() == [False, False]
    assert batch.labels[0].tolist() == EYE[JOY].tolist()
    assert batch.labels[1].isnan().all()
    assert batch.affect[0].isnan().all()
    # A clause that was cut away is read from what is left.
    second = next(i for i, example in enumerate(examples.examples) if example.source == "clause" and example.span[0])
    assert torch.equal(examples.batch([second], 6).pooled, torch.ones(1, 6, dtype=torch.bool))
    wide = examples.batch([0, second], 160)
    assert wide.mask[0].sum() == examples.length(0) < examples.length(second) == wide.ids.shape[1]
    assert not wide.pooled[0][~wide.mask[0]].any()


def test_epochs_hold_as_much_of_each_source_as_they_are_asked_to() -> None:
    examples = tokenised()
    stage = TextStage("both", 2, 0.5, 2.0, 1.0, 1e-3)
    config = replace(CONFIG, stages=(stage,))
    batches = batches_of(examples, stage, config, 0)
    counts = np.bincount(np.concatenate(batches), minlength=len(examples))
    assert counts[examples.rows["comments"]].sum() == 4
    assert counts[examples.rows["comments"]].max() == 1
    assert counts[examples.rows["affect"]].tolist() == [2, 2]
    assert counts[examples.rows["dialogue"]].tolist() == [1, 1, 1]
    assert counts[examples.rows["clause"]].tolist() == [1, 1]
    assert max(map(len, batches)) <= config.batch
    again, other = batches_of(examples, stage, config, 0), batches_of(examples, stage, config, 1)
    assert [rows.tolist() for rows in again] == [rows.tolist() for rows in batches]
    assert [rows.tolist() for rows in other] != [rows.tolist() for rows in batches]


def test_batches_are_of_like_length() -> None:
    examples = TextExamples([TextExample("comments", "a " * (n % 30 + 1)) for n in range(120)], tiny_tokenizer())
    stage = TextStage("comments", 1, 1.0, 0.0, 0.0, 1e-3)
    batches = batches_of(examples, stage, replace(CONFIG, stages=(stage,)), 0)
    assert len(examples) < CONFIG.batch * POOL_BATCHES
    spans = [np.ptp([examples.length(int(row)) for row in rows]) for rows in batches]
    assert max(spans) <= 1
    assert sorted(np.concatenate(batches).tolist()) == list(range(120))


# The loss.


def loss_of(monkeypatch: pytest.MonkeyPatch, batch: TextBatch, logits: torch.Tensor, affect: torch.Tensor) -> float:
    monkeypatch.setattr(text_side, "read_batch", lambda *_: (logits, affect))
    state = TextState(None, None, None)  # type: ignore[arg-type]
    config = replace(CONFIG, affect_weight=4.0, rated_weight=10.0)
    return float(text_loss(None, state, batch, config))  # type: ignore[arg-type]


def batch_of(labels: np.ndarray, affect: np.ndarray, shared: list[bool]) -> TextBatch:
    nothing = torch.zeros(len(labels), 1, dtype=torch.int64)
    return TextBatch(
        nothing, nothing, nothing.bool(), nothing.bool(), torch.from_numpy(labels).float(),
        torch.from_numpy(affect).float(), torch.tensor(shared),
    )  # fmt: skip


def test_the_loss_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown_labels, unknown_affect = np.full(28, np.nan), np.full(3, np.nan)
    labels = np.stack([EYE[JOY], unknown_labels, 0.5 * EYE[ANGER] + EYE[JOY]])
    affect = np.stack([unknown_affect, [0.5, 0.0, 0.0], [0.0, 0.0, 1.0]])
    batch = batch_of(labels, affect, [False, False, True])
    happy = sum(basic == "happiness" for basic in BASIC_OF_LABEL.values())
    cross = sum(basic == "anger" for basic in BASIC_OF_LABEL.values())
    each = 28 * math.log(2)  # at logits of 0, whatever the labels
    shared = -(2 / 3 * math.log(happy / 28) + 1 / 3 * math.log(cross / 28))
    wanted = each * 2 / 3 + shared / 3 + (10.0 * 0.25 + 4.0 * 1.0) / 2 * 2 / 3
    assert loss_of(monkeypatch, batch, torch.zeros(3, 28), torch.zeros(3, 3)) == pytest.approx(wanted, rel=1e-5)


def test_what_is_not_known_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = np.full((2, 3), np.nan)
    labels = np.stack([EYE[JOY], EYE[ANGER]])
    certain = torch.from_numpy(100.0 * labels - 50.0).float()
    batch = batch_of(labels, unknown, [True, True])
    assert loss_of(monkeypatch, batch, certain, torch.ones(2, 3)) == pytest.approx(0.0, abs=1e-5)
    rated_only = batch_of(np.full((2, 28), np.nan), np.zeros((2, 3)), [False, False])
    assert loss_of(monkeypatch, rated_only, certain, torch.zeros(2, 3)) == 0.0


def test_every_label_belongs_to_one_basic_emotion() -> None:
    assert GROUPS.shape == (28, 7)
    assert (GROUPS.sum(1) == 1.0).all()
    assert BASIC_EMOTIONS[int(GROUPS[ANGER].argmax())] == "anger"


def test_the_rate_goes_up_and_down_once() -> None:
    rates = [one_cycle(step / 100, 2.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.08)
    assert max(rates) == rates[10] == pytest.approx(2.0)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.0 < rates[-1] < 0.01


# Runs.


def run(folder: Path, stop_after: int | None = None, config: TextTraining = CONFIG) -> TextSide:
    return train_text_side(tiny_model(), tokenised(), config, folder, stop_after=stop_after)


def steps_of(config: TextTraining) -> list[int]:
    """Return how many steps each stage has."""
    examples = tokenised()
    return [sum(len(batches_of(examples, s, config, epoch)) for epoch in range(s.epochs)) for s in config.stages]


FIRST, SECOND = steps_of(CONFIG)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TextSide]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


@pytest.mark.parametrize(
    "stop", [1, CONFIG.save_every, CONFIG.save_every + 1, FIRST - 1, FIRST, FIRST + 1, FIRST + SECOND - 1]
)
def test_a_run_stopped_at_any_step_ends_with_the_same_bytes(
    stop: int, whole: tuple[Path, TextSide], tmp_path: Path
) -> None:
    folder, side = whole
    run(tmp_path, stop_after=stop)
    again = run(tmp_path)
    assert (tmp_path / STATE_NAME).read_bytes() == (folder / STATE_NAME).read_bytes()
    for name, value in side.adapters.items():
        assert torch.equal(again.adapters[name], value), name
    for name, value in side.head.state_dict().items():
        assert torch.equal(again.head.state_dict()[name], value), name


def test_a_run_stopped_again_and_again_ends_with_the_same_bytes(whole: tuple[Path, TextSide], tmp_path: Path) -> None:
    for stop in (2, 5, FIRST, FIRST + 1):
        run(tmp_path, stop_after=stop)
    run(tmp_path)
    assert (tmp_path / STATE_NAME).read_bytes() == (whole[0] / STATE_NAME).read_bytes()


RATERS = TextStage("raters", 2, 1.0, 1.0, 0.0, 1e-2)
WITH_RATER = replace(CONFIG, rater_stages=(RATERS,), head=replace(HEAD, rated_readout=True))


def test_the_rater_is_a_head_of_its_own_and_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    without = run(tmp_path / "a", config=replace(WITH_RATER, rater_stages=()))
    side = run(tmp_path / "b", config=WITH_RATER)
    assert without.rater is None
    assert all(torch.equal(side.adapters[name], value) for name, value in without.adapters.items())
    assert side.head.config == HEAD  # the readout for raters has done its work
    assert all(torch.equal(side.head.state_dict()[name], value) for name, value in without.head.state_dict().items())
    assert side.rater is not None
    assert not side.rater.training
    assert not torch.equal(side.rater.lift.weight, side.head.lift.weight)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_rater_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    config, loss = replace(WITH_RATER, save_every=2), text_side.text_loss
    whole = run(tmp_path / "whole", config=config)
    each = sum(len(batches_of(tokenised(), RATERS, config, epoch)) for epoch in range(RATERS.epochs))
    steps = iter(range(sum(steps_of(CONFIG)) + kept * each + 3))

    def killed(*arguments: Any) -> torch.Tensor:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(text_side, "text_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", config=config)
    assert (tmp_path / "part" / f"{RATER_NAME}-{kept}" / STATE_NAME).is_file()
    monkeypatch.setattr(text_side, "text_loss", loss)
    again = run(tmp_path / "part", config=config)
    assert again.rater is not None
    assert whole.rater is not None
    for name, value in whole.rater.state_dict().items():
        assert torch.equal(again.rater.state_dict()[name], value), name


def test_raters_differ_by_their_seed_and_their_mean_is_kept(tmp_path: Path) -> None:
    one, other, both = (
        run(tmp_path / name, config=replace(WITH_RATER, rater_seeds=seeds)).rater
        for name, seeds in (("one", (3,)), ("other", (4,)), ("both", (3, 4)))
    )
    assert one is not None
    assert other is not None
    assert both is not None
    assert not torch.equal(one.lift.weight, other.lift.weight)
    for name, value in both.state_dict().items():
        torch.testing.assert_close(value, (one.state_dict()[name] + other.state_dict()[name]) / 2)


def test_what_is_remembered_is_what_the_adapted_encoder_says() -> None:
    model, examples = tiny_model(), tokenised()
    adapters = Adapters(model, 2)
    adapters.load(random_adapters())
    remembered = RememberedLayers(model, adapters)
    for rows in ([0, 8, 10], [8, 1], [0, 8, 10]):
        batch = examples.batch(rows, 160)
        with torch.no_grad(), adapters.applied():
            wanted = layers_of(model, batch)
        mask = batch.mask[:, None, :, None]
        torch.testing.assert_close(remembered.of(batch), wanted * mask, atol=2e-3, rtol=2e-3)


def test_a_rater_begins_as_the_readout_for_raters() -> None:
    torch.manual_seed(3)
    head = EmotionHead(replace(HEAD, rated_readout=True)).eval()
    layers, mask = torch.randn(2, 3, 4, HEAD.d_text), torch.ones(2, 4, dtype=torch.bool)
    rated = head(layers, mask, None, torch.ones(2, dtype=torch.bool))
    for asked, begun in zip(rated, as_rater(head).eval()(layers, mask), strict=True):
        assert torch.equal(asked, begun)
    for shown, plain in zip(head(layers, mask), without_readout(head).eval()(layers, mask), strict=True):
        assert torch.equal(shown, plain)


def test_a_finished_run_is_not_trained_again(whole: tuple[Path, TextSide], tmp_path: Path) -> None:
    folder, side = whole
    (tmp_path / STATE_NAME).write_bytes((folder / STATE_NAME).read_bytes())
    said: list[str] = []
    again = train_text_side(tiny_model(), tokenised(), CONFIG, tmp_path, said.append)
    assert said == []
    assert all(torch.equal(again.adapters[name], value) for name, value in side.adapters.items())


def test_training_moves_adapters_and_head_and_leaves_the_encoder(whole: tuple[Path, TextSide], tmp_path: Path) -> None:
    _, side = whole
    torch.manual_seed(CONFIG.seed)
    model = tiny_model()
    own = {name: value.clone() for name, value in model.state_dict().items()}
    ids = torch.tensor([[2, 9, 3]])
    with torch.no_grad():
        before = model(input_ids=ids).last_hidden_state
    train_text_side(model, tokenised(), CONFIG, tmp_path, stop_after=2)
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).last_hidden_state, before)
    kept = {name.replace(".base.", "."): value for name, value in model.state_dict().items()}
    assert all(torch.equal(kept[name], value) for name, value in own.items())
    assert any(value.any() for name, value in side.adapters.items() if name.endswith(".up"))
    assert not side.head.training


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, seed=1),
        replace(CONFIG, rank=3),
        replace(CONFIG, stages=CONFIG.stages[:1]),
        replace(CONFIG, head=replace(HEAD, d_model=4)),
    ],
)
def test_another_configuration_is_refused(config: TextTraining, whole: tuple[Path, TextSide]) -> None:
    with pytest.raises(ResumeError, match="another configuration: choose another folder"):
        run(whole[0], config=config)


def test_other_texts_are_refused(whole: tuple[Path, TextSide]) -> None:
    fewer = TextExamples(tokenised().examples[:-1], tiny_tokenizer())
    with pytest.raises(ResumeError, match="learns from other texts: choose another folder"):
        train_text_side(tiny_model(), fewer, CONFIG, whole[0])


def rewritten(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def fewer(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    del tensors[next(name for name in tensors if name.startswith("head."))]


def smaller(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    name = next(name for name in tensors if name.startswith("adapters."))
    tensors[name] = tensors[name][:1].clone()


def unnamed(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    tensors["optimizer.exp_avg"] = torch.zeros(1)


def without_record(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    del metadata["state"]


def no_json(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    metadata["state"] = "{"


@pytest.mark.parametrize("change", [None, fewer, smaller, unnamed, without_record, no_json])
def test_a_damaged_state_says_so(
    change: Callable[[dict[str, torch.Tensor], dict[str, str]], None] | None,
    whole: tuple[Path, TextSide],
    tmp_path: Path,
) -> None:
    path = tmp_path / STATE_NAME
    data = (whole[0] / STATE_NAME).read_bytes()
    path.write_bytes(data if change else data[: len(data) // 2])
    if change:
        rewritten(path, change)
    with pytest.raises(ResumeError, match=f"{path} is damaged, so the run cannot go on"):
        run(tmp_path)


def test_a_stage_without_examples_is_refused(tmp_path: Path) -> None:
    stage = TextStage("letters", 1, 0.0, 0.0, 0.0, 1e-3)
    with pytest.raises(ValueError, match="'letters' of the text side has nothing to train on"):
        run(tmp_path, config=replace(CONFIG, stages=(stage,)))


def test_it_learns(tmp_path: Path) -> None:
    """After sixty steps on eight comments and two ratings most of them are told apart."""
    stage = TextStage("comments", 60, 1.0, 1.0, 0.0, 1e-2)
    config = replace(CONFIG, stages=(stage,), batch=16, save_every=1000, encoder_dropout=0.0,
                     head=replace(HEAD, dropout=0.0))  # fmt: skip
    side = train_text_side(tiny_model(), tokenised(), config, tmp_path)
    encoder = tiny_encoder()
    encoder.adapt_to(side.adapters)
    logits, affect = read_examples(encoder, side.head, TextExamples(examples_of_text([*COMMENTS, *RATED]),
                                                                    tiny_tokenizer()))  # fmt: skip
    truth = [line.labels[0] for line in COMMENTS]
    assert np.mean(logits[:8].argmax(1) == truth) >= 0.75
    assert affect[8, 0] > affect[9, 0] + 0.3


# What is trained is what is shipped.


@pytest.mark.parametrize("context", ["", "She opens it."])
def test_examples_are_read_as_the_product_reads_lines(context: str) -> None:
    encoder = tiny_encoder()
    encoder.adapt_to(random_adapters())
    said = [("You kept it all.", "Now get out."), ("It rains again.", "Bring the other coat."),
            ("I never asked.", "And you never told.")]  # fmt: skip
    turned = 0
    for clauses in said:
        line, head = written(*clauses, context=context), tiny_head()
        examples = TextExamples(examples_of_dialogue([line], clauses=True), encoder.tokenizer)
        with torch.no_grad():  # a head for which the two clauses differ as far as can be, so that the line turns
            _, first, second = torch.from_numpy(read_examples(encoder, head, examples)[0])
            clear = 6.0 / (first - second).std()
            head.labels.weight *= clear
            head.labels.bias.copy_(clear * (head.labels.bias - 0.5 * (first + second)))
        logits, affect = read_examples(encoder, head, examples)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = odds / odds.sum(1, keepdims=True)
        (read,) = EmotionReader(encoder, head).read_lines([line.text], [context])
        assert "".join(read.clauses) == line.text
        turned += len(read.clauses) == 2
        found = (read.whole, *read.reads) if len(read.clauses) == 2 else (read.whole,)
        for one, wanted in zip(found, probabilities, strict=False):
            np.testing.assert_allclose(one.probabilities, wanted, atol=0.01)
        assert read.whole.valence == pytest.approx(affect[0, 0], abs=1e-4)
    assert turned >= 2


def test_adapters_of_training_fit_the_encoder_that_reads(whole: tuple[Path, TextSide]) -> None:
    _, side = whole
    encoder = tiny_encoder()
    encoder.adapt_to(side.adapters)
    model = tiny_model()
    adapters = Adapters(model, CONFIG.rank)
    adapters.load(side.adapters)
    batch = tokenised().batch([0, 8, 10], 160)
    with torch.inference_mode():
        read = text_side.read_batch(model, TextState(adapters, side.head, None), batch)  # type: ignore[arg-type]
        with encoder.adapted():
            same = side.head(text_side.layers_of(encoder.model, batch), batch.mask, batch.pooled)
    assert torch.equal(read[0], same[0])
