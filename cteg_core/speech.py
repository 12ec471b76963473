"""The speech plan: when each word of a line is said, and what the mouth aims for in every frame."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.clip import MAX_CLIP_FRAMES, Word
from cteg_core.visemes import SPEECH_CHANNELS, SPEECH_WIDTH, VISEMES, syllable_count, visemes_of_word

__all__ = [
    "SPEECH_CHANNELS",
    "SPEECH_WIDTH",
    "SpeechPlan",
    "check_word_times",
    "features_of_words",
    "plan_speech",
    "spoken_words",
]

SYLLABLE_RATE: Final = (4.0, 5.5)
"""Syllables a second within words, the range that seeds choose from (conversational English)."""
LEAD_SECONDS: Final = (0.30, 0.50)
TAIL_SECONDS: Final = (0.65, 0.95)
SHORTEST_SECONDS: Final = 1.6
"""A one-word line still needs time for an expression to rise, stand and settle."""
SILENT_SECONDS: Final = (1.8, 2.4)
"""Length of a line with nothing to say (emoji, punctuation)."""
SLOWEST_STRETCH: Final = 1.8
"""A longer wished duration slows speech no further than this; the rest is silence around it."""
FOREIGN_CHARACTER_SECONDS: Final = {"syllabic": 0.19, "alphabetic": 0.085}

_PAUSES: Final[tuple[tuple[str, float, float], ...]] = (
    ("…", 0.45, 0.80), (".", 0.32, 0.60), ("!", 0.30, 0.55), ("?", 0.32, 0.60), ("。", 0.32, 0.60),
    ("！", 0.30, 0.55), ("？", 0.32, 0.60), ("\n", 0.30, 0.55), (";", 0.25, 0.45), (":", 0.22, 0.40),
    ("—", 0.22, 0.45), ("–", 0.20, 0.40), (",", 0.14, 0.30), ("，", 0.14, 0.30), ("、", 0.12, 0.25),
)  # fmt: skip
"""Mark, shortest and longest pause in seconds; of several marks the longest pause counts."""

_FUNCTION_WORD_LIST: Final = (
    "a an the to of in on at by for from with as and or but if so than that this it its is am are was were be been "
    "i me my you your he him his she her we us our they them their do does did have has had will would can could "
    "im ive ill id youre hes shes theyre there then just not dont"
)
_FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORD_LIST.split())
# Apostrophes and hyphens belong inside a word; underscores and other signs separate.
_WORD: Final = re.compile(r"[^\W_]+(?:['’\-‑][^\W_]+)*['’]?", re.UNICODE)
_VOICED: Final = SPEECH_CHANNELS.index("voiced")
_ACCENT: Final = SPEECH_CHANNELS.index("accent")
_SHAPES: Final = SPEECH_CHANNELS[:_VOICED]
# Width (standard deviation, seconds) of coarticulation: rounding spreads furthest, closures are quick.
_BLUR_SECONDS: Final[dict[str, float]] = {
    "open": 0.050, "spread": 0.055, "round": 0.065, "press": 0.034, "bite": 0.035, "tongue": 0.035, "voiced": 0.030,
}  # fmt: skip
# Brief closures would not close after smoothing; the gain restores them before clipping.
_GAIN: Final[dict[str, float]] = {"open": 1.15, "press": 1.45, "bite": 1.40, "round": 1.1}
_ACCENT_SECONDS: Final = 0.09
_EDGE_SECONDS: Final = 0.12
_OVERLAP_SECONDS: Final = 0.02
"""Aligners round to hundredths of a second: neighbours that overlap by less are one after another."""


@dataclass(frozen=True, eq=False)
class SpeechPlan:
    """When the words of a line are said and what the mouth aims for.

    Attributes:
        words: word times in seconds, in order, not overlapping.
        features: ``float32 [T, SPEECH_WIDTH]`` in [0, 1], columns as in ``SPEECH_CHANNELS``; the first and last
            frame are zero. All zero when speech is off.
        fps: frames a second.
    """

    words: tuple[Word, ...]
    features: NDArray[np.float32]
    fps: float

    @property
    def length(self) -> int:
        """T, the number of frames, with the lead-in before the first word and the tail after the last."""
        return len(self.features)


@dataclass(frozen=True)
class _Timing:
    """Relative lengths before scaling: seconds at the planned rate."""

    lead: float
    words: tuple[tuple[str, float, float], ...]  # text, seconds, pause after it in seconds
    tail: float

    @property
    def spoken(self) -> float:
        """Seconds from the first word's start to the last word's end."""
        pauses = [pause for _, _, pause in self.words[:-1]]
        return sum(seconds for _, seconds, _ in self.words) + sum(pauses)


def spoken_words(text: str) -> tuple[str, ...]:
    """Return the words of a text that take time to say, as a plan counts them.

    >>> spoken_words("Well... it's 8 o'clock, isn't it?")
    ('Well', "it's", '8', "o'clock", "isn't", 'it')
    """
    return tuple(match[0] for match in _WORD.finditer(text))


def check_word_times(words: Sequence[Word]) -> None:
    """Raise ValueError with a sentence unless words start at or after 0, last, and come one after another."""
    before = Word("", 0.0, 0.0)
    for number, word in enumerate(words, 1):
        where = f"Word {number} (“{word.text[:20]}”)"
        if not (np.isfinite(word.start) and np.isfinite(word.end)) or word.start < 0.0:
            raise ValueError(f"{where} is said from {word.start} to {word.end}: give seconds from the line's start.")
        if not word.end > word.start:
            raise ValueError(f"{where} ends at {word.end:g} s and starts at {word.start:g} s: a word ends later.")
        if word.start < before.end - _OVERLAP_SECONDS:
            raise ValueError(
                f"{where} starts at {word.start:g} s, before word {number - 1} ends at {before.end:g} s: "
                "give the words in order, one after another."
            )
        before = word


def plan_speech(
    text: str,
    *,
    fps: float = 30.0,
    seed: int = 0,
    duration: float | None = None,
    speech: bool = True,
    words: Sequence[Word] = (),
) -> SpeechPlan:
    """Plan when a line's words are said and what the mouth does.

    Args:
        text: the line. English spelling becomes mouth shapes; other scripts get time but no shapes; text with
            nothing to say gets a plan of about two silent seconds.
        fps: frames a second, 1 to 1000.
        seed: chooses the speaking rate, pauses and accents; the same seed gives the same plan.
        duration: seconds the plan must last, met to the frame (``round(duration * fps)``); words are rescaled.
        speech: False keeps length and word times and sets every feature to zero.
        words: when each word is said, in seconds from the plan's start, where that is known; the plan then ends a tail
            after the last one, or after ``duration``. None given, they are planned.

    Raises:
        ValueError: for a frame rate or duration that no clip can have, or word times that no speaker can.
    """
    if not (np.isfinite(fps) and 1.0 <= fps <= 1000.0):
        raise ValueError(f"A speech plan's frame rate is 1 to 1000 frames a second; got {fps}.")
    rng = np.random.default_rng([0x5EEC, seed & 0xFFFF_FFFF_FFFF_FFFF])
    timing = _natural_timing(text, rng)
    natural = timing.lead + timing.spoken + timing.tail
    if words:
        check_word_times(words)
        natural = max(SHORTEST_SECONDS, words[-1].end + timing.tail)
    if duration is not None and not (np.isfinite(duration) and duration > 0):
        raise ValueError(f"A line's duration must be more than 0 seconds; got {duration}.")
    length = round((natural if duration is None else duration) * fps)
    if not 1 <= length <= MAX_CLIP_FRAMES:
        raise ValueError(
            f"A line must last 1 to {MAX_CLIP_FRAMES} frames; this one would last {length}. "
            "Ask for another duration, or split the text."
        )
    placed = tuple(words) if words else _place_words(timing, length / fps)
    if words and words[-1].end > length / fps + _OVERLAP_SECONDS:
        raise ValueError(f"The last word ends at {words[-1].end:g} s, after the line does at {length / fps:g} s.")
    accents = _accents(placed, text, rng)
    if speech:
        features = features_of_words(placed, length=length, fps=fps, accents=accents)
    else:
        features = np.zeros((length, SPEECH_WIDTH), dtype=np.float32)
    return SpeechPlan(placed, features, fps)


def features_of_words(
    words: tuple[Word, ...], *, length: int, fps: float, accents: tuple[float, ...] | None = None
) -> NDArray[np.float32]:
    """Return the mouth's targets for words whose times are known.

    Every viseme is a box in time, widened by its channel's coarticulation (a box under a logistic kernel, in
    closed form), so neighbouring sounds blend as dominance models have it (Cohen and Massaro 1993).

    Args:
        words: words with their times in seconds, in order.
        length: T.
        fps: frames a second.
        accents: stress of each word in [0, 1]; none when left out.

    Returns:
        ``float32 [T, SPEECH_WIDTH]`` in [0, 1].
    """
    features = np.zeros((length, SPEECH_WIDTH))
    if not words or length < 3:
        return features.astype(np.float32)
    stress = np.zeros(len(words)) if accents is None else np.asarray(accents, dtype=float)
    times = np.arange(length) / fps
    edges, targets, peaks = _segments(words, stress)
    for column, channel in enumerate(_SHAPES):
        amounts = targets[:, column]
        used = amounts > 0
        boxes = _blurred_boxes(times, edges[used], _BLUR_SECONDS[channel])
        features[:, column] = _GAIN.get(channel, 1.0) * boxes @ amounts[used]
    spans = np.array([(word.start, word.end) for word in words])
    features[:, _VOICED] = _blurred_boxes(times, spans, _BLUR_SECONDS["voiced"]).sum(axis=1)
    if len(peaks):
        bumps = np.exp(-0.5 * ((times[:, None] - peaks[None, :, 0]) / _ACCENT_SECONDS) ** 2) * peaks[None, :, 1]
        features[:, _ACCENT] = bumps.max(axis=1)
    np.clip(features, 0.0, 1.0, out=features)
    # Closed lips and bitten lips hold the jaw up: a mouth cannot do both.
    closed = np.maximum(features[:, _SHAPES.index("press")], features[:, _SHAPES.index("bite")])
    features[:, _SHAPES.index("open")] *= 1.0 - 0.85 * closed
    return (features * _edge_window(length, fps)[:, None]).astype(np.float32)


def _segments(
    words: tuple[Word, ...], stress: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return segment edges ``[S, 2]`` (s), shape targets ``[S, 6]``, and accent peaks ``[A, 2]`` (s, strength)."""
    edges: list[tuple[float, float]] = []
    targets: list[list[float]] = []
    peaks: list[tuple[float, float]] = []
    for word, strength in zip(words, stress, strict=True):
        visemes = [VISEMES[name] for name in visemes_of_word(word.text)]
        shares = np.array([v.share for v in visemes])
        if not len(shares):
            continue
        bounds = word.start + (word.end - word.start) * np.concatenate([[0.0], np.cumsum(shares) / shares.sum()])
        first_vowel = next((i for i, v in enumerate(visemes) if v.vowel), 0)
        if strength > 0:
            peaks.append((float(bounds[first_vowel : first_vowel + 2].mean()), float(strength)))
        for i, viseme in enumerate(visemes):
            edges.append((float(bounds[i]), float(bounds[i + 1])))
            values = [float(getattr(viseme, channel)) for channel in _SHAPES]
            # Stressed vowels open wider, unstressed ones are reduced.
            if viseme.vowel:
                values[0] *= 0.82 + (0.30 * strength if i == first_vowel else 0.0)
            targets.append(values)
    return np.array(edges).reshape(-1, 2), np.array(targets).reshape(-1, len(_SHAPES)), np.array(peaks).reshape(-1, 2)


def _blurred_boxes(times: NDArray[np.float64], edges: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Return ``[T, S]``: each box between its two edges, smoothed with a logistic kernel of that deviation."""
    scale = np.pi / (np.sqrt(3.0) * deviation)
    at = np.tanh(np.clip(0.5 * scale * (times[:, None, None] - edges[None]), -20.0, 20.0))
    return np.asarray(0.5 * (at[..., 0] - at[..., 1]))


def _edge_window(length: int, fps: float) -> NDArray[np.float64]:
    """Return ``[T]``: 0 at the first and last frame, 1 inside, smooth between."""
    position = np.minimum(np.arange(length), np.arange(length)[::-1]) / fps
    ramp = np.clip(position / min(_EDGE_SECONDS, max(1, (length - 1) // 2) / fps), 0.0, 1.0)
    return np.asarray(ramp * ramp * (3.0 - 2.0 * ramp))


def _natural_timing(text: str, rng: np.random.Generator) -> _Timing:
    """Time the words at a rate chosen by ``rng``, pauses at punctuation, phrase-final words lengthened."""
    rate = rng.uniform(*SYLLABLE_RATE)
    lead, tail = rng.uniform(*LEAD_SECONDS), rng.uniform(*TAIL_SECONDS)
    matches = list(_WORD.finditer(text))
    words: list[tuple[str, float, float]] = []
    for i, match in enumerate(matches):
        seconds = _word_seconds(match[0], rate) * float(np.exp(rng.normal(0.0, 0.08)))
        following = matches[i + 1].start() if i + 1 < len(matches) else len(text)
        pause = _pause_seconds(text[match.end() : following], rng)
        words.append((match[0], seconds * (1.18 if pause or i + 1 == len(matches) else 1.0), pause))
    if not words:
        silent = float(rng.uniform(*SILENT_SECONDS))
        return _Timing(silent / 2, (), silent / 2)
    timing = _Timing(lead, tuple(words), tail)
    missing = SHORTEST_SECONDS - (lead + timing.spoken + tail)
    return _Timing(lead + max(0.0, missing) / 3, timing.words, tail + max(0.0, missing) * 2 / 3)


def _word_seconds(word: str, rate: float) -> float:
    """Return how long a word takes at ``rate`` syllables a second; dense consonants take longer."""
    sounds = visemes_of_word(word)
    if not sounds:
        syllabic = sum(unicodedata.category(c) == "Lo" for c in word)
        return (
            syllabic * FOREIGN_CHARACTER_SECONDS["syllabic"]
            + (len(word) - syllabic) * FOREIGN_CHARACTER_SECONDS["alphabetic"]
        )
    syllables = syllable_count(word)
    consonants = sum(not VISEMES[s].vowel for s in sounds)
    seconds = (0.70 * syllables + 0.19 * consonants) / rate
    if word.replace("'", "").replace("’", "").casefold() in _FUNCTION_WORDS:
        seconds *= 0.78
    drawn_out = max(0, len(word) - len(re.sub(r"(.)\1{2,}", r"\1\1", word)))
    return float(max(0.09, seconds) + min(drawn_out, 6) * 0.05)


def _pause_seconds(between: str, rng: np.random.Generator) -> float:
    """Return the pause that the marks between two words ask for."""
    between = between.replace("...", "…").replace("--", "—").replace(" - ", "—")
    longest = max(((low, high) for mark, low, high in _PAUSES if mark in between), default=(0.0, 0.0))
    return float(rng.uniform(*longest)) if longest[1] else 0.0


def _place_words(timing: _Timing, seconds: float) -> tuple[Word, ...]:
    """Lay the words into ``seconds``: speech is stretched up to a limit, silence takes the rest."""
    if not timing.words:
        return ()
    silence = timing.lead + timing.tail
    scale = seconds / (silence + timing.spoken)
    if scale > 1.0:
        speaking = min(SLOWEST_STRETCH, scale)
    else:
        # In a hurry silence is cut first, down to a third of its share.
        quiet = max(scale * silence / 3, seconds - timing.spoken)
        speaking = (seconds - quiet) / timing.spoken
    rest = seconds - speaking * timing.spoken
    now = rest * timing.lead / silence
    words = []
    for text, length, pause in timing.words:
        words.append(Word(text, now, min(seconds, now + speaking * length)))
        now += speaking * (length + pause)
    return tuple(words)


def _accents(words: tuple[Word, ...], text: str, rng: np.random.Generator) -> tuple[float, ...]:
    """Choose the stress of each word in [0, 1]: content words, capitals, and the last word of the line more."""
    strengths = []
    since_last = 2
    draws = rng.uniform(size=(len(words), 2))
    loud = 0.15 if "!" in text else 0.0
    for i, (word, (chance, strength)) in enumerate(zip(words, draws, strict=True)):
        plain = word.text.replace("'", "").replace("’", "").casefold()
        content = plain not in _FUNCTION_WORDS
        shouted = len(word.text) > 1 and word.text.isupper()
        likely = (0.55 if content else 0.06) + (0.25 if i == len(words) - 1 and content else 0.0) + 0.1 * since_last
        accented = shouted or (chance < likely and since_last > 0)
        strengths.append(min(1.0, 0.45 + 0.4 * strength + loud + 0.3 * shouted) if accented else 0.0)
        since_last = 0 if accented else since_last + 1
    return tuple(strengths)
