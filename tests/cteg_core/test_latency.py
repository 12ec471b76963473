"""The latency benchmark's arithmetic, and that it measures a real child process; no time is judged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.latency import Latency, Sample, batch_lines, cpu_seconds_of, measure, median_of, memory_of
from cteg_core.dialogue import DialogueLine
from cteg_core.training.dialogue_lines import WrittenLine

FAKE = Path(__file__).resolve().parents[1] / "addon" / "fake_sidecar.py"


def written(text: str) -> WrittenLine:
    return WrittenLine("scene", "", (text,), ((1.0, *[0.0] * 27),), 1.0, 0.0, 0.0, 0.0, "test")


def test_medians_are_of_clock_and_processor_apart() -> None:
    samples = [Sample(3.0, 0.5), Sample(1.0, 0.9), Sample(2.0, 0.1)]
    assert median_of(samples) == Sample(2.0, 0.5)
    assert median_of([*samples[:2], Sample(2.0)]) == Sample(2.0)


def test_the_batch_is_held_against_its_own_length() -> None:
    found = Latency(
        line=(Sample(0.4),) * 3,
        batch=(Sample(2.0), Sample(4.0), Sample(3.0)),
        batch_seconds=(100.0, 100.0, 120.0),
        memory=1_100_000_000,
        peak_memory=None,
        cold=(Sample(5.0), Sample(7.0), Sample(6.5)),
    )
    assert found.times_real == pytest.approx(40.0)
    assert [met for *_, met in found.rows()] == [True, True, False, False]
    assert "6.50 s" in found.rows()[3][1]


def test_memory_is_read_from_the_systems_own_words() -> None:
    status = "Name:\tpython\nVmPeak:\t 999999 kB\nVmHWM:\t  500000 kB\nVmRSS:\t  400000 kB\nThreads:\t3\n"
    assert memory_of(status) == (400000 * 1024, 500000 * 1024)
    assert memory_of("Name:\tkthread\n") == (None, None)


def test_processor_time_is_found_behind_a_name_with_blanks() -> None:
    stat = "4711 (python (x) 3) S 1 4711 4711 0 -1 4194304 12 0 0 0 250 75 0 0 20 0 3 0 1 2 3"
    assert cpu_seconds_of(stat, 100) == pytest.approx(3.25)


def test_a_batch_comes_evenly_from_lines_that_are_short_enough() -> None:
    lines = [written("word " * 30)] + [written(f"Line {number}.") for number in range(8)]
    chosen = batch_lines(lines, 4)
    assert [line.text for line in chosen] == ["Line 0.", "Line 2.", "Line 4.", "Line 6."]
    assert [line.seed for line in chosen] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="8"):
        batch_lines(lines, 9)


def test_it_measures_a_sidecar_over_its_pipes() -> None:
    lines = [DialogueLine(f"Line {number}.") for number in range(3)]
    found = measure([sys.executable, str(FAKE)], lines, (2, 2, 2))
    assert (len(found.line), len(found.batch), len(found.cold)) == (2, 2, 2)
    assert found.batch_seconds == (pytest.approx(3 * 0.5),) * 2
    assert all(sample.seconds > 0 for sample in (*found.line, *found.batch, *found.cold))
    if Path("/proc/self/status").exists():
        assert found.memory is not None
        assert 5e6 < found.memory <= (found.peak_memory or 0)
