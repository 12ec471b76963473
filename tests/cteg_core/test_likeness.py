"""Takes near another: what is asked for, what it means for the noise, and that nothing changes without it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cteg_core.clip import Controls, ExpressionClip, Likeness, controls_from_record
from cteg_core.dialogue import DialogueLine, LineError
from cteg_core.likeness import MAX_LIKE, like_take, shares_of


def clip_of(seed: int, like: tuple[Likeness, ...] = ()) -> ExpressionClip:
    frames = np.zeros((3, 53), dtype=np.float32)
    return ExpressionClip(frames, 30.0, "cteg-head-1", "Well.", controls=Controls(like=like), seed=seed)


def draw_of(shares: dict[int, float], width: int = 4096) -> torch.Tensor:
    return sum(torch.randn(width, generator=torch.Generator().manual_seed(seed)) * s for seed, s in shares.items())  # type: ignore[return-value]


def test_without_likeness_the_draw_is_the_seeds_own() -> None:
    assert shares_of(5, Controls()) == {5: 1.0}


def test_a_take_near_another_shares_its_draw_and_keeps_the_variance() -> None:
    like = like_take(clip_of(7), 0.8)
    assert like == (Likeness(7, 0.8),)
    assert shares_of(9, Controls(like=like)) == pytest.approx({7: 0.8, 9: 0.6})


def test_more_like_a_take_that_was_itself_made_like_another() -> None:
    parent = clip_of(9, like_take(clip_of(7), 0.8))
    like = like_take(parent, 0.5)
    assert {each.seed: pytest.approx(each.share) for each in like} == {7: 0.4, 9: 0.3}
    child = shares_of(11, Controls(like=like))
    parents = shares_of(9, parent.controls)
    assert sum(child.get(seed, 0.0) * share for seed, share in parents.items()) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.0, 1.0)), min_size=1, max_size=30))
def test_however_often_it_is_repeated_variance_and_correlation_hold(steps: list[tuple[int, float]]) -> None:
    clip = clip_of(0)
    for seed, likeness in steps:
        parent, clip = clip, clip_of(seed, like_take(clip, likeness))
        assert len(clip.controls.like) <= MAX_LIKE
        DialogueLine("Well.", controls=clip.controls, seed=seed)
        shares = shares_of(seed, clip.controls)
        assert sum(share**2 for share in shares.values()) == pytest.approx(1.0)
        if seed not in shares_of(parent.seed, parent.controls) and len(parent.controls.like) < MAX_LIKE:
            others = shares_of(parent.seed, parent.controls)
            assert sum(shares.get(each, 0.0) * share for each, share in others.items()) == pytest.approx(likeness)


def test_the_draws_themselves_are_of_unit_variance_and_as_near_as_asked() -> None:
    own, near = draw_of(shares_of(7, Controls())), draw_of(shares_of(9, Controls(like=like_take(clip_of(7), 0.8))))
    assert float(near.var()) == pytest.approx(1.0, abs=0.1)
    assert float(torch.corrcoef(torch.stack([own, near]))[0, 1]) == pytest.approx(0.8, abs=0.05)


def test_likeness_travels_in_records_and_older_records_have_none() -> None:
    clip = clip_of(9, like_take(clip_of(7), 0.8))
    assert ExpressionClip.from_json(clip.to_json()).controls == clip.controls
    record = json.loads(json.dumps(asdict(clip.controls)))
    assert controls_from_record(record) == clip.controls
    del record["like"]
    assert controls_from_record(record) == Controls()


@pytest.mark.parametrize(
    ("like", "sentence"),
    [
        ((Likeness(-1, 0.5),), "A seed is a whole number"),
        ((Likeness(1, 1.5),), "lie between 0 and 1"),
        ((Likeness(1, 0.8), Likeness(2, 0.8)), "their squares sum to at most 1"),
        ((Likeness(1, float("nan")),), "lie between 0 and 1"),
        ((Likeness(1, 0.1),) * (MAX_LIKE + 1), "at most 16 others"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_a_sentence(like: tuple[Likeness, ...], sentence: str) -> None:
    with pytest.raises(LineError, match=sentence):
        DialogueLine("Well.", controls=Controls(like=like))


@pytest.mark.parametrize("likeness", [-0.1, 1.1, float("nan")])
def test_a_likeness_beyond_its_range_is_refused(likeness: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        like_take(clip_of(7), likeness)


def test_what_came_before_travels_in_records_and_is_checked_like_text() -> None:
    controls = Controls(context="They are all dead.")
    assert controls_from_record(asdict(controls)) == controls
    DialogueLine("No!", controls=controls)
    for context, sentence in (("a" * 501, "at most 500 characters; got 501"), ("a\0b", "The context holds a control")):
        with pytest.raises(LineError, match=sentence):
            DialogueLine("No!", controls=Controls(context=context))
    with pytest.raises(TypeError, match="piece of text"):
        controls_from_record({"context": 3})


def test_equal_controls_with_and_without_the_default() -> None:
    assert replace(Controls(), like=()) == Controls()
