"""One trial of an ablation: train a variant for a short while, let it perform lines it never saw, and measure.

Beside each performance stand the corpus's own performances of the same line, emotion and speech plan: what is measured
is how far a variant is from what it was taught, and not how pleasing it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cteg_core.affect import expected_affect
from cteg_core.clauses import Arc
from cteg_core.metrics.faithfulness import TestLine, balanced_lines
from cteg_core.model.checkpoint import Scaling
from cteg_core.model.config import FRAME_RATES
from cteg_core.model.decoding import NOISE_CORRELATION, Lines, decode, draws_for
from cteg_core.model.generator import LATENT_TEMPERATURE, SLACK_SECONDS
from cteg_core.model.network import CtegNetwork
from cteg_core.model.parts import Part, part_conditions
from cteg_core.speech import SpeechPlan, plan_speech
from cteg_core.training.corpus import FPS, CorpusReader
from cteg_core.training.emotion_units import EmotionTarget
from cteg_core.training.loop import TrainConfig, TrainData, scaling_of, train
from cteg_core.training.performance import synthesise
from cteg_core.training.text_data import LabelledLine, word_count
from cteg_core.training.text_states import TextStateCache

Frames = NDArray[np.float32]

SPOKEN_TAKES: Final = 3
SILENT_TAKES: Final = 2
"""The emotion is read off silent takes: speech moves what is read."""
LONGEST_LINE: Final = 8
"""Words, EmoAva's average: what is performed should be as long as what was learned from."""
PERFORMANCES_NAME: Final = "performances.safetensors"
SCORES_NAME: Final = "scores.json"


@dataclass(frozen=True)
class Variant:
    """A row of the ablation: how a network is built, taught and let perform.

    Attributes:
        name: short, a folder's name.
        what: what differs from the first row.
        config: of training; its seed is replaced by each of ``seeds``.
        seeds: of weights, batches and noise.
        scaled: whether frames are divided by the corpus's deviations.
        temperature: of the per-frame latents' noise while performing.
        correlation: of that noise from one frame to the next.
        trained_as: name of the variant whose networks it performs with, where only performing differs.
    """

    name: str
    what: str
    config: TrainConfig
    seeds: tuple[int, ...] = (0, 1)
    scaled: bool = True
    temperature: float = LATENT_TEMPERATURE
    correlation: float = NOISE_CORRELATION
    trained_as: str = ""


class FirstPairs(CorpusReader):
    """The first ``count`` performances of a corpus."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder)
        self.lengths, self.line_indices = self.lengths[:count], self.line_indices[:count]


@dataclass(frozen=True, eq=False)
class Stage:
    """The lines that every variant performs, with what the corpus makes of them.

    Attributes:
        lines: of GoEmotions' test split, equally many of each basic emotion.
        states: the text encoder's states of their texts.
        spoken, silent: the speech plan of each line, and the same with the mouth shut.
        truth: ``[N][SPOKEN_TAKES]`` performances of the spoken plans.
    """

    lines: tuple[TestLine, ...]
    states: TextStateCache
    spoken: tuple[SpeechPlan, ...]
    silent: tuple[SpeechPlan, ...]
    truth: tuple[tuple[Frames, ...], ...]


def stage_of(labelled: Sequence[LabelledLine], count_each: int, states: Callable[[list[str]], TextStateCache]) -> Stage:
    """Choose ``count_each`` lines of each basic emotion among ``labelled``; ``states`` encodes their texts."""
    short = [line for line in labelled if word_count(line.text) <= LONGEST_LINE]
    lines = balanced_lines([line.text for line in short], np.array([line.emotions for line in short]), count_each, 0)
    plans = [
        [plan_speech(line.text, fps=FPS, seed=seed, speech=speech) for seed, line in enumerate(lines)]
        for speech in (True, False)
    ]
    rng = np.random.default_rng(0)
    truth = [
        tuple(synthesise(_target(line), plan, rng) for _ in range(SPOKEN_TAKES))
        for line, plan in zip(lines, plans[0], strict=True)
    ]
    return Stage(tuple(lines), states([line.text for line in lines]), tuple(plans[0]), tuple(plans[1]), tuple(truth))


def corpus_again(stage: Stage) -> Performed:
    """Return the corpus's performances of a stage's lines, drawn anew: what a perfect network would do."""
    rng = np.random.default_rng(1)

    def takes(plans: Sequence[SpeechPlan], count: int) -> list[list[Frames]]:
        return [
            [synthesise(_target(line), plan, rng) for line, plan in zip(stage.lines, plans, strict=True)]
            for _ in range(count)
        ]

    return Performed(takes(stage.spoken, SPOKEN_TAKES), takes(stage.silent, SILENT_TAKES), 1.0)


def _target(line: TestLine) -> EmotionTarget:
    probabilities = np.array(line.label.probabilities)
    valence, arousal, dominance = (float(value) for value in expected_affect(probabilities))
    return EmotionTarget(line.label.probabilities, valence, arousal, dominance, intensity=1.0)


def run_trial(
    variant: Variant,
    seed: int,
    corpus: CorpusReader,
    states: TextStateCache,
    stage: Stage,
    out: Path,
    report: Callable[[str], None],
) -> None:
    """Train and perform in ``out/NAME-SEED``, unless that is done; a killed trial goes on where it was."""
    folder = out / f"{variant.name}-{seed}"
    if (folder / PERFORMANCES_NAME).is_file():
        return
    scaling = scaling_of(corpus) if variant.scaled else Scaling(torch.zeros(53), torch.ones(53))
    config = replace(variant.config, seed=seed)
    rates = FRAME_RATES if config.model.frame_rate else ()
    data = TrainData(corpus, states, scaling, corpus.fps, rates)
    trained = folder if not variant.trained_as else out / f"{variant.trained_as}-{seed}"
    network = train(data, config, trained / "network", report)
    arrays: dict[str, NDArray[Any]] = {}
    for name, plans, count in (("spoken", stage.spoken, SPOKEN_TAKES), ("silent", stage.silent, SILENT_TAKES)):
        takes = [_performed(network, variant, scaling, stage, plans, take) for take in range(count)]
        frames = [frames for take in takes for frames, _ in take]
        arrays[f"{name}.frames"] = np.concatenate(frames).astype(np.float16)
        arrays[f"{name}.lengths"] = np.array([len(each) for each in frames])
        arrays[f"{name}.stopped"] = np.array([stopped for take in takes for _, stopped in take], dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (PERFORMANCES_NAME + ".partial")
    save_file(arrays, partial)
    partial.replace(folder / PERFORMANCES_NAME)


def _performed(
    network: CtegNetwork, variant: Variant, scaling: Scaling, stage: Stage, plans: Sequence[SpeechPlan], take: int
) -> list[tuple[Frames, bool]]:
    """Return the frames of every line, and whether the stop head ended them."""
    lines = _lines_of(network, variant, scaling, stage, plans, take)
    made: list[list[Frames]] = [[] for _ in plans]
    ended = np.zeros(len(plans), dtype=bool)
    for step in decode(network, lines):
        frames = scaling.restored(torch.from_numpy(step.frames)).numpy()
        ended |= step.stopped
        for row in np.flatnonzero(step.running):
            made[row].append(frames[row])
    return [(np.stack(each), bool(stopped)) for each, stopped in zip(made, ended, strict=True)]


def _lines_of(
    network: CtegNetwork, variant: Variant, scaling: Scaling, stage: Stage, plans: Sequence[SpeechPlan], take: int
) -> Lines:
    config = network.config
    layers, mask = stage.states.batch(range(len(plans)))
    parts = [
        Part(line.text, plan, _arc(line), line.label, fixed_length=False, last=True)
        for line, plan in zip(stage.lines, plans, strict=True)
    ]
    most = [plan.length + round(SLACK_SECONDS * FPS) for plan in plans]
    positions = max(most) + 1
    draws = [
        draws_for(1000 * take + row, positions, config.d_latent, config.utterance_latent, variant.correlation)
        for row in range(len(plans))
    ]
    noise = None
    if config.readout_noise:
        white = torch.randn(len(plans), positions, config.d_model, generator=torch.Generator().manual_seed(take))
        noise = config.readout_noise * white
    return Lines(
        text=layers[:, -1],
        text_mask=mask.unsqueeze(1),
        conditions=part_conditions(parts, [1.0] * len(parts), positions, FPS, torch.device("cpu")),
        start_frame=scaling.normalised(torch.zeros(len(parts), 53)),
        draws=tuple(draws),
        least=tuple(part.frame_of_last_word for part in parts),
        most=tuple(most),
        temperature=variant.temperature,
        readout_noise=noise,
    )


def _arc(line: TestLine) -> Arc:
    target = _target(line)
    emotion = np.array([*target.probabilities, target.valence, target.arousal, target.dominance], dtype=np.float32)
    return Arc(np.zeros(1, dtype=np.int64), emotion[None])


@dataclass(frozen=True, eq=False)
class Performed:
    """What a trial performed: ``[takes][lines]`` frames ``[T, 53]``, and the share of takes ended by the stop head."""

    spoken: list[list[Frames]]
    silent: list[list[Frames]]
    stopped: float


def performed_in(folder: Path, lines: int) -> Performed:
    """Read a trial's performances."""
    arrays = load_file(folder / PERFORMANCES_NAME)

    def takes(name: str) -> Iterator[list[Frames]]:
        cuts = np.cumsum(arrays[f"{name}.lengths"])[:-1]
        frames = np.split(arrays[f"{name}.frames"].astype(np.float32), cuts)
        for start in range(0, len(frames), lines):
            yield frames[start : start + lines]

    return Performed(list(takes("spoken")), list(takes("silent")), float(arrays["spoken.stopped"].mean()))
