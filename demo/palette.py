"""Pictures in 256 colours of their own: a third of a PNG's bytes, where few hues and no text call for more."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

COLOURS: Final = 256
_BITS: Final = 5
"""Of each channel, by which colours are put together before the palette is chosen."""
_ROUNDS: Final = 6
_ROWS_AT_ONCE: Final = 1 << 15

Floats = NDArray[np.float32]


def save_palette_png(pixels: Floats, path: Path, colours: int = COLOURS) -> None:
    """Write a picture as a PNG with a palette; what is transparent in it is lost.

    Args:
        pixels: ``[height, width, 3 or 4]`` in [0, 1], first row at the top.
        path: of the PNG.
        colours: 2 to 256.
    """
    shown = np.round(np.clip(pixels[..., :3], 0.0, 1.0) * 255.0).astype(np.uint32)
    packed = shown[..., 0] << 16 | shown[..., 1] << 8 | shown[..., 2]
    found, which, counts = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    unpacked = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.float32)
    palette = unpacked if len(found) <= colours else chosen_colours(unpacked, counts.astype(np.float64), colours)
    indices = _nearest(unpacked, palette).astype(np.uint8)[which.ravel()].reshape(packed.shape)
    path.write_bytes(_png(indices, np.round(palette).astype(np.uint8)))


def chosen_colours(values: Floats, counts: NDArray[np.float64], colours: int) -> Floats:
    """Return ``[colours, 3]`` that stand for ``values`` ``[N, 3]``: median cut (Heckbert 1982), then k-means.

    ``counts`` ``[N]`` is how many pixels have each value. Counts are softened, so that a wide backdrop does not take
    the colours that faces need.
    """
    means, pixels = _cells(values, counts)
    weights = np.sqrt(pixels)
    boxes = [np.arange(len(means))]
    spreads = [_spread(means, weights, boxes[0])]
    while len(boxes) < min(colours, len(means)):
        at = int(np.argmax([spread for spread, _ in spreads]))
        box, axis = boxes[at], spreads[at][1]
        order = box[np.argsort(means[box, axis], kind="stable")]
        half = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights[order].sum())
        cut = int(np.clip(half, 1, len(order) - 1))
        boxes[at : at + 1] = [order[:cut], order[cut:]]
        spreads[at : at + 1] = [_spread(means, weights, order[:cut]), _spread(means, weights, order[cut:])]
    palette = np.stack([np.average(means[box], axis=0, weights=weights[box]) for box in boxes]).astype(np.float32)
    for _ in range(_ROUNDS):
        owners = _nearest(means.astype(np.float32), palette)
        shares = np.bincount(owners, weights, len(palette))
        for channel in range(3):
            sums = np.bincount(owners, weights * means[:, channel], len(palette))
            palette[:, channel] = np.where(shares > 0, sums / np.maximum(shares, 1e-12), palette[:, channel])
    return palette


def _cells(
    values: Floats, counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put like colours together: their mean colours ``[C, 3]`` and how many pixels have them ``[C]``."""
    steps = values.astype(np.int64) >> (8 - _BITS)
    _, owners = np.unique(steps[:, 0] << 2 * _BITS | steps[:, 1] << _BITS | steps[:, 2], return_inverse=True)
    owners = owners.ravel()
    weights: NDArray[np.float64] = np.bincount(owners, counts).astype(np.float64)
    means = np.stack([np.bincount(owners, counts * values[:, channel]) / weights for channel in range(3)], axis=1)
    return means, weights


def _spread(means: NDArray[np.float64], weights: NDArray[np.float64], box: NDArray[np.int64]) -> tuple[float, int]:
    """Return how much a box would gain by a cut, and along which channel."""
    if len(box) < 2:
        return -1.0, 0
    share = weights[box, None]
    middle = (means[box] * share).sum(0) / share.sum()
    squares = ((means[box] - middle) ** 2 * share).sum(0)
    return float(squares.max()), int(squares.argmax())


def _nearest(values: Floats, palette: Floats) -> NDArray[np.int64]:
    lengths = (palette**2).sum(1)
    parts = [
        (lengths - 2.0 * values[start : start + _ROWS_AT_ONCE] @ palette.T).argmin(1)
        for start in range(0, len(values), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)


def _png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    rows, columns = indices.shape
    # A zero before each row: no filter, which suits numbers that are names.
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)
    lines[:, 1:] = indices
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
