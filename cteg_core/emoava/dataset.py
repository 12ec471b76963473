"""The EmoAva data set as its authors hand it out, read without running its pickles.

``{train,dev,test}_stage1_text.pkl`` hold a list of texts, ``{train,dev,test}_stage1_exps.pkl`` a list of arrays
``[T, 53]`` (50 FLAME expression coefficients and the jaw's axis-angle), and ``stage1_mean.npy`` the mean frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cteg_core.model.network import FRAME_WIDTH
from flame_rig.untrusted.pickles import read_pickle
from flame_rig.untrusted.vocabulary import a_kind_of

SPLITS: Final = ("train", "dev", "test")
_SHOWN: Final = 5


class DatasetError(ValueError):
    """An EmoAva file is not what it should be; the message is a sentence with the items at fault."""


@dataclass(frozen=True)
class EmoavaSplit:
    """One split.

    Attributes:
        texts: what is said, one text for each performance.
        frames: the performances, ``float32 [T, 53]`` each, T at least 1.
    """

    texts: tuple[str, ...]
    frames: tuple[NDArray[np.float32], ...]

    def __len__(self) -> int:
        return len(self.texts)


def text_path(folder: Path, split: str) -> Path:
    """Return where a split's texts are."""
    return folder / f"{split}_stage1_text.pkl"


def frames_path(folder: Path, split: str) -> Path:
    """Return where a split's performances are."""
    return folder / f"{split}_stage1_exps.pkl"


def is_emoava(folder: Path) -> bool:
    """Return whether a folder looks like the EmoAva data set."""
    return any(text_path(folder, split).is_file() or frames_path(folder, split).is_file() for split in SPLITS)


def read_split(folder: Path, split: str) -> EmoavaSplit:
    """Read ``train``, ``dev`` or ``test``.

    Raises:
        DatasetError: a file is missing, is no list, or holds bad items; they are named by their index, from 0.
        UntrustedFileError: a file is damaged, too large, or a pickle of something else than data.
    """
    texts = _items(text_path(folder, split), "texts")
    frames = _items(frames_path(folder, split), "performances")
    _check(text_path(folder, split), texts, _text_fault)
    _check(frames_path(folder, split), frames, _frames_fault)
    if len(texts) != len(frames):
        short, long = sorted((text_path(folder, split), frames_path(folder, split)), key=_count_of(texts, frames))
        raise DatasetError(
            f"{short} ends before item {min(len(texts), len(frames))}, and {long.name} has "
            f"{max(len(texts), len(frames))} items: both should have one for each line."
        )
    if not texts:
        raise DatasetError(f"{text_path(folder, split)} holds no lines.")
    return EmoavaSplit(
        tuple(str(text) for text in texts),
        tuple(np.ascontiguousarray(item, dtype=np.float32) for item in frames),
    )


def _count_of(texts: Sequence[object], frames: Sequence[object]) -> Callable[[Path], int]:
    return lambda path: len(texts) if path.name.endswith("text.pkl") else len(frames)


def _items(path: Path, what: str) -> Sequence[object]:
    if not path.is_file():
        raise DatasetError(f"There is no {path.name} in {path.parent}: EmoAva keeps a list of {what} there.")
    value = read_pickle(path)
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        return list(value)
    if not isinstance(value, (list, tuple)):
        raise DatasetError(f"{path} holds {a_kind_of(value)}, not a list of {what}.")
    return value


def _check(path: Path, items: Sequence[object], fault: Callable[[object], str | None]) -> None:
    """Raise DatasetError when items are at fault."""
    bad = [(index, reason) for index, item in enumerate(items) if (reason := fault(item)) is not None]
    if not bad:
        return
    first, reason = bad[0]
    others = ", ".join(str(index) for index, _ in bad[1 : _SHOWN + 1]) + (", …" if len(bad) > _SHOWN + 1 else "")
    more = f"; {len(bad) - 1} more of its {len(items)} items are bad: {others}" if others else ""
    raise DatasetError(f"{path}, item {first}: {reason}{more}.")


def _text_fault(item: object) -> str | None:
    if not isinstance(item, str):
        return f"{a_kind_of(item)} where a text should be"
    return None if item.strip() else "the text is missing"


def _frames_fault(item: object) -> str | None:
    if not isinstance(item, np.ndarray):
        return f"{a_kind_of(item)} where an array of frames should be"
    if item.dtype.kind != "f":
        return f"numbers of type {item.dtype}, where frames are floating-point numbers"
    if item.ndim != 2 or item.shape[1] != FRAME_WIDTH:
        return f"an array of shape {list(item.shape)}, where frames are [T, {FRAME_WIDTH}]"
    if not len(item):
        return "no frames"
    with np.errstate(over="ignore"):  # a double that float32 cannot hold becomes infinite, and is found as such
        finite = np.isfinite(item.astype(np.float32))
    if not finite.all():
        frame, number = (int(i) for i in np.argwhere(~finite)[0])
        return f"frame {frame} has a number ({number}) that is not finite"
    return None
