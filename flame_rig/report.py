"""What a FLAME file is and how well it makes the 52 ARKit shapes, as a text or as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flame_rig.flame_file import FlameFile
from flame_rig.retarget import LEAST_EXPLAINED, ShapeFit, SpaceMap, solve_space_map
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT, FRAME_WIDTH, JAW_SLICE

_CLIP_FRAMES: Final = 1000
_ACTIVE_SHARE: Final = 0.15


@dataclass(frozen=True)
class FileReport:
    """What a FLAME file is.

    Attributes:
        name, edition, told_by, space, sha256: what the file is, and how that was told.
        licence, citation: what a user may do with it, and whom to credit.
        sizes: of the model, by name.
        notes: sentences from reading the file.
    """

    name: str
    edition: str
    told_by: str
    space: str
    sha256: str
    licence: str
    citation: str
    sizes: dict[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, file: FlameFile, name: str) -> FileReport:
        """Describe a file that was read."""
        model = file.model
        return cls(
            name=name,
            edition=file.edition.name,
            told_by=file.told_by,
            space=model.space,
            sha256=file.sha256,
            licence=file.edition.licence,
            citation=file.edition.citation,
            sizes={
                "vertices": len(model.v_template),
                "triangles": len(model.faces),
                "identity components": model.shapedirs.shape[2],
                "expression components": model.exprdirs.shape[2],
                "joints": len(model.joint_names),
            },
            notes=file.notes,
        )

    def lines(self) -> list[str]:
        """Return the description for reading."""
        sizes = ", ".join(f"{count:,} {what}" for what, count in self.sizes.items())
        return [
            f"{self.name}: {self.edition} ({self.told_by})",
            f"  {sizes}; expression space {self.space}",
            f"  SHA-256 {self.sha256}",
            f"  Licence: {self.licence}",
            f"  Cite: {self.citation}",
            *(f"  Note: {note}" for note in self.notes),
        ]


@dataclass(frozen=True)
class RetargetReport(FileReport):
    """What a FLAME file is, and how well it makes the ARKit shapes.

    Attributes:
        fits: a row for each ARKit shape.
        jaw_gain: FLAME's radians per radian of the head's jaw (pitch, yaw, roll).
        round_trip: mean absolute error of the makeable shapes' weights, head to FLAME and back.
        solve_seconds, to_flame_fps, to_head_fps: measured on this machine while reporting.
    """

    fits: tuple[ShapeFit, ...]
    jaw_gain: tuple[float, ...]
    round_trip: float
    solve_seconds: float
    to_flame_fps: float
    to_head_fps: float

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(asdict(self), indent=2)

    def to_text(self) -> str:
        """Return the report for reading."""
        lines = [
            *self.lines(),
            "",
            *table_of(self.fits),
            "",
            f"Jaw: FLAME turns {self.jaw_gain[0]:.3f} (open) and {self.jaw_gain[1]:.3f} (sideways) radians per radian "
            "of the head's.",
            f"Head to FLAME and back: {self.round_trip:.4f} mean error of a weight.",
            f"Solved in {self.solve_seconds:.1f} s; {_CLIP_FRAMES} frames at once at {self.to_flame_fps:,.0f} frames/s "
            f"to FLAME and {self.to_head_fps:,.0f} frames/s back.",
        ]
        return "\n".join(lines)


def table_of(fits: tuple[ShapeFit, ...]) -> list[str]:
    """Return the residuals of every shape as lines of text."""
    lines = [f"{'ARKit shape':<20} {'made by':<25} {'size':>6} {'mean':>6} {'max':>6} {'explained':>9} {'sigma':>6}"]
    for fit in fits:
        lines.append(
            f"{fit.name:<20} {fit.by:<25} {fit.size_mm:6.2f} {fit.mean_mm:6.2f} {fit.max_mm:6.2f} "
            f"{fit.explained:9.1%} {fit.largest:6.2f}"
        )
    lines.append("size: weighted RMS of the shape; mean, max: what the fit misses on the face's front; millimetres.")
    missing = [fit.name for fit in fits if fit.by == "nothing"]
    lines.append(
        f"Not made, and left out rather than faked (less than {LEAST_EXPLAINED:.0%} explained, or no skin's): "
        f"{', '.join(missing) or 'none'}."
    )
    return lines


def round_trip_frames(space_map: SpaceMap, count: int, seed: int = 0) -> NDArray[np.float64]:
    """Return random frames ``[count, 53]`` of the head's space in what FLAME can make and tell."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((count, FRAME_WIDTH))
    shape = (count, EXPRESSION_COUNT)
    frames[:, :EXPRESSION_COUNT] = rng.random(shape) * (rng.random(shape) < _ACTIVE_SHARE) * space_map.readable
    jaw = rng.uniform((0.0, -1.0, 0.0), (1.0, 1.0, 0.0), (count, 3))
    frames[:, JAW_SLICE] = jaw * CTEG_HEAD_1.upper[JAW_SLICE]
    return frames


def report_of(file: FlameFile, name: str) -> RetargetReport:
    """Solve the map for a file and measure it; raises ValueError when its face cannot be read."""
    start = time.perf_counter()
    space_map = solve_space_map(file.model)
    solved = time.perf_counter() - start
    frames = round_trip_frames(space_map, _CLIP_FRAMES)
    start = time.perf_counter()
    flame = space_map.to_flame(frames)
    there = time.perf_counter() - start
    start = time.perf_counter()
    back = space_map.to_head(flame)
    again = time.perf_counter() - start
    return RetargetReport(
        **vars(FileReport.of(file, name)),
        fits=space_map.fits,
        jaw_gain=tuple(float(gain) for gain in space_map.jaw_gain),
        round_trip=float(np.abs(back - frames)[:, :EXPRESSION_COUNT][:, space_map.readable].mean()),
        solve_seconds=solved,
        to_flame_fps=_CLIP_FRAMES / there,
        to_head_fps=_CLIP_FRAMES / again,
    )
