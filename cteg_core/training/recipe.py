"""The recipe of the shipped checkpoint: emotion head, then network, then one folder with both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.text_encoder import MINILM_SHA256, TextEncoder
from cteg_core.training.batches import FRAME_RATES
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.emotion_training import (
    EmotionScores,
    EmotionTraining,
    LabelledStates,
    best_thresholds,
    read_all,
    scores,
    train_emotion_head,
)
from cteg_core.training.loop import TrainConfig, TrainData, scaling_of, train
from cteg_core.training.text_data import GOEMOTIONS_SPLITS, LabelledLine, read_emobank, read_goemotions
from cteg_core.training.text_states import TextStateCache

LICENCE: Final = "CC-BY-SA-4.0"
CREDITS: Final = (
    "Text: GoEmotions (Demszky et al., ACL 2020; CC BY 4.0) and EmoBank (Buechel and Hahn, EACL 2017; CC BY-SA 4.0). "
    "Text encoder, not included: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). "
    "Motion: synthesised by cteg_core.training."
)

Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainedEmotionHead:
    """The head, the threshold of each label ``[28]``, and what it reaches on the test split."""

    head: EmotionHead
    thresholds: torch.Tensor
    scores: EmotionScores


def read_labelled_text(folder: Path) -> list[LabelledLine]:
    """Read ``goemotions/`` and ``emobank/emobank.csv`` below ``folder``, all splits."""
    lines = [line for split in GOEMOTIONS_SPLITS for line in read_goemotions(folder / "goemotions", split)]
    return lines + read_emobank(folder / "emobank" / "emobank.csv")


def train_checkpoint(
    text: Path,
    corpus: Path,
    out: Path,
    name: str,
    config: TrainConfig,
    text_encoder: Path | None,
    report: Report = lambda line: None,
) -> Path:
    """Train everything a checkpoint holds and write it to ``out/checkpoint``; return that folder.

    Every stage leaves its result in ``out`` and is not done again: an interrupted run goes on.
    """

    def encoder() -> TextEncoder:
        return TextEncoder.load(text_encoder)

    emotion = _emotion_head(text, out, encoder, report)
    report(f"emotion head: {emotion.scores}")
    reader = CorpusReader(corpus)
    states = TextStateCache.of(reader.texts, out / "states-corpus", encoder, report)
    rates = FRAME_RATES if config.model.frame_rate else ()
    data = TrainData(reader, states, scaling_of(reader), reader.fps, rates)
    network = train(data, config, out / "network", report)
    info = CheckpointInfo(
        name=name,
        space="cteg-head-1",
        fps=reader.fps,
        text_encoder=dict(MINILM_SHA256),
        training={"credits": CREDITS, "pairs": len(reader), "lines": len(reader.texts), **_settings(config)},
        metrics={"emotion_head": asdict(emotion.scores)},
        licence=LICENCE,
    )
    checkpoint = Checkpoint(info, network, emotion.head, emotion.thresholds, data.scaling)
    save_checkpoint(checkpoint, out / "checkpoint")
    return out / "checkpoint"


def _settings(config: TrainConfig) -> dict[str, Any]:
    record = asdict(config)
    record.pop("model")
    return record


def _emotion_head(text: Path, out: Path, encoder: Callable[[], TextEncoder], report: Report) -> TrainedEmotionHead:
    kept = out / "emotion-head.safetensors"
    lines = read_labelled_text(text)
    cache = TextStateCache.of([line.text for line in lines], out / "states-text", encoder, report)
    labels, affect = _targets(lines)
    splits = np.array([line.split for line in lines])
    config = EmotionHeadConfig()
    if kept.is_file():
        head = EmotionHead(config)
        head.load_state_dict(load_file(kept))
        head.eval()
    else:
        chosen = np.flatnonzero(splits == "train")
        data = LabelledStates(cache, chosen, labels[chosen], affect[chosen])
        head = train_emotion_head(data, config, EmotionTraining(), report)
        save_file(head.state_dict(), kept)
    labelled = ~np.isnan(labels[:, 0])
    dev, test = (_read_split(head, cache, labels, labelled & (splits == split)) for split in ("dev", "test"))
    rated = np.flatnonzero((splits == "test") & ~np.isnan(affect[:, 0]))
    read_affect = read_all(head, cache, rated.tolist())[1]
    return TrainedEmotionHead(
        head,
        torch.from_numpy(best_thresholds(*dev)).float(),
        scores(dev, test, (read_affect, affect[rated])),
    )


def _targets(lines: Sequence[LabelledLine]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Labels ``[N, 28]`` and affect ``[N, 3]``, NaN where a source does not tell."""
    labels = np.array([line.emotions for line in lines], dtype=np.float32)
    labels[labels.sum(1) == 0] = np.nan
    unknown = (np.nan,) * 3
    affect = np.array([unknown if line.vad is None else line.vad for line in lines], dtype=np.float32)
    return labels, affect


def _read_split(
    head: EmotionHead, cache: TextStateCache, labels: NDArray[np.float32], where: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    chosen = np.flatnonzero(where)
    return read_all(head, cache, chosen.tolist())[0], labels[chosen]
