"""Training of the emotion head on labelled text: labels and affect at once, thresholds from dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.training.text_states import TextStateCache

THRESHOLDS: Final = np.arange(0.05, 0.95, 0.025)


@dataclass(frozen=True)
class LabelledStates:
    """Texts by their place in a state cache, with what is known of each.

    Attributes:
        cache: the states.
        indices: ``[N]`` rows of the cache.
        labels: ``float32 [N, 28]``; a row of NaN where labels are not known.
        affect: ``float32 [N, 3]`` in [-1, 1]; a row of NaN where it is not known.
    """

    cache: TextStateCache
    indices: NDArray[np.int64]
    labels: NDArray[np.float32]
    affect: NDArray[np.float32]


@dataclass(frozen=True)
class EmotionTraining:
    """How the head is trained."""

    epochs: int = 6
    batch: int = 128
    rate: float = 7e-4
    weight_decay: float = 0.02
    affect_weight: float = 2.0
    seed: int = 0


@dataclass(frozen=True)
class EmotionScores:
    """What the head reaches.

    Attributes:
        macro_f1: over the 28 labels, thresholds from dev.
        basic_macro_f1: over the Ekman six and neutral, thresholds from dev.
        basic_balanced_accuracy: mean recall of the strongest basic emotion on lines with one basic label.
        affect_r: Pearson r of valence, arousal, dominance.
    """

    macro_f1: float
    basic_macro_f1: float
    basic_balanced_accuracy: float
    affect_r: tuple[float, float, float]


def train_emotion_head(
    data: LabelledStates,
    config: EmotionHeadConfig,
    settings: EmotionTraining,
    report: Callable[[str], None] = lambda line: None,
) -> EmotionHead:
    """Train a head; deterministic on a CPU for a seed and thread count."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    head = EmotionHead(config)
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
    steps_per_epoch = math.ceil(len(data.indices) / settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.rate, total_steps=steps_per_epoch * settings.epochs, pct_start=0.1
    )
    for epoch in range(settings.epochs):
        head.train()
        total = 0.0
        order = rng.permutation(len(data.indices))
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            loss = _loss(head, data, rows, settings.affect_weight)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        report(f"emotion head epoch {epoch + 1}/{settings.epochs}: loss {total / steps_per_epoch:.4f}")
    return head.eval()


def _loss(head: EmotionHead, data: LabelledStates, rows: NDArray[np.int64], affect_weight: float) -> torch.Tensor:
    layers, mask = data.cache.batch([int(data.indices[row]) for row in rows])
    logits, affect = head(layers, mask)
    labels, affect_true = torch.from_numpy(data.labels[rows]), torch.from_numpy(data.affect[rows])
    labelled, rated = ~labels[:, 0].isnan(), ~affect_true[:, 0].isnan()
    loss: torch.Tensor = logits.new_zeros(())
    if labelled.any():
        each = F.binary_cross_entropy_with_logits(logits[labelled], labels[labelled], reduction="none")
        loss = loss + each.sum(-1).mean() * labelled.float().mean()
    if rated.any():
        loss = (
            loss + affect_weight * (affect[rated] - affect_true[rated]).square().sum(-1).mean() * rated.float().mean()
        )
    return loss


@torch.inference_mode()
def read_all(head: EmotionHead, cache: TextStateCache, indices: Sequence[int]) -> tuple[NDArray[np.float32], ...]:
    """Return probabilities ``[N, 28]`` and affect ``[N, 3]`` of the texts at ``indices``."""
    probabilities, affects = [], []
    for start in range(0, len(indices), 256):
        logits, affect = head(*cache.batch(indices[start : start + 256]))
        probabilities.append(logits.sigmoid().numpy())
        affects.append(affect.numpy())
    return np.concatenate(probabilities), np.concatenate(affects)


def best_thresholds(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each label the threshold of best F1, ``[28]``, on the given (dev) lines, both ``[N, 28]``."""
    best = np.full(labels.shape[1], 0.5)
    for column in range(labels.shape[1]):
        scores = [_f1(probabilities[:, column] >= threshold, labels[:, column] > 0.5) for threshold in THRESHOLDS]
        best[column] = THRESHOLDS[int(np.argmax(scores))]
    return best


def scores(
    dev: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
    affect: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> EmotionScores:
    """Score the head: (probabilities, labels) ``[N, 28]`` of dev and test lines, (read, true) affect ``[M, 3]``."""
    basic_dev, basic_test = (tuple(_basic(values) for values in split) for split in (dev, test))
    single = basic_test[1].sum(1) == 1
    truth, guess = basic_test[1][single].argmax(1), basic_test[0][single].argmax(1)
    recalls = [float((guess[truth == c] == c).mean()) for c in range(len(BASIC_EMOTIONS)) if (truth == c).any()]
    r = tuple(float(np.corrcoef(affect[0][:, i], affect[1][:, i])[0, 1]) for i in range(3))
    return EmotionScores(
        _macro_f1(dev, test), _macro_f1(basic_dev, basic_test), float(np.mean(recalls)), (r[0], r[1], r[2])
    )


def _macro_f1(dev: tuple[NDArray[np.float32], ...], test: tuple[NDArray[np.float32], ...]) -> float:
    thresholds = best_thresholds(dev[0], dev[1])
    return float(np.mean([_f1(test[0][:, c] >= thresholds[c], test[1][:, c] > 0.5) for c in range(test[1].shape[1])]))


def _f1(guess: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    hits = float((guess & truth).sum())
    return 0.0 if hits == 0 else 2 * hits / float(guess.sum() + truth.sum())


def _basic(values: NDArray[np.float32]) -> NDArray[np.float32]:
    columns = [
        values[:, [i for i, label in enumerate(EMOTION_LABELS) if BASIC_OF_LABEL[label] == basic]].max(1)
        for basic in BASIC_EMOTIONS
    ]
    return np.stack(columns, 1)
