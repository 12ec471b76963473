"""What an ablation's trials are measured by, and the table they make."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation_trial import SCORES_NAME, Frames, Performed, Stage, Variant, performed_in
from cteg_core.metrics.faithfulness import agreement, read_back
from cteg_core.metrics.frechet import frechet_distances
from cteg_core.metrics.motion import head_regions, length_error, region_motion
from cteg_core.metrics.performances import resampled
from cteg_core.metrics.proper import ENERGY_FRAMES, energy_score

Takes = Sequence[Sequence[Frames]]
"""``[takes][lines]`` performances ``[T, 53]``."""


@dataclass(frozen=True)
class TrialScores:
    """What one trial reached; distances in the corpus's deviations.

    Attributes:
        read: share of silent takes whose emotion is read as the label, balanced over seven classes.
        takes_alike: share of lines whose silent takes are all read alike.
        speed, jitter: mean change from frame to frame, and mean change of that change, over the corpus's.
        mouth: speed of mouth and jaw over the corpus's.
        energy: energy score, mean over lines and true performances; proper, lower is better.
        frechet_changes, frechet_courses: distance of changes from frame to frame, and of statistics of whole
            performances, from the corpus's.
        spread: distance between two takes of a line over the corpus's.
        length_error: mean |log(length / planned length)|.
        stopped: share of takes that ended by themselves.
    """

    read: float
    takes_alike: float
    speed: float
    jitter: float
    mouth: float
    energy: float
    frechet_changes: float
    frechet_courses: float
    spread: float
    length_error: float
    stopped: float


@dataclass(frozen=True)
class Column:
    """A column of the table: its heading, the score it shows, and with how many digits."""

    heading: str
    score: str
    digits: int = 2


COLUMNS: Final[tuple[Column, ...]] = (
    Column("read as told ↑", "read"),
    Column("takes read alike", "takes_alike"),
    Column("speed → 1", "speed"),
    Column("jitter → 1", "jitter"),
    Column("mouth → 1", "mouth"),
    Column("energy ↓", "energy"),
    Column("Fréchet, changes ↓", "frechet_changes", 3),
    Column("Fréchet, courses ↓", "frechet_courses", 1),
    Column("spread → 1", "spread"),
    Column("length error ↓", "length_error"),
    Column("stopped ↑", "stopped"),
)


def scores_of(performed: Performed, stage: Stage, deviation: NDArray[np.float32]) -> TrialScores:
    """Measure what was performed against the corpus's own performances of the same lines.

    Args:
        performed: of every line of ``stage``.
        stage: lines, plans and true performances.
        deviation: ``[53]`` the corpus's deviations, the unit of distances.
    """
    basics = [line.basic for line in stage.lines]
    reads = [read_back(take) for take in performed.silent]
    alike = [len(set(of_line)) == 1 for of_line in zip(*reads, strict=True)]
    made = [[frames / deviation for frames in take] for take in performed.spoken]
    true = [[frames / deviation for frames in take] for take in zip(*stage.truth, strict=True)]
    everything, reference = [frames for take in made for frames in take], [frames for take in true for frames in take]
    regions = head_regions()
    regions["speech"] = tuple(sorted({*regions["mouth"], *regions["jaw"]}))
    motion = region_motion(everything, reference, regions)
    frechet = frechet_distances(everything, reference)
    energies = [energy_score([take[i] for take in made], truth[i]) for truth in true for i in range(len(stage.lines))]
    planned = [plan.length for plan in stage.spoken]
    return TrialScores(
        read=agreement([read for of_take in reads for read in of_take], basics * len(reads)).balanced,
        takes_alike=float(np.mean(alike)),
        speed=_of_moving(motion["all"].speed_ratio),
        jitter=_of_moving(motion["all"].acceleration_ratio),
        mouth=_of_moving(motion["speech"].speed_ratio),
        energy=float(np.mean(energies)),
        frechet_changes=frechet.differences,
        frechet_courses=frechet.statistics,
        spread=_spread(made) / _spread(true),
        length_error=length_error([len(frames) for frames in everything], planned * len(made)),
        stopped=performed.stopped,
    )


def _of_moving(ratio: float | None) -> float:
    if ratio is None:
        raise ValueError("The corpus does not move on these lines: there is nothing to compare with.")
    return ratio


def _spread(takes: Takes) -> float:
    """Mean distance between two takes of a line, each brought to as many frames."""
    flat = np.array([[resampled(frames, ENERGY_FRAMES).ravel() for frames in take] for take in takes])  # [K, N, F*53]
    pairs = [np.linalg.norm(flat[i] - flat[j], axis=-1) for i in range(len(flat)) for j in range(i)]
    return float(np.mean(pairs) / np.sqrt(ENERGY_FRAMES))


def score_trials(
    variants: Sequence[Variant], stage: Stage, again: Performed, deviation: NDArray[np.float32], out: Path
) -> dict[str, list[TrialScores]]:
    """Return the scores of every trial that has performed, by variant; each is measured once and kept as JSON.

    ``again`` is the corpus performing the lines once more: the first row, what a perfect network would reach.
    """
    found = {CORPUS_ROW: [scores_of(again, stage, deviation)]}
    for variant in variants:
        for seed in variant.seeds:
            folder = out / f"{variant.name}-{seed}"
            try:
                scores = TrialScores(**json.loads((folder / SCORES_NAME).read_text(encoding="utf-8")))
            except (OSError, TypeError):
                try:
                    performed = performed_in(folder, len(stage.lines))
                except OSError:
                    continue
                scores = scores_of(performed, stage, deviation)
                (folder / SCORES_NAME).write_text(json.dumps(asdict(scores), indent=2) + "\n", encoding="utf-8")
            found.setdefault(variant.name, []).append(scores)
    return found


CORPUS_ROW: Final = "corpus"


def table(variants: Sequence[Variant], scores: dict[str, list[TrialScores]]) -> str:
    """Return the scores as a Markdown table, a variant a row, its seeds side by side."""
    whats = {CORPUS_ROW: "the corpus itself, drawn again"} | {variant.name: variant.what for variant in variants}
    rows = [
        "| variant | " + " | ".join(column.heading for column in COLUMNS) + " |",
        "| --- " * (len(COLUMNS) + 1) + "|",
    ]
    for name, trials in scores.items():
        cells = [" / ".join(f"{getattr(each, c.score):.{c.digits}f}" for each in trials) for c in COLUMNS]
        rows.append(f"| {whats[name]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
