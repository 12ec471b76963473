"""The recipe of the shipped checkpoint: text side, then network, then one folder with both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from cteg_core.evaluation.steadiness import measured_widths, of_each_kind
from cteg_core.model.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, save_checkpoint
from cteg_core.model.config import FRAME_RATES
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.text_encoder import MINILM_SHA256, TextEncoder
from cteg_core.training.corpus import CorpusReader
from cteg_core.training.devices import accelerator_for
from cteg_core.training.dialogue_lines import read_dialogue
from cteg_core.training.loop import TrainConfig, TrainData, scaling_of, train
from cteg_core.training.resume import load_best, part
from cteg_core.training.text_batches import TextExample, TextExamples, examples_of_dialogue, examples_of_text
from cteg_core.training.text_data import GOEMOTIONS_SPLITS, LabelledLine, read_emobank, read_goemotions
from cteg_core.training.text_scores import best_thresholds, scores, with_dialogue
from cteg_core.training.text_side import TextTraining, read_examples, train_text_side
from cteg_core.training.text_states import TextStateCache

LICENCE: Final = "CC-BY-SA-4.0"
CREDITS: Final = (
    "Text: GoEmotions (Demszky et al., ACL 2020; CC BY 4.0) and EmoBank (Buechel and Hahn, EACL 2017; CC BY-SA 4.0). "
    "Dialogue: written for the project (CC0). "
    "Text encoder, not included: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). "
    "Motion: synthesised by cteg_core.training."
)

STEADIED_ON: Final = 600
"""Performances of each kind, spoken and silent, on which the steadying is measured: of lines held out, and where those
are too few of others. Fifty silent ones left the jaw of others at 1.4 of what the corpus's accelerates."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainedEmotionHead:
    """The head, thresholds ``[28]`` of the rater's labels, what is reached as a record, adapters, and the rater."""

    head: EmotionHead
    thresholds: torch.Tensor
    scores: dict[str, Any]
    adapters: Mapping[str, torch.Tensor] = field(default_factory=dict)
    rater: EmotionHead | None = None


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
    dialogue: Path | None = None,
    text_config: TextTraining | None = None,
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
        emotion_head: a checkpoint to take the text side of (emotion head and adapters), in place of training one.
        dialogue: the project's dialogue, for the text side to learn from beside ``text``.
        text_config: how the text side is trained; None is how the shipped one was.
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
        emotion = _text_side(text, emotion_head, dialogue, text_config or TextTraining(), out, encoder, report)
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
        report("measuring tremor")
        measured = of_each_kind(data, _held_out_first(data, config), STEADIED_ON)
        widths = measured_widths(network, data, measured.tolist()) if len(measured) else np.zeros((2, 53))
        checkpoint = Checkpoint(
            info,
            network,
            emotion.head,
            emotion.thresholds,
            data.scaling,
            adapters=emotion.adapters,
            steadying=torch.from_numpy(widths).float(),
            rater=emotion.rater,
        )
        save_checkpoint(checkpoint, out / "checkpoint")
    accelerator.wait_for_everyone()
    report(f"The checkpoint is in {out / 'checkpoint'}.")
    return out / "checkpoint"


def _held_out_first(data: TrainData, config: TrainConfig) -> NDArray[np.int64]:
    """Return all performances that training would take, ``int64 [N]``, those of held-out lines first."""
    apart = data.held_out(config.held_out)
    numbers = np.concatenate([apart, np.setdiff1d(np.arange(len(data.lengths)), apart)]).astype(np.int64)
    return numbers[data.lengths[numbers] <= config.longest]


def _nothing(line: str) -> None:
    """Say nothing: of several processes one speaks."""


def _settings(config: TrainConfig) -> dict[str, Any]:
    record = asdict(config)
    record.pop("model")
    return record


def _text_side(
    text: Path | None,
    source: Path | None,
    dialogue: Path | None,
    config: TextTraining,
    out: Path,
    encoder: Callable[[], TextEncoder],
    report: Report,
) -> TrainedEmotionHead:
    """Return the text side of the checkpoint ``source``, the one that the run has trained, or train one on ``text``."""
    if source is not None:
        given = load_checkpoint(source)
        scores_of_it = dict(given.info.metrics.get("emotion_head") or {})
        return TrainedEmotionHead(given.emotion_head, given.thresholds, scores_of_it, given.adapters, given.rater)
    kept = out / "emotion-head.safetensors"
    trained = kept_head(kept)
    if trained is None:
        if text is None:
            raise ValueError(
                "The emotion head has to be trained: name the folder of labelled text with --text, "
                "or a checkpoint whose head to take with --emotion-head."
            )
        trained = _trained_text_side(text, dialogue, config, out, encoder, report)
        keep_head(kept, trained)
    report(f"emotion head: {trained.scores}")
    return trained


def _trained_text_side(
    text: Path,
    dialogue: Path | None,
    config: TextTraining,
    out: Path,
    encoder: Callable[[], TextEncoder],
    report: Report,
) -> TrainedEmotionHead:
    loaded = encoder()
    comments = read_labelled_text(text)
    written = [] if dialogue is None else read_dialogue(dialogue, "train")
    train = examples_of_text([line for line in comments if line.split == "train"])
    train += examples_of_dialogue(written, clauses=True)
    side = train_text_side(
        loaded.model, TextExamples(train, loaded.tokenizer, loaded.device), config, out / "text-side", report
    )
    loaded = encoder()
    loaded.adapt_to(side.adapters)

    def read(examples: Sequence[TextExample], head: EmotionHead) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        whole = TextExamples(examples, loaded.tokenizer, loaded.device)
        return read_examples(loaded, head, whole)

    rater = side.head if side.rater is None else side.rater
    splits = {}
    for split in ("dev", "test"):
        chosen = examples_of_text([line for line in comments if line.split == split])
        labelled = [e for e in chosen if e.source == "comments"]
        odds = 1.0 / (1.0 + np.exp(-read(labelled, rater)[0]))
        splits[split] = (odds.astype(np.float32), np.array([e.labels for e in labelled], dtype=np.float32))
        rated = [e for e in chosen if e.source == "affect"]
    affect = (read(rated, rater)[1], np.array([e.affect for e in rated], dtype=np.float32))
    reached = scores(splits["dev"], splits["test"], affect)
    if dialogue is not None:
        reached = with_dialogue(
            reached, dialogue, lambda lines: read(examples_of_dialogue(lines, clauses=False), side.head)[0]
        )
    thresholds = torch.from_numpy(best_thresholds(*splits["dev"])).float()
    return TrainedEmotionHead(
        side.head.cpu(), thresholds, asdict(reached), side.adapters, None if side.rater is None else side.rater.cpu()
    )


def keep_head(path: Path, trained: TrainedEmotionHead) -> None:
    """Write a trained head with its thresholds and scores; the file appears whole or not at all."""
    tensors = {f"head.{name}": value for name, value in trained.head.state_dict().items()}
    tensors |= {f"adapters.{name}": value for name, value in trained.adapters.items()}
    if trained.rater is not None:
        tensors |= {f"rater.{name}": value for name, value in trained.rater.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    metadata = {"scores": json.dumps(trained.scores), "head": json.dumps(asdict(trained.head.config))}
    save_file(tensors | {"thresholds": trained.thresholds}, partial, metadata=metadata)
    partial.replace(path)


def kept_head(path: Path) -> TrainedEmotionHead | None:
    """Return the head that the run has trained; None where there is none, raises ValueError where it is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            found, config = json.loads(metadata["scores"]), json.loads(metadata["head"])
        tensors = load_file(path)
        thresholds = tensors.pop("thresholds")
        adapters, own, raters = (part(tensors, prefix) for prefix in ("adapters.", "head.", "rater."))
        head = EmotionHead(EmotionHeadConfig.from_record(config))
        head.load_state_dict(own)
        rater = EmotionHead(head.config) if raters else None
        if rater is not None:
            rater.load_state_dict(raters)
            rater.eval()
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not an emotion head of this version ({error}): delete it.") from error
    return TrainedEmotionHead(head.eval(), thresholds, dict(found), adapters, rater)
