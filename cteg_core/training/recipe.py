"""The recipe of the shipped checkpoint: emotion head, then network, then one folder with both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, save_checkpoint
from cteg_core.model.config import FRAME_RATES
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.text_encoder import MINILM_SHA256, TextEncoder
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.devices import accelerator_for
from cteg_core.training.emotion_training import (
    EmotionTraining,
    LabelledStates,
    best_thresholds,
    read_all,
    scores,
    train_emotion_head,
)
from cteg_core.training.loop import TrainConfig, TrainData, scaling_of, train
from cteg_core.training.resume import load_best
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
    """The head, the threshold of each label ``[28]``, and what it reaches on the test split, as a record."""

    head: EmotionHead
    thresholds: torch.Tensor
    scores: dict[str, Any]


def read_labelled_text(folder: Path) -> list[LabelledLine]:
    """Read ``goemotions/`` and ``emobank/emobank.csv`` below ``folder``, all splits."""
    lines = [line for split in GOEMOTIONS_SPLITS for line in read_goemotions(folder / "goemotions", split)]
    return lines + read_emobank(folder / "emobank" / "emobank.csv")


def train_checkpoint(
    text: Path | None,
    corpus: Path,
    out: Path,
    name: str,
    config: TrainConfig,
    text_encoder: Path | None,
    report: Report = lambda line: None,
    *,
    emotion_head: Path | None = None,
    device: str = "auto",
    bar: bool = False,
) -> Path:
    """Train everything a checkpoint holds and write it to ``out/checkpoint``; return that folder.

    Every stage leaves its result in ``out`` and is not done again: an interrupted run goes on. The checkpoint has the
    averaged weights that did best on the lines held out, or the last ones where none are held out.

    Args:
        text: folder of labelled text, to train the emotion head on; needed unless there is a head already.
        corpus: what the network learns from.
        out: the run's folder.
        name: the checkpoint's.
        config: how the network is trained.
        text_encoder: folder of the text encoder; None finds it.
        emotion_head: a checkpoint to take the emotion head of, in place of training one.
        report, device, bar: as :func:`~cteg_core.training.loop.train` takes them.

    Raises:
        ValueError: with a sentence; so does every stage.
        OSError: a file cannot be read or written.
    """

    def encoder() -> TextEncoder:
        return TextEncoder.load(text_encoder, str(accelerator.device))

    accelerator = accelerator_for(device)
    report = report if accelerator.is_main_process else _nothing
    reader = CorpusReader(corpus)
    with accelerator.main_process_first():
        emotion = _emotion_head(text, emotion_head, out, encoder, report)
        states = TextStateCache.of(reader.texts, out / "states-corpus", encoder, report)
    rates = FRAME_RATES if config.model.frame_rate else ()
    data = TrainData(reader, states, scaling_of(reader), reader.fps, rates)
    network = train(data, config, out / "network", report, device=device, bar=bar)
    best = load_best(out / "network", config, into=network)
    info = CheckpointInfo(
        name=name,
        space="cteg-head-1",
        fps=reader.fps,
        text_encoder=dict(MINILM_SHA256),
        training={"credits": CREDITS, "pairs": len(reader), "lines": len(reader.texts), **_settings(config)},
        metrics={"emotion_head": emotion.scores, "held_out": None if best is None else asdict(best)},
        licence=LICENCE,
    )
    if accelerator.is_main_process:
        checkpoint = Checkpoint(info, network, emotion.head, emotion.thresholds, data.scaling)
        save_checkpoint(checkpoint, out / "checkpoint")
    accelerator.wait_for_everyone()
    report(f"The checkpoint is in {out / 'checkpoint'}.")
    return out / "checkpoint"


def _nothing(line: str) -> None:
    """Say nothing: of several processes one speaks."""


def _settings(config: TrainConfig) -> dict[str, Any]:
    record = asdict(config)
    record.pop("model")
    return record


def _emotion_head(
    text: Path | None, source: Path | None, out: Path, encoder: Callable[[], TextEncoder], report: Report
) -> TrainedEmotionHead:
    """Return the head of the checkpoint ``source``, the one that the run has trained, or train one on ``text``."""
    if source is not None:
        given = load_checkpoint(source)
        scores_of_it = dict(given.info.metrics.get("emotion_head") or {})
        return TrainedEmotionHead(given.emotion_head, given.thresholds, scores_of_it)
    kept = out / "emotion-head.safetensors"
    trained = kept_head(kept)
    if trained is None:
        if text is None:
            raise ValueError(
                "The emotion head has to be trained: name the folder of labelled text with --text, "
                "or a checkpoint whose head to take with --emotion-head."
            )
        trained = _trained_head(text, out, encoder, report)
        keep_head(kept, trained)
    report(f"emotion head: {trained.scores}")
    return trained


def _trained_head(text: Path, out: Path, encoder: Callable[[], TextEncoder], report: Report) -> TrainedEmotionHead:
    lines = read_labelled_text(text)
    cache = TextStateCache.of([line.text for line in lines], out / "states-text", encoder, report)
    labels, affect = _targets(lines)
    splits = np.array([line.split for line in lines])
    chosen = np.flatnonzero(splits == "train")
    data = LabelledStates(cache, chosen, labels[chosen], affect[chosen])
    head = train_emotion_head(data, EmotionHeadConfig(), EmotionTraining(), report)
    labelled = ~np.isnan(labels[:, 0])
    dev, test = (_read_split(head, cache, labels, labelled & (splits == split)) for split in ("dev", "test"))
    rated = np.flatnonzero((splits == "test") & ~np.isnan(affect[:, 0]))
    read_affect = read_all(head, cache, rated.tolist())[1]
    return TrainedEmotionHead(
        head,
        torch.from_numpy(best_thresholds(*dev)).float(),
        asdict(scores(dev, test, (read_affect, affect[rated]))),
    )


def keep_head(path: Path, trained: TrainedEmotionHead) -> None:
    """Write a trained head with its thresholds and scores; the file appears whole or not at all."""
    tensors = {f"head.{name}": value for name, value in trained.head.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    save_file(tensors | {"thresholds": trained.thresholds}, partial, metadata={"scores": json.dumps(trained.scores)})
    partial.replace(path)


def kept_head(path: Path) -> TrainedEmotionHead | None:
    """Return the head that the run has trained; None where there is none, raises ValueError where it is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            found = json.loads((file.metadata() or {})["scores"])
        tensors = load_file(path)
        thresholds = tensors.pop("thresholds")
        head = EmotionHead(EmotionHeadConfig())
        head.load_state_dict({name.removeprefix("head."): value for name, value in tensors.items()})
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not an emotion head of this version ({error}): delete it.") from error
    return TrainedEmotionHead(head.eval(), thresholds, dict(found))


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
