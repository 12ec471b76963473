"""A training run that is killed, again and again, ends like one that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cteg_core.training.logs import HELD_OUT_NAME, LOSSES_NAME
from cteg_core.training.resume import BEST_NAME, LAST_NAME
from tests.fakes.tiny_training import read_data, write_corpus

KILLER = Path(__file__).resolve().parents[1] / "fakes" / "killed_training.py"
SAVE_EVERY = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    read_data(folder)  # leaves the text states
    return folder


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    assert attempts(corpus, run, [("never", 0)]) == [{"killed": False, "logged": 24, "saved": 24}]
    return run


def attempts(corpus: Path, run: Path, deaths: list[tuple[str, float]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(KILLER), str(corpus), str(run), json.dumps(deaths)],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return list(json.loads(done.stdout))


def assert_same_end(run: Path, whole: Path) -> None:
    for name in (LAST_NAME, BEST_NAME, LOSSES_NAME, HELD_OUT_NAME):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(run.glob("*.partial"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which this system cannot")
def test_killed_in_the_worst_places(corpus: Path, whole: Path, tmp_path: Path) -> None:
    deaths = [
        ("while a row is written", 3),  # before anything was saved
        ("while a state is written", 1),  # the first best weights
        ("before a file is put in place", 5),
        ("after a file is put in place", 5),
        ("while a state is written", 3),
        ("while a row is written", 4),
        ("after a file is put in place", 4),
    ]
    results = attempts(corpus, tmp_path, [*deaths, ("never", 0)])
    assert [result["killed"] for result in results] == [True] * len(deaths) + [False]
    for result in results:
        assert result["logged"] - result["saved"] <= SAVE_EVERY
    assert_same_end(tmp_path, whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which this system cannot")
def test_killed_at_random_moments(corpus: Path, whole: Path, tmp_path: Path) -> None:
    moments = np.random.default_rng().uniform(0.0, 0.5, 6)
    results = attempts(corpus, tmp_path, [*(("after", float(moment)) for moment in moments), ("never", 0)])
    assert all(result["logged"] - result["saved"] <= SAVE_EVERY for result in results), moments
    assert results[-1] == {"killed": False, "logged": 24, "saved": 24}
    assert_same_end(tmp_path, whole)
