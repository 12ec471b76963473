"""What a text is read to carry: shares of basic emotions, the head's pooling, lines clause by clause, what is acted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS, EmotionRead
from cteg_core.model.emotion_acting import ACTED, BESIDE, NEUTRAL, acted
from cteg_core.model.emotion_head import EmotionHead
from cteg_core.model.emotion_reading import EmotionReader
from cteg_core.model.text_encoder import TextStates
from tests.fakes.tiny_bert import HEAD, random_adapters, tiny_encoder, tiny_head

LABELS = len(EMOTION_LABELS)
probabilities = st.tuples(*[st.integers(0, 200).map(lambda n: n / 200)] * LABELS)


def share(values: Sequence[float], label: str) -> float:
    return float(values[EMOTION_LABELS.index(label)])


# Basic emotions.


def test_shares_of_basic_emotions_by_hand() -> None:
    read = EmotionRead.of(joy=0.2, love=0.2, anger=0.3, fear=0.1)
    assert dict(zip(BASIC_EMOTIONS, read.basics, strict=True)) == pytest.approx(
        {"happiness": 0.5, "sadness": 0, "anger": 0.375, "fear": 0.125, "disgust": 0, "surprise": 0, "neutral": 0}
    )
    assert read.basic == "happiness"  # although anger is the strongest label
    assert read.strongest(1) == (("anger", 0.3),)


def test_nothing_read_is_neutral() -> None:
    nothing = EmotionRead.of()
    assert nothing.basic == "neutral"
    assert nothing.basics == (0, 0, 0, 0, 0, 0, 1)


@given(probabilities)
def test_basic_shares_add_up_to_one(given_: tuple[float, ...]) -> None:
    read = EmotionRead(given_)
    assert sum(read.basics) == pytest.approx(1.0)
    assert min(read.basics) >= 0.0
    assert read.basics[BASIC_EMOTIONS.index(read.basic)] == max(read.basics)


# What is acted.


def test_strengths_to_act_by_hand() -> None:
    strengths = acted(EmotionRead.of(joy=0.2, love=0.1, anger=0.25, approval=0.05, neutral=0.1))
    assert share(strengths, "joy") == pytest.approx(ACTED)  # the strongest of the leading happiness
    assert share(strengths, "love") == pytest.approx(ACTED / 4)  # half as strong, squared
    assert share(strengths, "anger") == pytest.approx(ACTED * BESIDE**2)  # another basic emotion, held back
    assert np.count_nonzero(strengths) == 3  # a quarter of the strongest, squared, is too faint


def test_a_line_that_is_mostly_neutral_is_acted_as_nothing_else() -> None:
    for read in (EmotionRead.of(neutral=0.5, joy=0.4), EmotionRead.of()):
        strengths = acted(read)
        assert share(strengths, "neutral") == pytest.approx(ACTED)
        assert np.count_nonzero(strengths) == 1


@given(probabilities)
def test_the_leading_emotion_is_acted_strongest(given_: tuple[float, ...]) -> None:
    read = EmotionRead(given_)
    strengths = acted(read)
    assert strengths.shape == (LABELS,)
    assert strengths.max() == pytest.approx(ACTED)
    assert BASIC_OF_LABEL[EMOTION_LABELS[int(strengths.argmax())]] == read.basic
    assert read.basic == "neutral" or strengths[NEUTRAL] == 0.0
    np.testing.assert_array_equal(acted(EmotionRead(tuple(p / 2 for p in given_))), strengths)


# The head.


@pytest.fixture
def states() -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    return torch.randn(2, HEAD.layers, 6, HEAD.d_text), mask


def test_a_whole_text_is_what_is_asked_for_unless_a_part_is(states: tuple[Tensor, Tensor]) -> None:
    layers, mask = states
    head = tiny_head()
    with torch.no_grad():
        whole, affect = head(layers, mask)
        same, _ = head(layers, mask, mask)
        part, _ = head(layers, mask, mask & (torch.arange(6) < 3))
        longer, _ = head(torch.cat((layers, 9.0 + layers[:, :, :2]), 2), torch.cat((mask, mask[:, :2] & False), 1))
    assert whole.shape == (2, LABELS)
    assert affect.shape == (2, 3)
    assert torch.equal(whole, same)
    assert (whole - part).abs().max() > 1e-3
    torch.testing.assert_close(longer, whole, atol=1e-5, rtol=1e-5)  # padding says nothing


def test_one_token_is_read_alone_but_among_the_others(states: tuple[Tensor, Tensor]) -> None:
    layers, mask = states
    head = tiny_head()
    one = torch.zeros_like(mask)
    one[:, 2] = True
    with torch.no_grad():
        first, _ = head(layers, mask, one)
        head.pool.weight.zero_()  # with one token there is nothing to weigh
        again, _ = head(layers, mask, one)
        changed = layers.clone()
        changed[:, :, 0] *= -1.0
        other, _ = head(changed, mask, one)
    torch.testing.assert_close(first, again)
    assert (other - first).abs().max() > 1e-4


# Readers.


class LabelEncoder:
    """Words that are names of labels: each token's state is its label."""

    def __init__(self, *, spans: bool = True) -> None:
        self._spans = spans
        self.given: list[tuple[tuple[str, ...], tuple[str, ...] | None]] = []

    def encode_adapted(self, texts: Sequence[str], before: Sequence[str] | None = None) -> TextStates:
        self.given.append((tuple(texts), None if before is None else tuple(before)))
        longest = max(len(text.split()) for text in texts) + 1
        layers = torch.zeros(len(texts), 1, longest, LABELS)
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        spans = torch.zeros(len(texts), longest, 2, dtype=torch.int64)
        for row, text in enumerate(texts):
            mask[row, 0], at = True, 0
            for place, word in enumerate(text.split(), start=1):
                at = text.index(word, at)
                mask[row, place], spans[row, place] = True, torch.tensor([at, at + len(word)])
                at += len(word)
                name = word.strip(".,!?…☃")
                if name:
                    layers[row, 0, place, EMOTION_LABELS.index(name)] = 1.0
        return TextStates(layers, mask, (0,) * len(texts), spans if self._spans else None)


def test_raters_and_faces_are_read_by_maps_of_their_own() -> None:
    torch.manual_seed(2)
    head = EmotionHead(replace(HEAD, rated_readout=True)).eval()
    layers, mask = torch.randn(2, 3, 4, HEAD.d_text), torch.ones(2, 4, dtype=torch.bool)
    with torch.inference_mode():
        shown = head(layers, mask)
        mixed = head(layers, mask, None, torch.tensor([True, False]))
        head.labels.weight.zero_()
        without = head(layers, mask, None, torch.tensor([True, False]))
    for part in (0, 1):
        assert not torch.equal(mixed[part][0], shown[part][0])
        assert torch.equal(mixed[part][1], shown[part][1])
    assert torch.equal(without[0][0], mixed[0][0])
    assert torch.equal(without[0][1], head.labels.bias)


def test_a_head_without_a_readout_for_raters_answers_with_its_only_one() -> None:
    head = tiny_head()
    layers, mask = torch.randn(1, 3, 4, HEAD.d_text), torch.ones(1, 4, dtype=torch.bool)
    for asked, plain in zip(head(layers, mask, None, torch.tensor([True])), head(layers, mask), strict=True):
        assert torch.equal(asked, plain)


def counting_head(layers: Tensor, mask: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Read a label as often as it stands among the tokens that are asked for: log-odds of its count."""
    assert not (pooled & ~mask).any()
    counts = (layers[:, -1] * pooled.unsqueeze(-1)).sum(1)
    return torch.log(counts + 1e-9), counts[:, :3] / 10.0


def label_reader(*, spans: bool = True) -> tuple[EmotionReader, LabelEncoder]:
    encoder = LabelEncoder(spans=spans)
    return EmotionReader(encoder, counting_head), encoder  # type: ignore[arg-type]


def test_a_read_shares_one_among_the_labels() -> None:
    (read,) = label_reader()[0].read(["joy joy joy anger"])
    assert sum(read.probabilities) == pytest.approx(1.0)
    assert share(read.probabilities, "joy") == pytest.approx(0.75, abs=1e-6)
    assert share(read.probabilities, "anger") == pytest.approx(0.25, abs=1e-6)
    assert (read.valence, read.arousal, read.dominance) == pytest.approx((0.0, 0.0, 0.1))


def test_a_line_that_turns_is_read_clause_by_clause() -> None:
    turning, steady, short = label_reader()[0].read_lines(
        ["joy joy. anger anger anger!", "joy joy. love pride.", "fear"]
    )
    assert turning.clauses == ("joy joy. ", "anger anger anger!")
    assert [read.basic for read in turning.reads] == ["happiness", "anger"]
    assert share(turning.reads[0].probabilities, "joy") == pytest.approx(1.0, abs=1e-6)
    assert share(turning.whole.probabilities, "joy") == pytest.approx(0.4, abs=1e-6)
    # The same feeling in other words is no turn.
    assert steady.clauses == ("joy joy. love pride.",)
    assert steady.reads == (steady.whole,)
    assert (short.clauses, short.reads) == (("fear",), (short.whole,))


def test_where_an_encoder_cannot_tell_letters_a_line_is_read_whole() -> None:
    reader, _ = label_reader(spans=False)
    (line,) = reader.read_lines(["joy joy. anger anger anger!"])
    assert line.reads == (line.whole,)


def test_texts_with_something_before_them_are_encoded_apart() -> None:
    reader, encoder = label_reader()
    reads = reader.read(["joy", "fear", "anger"], ["", "He left.", ""])
    assert [read.basic for read in reads] == ["happiness", "fear", "anger"]
    assert encoder.given == [(("joy", "anger"), None), (("fear",), ("He left.",))]


def test_nothing_to_read_is_read() -> None:
    reader, encoder = label_reader()
    assert reader.read([]) == reader.read_lines([]) == ()
    assert encoder.given == []


@pytest.fixture(scope="module")
def reader() -> EmotionReader:
    encoder = tiny_encoder()
    encoder.adapt_to(random_adapters())
    return EmotionReader(encoder, tiny_head(sharpness=8.0))


TEXTS = ("You kept it. I never knew you had.", "Oh.", "Get out of my house, all of you.", "It rains. Bring a coat.")


def test_a_read_does_not_depend_on_its_neighbours(reader: EmotionReader) -> None:
    before = ("", "He left.", "", "They burned the letters.")
    for contexts in (None, before):
        together = reader.read_lines(TEXTS, contexts)
        for place, text in enumerate(TEXTS):
            (alone,) = reader.read_lines([text], None if contexts is None else [contexts[place]])
            assert alone.clauses == together[place].clauses
            for one, other in zip((alone.whole, *alone.reads), (together[place].whole, *together[place].reads),
                                  strict=True):  # fmt: skip
                np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
                assert one.valence == pytest.approx(other.valence, abs=1e-4)


def test_what_came_before_changes_the_read_and_nothing_before_is_none(reader: EmotionReader) -> None:
    plain, told = reader.read(["Oh."]), reader.read(["Oh."], ["They burned the letters."])
    assert np.abs(np.subtract(plain[0].probabilities, told[0].probabilities)).max() > 1e-3
    assert reader.read(TEXTS, ["", "", "", ""]) == reader.read(TEXTS)


def test_reads_are_shares_and_affect_lies_within_its_range(reader: EmotionReader) -> None:
    for read in reader.read(TEXTS):
        assert sum(read.probabilities) == pytest.approx(1.0)
        assert all(-1.0 <= value <= 1.0 for value in (read.valence, read.arousal, read.dominance))


def test_the_head_reads_through_the_adapters() -> None:
    plain, adapted = tiny_encoder(), tiny_encoder()
    adapted.adapt_to(random_adapters())
    reads = [EmotionReader(encoder, tiny_head()).read(["You kept it."])[0] for encoder in (plain, adapted)]
    assert np.abs(np.subtract(reads[0].probabilities, reads[1].probabilities)).max() > 1e-3
