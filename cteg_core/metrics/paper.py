"""The paper's diversity metrics, from its definitions: no code for them was released.

"When Words Smile" (EMNLP 2025), section on evaluation. What the definitions leave open is a :class:`PaperChoices`,
which belongs beside every figure. None of them looks at the truth: noise raises all of them, FgD most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cteg_core.metrics.performances import performances, resampled

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PaperChoices:
    """What the paper leaves open, and what is chosen here.

    Attributes:
        lengths: how performances of different length are compared: ``resample`` both to ``frames`` frames, ``pad``
            the shorter with its last frame, or ``truncate`` the longer.
        frames: of ``resample``.
        norm: ``frame``, the mean over frames of the frames' Euclidean distances (independent of length, in the unit
            of FgD), or ``sequence``, one Euclidean norm over all frames and coefficients.
        diversity_pairs: N_d: pairs drawn for Diversity, at most as many as exist.
        same_text_pairs: which of a text's K takes are compared for MModality: ``all`` K (K - 1) / 2 of them, or the
            ``first`` two.
        test_pairs: most pairs for DoT; all N (N - 1) / 2 if there are no more than that, else drawn.
        variance: of Variation: over ``time``, averaged over coefficients (population variance).
        fgd_mean: FgD's mean: over the changes of each performance first, then over performances, since T differs.
        seed: of every draw.
    """

    lengths: Literal["resample", "pad", "truncate"] = "resample"
    frames: int = 64
    norm: Literal["frame", "sequence"] = "frame"
    diversity_pairs: int = 500
    same_text_pairs: Literal["all", "first"] = "all"
    test_pairs: int = 20_000
    variance: Literal["time"] = "time"
    fgd_mean: Literal["performance"] = "performance"
    seed: int = 0


def distance(one: ArrayLike, other: ArrayLike, choices: PaperChoices) -> float:
    """Return the distance of two performances ``[T, D]`` and ``[T', D]`` as ``choices`` says."""
    return _distance(*_fitted(performances([one, other]), choices), choices)


def diversity(unconditional: Sequence[ArrayLike], choices: PaperChoices) -> float:
    """Return Diversity: the mean distance of pairs of performances ``[T, D]`` made without a text.

    Raises:
        ValueError: fewer than two performances.
    """
    return _mean_over_pairs(unconditional, choices.diversity_pairs, choices)


def multimodality(takes: Sequence[Sequence[ArrayLike]], choices: PaperChoices) -> float:
    """Return MModality: the mean over texts of the mean distance of pairs of takes of the same text.

    Args:
        takes: for each text its K ≥ 2 performances ``[T, D]``.
        choices: what the paper leaves open.

    Raises:
        ValueError: no texts, or a text with fewer than two takes.
    """
    if not takes or min(len(of_text) for of_text in takes) < 2:
        raise ValueError("MModality compares at least two takes of each of at least one text.")
    means = []
    for of_text in takes:
        chosen = of_text if choices.same_text_pairs == "all" else of_text[:2]
        fitted = [_fitted(performances(pair), choices) for pair in combinations(chosen, 2)]
        means.append(np.mean([_distance(one, other, choices) for one, other in fitted]))
    return float(np.mean(means))


def variation(items: Sequence[ArrayLike]) -> float:
    """Return Variation: within each performance ``[T, D]`` the variance over time of every coefficient, averaged."""
    return float(np.mean([frames.var(axis=0).mean() for frames in performances(items)]))


def fine_grained_diversity(items: Sequence[ArrayLike]) -> float:
    """Return FgD: the mean Euclidean distance from one frame to the next of performances ``[T, D]``. The paper counts
    more as better: so does jitter. Performances of a single frame have no change and are left out.

    Raises:
        ValueError: no performance of at least two frames.
    """
    moving = [frames for frames in performances(items) if len(frames) > 1]
    if not moving:
        raise ValueError("FgD needs a performance of at least two frames.")
    return float(np.mean([np.linalg.norm(np.diff(frames, axis=0), axis=1).mean() for frames in moving]))


def diversity_on_test(items: Sequence[ArrayLike], choices: PaperChoices) -> float:
    """Return DoT: the mean distance over pairs of the performances ``[T, D]`` of different test lines.

    Raises:
        ValueError: fewer than two performances.
    """
    return _mean_over_pairs(items, choices.test_pairs, choices)


@dataclass(frozen=True)
class PaperMetrics:
    """The paper's five figures, and the choices that they depend on. ``diversity`` is None where nothing was
    generated without a text."""

    diversity: float | None
    multimodality: float
    variation: float
    fine_grained_diversity: float
    diversity_on_test: float
    choices: PaperChoices


def paper_metrics(
    takes: Sequence[Sequence[ArrayLike]],
    unconditional: Sequence[ArrayLike] | None = None,
    choices: PaperChoices | None = None,
) -> PaperMetrics:
    """Return all of the paper's metrics.

    Args:
        takes: for each line its K ≥ 2 performances ``[T, D]``; DoT takes the first of each, Variation and FgD take all.
        unconditional: performances made without a text, or None.
        choices: what the paper leaves open (default: :class:`PaperChoices`'s).
    """
    choices = PaperChoices() if choices is None else choices
    everything = [take for of_text in takes for take in of_text]
    return PaperMetrics(
        None if unconditional is None else diversity(unconditional, choices),
        multimodality(takes, choices),
        variation(everything),
        fine_grained_diversity(everything),
        diversity_on_test([of_text[0] for of_text in takes], choices),
        choices,
    )


def _mean_over_pairs(items: Sequence[ArrayLike], most: int, choices: PaperChoices) -> float:
    checked = performances(items)
    if len(checked) < 2:
        raise ValueError("A distance between performances needs at least two of them.")
    if choices.lengths == "resample":
        checked = [resampled(frames, choices.frames) for frames in checked]
    first, second = np.triu_indices(len(checked), k=1)
    if len(first) > most:
        drawn = np.random.default_rng(choices.seed).choice(len(first), size=most, replace=False)
        first, second = first[drawn], second[drawn]
    distances = [
        _distance(*_fitted([checked[i], checked[j]], choices), choices)
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return float(np.mean(distances))


def _fitted(pair: list[Array], choices: PaperChoices) -> tuple[Array, Array]:
    one, other = pair
    if choices.lengths == "resample":
        wanted = choices.frames
        return (
            one if len(one) == wanted else resampled(one, wanted),
            other if len(other) == wanted else resampled(other, wanted),
        )
    if choices.lengths == "truncate":
        shorter = min(len(one), len(other))
        return one[:shorter], other[:shorter]
    longer = max(len(one), len(other))
    return _held(one, longer), _held(other, longer)


def _held(frames: Array, count: int) -> Array:
    return np.concatenate((frames, np.repeat(frames[-1:], count - len(frames), axis=0)))


def _distance(one: Array, other: Array, choices: PaperChoices) -> float:
    if choices.norm == "sequence":
        return float(np.linalg.norm(one - other))
    return float(np.linalg.norm(one - other, axis=1).mean())
