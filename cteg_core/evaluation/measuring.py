"""Every score of a checkpoint on held-out lines, with the rows that give the figures their meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from cteg_core.evaluation.held_out import HeldOut
from cteg_core.evaluation.running import TakePlan, perform_batch, predict_frames, true_frames
from cteg_core.lips import seal_lips
from cteg_core.metrics.baselines import (
    fitted_to,
    last_frame,
    mean_frame,
    nearest_lines,
    other_lines,
    pooled,
    still_face,
    time_shuffled,
)
from cteg_core.metrics.motion import head_regions
from cteg_core.metrics.paper import PaperChoices
from cteg_core.metrics.proper import energy_score
from cteg_core.metrics.scores import PerformanceScores, PredictionScores, performance_scores, prediction_scores
from cteg_core.model.checkpoint import Checkpoint, Scaling
from cteg_core.model.steadying import steadied
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.training.batches import NO_DROPOUT, Batch, make_batch
from cteg_core.visemes import SPEECH_WIDTH
from flame_rig.spaces import CTEG_HEAD_1

BATCH: Final = 16
"""Lines decoded together; with four takes of each 64 performances."""
UNIT: Final = "frames divided by the corpus's deviation of each coefficient (the checkpoint's scaling)"
NETWORK: Final = "network"
CORPUS: Final = "corpus again"
RETRIEVED: Final = "nearest line's"
OTHER: Final = "another line's"
SHUFFLED: Final = "time-shuffled truth"
MEAN: Final = "mean face"

Array = NDArray[np.float64]
Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Example:
    """One line to look at: its text, the true performance and the network's takes, ``[T, 53]`` in the space."""

    text: str
    truth: Array
    takes: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """What a checkpoint reaches on held-out lines.

    Attributes:
        source, unit: sentences for the reader.
        lines, takes, seed: what was measured.
        again_shares_conditions: whether the row "corpus again" was made under the very conditions of the truth, and
            so shows what a perfect network would score.
        teacher_forced: scores of predicted frames, by row.
        performances: scores of whole performances, by row.
        example: the line whose energy score is the median.
    """

    source: str
    unit: str
    lines: int
    takes: int
    seed: int
    again_shares_conditions: bool
    teacher_forced: Mapping[str, PredictionScores]
    performances: Mapping[str, PerformanceScores]
    example: Example


def measure(
    checkpoint: Checkpoint,
    encoder: TextEncoder,
    held_out: HeldOut,
    takes: int,
    seed: int,
    choices: PaperChoices | None = None,
    report: Report = lambda line: None,
) -> HeldOutScores:
    """Score a checkpoint, the corpus and the baselines on held-out lines.

    Args:
        checkpoint, encoder: what is measured.
        held_out: the lines.
        takes: K ≥ 2 performances of each line.
        seed: of the takes and the baselines.
        choices: what the paper's metrics leave open.
        report: takes a line of progress now and then.
    """
    network = checkpoint.network.eval()
    batches = _batches(checkpoint, encoder, held_out)
    truth = [frames.astype(np.float64) for _, batch in batches for frames in true_frames(batch)]
    numbers = [number for chosen, _ in batches for number in chosen]
    torch.manual_seed(seed)
    predicted: dict[str, Sequence[ArrayLike]] = {
        "network, prior's mean": [f for _, b in batches for f in predict_frames(network, b)],
        "network, prior drawn": [f for _, b in batches for f in predict_frames(network, b, sample=True)],
        "network, posterior's mean": [f for _, b in batches for f in predict_frames(network, b, use_posterior=True)],
    }
    report("teacher forcing done")
    plan = TakePlan(takes, seed)
    made: dict[str, list[list[Array]]] = {NETWORK: []}
    unconditional: list[Array] = []
    for place, (chosen, batch) in enumerate(batches, start=1):
        made[NETWORK] += _finished(perform_batch(network, batch, chosen, plan), batch, checkpoint)
        alone = perform_batch(network, batch, chosen, TakePlan(1, seed + 1, without_text=True))
        unconditional += [take for k in _finished(alone, batch, checkpoint) for take in k]
        report(f"performed {min(place * BATCH, len(numbers))}/{len(numbers)} lines")
    made |= _baseline_performances(checkpoint, encoder, held_out, numbers, truth, takes, seed)
    regions = head_regions()
    performances = {
        row: performance_scores(k, truth, regions, unconditional if row == NETWORK else None, choices)
        for row, k in made.items()
    }
    predicted |= _baseline_predictions(truth, made)
    report("scored")
    return HeldOutScores(
        held_out.source,
        UNIT,
        len(numbers),
        takes,
        seed,
        held_out.again_shares_conditions,
        {row: prediction_scores(frames, truth) for row, frames in predicted.items()},
        performances,
        _median_example(checkpoint, held_out, numbers, truth, made[NETWORK]),
    )


def _batches(checkpoint: Checkpoint, encoder: TextEncoder, held_out: HeldOut) -> list[tuple[list[int], Batch]]:
    """Lay the lines out in batches of like length: each with its lines' numbers."""
    order = sorted(range(len(held_out.items)), key=lambda i: len(held_out.items[i].frames))
    scaling = Scaling(checkpoint.scaling.mean.cpu(), checkpoint.scaling.deviation.cpu())
    batches = []
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        states = encoder.encode([held_out.texts[i] for i in chosen])
        batch = make_batch(
            [held_out.items[i] for i in chosen],
            states.last.cpu(),
            states.mask.cpu(),
            scaling,
            held_out.fps,
            NO_DROPOUT,
            torch.Generator().manual_seed(0),
        )
        batches.append((chosen, batch))
    return batches


def _baseline_performances(
    checkpoint: Checkpoint,
    encoder: TextEncoder,
    held_out: HeldOut,
    numbers: Sequence[int],
    truth: Sequence[Array],
    takes: int,
    seed: int,
) -> dict[str, list[list[Array]]]:
    """Return ``takes`` performances of every line by every baseline, in the order of ``numbers``."""
    rng = np.random.default_rng([seed & 0xFFFF_FFFF, 0xBA5E])
    made: dict[str, list[list[Array]]] = {}
    if all(len(held_out.again[i]) >= 1 for i in numbers):
        made[CORPUS] = [[_scaled(f, checkpoint) for f in held_out.again[i][:takes]] for i in numbers]
    wanted, known = (
        _pooled_texts(encoder, texts) for texts in ([held_out.texts[i] for i in numbers], held_out.pool.texts)
    )
    near = nearest_lines(wanted, known, min(takes, len(known)))
    made[RETRIEVED] = [[_scaled(held_out.pool.perform(int(i)), checkpoint) for i in row] for row in near]
    source = made.get(CORPUS, [[frames] for frames in truth])
    made[OTHER] = [source[i] for i in other_lines(len(truth), rng)]
    made[SHUFFLED] = [[time_shuffled(frames, rng) for _ in range(takes)] for frames in truth]
    face = mean_frame(truth)
    made[MEAN] = [[still_face(face, len(frames))] * takes for frames in truth]
    return made


def _baseline_predictions(truth: Sequence[Array], made: Mapping[str, list[list[Array]]]) -> dict[str, list[Array]]:
    """Return what baselines predict for every true frame; those of other lengths are stretched to it."""
    rows = {
        "last frame copied": [last_frame(frames, frames[0]) for frames in truth],
        "truth - 0.8 (the exploit)": [frames - 0.8 for frames in truth],
    }
    for row in (CORPUS, RETRIEVED, OTHER, SHUFFLED, MEAN):
        if row in made:
            rows[row] = [fitted_to(takes[0], len(frames)) for takes, frames in zip(made[row], truth, strict=True)]
    return rows


def _median_example(
    checkpoint: Checkpoint,
    held_out: HeldOut,
    numbers: Sequence[int],
    truth: Sequence[Array],
    takes: Sequence[Sequence[Array]],
) -> Example:
    scores = [energy_score(k, t) for k, t in zip(takes, truth, strict=True)]
    middle = int(np.argsort(scores, kind="stable")[len(scores) // 2])
    deviation, mean = _scaling(checkpoint)
    return Example(
        held_out.texts[numbers[middle]],
        truth[middle] * deviation + mean,
        tuple(frames * deviation + mean for frames in takes[middle]),
    )


def _pooled_texts(encoder: TextEncoder, texts: Sequence[str]) -> Array:
    """Return ``[N, d_text]``, the mean of each text's last states."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows = np.empty((len(texts), encoder.width))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        states = encoder.encode([texts[i] for i in chosen])
        rows[chosen] = pooled(states.last.cpu().numpy(), states.mask.cpu().numpy())
    return rows


def _scaling(checkpoint: Checkpoint) -> tuple[Array, Array]:
    deviation, mean = checkpoint.scaling.deviation, checkpoint.scaling.mean
    return deviation.cpu().numpy().astype(np.float64), mean.cpu().numpy().astype(np.float64)


def _scaled(frames: NDArray[np.float32], checkpoint: Checkpoint) -> Array:
    deviation, mean = _scaling(checkpoint)
    return np.asarray((frames - mean) / deviation)


def _finished(takes: Sequence[Sequence[NDArray[np.float32]]], batch: Batch, made_by: Checkpoint) -> list[list[Array]]:
    """Finish decoded frames as the generator does: steadied, within the space's range, lips sealed.

    Blinks and shifts of the eyes, which come by chance and are not learned, are in none of what is compared.
    """
    widths = made_by.steadying[0].cpu().numpy()
    steady = [[steadied(frames, widths).astype(np.float64) for frames in k] for k in takes]
    if made_by.info.space != CTEG_HEAD_1.id:
        return steady
    deviation, mean = _scaling(made_by)
    speech = np.zeros((len(takes), 0, SPEECH_WIDTH), np.float32)  # [B, T, SPEECH_WIDTH]
    if batch.conditions is not None and made_by.network.config.plan_width:
        speech = batch.conditions.plan[:, 1:].cpu().numpy()

    def finish(frames: Array, said: NDArray[np.float32]) -> Array:
        lawful = np.clip(frames * deviation + mean, CTEG_HEAD_1.lower, CTEG_HEAD_1.upper)
        return np.asarray((seal_lips(lawful, said) - mean) / deviation)

    return [[finish(frames, said) for frames in k] for k, said in zip(steady, speech, strict=True)]
