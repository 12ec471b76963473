"""Training of the text side: adapters of the text encoder and the emotion head, on labelled comments and dialogue.

Both are learned together: from comments emotion words and affect, from written dialogue what a situation feels like.
What is shared is the encoder and the head's features; each has a readout of its own. Stages may mix them otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from cteg_core.emotion import BASIC_EMOTIONS, BASIC_OF_LABEL, EMOTION_LABELS
from cteg_core.model.adapters import Adapters
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.text_encoder import READ_LAYERS, TextEncoder
from cteg_core.training.text_batches import TextBatch, TextExamples, batches_of
from cteg_core.training.text_resume import TextState, load_state, save_state

GROUPS: Final = torch.tensor(
    [[float(BASIC_OF_LABEL[label] == basic) for basic in BASIC_EMOTIONS] for label in EMOTION_LABELS]
)
"""``[28, 7]``, 1 where a label counts as a basic emotion."""


@dataclass(frozen=True)
class TextStage:
    """One stage.

    Attributes:
        name: for the log.
        epochs: how often its mixture is gone through.
        comments, affect, dialogue: how much of each source an epoch holds: 0.5 is a half, drawn anew, 2 is all twice.
        rate: the highest learning rate, of one cycle over the stage.
    """

    name: str
    epochs: int
    comments: float
    affect: float
    dialogue: float
    rate: float


@dataclass(frozen=True)
class TextTraining:
    """How the text side is trained.

    Attributes:
        stages: one after another, each from where the last one ended.
        rank: of the adapters.
        batch: examples a step.
        affect_weight: on the squared error of valence, arousal and dominance of dialogue.
        rated_weight: the same of rated sentences, whose ratings spread over a third of that range.
        encoder_dropout: within the encoder, while its adapters are trained.
        save_every: steps between resume states.
        longest: tokens; longer examples are cut (labelled comments only: dialogue is never that long).
    """

    stages: tuple[TextStage, ...] = (TextStage("together", 4, 0.5, 1.0, 1.0, 6e-4),)
    head: EmotionHeadConfig = field(default_factory=lambda: EmotionHeadConfig(rated_readout=True))
    rank: int = 32
    batch: int = 64
    weight_decay: float = 0.02
    affect_weight: float = 4.0
    rated_weight: float = 30.0
    encoder_dropout: float = 0.1
    save_every: int = 200
    longest: int = 96
    seed: int = 0


@dataclass(frozen=True)
class TextSide:
    """What training yields: the encoder's adapters by name, and the head."""

    adapters: dict[str, Tensor]
    head: EmotionHead


def train_text_side(
    model: nn.Module,
    examples: TextExamples,
    config: TextTraining,
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> TextSide:
    """Train, or go on training, in ``folder``.

    Args:
        model: the encoder, a BERT of transformers without adapters; it gets some, and stays frozen otherwise.
        examples: labelled texts of the training splits.
        config: how.
        folder: holds the resume state.
        report: takes a line of progress now and then.
        stop_after: stop at this step of all, as if the process had ended there (tests).

    Raises:
        ValueError: nothing to train on, or the folder holds another run.
    """
    torch.manual_seed(config.seed)
    adapters = Adapters(model, config.rank)
    head = EmotionHead(config.head).to(next(model.parameters()).device)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = config.encoder_dropout
    parameters = [*adapters.parameters(), *head.parameters()]
    state = TextState(adapters, head, _optimizer(parameters, config))
    load_state(folder, config, state, examples.digest)
    done_before = 0
    for number, stage in enumerate(config.stages):
        steps = sum(len(batches_of(examples, stage, config, epoch)) for epoch in range(stage.epochs))
        if steps == 0:
            raise ValueError(f"The stage {stage.name!r} of the text side has nothing to train on.")
        if state.step == done_before and number:
            # Moments of the last stage's mixture would steer the first steps of this one's.
            state.optimizer = _optimizer(parameters, config)
        _run_stage(model, state, examples, stage, config, folder, done_before, steps, report, stop_after)
        done_before += steps
        if stop_after is not None and state.step >= stop_after:
            break
    model.eval()
    return TextSide({name: value.clone() for name, value in adapters.state().items()}, head.eval())


def _optimizer(parameters: list[nn.Parameter], config: TextTraining) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=0.0, weight_decay=config.weight_decay)


def _run_stage(
    model: nn.Module,
    state: TextState,
    examples: TextExamples,
    stage: TextStage,
    config: TextTraining,
    folder: Path,
    first: int,
    steps: int,
    report: Callable[[str], None],
    stop_after: int | None,
) -> None:
    step, total = first, 0.0
    model.train()
    state.head.train()
    for epoch in range(stage.epochs):
        for rows in batches_of(examples, stage, config, epoch):
            if step < state.step:
                step += 1
                continue
            if stop_after is not None and step >= stop_after:
                return
            torch.manual_seed(int(np.random.SeedSequence([config.seed, step]).generate_state(1, np.uint64)[0]))
            for group in state.optimizer.param_groups:
                group["lr"] = one_cycle((step - first) / steps, stage.rate)
            loss = text_loss(model, state, examples.batch(rows, config.longest), config)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(state.parameters(), 1.0)
            state.optimizer.step()
            total += float(loss.detach())
            step += 1
            state.step = step
            if step % 50 == 0:
                report(f"text side, {stage.name}: step {step - first}/{steps}, loss {total / 50:.3f}")
                total = 0.0
            if step % config.save_every == 0 or step == first + steps:
                save_state(folder, config, state, examples.digest)


def one_cycle(share: float, highest: float) -> float:
    """Return the learning rate after ``share`` of a stage: a tenth of it up, then down along a cosine."""
    if share < 0.1:
        return highest * (0.04 + 0.96 * share / 0.1)
    return highest * (1e-3 + 0.999 * 0.5 * (1.0 + math.cos(math.pi * (share - 0.1) / 0.9)))


def text_loss(model: nn.Module, state: TextState, batch: TextBatch, config: TextTraining) -> Tensor:
    """Return the loss of a batch, a scalar: labels by themselves, the shares of basic emotions, and affect.

    Every label has its cross-entropy; where a source gives shares (dialogue), so has the distribution over the basic
    emotions, which is what decides the face.
    """
    logits, affect = read_batch(model, state.adapters, state.head, batch)
    labelled, rated = ~batch.labels[:, 0].isnan(), ~batch.affect[:, 0].isnan()
    loss: Tensor = logits.new_zeros(())
    if labelled.any():
        each = F.binary_cross_entropy_with_logits(logits[labelled], batch.labels[labelled], reduction="none")
        loss = loss + each.sum(-1).mean() * labelled.float().mean()
    if batch.shared.any():
        groups = GROUPS.to(logits.device)
        grouped = logits[batch.shared].unsqueeze(-1).masked_fill(groups == 0.0, -1e4).logsumexp(1)  # [N, 7]
        shares = batch.labels[batch.shared]
        shares = (shares / shares.sum(1, keepdim=True)) @ groups
        loss = loss - (shares * F.log_softmax(grouped, -1)).sum(-1).mean() * batch.shared.float().mean()
    if rated.any():
        weights = torch.where(batch.shared[rated], config.affect_weight, config.rated_weight)  # [N]
        error = weights * (affect[rated] - batch.affect[rated]).square().sum(-1)
        loss = loss + error.mean() * rated.float().mean()
    return loss


def read_batch(model: nn.Module, adapters: Adapters, head: EmotionHead, batch: TextBatch) -> tuple[Tensor, Tensor]:
    """Return logits ``[B, 28]`` and affect ``[B, 3]``: of dialogue what a face shows, of the rest what raters say."""
    with adapters.applied():
        layers = layers_of(model, batch)
    logits, affect = head(layers, batch.mask, batch.pooled, ~batch.shared)
    return logits, affect


def layers_of(model: nn.Module, batch: TextBatch) -> Tensor:
    """Return the states that the head reads, ``[B, R, S, d_text]``."""
    hidden = model(
        input_ids=batch.ids, attention_mask=batch.mask.long(), token_type_ids=batch.kinds, output_hidden_states=True
    ).hidden_states
    return torch.stack([hidden[index] for index in READ_LAYERS], 1)


@torch.inference_mode()
def read_examples(
    encoder: TextEncoder, head: EmotionHead, examples: TextExamples
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits ``[N, 28]`` and affect ``[N, 3]`` of examples.

    Dialogue is read as the product reads lines; comments and rated sentences by the readout of their raters.
    """
    encoder.model.eval()
    head.eval()
    order = sorted(range(len(examples)), key=examples.length)
    logits = np.empty((len(examples), len(EMOTION_LABELS)), dtype=np.float32)
    affects = np.empty((len(examples), 3), dtype=np.float32)
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        batch = examples.batch(chosen, encoder.max_tokens)
        with encoder.adapted():
            layers = layers_of(encoder.model, batch)
        read = head(layers, batch.mask, batch.pooled, ~batch.shared)
        logits[chosen], affects[chosen] = read[0].float().cpu().numpy(), read[1].float().cpu().numpy()
    return logits, affects
