"""Performances to picture: made by the sidecar in one go, or read from where ``generate --script`` put them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from addon import api, jobs, preferences
from cteg_core.commands.script_batch import SEEDS_A_LINE
from cteg_core.dialogue import DialogueLine, take_seed
from cteg_core.scripts import ScriptLine, read_script
from demo.console import Console

LINES: Final = Path(__file__).parent / "performance_lines.txt"
"""Lines of varied emotion: some turn, and in some no word says what is felt."""

FAINTEST: Final = 0.05
"""Share of an emotion that is worth a word."""


def performances(script: Path, clips: Path | None, count: int, seed: int, console: Console) -> list[api.ExpressionClip]:
    """Return a performance of each of a script's first lines.

    Args:
        script: the lines.
        clips: a folder that ``python -m cteg_core generate --script`` filled from the same script; None asks the
            sidecar, which gives the same clips for the same seed.
        count: how many lines.
        seed: of the first line; not used with ``clips``.
        console: says how far the work is.

    Raises:
        CtegError: a line cannot be performed, or its clip is missing or another's.
    """
    try:
        lines = read_script(script).lines[:count]
    except (OSError, ValueError) as error:
        raise api.CtegError(f"The lines in {script} cannot be read: {error}") from None
    if not lines:
        raise api.CtegError(f"{script} holds no line that can be performed.")
    if clips is not None:
        return [_read(clips / f"line-{number:04d}.json", line) for number, line in enumerate(lines, start=1)]
    seeds = [take_seed(seed, index * SEEDS_A_LINE) for index in range(len(lines))]
    return perform([line.dialogue_line(own) for line, own in zip(lines, seeds, strict=True)], console)


def perform(lines: Sequence[DialogueLine], console: Console) -> list[api.ExpressionClip]:
    """Have the sidecar perform each line once; raises CtegError."""
    with console.step(f"Performing {len(lines)} lines"):
        job = jobs.start_generate(jobs.shared_client(preferences.sidecar_command_line()), lines)
        return jobs.run_to_end(job, lambda progress: console.sign(progress.message))


def reading_of(clip: api.ExpressionClip) -> str:
    """Return what a clip acts, in a few words: the basic emotion and its strongest labels with their shares."""
    if clip.emotion is None:
        return "no emotion read"
    named = [pair for pair in clip.emotion.strongest(2) if pair[1] >= FAINTEST] or clip.emotion.strongest(1)
    labels = "  ".join(f"{label} {share:.2f}" for label, share in named)
    return f"{clip.emotion.basic}\n{labels}"


def _read(path: Path, line: ScriptLine) -> api.ExpressionClip:
    try:
        clip = api.ExpressionClip.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise api.CtegError(
            f"There is no clip {path} ({error.strerror}): make them with `python -m cteg_core generate --script`."
        ) from None
    except ValueError as error:
        raise api.CtegError(f"{path}: {error}") from None
    if clip.text != line.text:
        raise api.CtegError(f"{path} performs “{clip.text[:40]}”, not “{line.text[:40]}”: make the clips anew.")
    return clip
