"""What a run says while it goes on: CSV files, TensorBoard events, and a bar or plain lines.

The CSV files end where the run resumes: rows of steps that a kill took back are removed, so that a run in pieces
leaves the same rows as one that was not interrupted. TensorBoard is told to forget those steps.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tensorboardX import SummaryWriter
from tqdm import tqdm

LOSSES_NAME: Final = "log.csv"
HELD_OUT_NAME: Final = "held-out.csv"
TENSORBOARD_FOLDER: Final = "tensorboard"

Report = Callable[[str], None]


class StepTable:
    """A CSV file whose first column is the step."""

    def __init__(self, path: Path, columns: Sequence[str], first: int) -> None:
        """Open the table of a run that has done ``first`` steps; later rows, and a row that was cut off, go."""
        self._path = path
        rows = [["step", *columns]]
        if path.is_file():
            old = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
            whole = [row for row in old[1:] if len(row) == len(rows[0]) and row[0].isdecimal()]
            rows += [row for row in whole if int(row[0]) <= first]
        partial = path.with_name(path.name + ".partial")
        partial.write_text("".join(_line(row) for row in rows), encoding="utf-8", newline="")
        partial.replace(path)

    def add(self, step: int, values: Sequence[float]) -> None:
        """Append a row."""
        row = [str(step), *(f"{value:.6g}" for value in values)]
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(_line(row))


class TrainingLog:
    """The log of one run; only one process of a run has one."""

    def __init__(
        self, folder: Path, columns: Sequence[str], first: int, steps: int, report: Report, *, bar: bool = False
    ) -> None:
        """Open the log of a run of ``steps`` steps in ``folder`` that goes on after step ``first``.

        ``columns`` name the losses; ``bar`` shows a progress bar on stderr in place of lines of losses.
        """
        self._losses = StepTable(folder / LOSSES_NAME, columns, first)
        self._held_out = StepTable(folder / HELD_OUT_NAME, ["loss"], first)
        self._events: Any = SummaryWriter(str(folder / TENSORBOARD_FOLDER), purge_step=first + 1)
        self._bar: Any = tqdm(total=steps, initial=first, unit="step", dynamic_ncols=True) if bar else None
        self._report, self._first, self._steps = report, first, steps
        self._started = time.monotonic()

    def stepped(self) -> None:
        """Move the bar by a step."""
        if self._bar is not None:
            self._bar.update()

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        """Write the losses after step ``step``."""
        self._losses.add(step, list(values.values()))
        for name, value in values.items():
            self._events.add_scalar(f"training/{name}", value, step)
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{values['total']:.3f}")
            return
        pace = (step - self._first) / max(time.monotonic() - self._started, 1e-9)
        parts = " ".join(f"{name} {value:.3g}" for name, value in values.items())
        left = (self._steps - step) / max(pace, 1e-9) / 60
        self._report(f"step {step}/{self._steps} {parts} | {pace:.2f} steps/s, {left:.1f} min left")

    def held_out(self, step: int, loss: float, best: bool) -> None:
        """Write the loss on the lines held out."""
        self._held_out.add(step, [loss])
        self._events.add_scalar("held_out/loss", loss, step)
        self.say(f"step {step}/{self._steps} held out {loss:.4f}{', the best so far' if best else ''}")

    def say(self, line: str) -> None:
        """Report a line, above the bar if there is one."""
        if self._bar is None:
            self._report(line)
            return
        with self._bar.external_write_mode():
            self._report(line)

    def flush(self) -> None:
        """Put on disk what TensorBoard shall show."""
        self._events.flush()

    def close(self) -> None:
        """End the log."""
        self._events.close()
        if self._bar is not None:
            self._bar.close()


def _line(row: Sequence[str]) -> str:
    return ",".join(row) + "\n"
