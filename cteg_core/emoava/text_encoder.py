"""bert-base-cased from a folder of the user's, as training on EmoAva reads it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from cteg_core.emoava.architecture import bert_config_record
from cteg_core.emoava.conversion import Array
from cteg_core.emoava.vocabulary import VOCABULARY_NAME, read_vocabulary, tokenizer_config
from cteg_core.model.checkpoint import WEIGHTS_NAME
from cteg_core.model.text_encoder import TextEncoderError, TextStates

MOST_TOKENS: Final = 128
"""Tokens that the official code reads of a text; the rest is cut off."""


class BertEncoder:
    """A frozen BERT and its vocabulary, in evaluation mode.

    Attributes:
        identity: SHA-256 of its weights.
        vocabulary: its words, one a line.
    """

    def __init__(self, model: Any, tokenizer: Any, device: torch.device, identity: str, vocabulary: bytes) -> None:
        self._model = model.to(device).eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._device = device
        self.identity, self.vocabulary = identity, vocabulary

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> BertEncoder:
        """Load BERT from a folder in transformers' layout: config.json, model.safetensors, vocab.txt.

        Raises TextEncoderError (with a sentence) when something is missing or is not BERT; ImportRefused when the
        vocabulary is another's.
        """
        from transformers import BertModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        # That the folder holds more than is read is no news.
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]

        missing = [name for name in (WEIGHTS_NAME, VOCABULARY_NAME) if not (folder / name).is_file()]
        if missing:
            raise TextEncoderError(
                f"{folder} has no {missing[0]}: training on EmoAva needs a folder of bert-base-cased with "
                f"config.json, {WEIGHTS_NAME} and {VOCABULARY_NAME}."
            )
        try:
            model: Any = BertModel.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, add_pooling_layer=False
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise TextEncoderError(f"The text encoder in {folder} could not be read: {error}") from error
        vocabulary = read_vocabulary(folder / VOCABULARY_NAME, int(model.config.vocab_size))
        tokenizer = _tokenizer(vocabulary, int(model.config.max_position_embeddings))
        with (folder / WEIGHTS_NAME).open("rb") as file:
            identity = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(model, tokenizer, torch.device(device), identity, vocabulary)

    @property
    def width(self) -> int:
        """d_text, the width of the states."""
        return int(self._model.config.hidden_size)

    def token_count(self, text: str) -> int:
        """Return how many tokens are read of ``text``, the two special ones included."""
        return len(self._ids([text])["input_ids"][0])

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> TextStates:
        """Encode texts: layers ``[B, 1, S, d_text]``, the last hidden states alone."""
        batch = self._tokenizer.pad(self._ids(texts), return_tensors="pt")
        ids, mask = batch["input_ids"].to(self._device), batch["attention_mask"].to(self._device)
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        unknown = (ids == self._tokenizer.unk_token_id).sum(1)
        return TextStates(states.unsqueeze(1), mask.bool(), tuple(int(count) for count in unknown))

    def config_record(self) -> dict[str, Any]:
        """Return its configuration in transformers' words."""
        return bert_config_record(vars(self._model.config))

    def weights(self) -> dict[str, Array]:
        """Return its weights by transformers' names: ``float32``, each in the shape that transformers gives it."""
        return {name: value.float().cpu().numpy() for name, value in self._model.state_dict().items()}

    def _ids(self, texts: Sequence[str]) -> Any:
        most = min(MOST_TOKENS, int(self._model.config.max_position_embeddings))
        return self._tokenizer(list(texts), max_length=most, truncation=True, verbose=False)


def _tokenizer(vocabulary: bytes, longest: int) -> Any:
    """Return the tokenizer that the checkpoint will have: of the words alone, whatever else the folder holds."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / VOCABULARY_NAME).write_bytes(vocabulary)
        (Path(name) / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(longest)), encoding="utf-8")
        return AutoTokenizer.from_pretrained(name, local_files_only=True)
