"""``generate --script``: every line of a script to a numbered file; one that fails costs no other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cteg_core.clip import Controls
from cteg_core.commands.take_files import SUFFIXES, TakeFiles, numbered
from cteg_core.dialogue import DialogueLine, LineError, take_seed
from cteg_core.line_batches import LineBatch
from cteg_core.performer import FinishedTake, FrameChunk, Performer, TakeRequest, takes_of
from cteg_core.scripts import Script, ScriptLine, read_script

TAKES_A_BATCH: Final = 16
"""Takes that are decoded together: more are little faster on a CPU, and an interruption costs what is under way."""
SEEDS_A_LINE: Final = 1000
"""How far the seeds of lines lie apart, so that no two of them share a take's."""


class ScriptBatch:
    """A script on its way through a model.

    Args:
        arguments: of the command line.
        files: how takes are written.
        out: the folder to write to.
        load: loads the model; called once there is something to perform. What it raises ends everything.
    """

    def __init__(
        self, arguments: argparse.Namespace, files: TakeFiles, out: Path, load: Callable[[], Performer]
    ) -> None:
        self._arguments = arguments
        self._files = files
        self._out = out
        self._load = load
        self._lines: tuple[ScriptLine, ...] = ()
        self._failed: dict[int, str] = {}

    def run(self) -> int:
        """Perform the script, report each line and return the exit status: 1 where any line is missing.

        Raises what loading raises, and ScriptError (a ValueError).
        """
        script = read_script(self._arguments.script, self._arguments.timecode_fps)
        for note in script.notes:
            self._complain(note)
        self._lines = script.lines
        if not script.lines:
            raise ValueError(f"{Path(self._arguments.script).name} holds no line that can be performed.")
        if self._out.exists() and not self._out.is_dir():
            raise ValueError(f"{self._out} is a file; a script's takes go to a folder: give --out another name.")
        wanted = {index: self._takes_of(index) for index in range(len(script.lines))}
        missing = {index: self._missing(index, takes) for index, takes in wanted.items() if takes}
        kept = [index for index, takes in missing.items() if not takes]
        batches = list(_batches({index: takes for index, takes in missing.items() if takes}))
        if batches:
            performer = self._load()
            for batch in batches:
                self._failed |= LineBatch(performer, batch, lambda: False, self._deliver, _reason).perform()
                for index in batch.keys() & self._failed.keys():
                    self._report(index)
        self._sum_up(script, len(kept))
        return 1 if self._failed or script.left_out else 0

    def _takes_of(self, index: int) -> tuple[TakeRequest, ...]:
        try:
            return takes_of(self._line(index), self._arguments.takes)
        except LineError as error:
            self._failed[index] = str(error)
            self._report(index)
            return ()

    def _line(self, index: int) -> DialogueLine:
        seed = take_seed(self._arguments.seed, index * SEEDS_A_LINE)
        return self._lines[index].dialogue_line(seed, Controls(guidance=self._arguments.guidance))

    def _missing(self, index: int, takes: Sequence[TakeRequest]) -> tuple[TakeRequest, ...]:
        if not self._arguments.skip_existing:
            return tuple(takes)
        return tuple(take for take in takes if not self._files.hold(take, self._path(index, take)))

    def _path(self, index: int, request: TakeRequest) -> Path:
        name = f"line-{index + 1:04d}{SUFFIXES[self._files.output_format]}"
        return numbered(self._out / name, request.take, self._arguments.takes)

    def _deliver(self, index: int, request: TakeRequest, event: FrameChunk | FinishedTake) -> None:
        if not isinstance(event, FinishedTake):
            return
        path = self._path(index, request)
        try:
            self._files.write(event.clip, path)
        except (OSError, ValueError) as error:
            # Performing it again, as the batch does with what it is told of, would not help.
            self._failed[index] = f"Its take cannot be written: {error}"
            return
        line = self._lines[index]
        said = f"{line.character}: {line.text}" if line.character else line.text
        print(f"{path}: {event.clip.seconds:.2f} s, seed {event.clip.seed}, {said[:60]}", flush=True)

    def _report(self, index: int) -> None:
        self._complain(f"Line {index + 1} (row {self._lines[index].row}) failed: {self._failed[index]}")

    def _complain(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def _sum_up(self, script: Script, kept: int) -> None:
        count = len(script.lines)
        parts = [f"{count - kept - len(self._failed)} performed"]
        parts += [f"{kept} kept"] if kept else []
        parts += [f"{len(self._failed)} failed"] if self._failed else []
        parts += [f"{script.left_out} not read"] if script.left_out else []
        print(f"{count} lines in {Path(self._arguments.script).name}: {', '.join(parts)}.")


def _batches(missing: dict[int, tuple[TakeRequest, ...]]) -> Iterator[dict[int, tuple[TakeRequest, ...]]]:
    """Yield lines with their takes, as many together as fit; a line's takes stay together."""
    batch: dict[int, tuple[TakeRequest, ...]] = {}
    for index, takes in missing.items():
        if batch and sum(map(len, batch.values())) + len(takes) > TAKES_A_BATCH:
            yield batch
            batch = {}
        batch[index] = takes
    if batch:
        yield batch


def _reason(error: Exception) -> str:
    if isinstance(error, LineError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory: close other programs, or split the line."
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
