"""States of the frozen text encoder, computed once and kept on disk: training then never runs it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cteg_core.model.text_encoder import READ_LAYERS, TextStates

BATCH: Final = 64


class StateEncoder(Protocol):
    """What turns texts into states: the sidecar's text encoder, or another with as many layers for every text."""

    def token_count(self, text: str) -> int:
        """Return how many tokens ``text`` becomes, special ones included."""
        ...

    def encode(self, texts: Sequence[str]) -> TextStates:
        """Encode texts, padded to the longest."""
        ...


class TextStateCache:
    """Encoder states of N texts as half floats, without padding.

    Files: ``states.npy`` ``float16 [tokens, R, d_text]``, ``index.json`` (offsets and a digest of the texts,
    so that states of other texts are never taken for these).
    """

    def __init__(self, states: NDArray[np.float16], offsets: NDArray[np.int64]) -> None:
        self._states = states
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return layers ``[B, R, S, d_text]`` and mask ``bool [B, S]`` of the texts at ``indices``."""
        spans = [(int(self._offsets[i]), int(self._offsets[i + 1])) for i in indices]
        longest = max(end - start for start, end in spans)
        _, layers, width = self._states.shape
        padded = np.zeros((len(spans), layers, longest, width), dtype=np.float32)
        mask = np.zeros((len(spans), longest), dtype=bool)
        for row, (start, end) in enumerate(spans):
            padded[row, :, : end - start] = self._states[start:end].transpose(1, 0, 2)
            mask[row, : end - start] = True
        return torch.from_numpy(padded), torch.from_numpy(mask)

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        folder: Path,
        encoder: Callable[[], StateEncoder],
        report: Callable[[str], None] = lambda line: None,
        identity: str = "",
    ) -> TextStateCache:
        """Return the cache in ``folder``, computing it first unless it already holds these very texts.

        ``identity`` tells encoders apart; states of another one are not taken for this one's.
        """
        what = [list(texts), READ_LAYERS, *((identity,) if identity else ())]
        digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()
        index_path, states_path = folder / "index.json", folder / "states.npy"
        if index_path.is_file() and states_path.is_file():
            index = json.loads(index_path.read_text(encoding="utf-8"))
            if index.get("digest") == digest:
                return cls(np.load(states_path, mmap_mode="r", allow_pickle=False), np.array(index["offsets"]))
        folder.mkdir(parents=True, exist_ok=True)
        # Gone first and written last: states without an index are computed again.
        index_path.unlink(missing_ok=True)
        offsets = _encode(texts, encoder(), states_path, report)
        partial = index_path.with_name(index_path.name + ".partial")
        partial.write_text(json.dumps({"digest": digest, "offsets": offsets.tolist()}), encoding="utf-8")
        partial.replace(index_path)
        return cls(np.load(states_path, mmap_mode="r", allow_pickle=False), offsets)


def _encode(
    texts: Sequence[str], encoder: StateEncoder, path: Path, report: Callable[[str], None]
) -> NDArray[np.int64]:
    counts = [encoder.token_count(text) for text in texts]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    order = sorted(range(len(texts)), key=lambda i: counts[i])  # alike lengths waste no padding
    states = None
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        encoded = encoder.encode([texts[i] for i in chosen])
        if states is None:
            _, layers, _, width = encoded.layers.shape
            shape = (int(offsets[-1]), layers, width)
            states = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        for row, i in enumerate(chosen):
            states[offsets[i] : offsets[i + 1]] = encoded.layers[row, :, : counts[i]].transpose(0, 1).cpu().numpy()
        if start // BATCH % 50 == 0:
            report(f"text states {start + len(chosen)}/{len(texts)}")
    if states is None:
        raise ValueError("There are no texts to read.")
    states.flush()
    return offsets
