"""A corpus, a text encoder and a network so small that a training run takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cteg_core.model.config import DEFAULT
from cteg_core.model.text_encoder import READ_LAYERS, TextStates
from cteg_core.training.corpus import CorpusReader, synthesise_corpus
from cteg_core.training.loop import TrainConfig, TrainData, scaling_of
from cteg_core.training.text_data import LabelledLine
from cteg_core.training.text_states import TextStateCache
from tests.fakes.encoders import Unadapted

WIDTH = 12
TINY = TrainConfig(
    model=replace(DEFAULT, d_text=WIDTH, d_model=16, d_inner=32, heads=2, d_head=8, d_latent=4, utterance_latent=3),
    steps=12,
    batch=4,
    warmup=2,
    save_every=3,
    evaluate_every=4,
    log_every=2,
    held_out=0.2,
)
TEXTS = ("We won!", "Please leave me alone.", "It is on the table.", "Who is there?", "How dare you.", "Oh.")


class CountingEncoder(Unadapted):
    """Stands in for MiniLM: states that are a function of the words, and a count of the texts encoded."""

    width = WIDTH

    def __init__(self) -> None:
        self.encoded = 0

    def token_count(self, text: str) -> int:
        return len(text.split()) + 2

    def encode(self, texts: Sequence[str]) -> TextStates:
        self.encoded += len(texts)
        longest = max(self.token_count(text) for text in texts)
        layers = torch.zeros(len(texts), len(READ_LAYERS), longest, WIDTH)
        mask = torch.zeros(len(texts), longest, dtype=torch.bool)
        for row, text in enumerate(texts):
            count = self.token_count(text)
            mask[row, :count] = True
            layers[row, :, :count] = float(len(text))
        return TextStates(layers, mask, (0,) * len(texts))


def write_corpus(folder: Path, performances_per_line: int = 4) -> None:
    """Write performances of ``TEXTS``."""
    emotions = np.eye(28)[[17, 3, 27, 7, 2, 26]]
    lines = [
        LabelledLine(text, tuple(float(x) for x in row), None, "train")
        for text, row in zip(TEXTS, emotions, strict=True)
    ]
    synthesise_corpus(lines, folder, performances_per_line, seed=3)


def read_data(folder: Path) -> TrainData:
    """Open what :func:`write_corpus` wrote."""
    corpus = CorpusReader(folder)
    states = TextStateCache.of(corpus.texts, folder / "states", CountingEncoder)
    return TrainData(corpus, states, scaling_of(corpus), corpus.fps)
