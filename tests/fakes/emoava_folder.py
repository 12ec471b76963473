"""Writes folders that look like the EmoAva data set, and a BERT of a few thousand numbers; only tests write pickles."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch

WORDS = 128
TEXTS = ("Good day", "day day Good", "Good", "Good Good day day")


def write_pickle(path: Path, value: object, protocol: int = 4) -> None:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def performances(count: int, seed: int, most: int = 20) -> list[np.ndarray]:
    """Return smooth movements about a mean face, ``[T, 53]`` each, on the scale of EmoAva's coefficients."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        time = np.arange(int(rng.integers(1, most)))[:, None] / 10
        result.append((2.0 + rng.normal(size=53) + np.sin(time + rng.normal(size=53))).astype(np.float32))
    return result


def write_dataset(folder: Path, train: int = 12, dev: int = 4) -> None:
    """Write train and dev splits and the mean frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate((("train", train), ("dev", dev))):
        write_pickle(folder / f"{split}_stage1_text.pkl", [TEXTS[i % len(TEXTS)] for i in range(count)])
        write_pickle(folder / f"{split}_stage1_exps.pkl", performances(count, seed))
    np.save(folder / "stage1_mean.npy", np.full(53, 2.0, np.float32))


def write_bert(folder: Path) -> None:
    """Write a random BERT of width 32 in transformers' layout."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=WORDS, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=160,
    )  # fmt: skip
    model: Any = BertModel(config)
    model.save_pretrained(folder)
    words = [f"[unused{i}]" for i in range(WORDS)]
    for index, word in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 110: "Good"}.items():
        words[index] = word
    words[111] = "day"
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
