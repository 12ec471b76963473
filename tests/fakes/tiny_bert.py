"""A BERT of a few thousand numbers that reads letter by letter, and text encoders of it; no files, no downloads."""

from __future__ import annotations

from typing import Any

import torch

from cteg_core.model.adapters import Adapters
from cteg_core.model.emotion_head import EmotionHead, EmotionHeadConfig
from cteg_core.model.text_encoder import TextEncoder

WIDTH = 16
MOST_TOKENS = 160
HEAD = EmotionHeadConfig(d_text=WIDTH, d_model=8, heads=2, d_inner=8, dropout=0.1)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?;:'-", *_LETTERS, *(f"##{x}" for x in _LETTERS))


def tiny_tokenizer() -> Any:
    """Return a tokenizer of transformers whose words are letters."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={piece: place for place, piece in enumerate(_PIECES)})


def tiny_model(layers: int = 6, seed: int = 0) -> Any:
    """Return a seeded BERT of width 16, in evaluation mode."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(_PIECES), hidden_size=WIDTH, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=WIDTH, max_position_embeddings=MOST_TOKENS, initializer_range=0.3,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False).eval()


def tiny_encoder(seed: int = 0) -> TextEncoder:
    """Return a text encoder of a seeded tiny BERT."""
    return TextEncoder(tiny_model(seed=seed), tiny_tokenizer(), torch.device("cpu"))


def tiny_head(seed: int = 0, sharpness: float = 1.0) -> EmotionHead:
    """Return a seeded emotion head for it, in evaluation mode; ``sharpness`` is a factor on its logits' weights."""
    torch.manual_seed(seed)
    head = EmotionHead(HEAD).eval()
    with torch.no_grad():
        head.labels.weight *= sharpness
    return head


def random_adapters(rank: int = 2, seed: int = 5) -> dict[str, torch.Tensor]:
    """Return weights of adapters that fit a tiny encoder and change what it reads."""
    generator = torch.Generator().manual_seed(seed)
    state = Adapters(tiny_model(), rank).state()
    return {name: value + 0.3 * torch.randn(value.shape, generator=generator) for name, value in state.items()}
