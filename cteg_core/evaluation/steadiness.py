"""How much each coefficient of decoded frames has to be steadied, measured on performances of the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from cteg_core.evaluation.running import TakePlan, perform_batch, true_frames
from cteg_core.model.network import CtegNetwork
from cteg_core.model.steadying import steadied
from cteg_core.training.batches import NO_DROPOUT
from cteg_core.training.data import TrainData

WIDTHS: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.65, 1.8)
"""Frames. A wider filter rounds off the quick moves of what is mostly still: with 2.7, chosen for the lids on the lines
of one set, lids reached 0.75 of the corpus's acceleration on another; with 1.8 at most they reach 1.01 to 1.05."""
STILL: Final = 1e-4
"""Mean acceleration, in units of the corpus's deviation, below which a coefficient is left alone."""
_BATCH: Final = 16

Frames = NDArray[np.float32]


def steadying_widths(made: Sequence[Frames], reference: Sequence[Frames]) -> NDArray[np.float64]:
    """Return for each coefficient the width with which ``made`` accelerates most nearly as ``reference`` does.

    Both are performances ``[T, D]`` of three frames or more, in the same unit; the result is ``[D]`` of ``WIDTHS``.
    A coefficient that hardly moves in the reference is left alone.
    """
    wanted = _acceleration(reference)
    reached = np.stack([_acceleration([steadied(f, np.full(len(wanted), width)) for f in made]) for width in WIDTHS])
    away = np.abs(np.log(np.maximum(reached, STILL) / np.maximum(wanted, STILL)))  # [W, D]
    found: NDArray[np.float64] = np.array(WIDTHS)[away.argmin(0)]
    found[wanted < STILL] = 0.0
    return found


def of_each_kind(data: TrainData, numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the first ``count`` spoken and the first ``count`` silent performances among ``numbers``."""
    spoken: list[int] = []
    silent: list[int] = []
    for number in numbers.tolist():
        kind = spoken if data.corpus[number].speech.any() else silent
        if len(kind) < count:
            kind.append(number)
        if len(spoken) == len(silent) == count:
            break
    return np.array([*spoken, *silent], dtype=np.int64)


def measured_widths(network: CtegNetwork, data: TrainData, chosen: Sequence[int], seed: int = 0) -> NDArray[np.float64]:
    """Decode the performances ``chosen`` under their own conditions and return ``[2, 53]``: spoken, and silent.

    Each is :func:`steadying_widths` of those of its kind; 0 where there are none.
    """
    silent = np.array([not data.corpus[int(i)].speech.any() for i in chosen], dtype=bool)
    rows = [
        _measured(network, data, [int(i) for i in np.asarray(chosen)[kind]], seed) if kind.any() else np.zeros(53)
        for kind in (~silent, silent)
    ]
    return np.stack(rows)


def _measured(network: CtegNetwork, data: TrainData, chosen: Sequence[int], seed: int) -> NDArray[np.float64]:
    data = replace(data, frame_rates=())  # widths are of the corpus's frames
    made: list[Frames] = []
    truth: list[Frames] = []
    ordered = sorted((int(i) for i in chosen), key=lambda i: int(data.lengths[i]))
    for start in range(0, len(ordered), _BATCH):
        numbers = ordered[start : start + _BATCH]
        batch = data.batch(numbers, NO_DROPOUT, torch.Generator().manual_seed(0))
        truth += true_frames(batch)
        made += [take for takes in perform_batch(network.eval(), batch, numbers, TakePlan(1, seed)) for take in takes]
    return steadying_widths(
        [frames for frames in made if len(frames) > 2], [frames for frames in truth if len(frames) > 2]
    )


def _acceleration(items: Sequence[Frames]) -> NDArray[np.float64]:
    changes = [np.abs(np.diff(frames.astype(np.float64), n=2, axis=0)) for frames in items]
    return np.asarray(np.concatenate(changes).mean(0))
