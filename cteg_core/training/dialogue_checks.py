"""Is written dialogue as varied as speech is? What a set of lines repeats, and how often it names its emotion.

``python -m cteg_core.training.dialogue_checks dialogue`` prints the figures and every line at fault.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from cteg_core.emotion import BASIC_EMOTIONS, EMOTION_LABELS
from cteg_core.training.dialogue_lines import DIALOGUE_SPLITS, WrittenLine, read_dialogue

FRAME_WORDS: Final = 4
MOST_OF_A_FRAME: Final = 3
FIRST_WORDS: Final = 3
NEAR_DUPLICATE: Final = 0.7
"""Share of common words (Jaccard) from which two lines of the same length are taken for one line."""

EMOTION_STEMS: Final[tuple[str, ...]] = (
    "admir", "adore", "afraid", "aggravat", "alarm", "amaz", "amus", "anger", "angr", "annoy", "anxi", "apolog",
    "appall", "asham", "astonish", "awe", "awful", "awkward", "beautiful", "bless", "bliss", "brilliant", "bother",
    "confus", "congrat", "creep", "cried", "cry", "curious", "cute", "damn", "delight", "depress", "despair",
    "desperat", "despis", "disappoint", "disapprov", "disgust", "dread", "eager", "ecsta", "elat", "embarrass",
    "enjoy", "envy", "excit", "fabulous", "fantastic", "fear", "fright", "frustrat", "fun", "furious", "glad",
    "gorgeous", "grateful", "great", "grie", "gross", "guilt", "happ", "hate", "hating", "heartbr", "hope", "hopeful",
    "horr", "humiliat", "hurt", "hysteri", "incredibl", "irritat", "jealous", "joy", "laugh", "livid", "lonel",
    "love", "lovely", "loving", "mad", "marvel", "miser", "mourn", "nasty", "nervous", "outrag", "overjoy", "panic",
    "perfect", "petrif", "pity", "pleas", "proud", "pride", "rage", "regret", "reliev", "relief", "remorse", "repuls",
    "revolt", "sad", "scare", "scary", "scream", "shame", "shock", "sick", "smil", "sorrow", "sorry", "startl",
    "stun", "stupid", "surpris", "sweet", "tear", "tears", "terrible", "terrif", "thank", "thrill", "ugh", "unhapp",
    "upset", "vile", "warn", "weep", "wept", "wonder", "worr", "wow", "wrath", "yay", "yuck",
)  # fmt: skip
"""Words that name an emotion or are hardly said without one; a word counts if it starts with one of them."""


@dataclass(frozen=True)
class DialogueFigures:
    """What a set of lines amounts to.

    Attributes:
        lines, scenes: how many there are.
        repeated_frames: the four-word runs that more than three lines share, each with its count.
        unique_beginnings: distinct first three words over lines of at least three words.
        without_emotion_word: share of lines that name no emotion.
        near_duplicates: pairs of texts that are nearly the same.
        labels: how many lines carry each of the 28 labels as their largest share.
        basics: the same for the basic emotions.
        turning: share of lines whose strongest label changes within the line.
    """

    lines: int
    scenes: int
    repeated_frames: tuple[tuple[str, int], ...]
    unique_beginnings: float
    without_emotion_word: float
    near_duplicates: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, int], ...]
    basics: tuple[tuple[str, int], ...]
    turning: float


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, an apostrophe belonging to its word."""
    return tuple(re.findall(r"[a-z0-9]+(?:'[a-z]+)*", text.lower().replace("’", "'")))


def names_an_emotion(text: str) -> bool:
    """Return whether a word of the text starts with one of ``EMOTION_STEMS``."""
    return any(word.startswith(EMOTION_STEMS) for word in words_of(text))


def repeated_frames(texts: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the runs of four words that more than three texts share, most frequent first."""
    counts = Counter(chain.from_iterable(_runs(words_of(text)) for text in texts))
    return tuple((" ".join(run), count) for run, count in counts.most_common() if count > MOST_OF_A_FRAME)


def _runs(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {words[i : i + FRAME_WORDS] for i in range(len(words) - FRAME_WORDS + 1)}


def unique_beginnings(texts: Sequence[str]) -> float:
    """Return the share of distinct first three words, among texts of three words or more."""
    beginnings = [words[:FIRST_WORDS] for words in map(words_of, texts) if len(words) >= FIRST_WORDS]
    return len(set(beginnings)) / max(len(beginnings), 1)


def near_duplicates(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of different places whose texts share most of their words, whatever the words' order."""
    sets = [frozenset(words_of(text)) for text in texts]
    frequency = Counter(word for words in sets for word in words)
    holders: dict[str, list[int]] = defaultdict(list)
    pairs = []
    for index, words in enumerate(sets):
        # Two sets that share so much share one of each one's rarest words, so that few pairs need comparing.
        ordered = sorted(words, key=lambda word: (frequency[word], word))
        rare = ordered[: len(words) - math.ceil(NEAR_DUPLICATE * len(words) - 1e-9) + 1]
        for other in sorted({other for word in rare for other in holders[word]}):
            if len(words & sets[other]) / len(words | sets[other]) >= NEAR_DUPLICATE:
                pairs.append((texts[other], texts[index]))
        for word in rare:
            holders[word].append(index)
    return tuple(pairs)


def figures_of(lines: Sequence[WrittenLine]) -> DialogueFigures:
    """Return the figures of ``lines``.

    What is repeated is looked for among distinct texts, and near-duplicates among lines without a context: the rows of
    a matched pair say the same words on purpose.
    """
    texts = list(dict.fromkeys(line.text for line in lines))
    strongest = [EMOTION_LABELS[max(range(28), key=line.emotions.__getitem__)] for line in lines]
    by_label, by_basic = Counter(strongest), Counter(line.basic for line in lines)
    turning = sum(len({max(range(28), key=shares.__getitem__) for shares in line.arc}) > 1 for line in lines)
    return DialogueFigures(
        lines=len(lines),
        scenes=len({line.scene for line in lines}),
        repeated_frames=repeated_frames(texts),
        unique_beginnings=unique_beginnings(texts),
        without_emotion_word=sum(not names_an_emotion(text) for text in texts) / max(len(texts), 1),
        near_duplicates=near_duplicates([line.text for line in lines if not line.context]),
        labels=tuple((label, by_label[label]) for label in EMOTION_LABELS),
        basics=tuple((basic, by_basic[basic]) for basic in BASIC_EMOTIONS),
        turning=turning / max(len(lines), 1),
    )


def main(arguments: Sequence[str]) -> int:
    """Print the figures of the folder that ``arguments`` names; return 0, or 1 where it cannot be read."""
    try:
        lines = [line for split in DIALOGUE_SPLITS for line in read_dialogue(Path(arguments[0]), split)]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in vars(figures_of(lines)).items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
