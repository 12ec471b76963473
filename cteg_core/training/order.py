"""Which performances each step trains on: a function of seed and step alone, so that resuming is exact."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.training.settings import TrainConfig

POOL_BATCHES: Final = 16
"""Batches are cut from a pool of so many, sorted by length: little padding, still random."""
_HELD_OUT_STREAM: Final = 0x4E1D


class TrainingOrder:
    """The batches of a run.

    Attributes:
        steps: how many there are.
    """

    def __init__(self, lengths: NDArray[np.int64], held_out: NDArray[np.int64], config: TrainConfig) -> None:
        """Plan a run over performances of ``lengths [N]`` frames, but for those at ``held_out``.

        Raises ValueError when nothing is left to train on.
        """
        kept = np.setdiff1d(np.arange(len(lengths)), held_out)
        self._usable = kept[lengths[kept] <= config.longest]
        if not len(self._usable):
            raise ValueError(
                f"There is nothing to train on: of {len(lengths)} performances {len(held_out)} are held out, and the "
                f"others have more than {config.longest} frames."
            )
        self._lengths, self._config = lengths, config
        self._batches_a_pass = -(-len(self._usable) // config.batch)
        self.steps = config.epochs * self._batches_a_pass if config.epochs else config.steps

    def at(self, step: int) -> list[int]:
        """Return the performances of one step."""
        chosen = self._in_passes(step) if self._config.epochs else self._in_pools(step)
        return [int(index) for index in chosen]

    def _in_passes(self, step: int) -> NDArray[np.int64]:
        epoch, within = divmod(step, self._batches_a_pass)
        order: NDArray[np.int64] = np.random.default_rng([self._config.seed, epoch]).permutation(self._usable)
        return order[within * self._config.batch : (within + 1) * self._config.batch]

    def _in_pools(self, step: int) -> NDArray[np.int64]:
        batch = self._config.batch
        pool, within = divmod(step, POOL_BATCHES)
        rng = np.random.default_rng([self._config.seed, pool])
        drawn = rng.choice(self._usable, size=min(len(self._usable), batch * POOL_BATCHES), replace=False)
        ordered = drawn[np.argsort(self._lengths[drawn], kind="stable")]
        groups: list[NDArray[np.int64]] = [ordered[i : i + batch] for i in range(0, len(ordered), batch)]
        return groups[int(rng.permutation(len(groups))[within % len(groups)])]


def held_out_lines(line_indices: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return which performances belong to the lines that are kept from training.

    Whole lines are kept, so that no performance of a line that was seen is taken for an unseen one; they are the same
    for every seed, so that runs can be compared.

    Args:
        line_indices: ``int64 [N]``, the line of each performance.
        share: of the lines.
    """
    lines = np.unique(line_indices)
    count = round(share * len(lines))
    chosen = np.random.default_rng(_HELD_OUT_STREAM).permutation(lines)[:count]
    return np.flatnonzero(np.isin(line_indices, chosen))
