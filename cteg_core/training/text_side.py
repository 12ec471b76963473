"""Training of the text side: adapters of the text encoder and the emotion head, on labelled comments and dialogue.

Both are learned together: from comments emotion words and affect, from written dialogue what a situation feels like.
What is shared is the encoder and the head's features; each has a readout of its own. Then the encoder is left as it is,
and the *rater* goes on from that head's features with comments and rated sentences alone: a head of its own, since what
a face shows and what raters write go by other rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
from cteg_core.model.text_encoder import TextEncoder
from cteg_core.training.text_batches import TextBatch, TextExamples, batches_of
from cteg_core.training.text_layers import RememberedLayers, layers_of
from cteg_core.training.text_resume import TextState, load_state, save_state

GROUPS: Final = torch.tensor(
    [[float(BASIC_OF_LABEL[label] == basic) for basic in BASIC_EMOTIONS] for label in EMOTION_LABELS]
)
"""``[28, 7]``, 1 where a label counts as a basic emotion."""
RATER_NAME: Final = "rater"
"""With its seed the folder of a rater's resume state, in the run's."""


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
        rater_stages: those of the rater, which leave the adapters as they are; none makes no rater.
        rater_seeds: of the raters that are trained from one start and whose weights are averaged (Wortsman et al.
            2022): one alone leans to the batches that it saw last.
        rank: of the adapters.
        batch: examples a step.
        affect_weight: on the squared error of valence, arousal and dominance of dialogue.
        rated_weight: the same of rated sentences, whose ratings spread over a third of that range.
        encoder_dropout: within the encoder, while its adapters are trained.
        save_every: steps between resume states.
        longest: tokens; longer examples are cut (labelled comments only: dialogue is never that long).
    """

    stages: tuple[TextStage, ...] = (TextStage("together", 4, 0.5, 1.0, 1.0, 6e-4),)
    rater_stages: tuple[TextStage, ...] = (TextStage("raters", 3, 1.0, 3.0, 0.0, 4e-4),)
    rater_seeds: tuple[int, ...] = (0, 1)
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
    """What training yields: the encoder's adapters by name, the head of what faces show, and the rater, if any."""

    adapters: dict[str, Tensor]
    head: EmotionHead
    rater: EmotionHead | None = None


def train_text_side(
    model: nn.Module,
    examples: TextExamples,
    config: TextTraining,
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
    stop_after: int | None = None,
) -> TextSide:
    """Train adapters and heads, or go on training them, in ``folder``.

    Args:
        model: the encoder, a BERT of transformers without adapters; it gets some, and stays frozen otherwise.
        examples: labelled texts of the training splits.
        config: how.
        folder: holds the resume state.
        report: takes a line of progress now and then.
        stop_after: stop at this step of the stages, as if the process had ended there (tests).

    Raises:
        ValueError: nothing to train on, or the folder holds another run.
    """
    torch.manual_seed(config.seed)
    adapters = Adapters(model, config.rank)
    head = EmotionHead(config.head).to(next(model.parameters()).device)
    run = _TextRun(model, examples, config, folder, report, stop_after)
    parameters = [*adapters.parameters(), *head.parameters()]
    ended = run.go(config.stages, TextState(adapters, head, _optimizer(parameters, config)))
    side = TextSide({name: value.clone() for name, value in adapters.state().items()}, without_readout(head).eval())
    if ended and config.rater_stages and config.rater_seeds:
        side = replace(side, rater=_trained_rater(run, adapters, head))
    model.eval()
    return side


def _trained_rater(run: _TextRun, adapters: Adapters, head: EmotionHead) -> EmotionHead:
    remembered = RememberedLayers(run.model, adapters)
    raters: list[EmotionHead] = []
    for seed in run.config.rater_seeds:
        torch.manual_seed(seed)
        rater = as_rater(head)
        optimizer = _optimizer(list(rater.parameters()), run.config)
        own = replace(run, folder=run.folder / f"{RATER_NAME}-{seed}", config=replace(run.config, seed=seed))
        own.go(run.config.rater_stages, TextState(adapters, rater, optimizer, remembered=remembered))
        raters.append(rater)
    return averaged(raters)


def averaged(heads: Sequence[EmotionHead]) -> EmotionHead:
    """Return a head with the mean of the weights of one head or more, all of the first one's form."""
    mean = EmotionHead(heads[0].config).to(heads[0].mixture.device)
    states = [head.state_dict() for head in heads]
    mean.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return mean.eval()


def without_readout(head: EmotionHead) -> EmotionHead:
    """Return a head like this one without its readout for raters."""
    plain = EmotionHead(replace(head.config, rated_readout=False)).to(head.mixture.device)
    plain.load_state_dict({name: value for name, value in head.state_dict().items() if not name.startswith("rated_")})
    return plain


def as_rater(head: EmotionHead) -> EmotionHead:
    """Return a head like this one whose only readout is that for raters, if it has one."""
    rater = without_readout(head)
    if head.config.rated_readout:
        rater.labels.load_state_dict(head.rated_labels.state_dict())
        rater.affect.load_state_dict(head.rated_affect.state_dict())
    return rater


def _optimizer(parameters: Sequence[nn.Parameter], config: TextTraining) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=0.0, weight_decay=config.weight_decay)


@dataclass(frozen=True)
class _TextRun:
    """What all stages of a run share."""

    model: nn.Module
    examples: TextExamples
    config: TextTraining
    folder: Path
    report: Callable[[str], None]
    stop_after: int | None = None

    def go(self, stages: Sequence[TextStage], state: TextState) -> bool:
        """Go through stages from where their folder's state stands; return whether the last one ended."""
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = self.config.encoder_dropout
        load_state(self.folder, self.config, state, self.examples.digest)
        done_before = 0
        for number, stage in enumerate(stages):
            steps = sum(len(batches_of(self.examples, stage, self.config, epoch)) for epoch in range(stage.epochs))
            if steps == 0:
                raise ValueError(f"The stage {stage.name!r} of the text side has nothing to train on.")
            if state.step == done_before and number:
                # Moments of the last stage's mixture would steer the first steps of this one's.
                state.optimizer = _optimizer(state.parameters(), self.config)
            self._stage(state, stage, done_before, steps)
            done_before += steps
            if self.stop_after is not None and state.step >= self.stop_after:
                return False
        return True

    def _stage(self, state: TextState, stage: TextStage, first: int, steps: int) -> None:
        config, step, total = self.config, first, 0.0
        self.model.train(state.remembered is None)
        state.head.train()
        for epoch in range(stage.epochs):
            for rows in batches_of(self.examples, stage, config, epoch):
                if step < state.step:
                    step += 1
                    continue
                if self.stop_after is not None and step >= self.stop_after:
                    return
                torch.manual_seed(int(np.random.SeedSequence([config.seed, step]).generate_state(1, np.uint64)[0]))
                for group in state.optimizer.param_groups:
                    group["lr"] = one_cycle((step - first) / steps, stage.rate)
                loss = text_loss(self.model, state, self.examples.batch(rows, config.longest), config)
                state.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(state.parameters(), 1.0)
                state.optimizer.step()
                total += float(loss.detach())
                step += 1
                state.step = step
                if step % 50 == 0:
                    self.report(f"text side, {stage.name}: step {step - first}/{steps}, loss {total / 50:.3f}")
                    total = 0.0
                if step % config.save_every == 0 or step == first + steps:
                    save_state(self.folder, config, state, self.examples.digest)


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
    logits, affect = read_batch(model, state, batch)
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


def read_batch(model: nn.Module, state: TextState, batch: TextBatch) -> tuple[Tensor, Tensor]:
    """Return logits ``[B, 28]`` and affect ``[B, 3]``: of dialogue what a face shows, of the rest what raters say."""
    if state.remembered is None:
        with state.adapters.applied():
            layers = layers_of(model, batch)
    else:
        layers = state.remembered.of(batch)
    logits, affect = state.head(layers, batch.mask, batch.pooled, ~batch.shared)
    return logits, affect


@torch.inference_mode()
def read_examples(
    encoder: TextEncoder, head: EmotionHead, examples: TextExamples
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits ``[N, 28]`` and affect ``[N, 3]`` of examples.

    A head with a readout for raters reads comments and rated sentences by that; any other reads all alike.
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
