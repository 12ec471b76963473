"""Files that takes are written to: clips in JSON, or ARKit curves as Live Link Face CSV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from cteg_core.clip import ExpressionClip
from cteg_core.clip_spaces import clip_in_other_space
from cteg_core.performer import TakeRequest
from flame_rig.flame_file import read_flame
from flame_rig.livelink import DEFAULT_FPS, livelink_take, write_livelink
from flame_rig.retarget import SpaceMap, solve_space_map
from flame_rig.spaces import CTEG_HEAD_1

SUFFIXES: Final[dict[str, str]] = {"clip": ".json", "livelink": ".csv"}
"""By format."""


@dataclass(frozen=True)
class TakeFiles:
    """How takes are written.

    Attributes:
        output_format: ``clip`` or ``livelink``.
        fps: of Live Link files; None is 60.
        flame_file: the FLAME model whose takes are written in the project's own space; None leaves them as they are.
    """

    output_format: str
    fps: float | None = None
    flame_file: Path | None = None

    def write(self, clip: ExpressionClip, path: Path) -> None:
        """Write a take, its folder too, in one step: what stands there is whole. Raises OSError and ValueError."""
        text = written(in_head_space(clip, self.flame_file) if self.flame_file else clip, self.output_format, self.fps)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            # A link stays one, and so does a device.
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        beside = path.with_name(f"{path.name}.part")
        try:
            beside.write_text(text, encoding="utf-8", newline="\n")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def hold(self, request: TakeRequest, path: Path) -> bool:
        """Return whether a file holds a take: of its text, seed and controls, where the format says them."""
        if not path.is_file():
            return False
        if self.output_format != "clip":
            return True
        try:
            clip = ExpressionClip.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        wanted = request.line
        return (clip.text, clip.seed, clip.controls) == (wanted.text, request.seed, wanted.controls)


def in_head_space(clip: ExpressionClip, flame_file: Path) -> ExpressionClip:
    """Return a clip of a FLAME model's space in the project's own, whose curves are ARKit's.

    Raises ValueError where the file is no FLAME model, or the clip is of another space than its.
    """
    return clip_in_other_space(clip, _space_map(flame_file)) if clip.space != CTEG_HEAD_1.id else clip


@cache
def _space_map(flame_file: Path) -> SpaceMap:
    return solve_space_map(read_flame(flame_file).model)


def written(clip: ExpressionClip, output_format: str, fps: float | None = None) -> str:
    """Return a clip as the text of a file.

    Args:
        clip: the take.
        output_format: ``clip`` or ``livelink``.
        fps: of a Live Link file; None is 60.

    Raises ValueError where a Live Link file cannot hold the clip: another space than the project's own, or a rate
    that cannot be.
    """
    if output_format == "clip":
        return clip.to_json()
    if clip.space != CTEG_HEAD_1.id:
        raise ValueError(
            f"The checkpoint performs in “{clip.space}”; a Live Link file holds ARKit curves, so name the FLAME model "
            f"of that space with --flame-file, or generate with a checkpoint of “{CTEG_HEAD_1.id}”."
        )
    return write_livelink(livelink_take(clip.frames, clip.fps, DEFAULT_FPS if fps is None else fps))


def numbered(path: Path, take: int, takes: int) -> Path:
    """Return where a take goes: ``path`` if it is the only one, else ``path`` with its number from 1.

    >>> numbered(Path("out/clip.json"), 1, 3).name
    'clip-take2.json'
    """
    return path if takes == 1 else path.with_stem(f"{path.stem}-take{take + 1}")
