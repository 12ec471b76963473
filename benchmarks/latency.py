"""How long a user waits: `python -m benchmarks.latency [--json FILE]`, from a real sidecar over its pipes.

A 5-second line from text to frames (warm), 32 lines in one batch, the memory of the sidecar after both, and the time
from its start until it is ready. Run with the sidecar's Python on an idle machine; other work that runs shows in the
load, which is printed, and less in the processor seconds, which are printed too (Linux).

The batch asks for lines of dialogue/, at their own lengths. The start is one whose files the system has read before.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from addon.sidecar import SidecarClient, SidecarState
from addon.under_way import LinesUnderWay
from cteg_core.clip import Controls, ExpressionClip
from cteg_core.dialogue import DialogueLine
from cteg_core.training.dialogue_lines import WrittenLine, read_dialogue

CHECKOUT: Final = Path(__file__).resolve().parents[1]
LINE: Final = "I thought you had left for good, and here you are, in my kitchen, making tea."
LINE_SECONDS: Final = 5.0
BATCH: Final = 32
BATCH_REPEATS: Final = 3
WARM_REPEATS: Final = 9
COLD_REPEATS: Final = 3
BOUNDS: Final[dict[str, float]] = {"line": 0.5, "batch": 40.0, "memory": 1.0, "cold": 6.0}
"""What the project asks for on two idle cores: seconds, times faster than real time, GB, seconds."""
WAIT_SECONDS: Final = 0.5
MAX_WORDS: Final = 22
"""Of a batch's lines: what the network performs in one go."""


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds on the clock, and of the sidecar's processor time where that is known."""

    seconds: float
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Latency:
    """What was measured.

    Attributes:
        line: of a line of ``LINE_SECONDS``, each.
        batch: of the batch, each, and
        batch_seconds: how long each batch's performances last together.
        memory, peak_memory: bytes of the sidecar after line and batch, and at most until then; None where unknown.
        cold: from the process's start until it is ready, each.
    """

    line: tuple[Sample, ...]
    batch: tuple[Sample, ...]
    batch_seconds: tuple[float, ...]
    memory: int | None
    peak_memory: int | None
    cold: tuple[Sample, ...]

    @property
    def times_real(self) -> float:
        """Seconds performed in a second, the median batch."""
        return statistics.median(
            length / sample.seconds for length, sample in zip(self.batch_seconds, self.batch, strict=True)
        )

    def rows(self) -> list[tuple[str, str, str, bool | None]]:
        """Return what to print: what, the figure, the bound, and whether it is met."""
        line, cold = median_of(self.line), median_of(self.cold)
        memory = None if self.memory is None else self.memory / 1e9
        peak = "" if self.peak_memory is None else f", at most {self.peak_memory / 1e9:.2f} GB"
        return [
            (f"a line of {LINE_SECONDS:g} s, text to frames", _seconds(line), "0.5 s", line.seconds <= BOUNDS["line"]),
            (f"{BATCH} lines in one batch", f"{self.times_real:.1f}x real time ({_seconds(median_of(self.batch))})",
             "40x", self.times_real >= BOUNDS["batch"]),
            ("memory of the sidecar after both", "unknown" if memory is None else f"{memory:.2f} GB{peak}",
             "1.0 GB", None if memory is None else memory <= BOUNDS["memory"]),
            ("start to ready", _seconds(cold), "6 s", cold.seconds <= BOUNDS["cold"]),
        ]  # fmt: skip


def median_of(samples: Sequence[Sample]) -> Sample:
    """Return the median of the clock and, where every sample has it, of the processor time."""
    cpu = [sample.cpu_seconds for sample in samples if sample.cpu_seconds is not None]
    return Sample(
        statistics.median(sample.seconds for sample in samples),
        statistics.median(cpu) if len(cpu) == len(samples) else None,
    )


def memory_of(status: str) -> tuple[int | None, int | None]:
    """Return the resident bytes now and at most, from the text of Linux's ``/proc/PID/status``."""
    found = dict(row.split(":", 1) for row in status.splitlines() if ":" in row)
    now, most = (found.get(name, "").split() for name in ("VmRSS", "VmHWM"))
    return tuple(int(cell[0]) * 1024 if len(cell) == 2 and cell[1] == "kB" else None for cell in (now, most))  # type: ignore[return-value]


def cpu_seconds_of(stat: str, ticks: int) -> float:
    """Return the processor seconds of a process and its threads, from ``/proc/PID/stat``; its name may hold blanks."""
    cells = stat.rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / ticks


def batch_lines(written: Sequence[WrittenLine], count: int) -> list[DialogueLine]:
    """Return ``count`` lines, evenly from all that are short enough, each with its own seed."""
    fit = [line.text for line in written if len(line.text.split()) <= MAX_WORDS]
    if len(fit) < count:
        raise ValueError(f"The batch wants {count} lines, and dialogue/ has {len(fit)}.")
    return [DialogueLine(fit[index * len(fit) // count], seed=index) for index in range(count)]


class Sidecar:
    """A sidecar that is measured: a client and the figures that the system keeps of its process."""

    def __init__(self, command: Sequence[str]) -> None:
        self.client = SidecarClient(command)

    def start(self) -> Sample:
        """Start it and wait until its model is loaded; it is asked for a line then, which is given up."""
        started = time.perf_counter()
        under_way = self.client.submit_lines([DialogueLine("Now.")])
        while self.client.state is not SidecarState.READY:
            self.client.poll(WAIT_SECONDS)
            self._raise_error(under_way)
        sample = Sample(time.perf_counter() - started, self._cpu())
        while not under_way.is_over:
            self.client.poll(WAIT_SECONDS)
        return sample

    def perform(self, lines: Sequence[DialogueLine]) -> tuple[Sample, list[ExpressionClip]]:
        """Perform lines in one request; return what it took, and the clips."""
        before, started = self._cpu(), time.perf_counter()
        under_way = self.client.submit_lines(lines)
        while not under_way.is_over:
            self.client.poll(WAIT_SECONDS)
        seconds, after = time.perf_counter() - started, self._cpu()
        self._raise_error(under_way)
        clips = [clip for line in under_way.lines for clip in line.clips or ()]
        return Sample(seconds, None if before is None or after is None else after - before), clips

    def memory(self) -> tuple[int | None, int | None]:
        """Return its resident bytes now and at most; None where the system does not tell."""
        status = self._proc("status")
        if status is not None:
            return memory_of(status)
        try:
            told = subprocess.run(["ps", "-o", "rss=", "-p", str(self.client.pid)], capture_output=True, check=True)
            return int(told.stdout) * 1024, None
        except (OSError, ValueError, subprocess.CalledProcessError):
            return None, None

    def _cpu(self) -> float | None:
        stat = self._proc("stat")
        return None if stat is None else cpu_seconds_of(stat, os.sysconf("SC_CLK_TCK"))

    def _proc(self, name: str) -> str | None:
        try:
            return Path("/proc", str(self.client.pid), name).read_text(encoding="utf-8")
        except OSError:
            return None

    def _raise_error(self, under_way: LinesUnderWay) -> None:
        for line in under_way.lines:
            if line.error is not None:
                raise line.error


@contextmanager
def running(command: Sequence[str]) -> Iterator[Sidecar]:
    """Give a sidecar that is ended afterwards."""
    sidecar = Sidecar(command)
    try:
        yield sidecar
    finally:
        sidecar.client.close()


def measure(
    command: Sequence[str],
    lines: Sequence[DialogueLine],
    repeats: tuple[int, int, int] = (WARM_REPEATS, BATCH_REPEATS, COLD_REPEATS),
    report: Callable[[str], None] = lambda said: None,
) -> Latency:
    """Measure a sidecar.

    Args:
        command: that starts one.
        lines: of the batch.
        repeats: of the line, the batch and the start.
        report: told what is done.

    Raises SidecarError where the sidecar fails.
    """
    warm_repeats, batch_repeats, cold_repeats = repeats
    with running(command) as sidecar:
        cold = [sidecar.start()]
        controls = Controls(duration=LINE_SECONDS)
        # The first of each kind is not counted: torch chooses its kernels then.
        asked = [DialogueLine(LINE, seed=seed, controls=controls) for seed in range(warm_repeats + 1)]
        alone = [sidecar.perform([line]) for line in asked]
        report("line done")
        batches = [sidecar.perform(lines) for _ in range(batch_repeats + 1)]
        report("batch done")
        memory, peak = sidecar.memory()
    while len(cold) < cold_repeats:
        with running(command) as sidecar:
            cold.append(sidecar.start())
    return Latency(
        tuple(sample for sample, _ in alone[1:]),
        tuple(sample for sample, _ in batches[1:]),
        tuple(sum(clip.seconds for clip in clips) for _, clips in batches[1:]),
        memory,
        peak,
        tuple(cold),
    )


def default_command() -> list[str]:
    """Return the sidecar of ``CTEG_SIDECAR``, else this Python's on the checkout."""
    named = os.environ.get("CTEG_SIDECAR")
    if named:
        return shlex.split(named)
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from cteg_core.__main__ import main; "
        "sys.exit(main(['serve']))"
    )
    return [sys.executable, "-I", "-c", program]


def _seconds(sample: Sample) -> str:
    cpu = "" if sample.cpu_seconds is None else f", {sample.cpu_seconds:.2f} s of a processor"
    return f"{sample.seconds:.2f} s{cpu}"


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogue", type=Path, default=CHECKOUT / "dialogue", help="where the batch's lines are")
    parser.add_argument("--repeats", type=int, nargs=3, default=[WARM_REPEATS, BATCH_REPEATS, COLD_REPEATS],
                        metavar=("LINE", "BATCH", "START"))  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    from benchmarks.calibration import calibrate

    calibration = calibrate()
    print(f"{calibration}; {_load()}", flush=True)
    lines = batch_lines(read_dialogue(options.dialogue, "test"), BATCH)
    command = default_command()
    print(f"sidecar: {shlex.join(command)}", flush=True)
    found = measure(command, lines, tuple(options.repeats), lambda said: print(said, file=sys.stderr, flush=True))
    for what, figure, bound, met in found.rows():
        print(f"{what:36}{figure:44}{bound:>8}{'' if met is None else '  met' if met else '  NOT MET'}")
    print(_load())
    if options.json:
        record: dict[str, Any] = {"calibration": calibration.to_record(), "times_real": found.times_real}
        record |= asdict(found)
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
