"""The one door from the light modules to torch: loads a performer when it is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cteg_core.performer import Performer

_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def load_performer(
    checkpoint: Path | None, text_encoder: Path | None, device: str, threads: int | None = None
) -> Performer:
    """Load what performs a checkpoint, ours or an imported one, with ``threads`` threads (default: cores - 1).

    An imported checkpoint brings its own text encoder; ``text_encoder`` is not read then.

    Raises:
        ImportError: torch, transformers or safetensors is missing.
        OSError, ValueError: the checkpoint or the text encoder cannot be used; the message is a sentence.
    """
    count = use_threads(threads)
    import torch

    torch.set_num_threads(count)
    from cteg_core.model.checkpoint import is_imported

    if checkpoint is not None and is_imported(checkpoint):
        from cteg_core.emoava.performing import EmoavaPerformer

        return EmoavaPerformer.load(checkpoint, device)
    from cteg_core.model.generator import Generator

    return Generator.load(checkpoint, text_encoder, device)


def use_threads(count: int | None) -> int:
    """Let the maths libraries use ``count`` threads (default: one fewer than cores) and return the count.

    Must come before torch is imported.
    """
    if count is None:
        count = max(1, _core_count() - 1)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(count)
    return count


def _core_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
