"""Two cards of scores, of predicted frames and of whole performances: what a report or an ablation shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cteg_core.metrics.cppl import DEVIATION, cppl
from cteg_core.metrics.frechet import FrechetDistances, frechet_distances
from cteg_core.metrics.motion import RegionMotion, length_error, region_motion
from cteg_core.metrics.paper import PaperChoices, PaperMetrics, paper_metrics
from cteg_core.metrics.performances import performance
from cteg_core.metrics.proper import box_bits, energy_score, gaussian_bits, mean_over_sequences


@dataclass(frozen=True)
class PredictionScores:
    """Scores of predicted frames against the true ones, all better when lower.

    Attributes:
        cppl: as coded by the authors; can be gamed (``metrics.cppl``).
        box_bits: proper; bits a frame.
        gaussian_bits: proper; bits a frame, with ``deviation``.
        deviation: σ of ``gaussian_bits``, in the frames' units.
        mean_absolute_error: mean over all numbers of all frames.
        root_mean_square: of the same errors.
    """

    cppl: float
    box_bits: float
    gaussian_bits: float
    deviation: float
    mean_absolute_error: float
    root_mean_square: float


def prediction_scores(
    predicted: Sequence[ArrayLike], truth: Sequence[ArrayLike], deviation: float = DEVIATION
) -> PredictionScores:
    """Score predictions ``[T, D]`` against truths of the same shapes, both divided by the corpus's deviations."""
    pairs = [(performance(p), performance(t)) for p, t in zip(predicted, truth, strict=True)]
    bits = mean_over_sequences([box_bits(p, t) for p, t in pairs])
    gaussian = mean_over_sequences([gaussian_bits(p, t, deviation) for p, t in pairs])
    errors = np.concatenate([(p - t).ravel() for p, t in pairs])
    return PredictionScores(
        cppl(predicted, truth),
        bits,
        gaussian,
        deviation,
        float(np.abs(errors).mean()),
        float(np.sqrt((errors**2).mean())),
    )


@dataclass(frozen=True)
class PerformanceScores:
    """Scores of whole performances.

    Attributes:
        energy: mean energy score over lines against the true performance; proper, lower is better. None for a single
            take of each line.
        frechet: distances of the set from the true performances; lower is better.
        length_error: mean |log(length / true length)|.
        motion: against the true performances, by region.
        paper: the paper's diversity metrics; None for a single take of each line.
    """

    energy: float | None
    frechet: FrechetDistances
    length_error: float
    motion: Mapping[str, RegionMotion]
    paper: PaperMetrics | None


def performance_scores(
    takes: Sequence[Sequence[ArrayLike]],
    truth: Sequence[ArrayLike],
    regions: Mapping[str, Sequence[int]],
    unconditional: Sequence[ArrayLike] | None = None,
    choices: PaperChoices | None = None,
) -> PerformanceScores:
    """Score K takes of each of N ≥ 2 lines against one true performance of each, all in corpus deviations.

    Args:
        takes: ``[N][K]`` performances ``[T, D]``.
        truth: N performances.
        regions: columns of each region (``motion.head_regions``).
        unconditional: performances made without a text, for Diversity.
        choices: what the paper leaves open.
    """
    everything = [take for of_line in takes for take in of_line]
    several = min(len(of_line) for of_line in takes) > 1
    return PerformanceScores(
        float(np.mean([energy_score(k, t) for k, t in zip(takes, truth, strict=True)])) if several else None,
        frechet_distances(everything, truth),
        length_error(
            [len(performance(take)) for take in everything],
            [len(performance(t)) for of_line, t in zip(takes, truth, strict=True) for _ in of_line],
        ),
        region_motion(everything, truth, regions),
        paper_metrics(takes, unconditional, choices) if several else None,
    )
