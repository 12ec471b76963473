"""Pictures as arrays, read and written by Blender: 8-bit values / 255 as they are stored, first row at the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray


def load_pixels(path: Path) -> NDArray[np.float32]:
    """Return a PNG as ``float32 [height, width, 4]`` in [0, 1]."""
    image: Any = bpy.data.images.load(str(path), check_existing=False)
    columns, rows = image.size
    flat = np.empty(columns * rows * 4, dtype=np.float32)
    image.pixels.foreach_get(flat)
    bpy.data.images.remove(image)
    return flat.reshape(rows, columns, 4)[::-1]


def save_pixels(pixels: NDArray[np.float32], path: Path) -> None:
    """Write ``[height, width, 4]`` values in [0, 1] as a PNG."""
    rows, columns, _channels = pixels.shape
    image: Any = bpy.data.images.new(path.stem, columns, rows, alpha=True)
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], dtype=np.float32).ravel())
    image.filepath_raw = str(path)
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
