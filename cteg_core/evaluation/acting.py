"""Whether performances show the emotion of their text: read back from the posed mesh, with controls that must fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cteg_core.metrics.faithfulness import (
    Agreement,
    MotionSummary,
    TestLine,
    agreement,
    basic_of,
    motion,
    perform_lines,
    read_back,
    synthesised,
)
from cteg_core.metrics.motion import RegionMotion, head_regions, region_motion
from cteg_core.model.generator import Generator


@dataclass(frozen=True)
class ActingMotion:
    """Motion of the corpus's performances of the same lines, of those from text, and with text and emotion masked."""

    corpus: MotionSummary
    from_text: MotionSummary
    text_and_emotion_masked: MotionSummary


@dataclass(frozen=True)
class ActingScores:
    """How often the basic emotion that a performance shows is its line's label.

    Attributes:
        lines: how many were performed, balanced over seven classes; ``chance`` is one in seven.
        text_side: the strongest label read from the text; no face involved.
        corpus: the corpus's own performances.
        told_the_label: performed with the label as the emotion condition.
        from_text: performed from the text alone, as the product does.
        emotion_shuffled: each line with the emotion read from another; must be at chance.
        text_and_emotion_masked: likewise.
        two_seeds_agree: share of lines that are read alike with another seed.
        regions: motion of those from text against the corpus's, region by region; a misread emotion counts.
        told_regions: motion of those told the label, which is what the corpus was told.
        motion: how much each moves.
        stopped_by_itself: share of lines that the stop head ended.
    """

    lines: int
    chance: float
    text_side: Agreement
    corpus: Agreement
    told_the_label: Agreement
    from_text: Agreement
    emotion_shuffled: Agreement
    text_and_emotion_masked: Agreement
    two_seeds_agree: float
    regions: Mapping[str, RegionMotion]
    told_regions: Mapping[str, RegionMotion]
    motion: ActingMotion
    stopped_by_itself: float


def measure_acting(
    generator: Generator,
    unconditional: Generator,
    lines: Sequence[TestLine],
    seed: int,
    report: Callable[[str], None] = lambda line: None,
) -> ActingScores:
    """Perform lines, and the controls, and read every face.

    Args:
        generator, unconditional: the same checkpoint, the second with text and emotion hidden.
        lines: lines that were not trained on, balanced over the seven classes.
        seed: of performances.
        report: takes a line of progress now and then.
    """
    truth = [line.basic for line in lines]
    reads = [generator.read_emotion([line.text])[0] for line in lines]
    order = np.random.default_rng(seed).permutation(len(lines))
    own = synthesised(lines, seed)
    from_text = perform_lines(generator, lines, [None] * len(lines), seed, report)
    again = perform_lines(generator, lines, [None] * len(lines), seed + 10_000, report)
    told = perform_lines(generator, lines, [line.label for line in lines], seed, report)
    shuffled = perform_lines(generator, lines, [reads[i] for i in order], seed, report)
    masked = perform_lines(unconditional, lines, [None] * len(lines), seed, report)
    seen, seen_again = read_back([c.frames for c in from_text]), read_back([c.frames for c in again])
    return ActingScores(
        lines=len(lines),
        chance=1 / 7,
        text_side=agreement([basic_of(read) for read in reads], truth),
        corpus=agreement(read_back(own), truth),
        told_the_label=agreement(read_back([c.frames for c in told]), truth),
        from_text=agreement(seen, truth),
        emotion_shuffled=agreement(read_back([c.frames for c in shuffled]), truth),
        text_and_emotion_masked=agreement(read_back([c.frames for c in masked]), truth),
        two_seeds_agree=float(np.mean([a == b for a, b in zip(seen, seen_again, strict=True)])),
        regions=region_motion([c.frames for c in from_text], own, head_regions()),
        told_regions=region_motion([c.frames for c in told], own, head_regions()),
        motion=ActingMotion(motion(own), motion([c.frames for c in from_text]), motion([c.frames for c in masked])),
        stopped_by_itself=float(np.mean([c.stop_reason == "stop-head" for c in from_text])),
    )
