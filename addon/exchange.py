"""Files in and out: rig maps as JSON, performances as Live Link Face CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from cteg_core.clip import ExpressionClip
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.character import for_meshes
from flame_rig.livelink import DEFAULT_FPS, MAX_CHARACTERS, livelink_take, read_livelink, write_livelink
from flame_rig.rig_map import RigMap
from flame_rig.spaces import CTEG_HEAD_1, frames_from_arkit

from .characters import set_rig_map
from .errors import CtegError
from .rig import Rig, RigError

_STILL_RADIANS: Final = 0.02
"""Less turning of the head than this in a recording is not worth a note."""


def save_rig_map(rig: Rig, path: Path | str) -> None:
    """Write a rig's map to a file, for another character of the same kind or to be edited."""
    _write(Path(path), rig.rig_map.to_json())


def load_rig_map(rig: Rig, path: Path | str) -> None:
    """Read a map from a file and store it with a character; raises RigError if it is none, or not for its meshes.

    Meshes may be called otherwise by Blender's endings: a map for “Head” fits “Head.001”.
    """
    try:
        rig_map = RigMap.from_json(_read(Path(path), MAX_CHARACTERS))
    except ValueError as error:
        raise RigError(f"The rig map {path} cannot be used. {error}") from None
    set_rig_map(rig, for_meshes(rig_map, [label for label, _ in rig.meshes]))


def export_livelink(clip: ExpressionClip, path: Path | str, fps: float = DEFAULT_FPS) -> None:
    """Write a clip as Live Link Face CSV, which engines and face tools import.

    Args:
        clip: a take of ``cteg-head-1``.
        path: of the file; a file that is there is replaced.
        fps: frames a second of the file; importers assume 60.
    """
    if clip.space != CTEG_HEAD_1.id:
        raise CtegError(
            f"The clip is of the expression space “{clip.space}”, and a Live Link file holds ARKit curves; "
            f"generate it with a checkpoint of “{CTEG_HEAD_1.id}”."
        )
    try:
        text = write_livelink(livelink_take(clip.frames, clip.fps, fps))
    except ValueError as error:
        raise CtegError(f"The clip cannot be written as a Live Link file. {error}") from None
    _write(Path(path), text)


def clip_of_livelink(path: Path | str, fps: float | None = None) -> ExpressionClip:
    """Read a Live Link Face recording as a clip of ``cteg-head-1``; its notes say what is left out.

    Args:
        path: of the CSV file.
        fps: frames a second that its timecodes count; None reads it from them.
    """
    try:
        take = read_livelink(_read(Path(path), MAX_CHARACTERS), fps)
    except ValueError as error:
        raise CtegError(f"The recording {path} cannot be read. {error}") from None
    notes = list(take.notes)
    left, right = (take.weights[:, ARKIT_SHAPES.index(shape)] for shape in ("jawLeft", "jawRight"))
    both = int(((left > 0.0) & (right > 0.0)).sum())
    if both:
        notes.append(f"{both} frames have jawLeft and jawRight at once; their difference was taken.")
    if np.abs(take.angles[:, :3]).max() > _STILL_RADIANS:
        notes.append("The recording turns the head; that was left out.")
    return ExpressionClip(
        frames=frames_from_arkit(take.weights),
        fps=take.fps,
        space=CTEG_HEAD_1.id,
        text=Path(path).stem,
        stop_reason="recording",
        notes=tuple(notes),
    )


def _read(path: Path, most_characters: int) -> str:
    try:
        # A character takes at most four bytes, and a larger file is not read at all.
        if path.stat().st_size > 4 * most_characters:
            raise CtegError(f"The file {path} is too large.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CtegError(f"The file {path} cannot be read: it is not text in UTF-8.") from None
    except OSError as error:
        raise CtegError(f"The file {path} cannot be read: {error.strerror}.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CtegError(f"The file {path} cannot be written: {error.strerror}.") from None
