"""The text encoder: a BERT-like model read through transformers, checked by SHA-256, its own weights frozen."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from cteg_core.model.adapters import Adapters, rank_of

MINILM_SHA256: Final[dict[str, str]] = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
"""The files of sentence-transformers/all-MiniLM-L6-v2 that the default checkpoint was trained with."""

HUB_NAME: Final = "sentence-transformers/all-MiniLM-L6-v2"
ENVIRONMENT_VARIABLE: Final = "CTEG_TEXT_ENCODER"
ENVIRONMENT_FOLDER: Final = Path("share") / "cteg" / "all-MiniLM-L6-v2"
"""Where the set-up puts the encoder inside the sidecar's own Python environment."""

READ_LAYERS: Final[tuple[int, ...]] = (2, 4, 6)
"""Layers whose states the emotion head reads; the last is also what the decoder attends to."""


class TextEncoderError(ValueError):
    """The text encoder could not be found, read, or is not the one the checkpoint needs."""


@dataclass(frozen=True)
class TextStates:
    """Hidden states of a batch of B texts, padded to S tokens.

    Attributes:
        layers: ``[B, R, S, d_text]``, one for each of ``READ_LAYERS``.
        mask: ``bool [B, S]``, True at real tokens.
        unknown: for each text, how many of its tokens the vocabulary does not hold.
        spans: ``int64 [B, S, 2]``, the letters of the text that each token stands for; (0, 0) at special tokens, and
            at those of what came before the text. None where an encoder cannot tell.
    """

    layers: Tensor
    mask: Tensor
    unknown: tuple[int, ...]
    spans: Tensor | None = None

    @property
    def last(self) -> Tensor:
        """``[B, S, d_text]``, the last hidden states: the decoder's memory."""
        return self.layers[:, -1]


class TextEncoder:
    """A frozen text encoder on one device."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self._model = model.to(device).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._adapters: Adapters | None = None
        self._is_adapted = False
        self.device = device

    @classmethod
    def load(cls, folder: Path | None, device: str = "cpu") -> TextEncoder:
        """Load the encoder from ``folder``, or from where :func:`find_folder` finds one.

        Raises TextEncoderError when it is missing or its files are not the expected ones.
        """
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        source = str(verified(find_folder(folder)))
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                source, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise TextEncoderError(f"The text encoder in {source} could not be read: {error}") from error
        return cls(model, tokenizer, torch.device(device))

    def token_count(self, text: str) -> int:
        """Return how many tokens ``text`` becomes, the two special ones included."""
        return len(self._tokenizer(text, verbose=False)["input_ids"])

    @property
    def model(self) -> Any:
        """The model, for training its adapters."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, for training."""
        return self._tokenizer

    @property
    def width(self) -> int:
        """d_text, the width of the states."""
        return int(self._model.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """The most tokens a text may have."""
        return int(self._model.config.max_position_embeddings)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> TextStates:
        """Encode texts with the encoder's own weights; raises TextEncoderError when one is too long."""
        return self._states(list(texts), None)

    @torch.inference_mode()
    def encode_adapted(self, texts: Sequence[str], before: Sequence[str] | None = None) -> TextStates:
        """Encode texts through the adapters, where there are any: for the emotion head.

        Args:
            texts: as for :meth:`encode`.
            before: for each text what was said or happened just before it; None where nothing is known of any.
        """
        with self.adapted():
            return self._states(list(texts), before)

    def adapted(self) -> AbstractContextManager[None]:
        """Let the adapters take part, where there are any, in what :attr:`model` does."""
        return self._adapters.applied() if self._adapters is not None and self._is_adapted else nullcontext()

    def adapt(self, rank: int) -> Adapters:
        """Put adapters in, which change nothing yet, and return them; raises ValueError where there are some."""
        self._adapters = Adapters(self._model, rank)
        self._is_adapted = True
        return self._adapters

    def adapt_to(self, state: Mapping[str, Tensor]) -> None:
        """Take a checkpoint's adapters (none of them: the encoder as it is); raises ValueError if they do not fit."""
        self._is_adapted = bool(state)
        if state:
            adapters = self._adapters or self.adapt(rank_of(state))
            adapters.load(state)

    def _states(self, texts: list[str], before: Sequence[str] | None) -> TextStates:
        given = [texts] if before is None else [list(before), texts]
        batch = self._tokenizer(*given, padding=True, return_tensors="pt", verbose=False, return_offsets_mapping=True)
        if batch["input_ids"].shape[1] > self.max_tokens:
            raise TextEncoderError(f"A text is longer than the text encoder's {self.max_tokens} tokens: split it.")
        ids, mask = batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)
        kinds = batch["token_type_ids"].to(self.device)
        states = self._model(
            input_ids=ids, attention_mask=mask, token_type_ids=kinds, output_hidden_states=True
        ).hidden_states
        layers = torch.stack([states[index] for index in READ_LAYERS], dim=1)  # [B, R, S, D]
        unknown = (ids == self._tokenizer.unk_token_id).sum(1)
        own = kinds == (len(given) - 1)
        spans = batch["offset_mapping"].to(self.device) * own.unsqueeze(-1)  # [B, S, 2]
        return TextStates(layers, mask.bool(), tuple(int(count) for count in unknown), spans)


def find_folder(folder: Path | None) -> Path:
    """Return the encoder's folder: the given one, ``CTEG_TEXT_ENCODER``, this environment's, or the hub's.

    Raises TextEncoderError with a sentence when there is none.
    """
    if folder is not None:
        return folder
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named)
    installed = Path(sys.prefix) / ENVIRONMENT_FOLDER
    if installed.is_dir():
        return installed
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB_NAME, allow_patterns=list(MINILM_SHA256)))
    except Exception as error:  # the hub's client raises many unrelated kinds
        raise TextEncoderError(
            f"The text encoder all-MiniLM-L6-v2 was not found in {installed} and could not be downloaded "
            f"({type(error).__name__}): run the set-up, or name its folder in {ENVIRONMENT_VARIABLE}."
        ) from error


def verified(folder: Path) -> Path:
    """Return ``folder`` if it holds the expected files; raises TextEncoderError otherwise."""
    for name, expected in MINILM_SHA256.items():
        path = folder / name
        if not path.is_file():
            raise TextEncoderError(f"The text encoder's folder {folder} has no file {name}: run the set-up again.")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise TextEncoderError(
                f"{path} is not the file of all-MiniLM-L6-v2 that the checkpoint was trained with "
                f"(SHA-256 {found[:12]}…, expected {expected[:12]}…): run the set-up again."
            )
    return folder
