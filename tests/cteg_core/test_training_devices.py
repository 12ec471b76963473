"""Batches shared by processes: nothing lost, nothing twice, and the same training as in one process."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cteg_core.model.network import CtegNetwork
from cteg_core.training.batches import NO_DROPOUT, Batch
from cteg_core.training.data import TrainData
from cteg_core.training.devices import accelerator_for, moved, part_of, step_seed
from cteg_core.training.loop import loss_of
from cteg_core.training.losses import LossConfig
from tests.fakes.tiny_training import TINY, read_data, write_corpus

SHARED = Path(__file__).resolve().parents[1] / "fakes" / "shared_training.py"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    read_data(folder)  # leaves the text states
    return folder


@pytest.fixture(scope="module")
def data(corpus: Path) -> TrainData:
    return read_data(corpus)


def batch_of(data: TrainData, count: int) -> Batch:
    return data.batch(range(count), NO_DROPOUT, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("processes", [2, 3])
def test_every_row_goes_to_one_process(data: TrainData, processes: int) -> None:
    whole = batch_of(data, 7)
    parts = [part_of(whole, process, processes) for process in range(processes)]
    assert sum(len(part.gold) for part, _ in parts) == 7
    for process, (part, _) in enumerate(parts):
        assert torch.equal(part.gold, whole.gold[process::processes])
        assert part.conditions is not None
        assert whole.conditions is not None
        assert torch.equal(part.conditions.emotion, whole.conditions.emotion[process::processes])
        assert part.conditions.utterance is None
        assert torch.equal(part.frame_mask, whole.frame_mask)
    # A loss that is a mean over frames, weighed and averaged over processes, is the mean over all frames.
    value = whole.gold.square().sum(-1)

    def mean(batch: Batch) -> float:
        return float((batch.gold.square().sum(-1) * batch.mask).sum() / batch.mask.sum())

    average = sum(mean(part) * share for part, share in parts) / processes
    assert average == pytest.approx(float((value * whole.mask).sum() / whole.mask.sum()))


def test_a_batch_too_small_to_share_stays_whole(data: TrainData) -> None:
    whole = batch_of(data, 2)
    part, share = part_of(whole, 2, 3)
    assert part is whole
    assert share == 1.0


def test_a_part_can_be_trained_on(data: TrainData) -> None:
    part, _ = part_of(batch_of(data, 5), 1, 2)
    terms = loss_of(CtegNetwork(TINY.model), moved(part, torch.device("cpu")), LossConfig())
    assert torch.isfinite(terms.total)


def test_processes_and_steps_draw_different_noise() -> None:
    seeds = {step_seed(seed, step, process) for seed in range(3) for step in range(50) for process in range(4)}
    assert len(seeds) == 3 * 50 * 4
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3)


def test_a_device_that_is_not_there_is_said() -> None:
    missing = "mps" if sys.platform != "darwin" else "cuda"
    with pytest.raises(ValueError, match=f"no device '{missing}': choose auto or cpu"):
        accelerator_for(missing)


def test_two_processes_train_as_one(corpus: Path, tmp_path: Path) -> None:
    """Without noise, and with a loss that is a mean over frames, the loss curve is the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = os.environ | {"OMP_NUM_THREADS": "1"}
    shared = common | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    ranks = [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    started = [
        subprocess.Popen(
            [sys.executable, str(SHARED), str(corpus), str(tmp_path / name)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name, environment in (("alone", common), ("shared", ranks[0]), ("shared", ranks[1]))
    ]  # fmt: skip
    try:
        outputs = [process.communicate(timeout=150) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0, 0], outputs
    sums = [float(output.split()[-1]) for output, _ in outputs]
    assert sums[1] == sums[2]
    assert sums[1] == pytest.approx(sums[0], rel=1e-5)
    curves = []
    for name in ("alone", "shared"):
        with (tmp_path / name / "log.csv").open(encoding="utf-8") as file:
            curves.append([[float(row[key]) for key in ("total", "gradient_norm")] for row in csv.DictReader(file)])
    assert len(curves[0]) == 6
    torch.testing.assert_close(torch.tensor(curves[1]), torch.tensor(curves[0]), rtol=1e-5, atol=1e-5)
