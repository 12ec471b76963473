"""A training run: what it leaves on disk, what it goes on from, and what it says when it cannot."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from cteg_core.model.network import CtegNetwork
from cteg_core.training.batches import Batch, Dropout
from cteg_core.training.data import TrainData
from cteg_core.training.logs import HELD_OUT_NAME, LOSSES_NAME, TENSORBOARD_FOLDER, StepTable
from cteg_core.training.loop import MOST_SKIPPED_IN_A_ROW, TrainingError, held_out_loss, train
from cteg_core.training.resume import BEST_NAME, LAST_NAME, ResumeError, load_best
from cteg_core.training.settings import TrainConfig
from tests.fakes.tiny_training import TINY, read_data, write_corpus

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainData:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return read_data(folder)


@pytest.fixture(scope="module")
def run(data: TrainData, tmp_path_factory: pytest.TempPathFactory) -> tuple[CtegNetwork, Path]:
    folder = tmp_path_factory.mktemp("run")
    return train(data, TINY, folder), folder


class Spoiled:
    """A data set whose performances hold a number that is not finite at some steps, counted from 0."""

    def __init__(self, data: TrainData, steps: Sequence[int]) -> None:
        self._data, self._steps, self._step = data, steps, 0

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self._data.lengths

    def held_out(self, share: float) -> NDArray[np.int64]:
        return np.arange(0)

    def batch(self, indices: Sequence[int], dropout: Dropout, generator: torch.Generator) -> Batch:
        batch = self._data.batch(indices, dropout, generator)
        self._step += 1
        if self._step - 1 in self._steps:
            batch.gold[0, 1, 0] = torch.nan
        return batch


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same_weights(one: CtegNetwork, other: CtegNetwork) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_two_runs_of_a_seed_are_equal_to_the_bit(
    data: TrainData, run: tuple[CtegNetwork, Path], tmp_path: Path
) -> None:
    again = train(data, TINY, tmp_path / "again")
    other = train(data, replace(TINY, seed=1), tmp_path / "other")
    assert same_weights(run[0], again)
    assert not same_weights(run[0], other)
    for name in (LAST_NAME, BEST_NAME, LOSSES_NAME, HELD_OUT_NAME):
        assert (run[1] / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_an_interrupted_run_ends_like_one_that_was_not(
    data: TrainData, run: tuple[CtegNetwork, Path], tmp_path: Path
) -> None:
    train(data, TINY, tmp_path, stop_after=7)
    assert same_weights(run[0], train(data, TINY, tmp_path))
    for name in (LAST_NAME, BEST_NAME, LOSSES_NAME, HELD_OUT_NAME):
        assert (run[1] / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_finished_run_is_not_trained_on(data: TrainData, run: tuple[CtegNetwork, Path]) -> None:
    before = {path: path.read_bytes() for path in run[1].iterdir() if path.is_file()}
    assert same_weights(run[0], train(data, TINY, run[1]))
    assert {path: path.read_bytes() for path in run[1].iterdir() if path.is_file()} == before


def test_the_log_has_every_loss_and_the_steps_between(run: tuple[CtegNetwork, Path]) -> None:
    log = rows(run[1] / LOSSES_NAME)
    assert [int(row["step"]) for row in log] == [2, 4, 6, 8, 10, 12]
    assert all(np.isfinite([float(value) for value in row.values()]).all() for row in log)
    assert [int(row["step"]) for row in rows(run[1] / HELD_OUT_NAME)] == [4, 8, 12]


def test_tensorboard_gets_the_same_numbers(run: tuple[CtegNetwork, Path]) -> None:
    from tensorboardX.proto.event_pb2 import Event

    found: dict[tuple[int, str], float] = {}
    for path in (run[1] / TENSORBOARD_FOLDER).iterdir():
        data = path.read_bytes()
        while data:  # length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            found |= {(event.step, value.tag): value.simple_value for value in event.summary.value}
            data = data[16 + length :]
    for row in rows(run[1] / LOSSES_NAME):
        assert found[int(row["step"]), "training/total"] == pytest.approx(float(row["total"]), rel=1e-5)
    for row in rows(run[1] / HELD_OUT_NAME):
        assert found[int(row["step"]), "held_out/loss"] == pytest.approx(float(row["loss"]), rel=1e-5)


def test_the_best_weights_are_those_of_the_lowest_loss_held_out(data: TrainData, run: tuple[CtegNetwork, Path]) -> None:
    network = CtegNetwork(TINY.model).eval()
    best = load_best(run[1], TINY, into=network)
    measured = {int(row["step"]): float(row["loss"]) for row in rows(run[1] / HELD_OUT_NAME)}
    assert best is not None
    assert best.step == min(measured, key=measured.__getitem__)
    held_out = data.held_out(TINY.held_out)
    assert held_out_loss(network, data, held_out, TINY, CPU) == pytest.approx(best.loss, rel=1e-6)
    assert measured[best.step] == pytest.approx(best.loss, rel=1e-5)
    assert load_best(run[1], replace(TINY, seed=5)) is None


def test_a_worse_end_does_not_replace_the_best(data: TrainData, tmp_path: Path) -> None:
    """With a rate that throws the weights away, the first evaluation stays the best and the last weights differ."""
    config = replace(TINY, steps=16, rate=3.0, warmup=8, weight_decay=0.0, clip=0.0, ema=0.0)
    last = train(data, config, tmp_path)
    best_network = CtegNetwork(config.model)
    best = load_best(tmp_path, config, into=best_network)
    losses = [float(row["loss"]) for row in rows(tmp_path / HELD_OUT_NAME)]
    assert best is not None
    assert best.step < 16
    assert losses[best.step // 4 - 1] == min(losses)
    assert not same_weights(last, best_network)


def test_without_lines_held_out_there_are_no_best_weights(data: TrainData, tmp_path: Path) -> None:
    config = replace(TINY, held_out=0.0, steps=4)
    train(data, config, tmp_path)
    assert load_best(tmp_path, config) is None
    assert rows(tmp_path / HELD_OUT_NAME) == []


def test_without_averaging_the_weights_themselves_are_returned(data: TrainData, tmp_path: Path) -> None:
    network = train(data, replace(TINY, ema=0.0, steps=3), tmp_path)
    trained = load_file(tmp_path / LAST_NAME)
    assert all(torch.equal(trained[f"network.{name}"], value) for name, value in network.state_dict().items())
    averaged = train(data, replace(TINY, steps=3), tmp_path / "averaged")
    assert not same_weights(network, averaged)


def one_step(data: TrainData, folder: Path, config: TrainConfig) -> tuple[torch.Tensor, ...]:
    """Return all weights before and after a single step, and their average."""
    torch.manual_seed(config.seed)
    before = CtegNetwork(config.model).state_dict()
    train(data, replace(config, steps=1, log_every=1), folder)
    state = load_file(folder / LAST_NAME)
    after, average = ({name: state[f"{part}.{name}"] for name in before} for part in ("network", "average"))
    joined = (torch.cat([weights[name].flatten() for name in sorted(before)]) for weights in (before, after, average))
    return tuple(joined)


def test_gradients_are_clipped_to_their_norm(data: TrainData, tmp_path: Path) -> None:
    """With an epsilon that dwarfs gradients, Adam's first step is the rate times the gradient over it."""
    config = replace(TINY, warmup=1, rate=1e3, epsilon=1e4, weight_decay=0.0)
    for clip in (0.0, 0.5):
        before, after, _ = one_step(data, tmp_path / str(clip), replace(config, clip=clip))
        norm = float(rows(tmp_path / str(clip) / LOSSES_NAME)[0]["gradient_norm"])
        assert norm > 1.0
        wanted = min(norm, clip or norm) * config.rate / config.epsilon
        assert float((after - before).norm()) == pytest.approx(wanted, rel=0.01)


def test_the_average_forgets_early_weights_faster(data: TrainData, tmp_path: Path) -> None:
    before, after, average = one_step(data, tmp_path, TINY)
    assert TINY.ema > 0.9
    torch.testing.assert_close(average, 0.1 * before + 0.9 * after, atol=1e-6, rtol=0)


def test_steps_without_finite_gradients_are_left_out_counted_and_said(data: TrainData, tmp_path: Path) -> None:
    said: list[str] = []
    config = replace(TINY, steps=8, log_every=1, save_every=1)
    weights = []
    for spoiled, stop in ((range(0), 3), (range(2), 5), (range(0), 6)):
        train(Spoiled(data, spoiled), config, tmp_path, said.append, stop_after=stop)
        state = load_file(tmp_path / LAST_NAME)
        weights.append(torch.cat([state[name].flatten() for name in sorted(state) if name.startswith("network.")]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert torch.isfinite(weights[2]).all()
    assert [row["skipped"] for row in rows(tmp_path / LOSSES_NAME)] == ["0", "0", "0", "1", "2", "2"]
    assert [line for line in said if "not finite" in line] == [
        "step 4: the gradients are not finite; left out (1 so far)",
        "step 5: the gradients are not finite; left out (2 so far)",
    ]


def test_training_stops_after_many_such_steps_in_a_row(data: TrainData, tmp_path: Path) -> None:
    config = replace(TINY, steps=100)
    with pytest.raises(TrainingError, match=rf"{MOST_SKIPPED_IN_A_ROW} steps in a row, up to step 28, were not finite"):
        train(Spoiled(data, range(3, 100)), config, tmp_path)


def test_performances_held_out_that_are_all_too_long_are_not_measured(data: TrainData, tmp_path: Path) -> None:
    held_out = data.held_out(TINY.held_out)
    trained_on = np.setdiff1d(np.arange(len(data.lengths)), held_out)
    longest = int(data.lengths[held_out].min()) - 1
    assert (data.lengths[trained_on] <= longest).any()
    config = replace(TINY, steps=4, longest=longest)
    train(data, config, tmp_path)
    assert load_best(tmp_path, config) is None


def test_good_steps_between_make_them_no_row(data: TrainData, tmp_path: Path) -> None:
    spoiled = sorted(set(range(MOST_SKIPPED_IN_A_ROW + 3)) - {10})
    said: list[str] = []
    train(Spoiled(data, spoiled), replace(TINY, steps=MOST_SKIPPED_IN_A_ROW + 3), tmp_path, said.append)
    assert len([line for line in said if "not finite" in line]) == len(spoiled) > MOST_SKIPPED_IN_A_ROW


def test_a_run_of_another_configuration_is_not_continued(data: TrainData, run: tuple[CtegNetwork, Path]) -> None:
    with pytest.raises(ResumeError, match=r"another configuration \(differing in rate, seed\)"):
        train(data, replace(TINY, rate=0.5, seed=7), run[1])


@pytest.mark.parametrize("name", [LAST_NAME, BEST_NAME])
@pytest.mark.parametrize("content", [b"", b"\x10" * 100, b"\x02\0\0\0\0\0\0\0{}"], ids=["empty", "noise", "no record"])
def test_a_damaged_state_is_said(data: TrainData, tmp_path: Path, name: str, content: bytes) -> None:
    train(data, TINY, tmp_path, stop_after=4)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ResumeError, match=f"{name} is damaged"):
        train(data, TINY, tmp_path)


def test_the_resume_state_is_numbers_and_json(run: tuple[CtegNetwork, Path]) -> None:
    assert not [path for path in run[1].rglob("*") if path.suffix in (".pkl", ".pt", ".bin")]
    header = (run[1] / LAST_NAME).read_bytes()
    (length,) = struct.unpack("<Q", header[:8])
    record = json.loads(json.loads(header[8 : 8 + length])["__metadata__"]["state"])
    assert record["step"] == TINY.steps
    assert record["config"]["model"]["d_model"] == TINY.model.d_model


def test_rows_behind_the_resumed_step_and_rows_cut_off_go(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,a,b\n2,1,1\n4,2,2\n6,3,3\n1", encoding="utf-8")  # killed while it wrote step 10, or 12
    table = StepTable(path, ["a", "b"], first=4)
    table.add(6, [0.5, 1e-7])
    assert path.read_text("utf-8") == "step,a,b\n2,1,1\n4,2,2\n6,0.5,1e-07\n"
