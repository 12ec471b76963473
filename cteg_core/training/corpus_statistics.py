"""What a corpus amounts to, in the figures that are known of EmoAva; ``docs/performance.md`` sets them side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.text_data import word_count

SPEED_SAMPLE: Final = 2000
PRESENT: Final = 0.3
"""Strength from which an emotion counts as one of a performance's."""
_NEUTRAL: Final = EMOTION_LABELS.index("neutral")


@dataclass(frozen=True)
class CorpusStatistics:
    """Figures of a corpus.

    Attributes:
        pairs, texts: performances, and different texts.
        frames, hours: all performances together.
        length_min, length_p25, length_median, length_mean, length_p75, length_max: frames of a performance.
        words_mean: words of a text.
        texts_performed_more_than_once, most_performances_of_a_text: how one-to-many it is.
        speed: mean length of the change from frame to frame, in the space's units.
        two_or_more_emotions: share of the performances that show two labels or more.
        turning: share of the performances whose emotion changes within the line.
        basics: share of the performances by the basic emotion of their strongest label.
    """

    pairs: int
    texts: int
    frames: int
    hours: float
    length_min: int
    length_p25: float
    length_median: float
    length_mean: float
    length_p75: float
    length_max: int
    words_mean: float
    texts_performed_more_than_once: int
    most_performances_of_a_text: int
    speed: float
    two_or_more_emotions: float
    turning: float
    basics: dict[str, float]


def statistics_of(corpus: CorpusReader, seed: int = 0) -> CorpusStatistics:
    """Count a corpus; speed is measured on a sample of ``SPEED_SAMPLE`` performances drawn by ``seed``."""
    lengths = corpus.lengths
    performed = Counter(corpus.texts[line] for line in corpus.line_indices.tolist())
    strengths = corpus.emotions[:, : len(EMOTION_LABELS)].copy()
    strongest = strengths.argmax(1)
    strengths[:, _NEUTRAL] = 0.0
    basics = Counter(BASIC_OF_LABEL[EMOTION_LABELS[label]] for label in strongest.tolist())
    arcs = [corpus.arc_length(index) for index in range(len(corpus))]
    chosen = np.random.default_rng(seed).choice(len(corpus), size=min(SPEED_SAMPLE, len(corpus)), replace=False)
    steps = [np.linalg.norm(np.diff(corpus[int(i)].frames, axis=0), axis=1) for i in chosen]
    quarter, median, three_quarters = np.percentile(lengths, (25, 50, 75))
    return CorpusStatistics(
        pairs=len(corpus),
        texts=len(performed),
        frames=int(lengths.sum()),
        hours=float(lengths.sum() / corpus.fps / 3600),
        length_min=int(lengths.min()),
        length_p25=float(quarter),
        length_median=float(median),
        length_mean=float(lengths.mean()),
        length_p75=float(three_quarters),
        length_max=int(lengths.max()),
        words_mean=float(np.mean([word_count(text) for text in performed])),
        texts_performed_more_than_once=sum(count > 1 for count in performed.values()),
        most_performances_of_a_text=max(performed.values()),
        speed=float(np.concatenate(steps).mean()),
        two_or_more_emotions=float(((strengths > PRESENT).sum(1) >= 2).mean()),
        turning=float(np.mean([count > 1 for count in arcs])),
        basics={basic: basics[basic] / len(corpus) for basic in BASIC_EMOTIONS},
    )
