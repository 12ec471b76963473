"""How exactly and how fast faces are retargeted: ``python -m benchmarks.retarget [--json FILE]``.

No FLAME file can be shipped, so the faces are stand-ins, named as such (``tests/fakes/surrogate.py``): the project's
head in another topology, with the truth known. ``python -m flame_rig report FILE`` measures a real file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.timing import seconds
from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.flame_file import read_flame
from flame_rig.flame_model import pose_of_frames, posed_vertices
from flame_rig.head import build_head
from flame_rig.report import round_trip_frames, table_of
from flame_rig.retarget.jaw_morph import jaw_openings, morph_residual
from flame_rig.retarget.solve import solve_from
from flame_rig.retarget.space_map import SpaceMap
from flame_rig.retarget.surface_fit import Correspondence, correspond, front_of, read_face
from flame_rig.spaces import EXPRESSION_COUNT, JAW_SLICE, frames_from_arkit
from tests.fakes.flame_files import flame_arrays, write_npz, write_old_pickle, write_open_pickle
from tests.fakes.surrogate import Surrogate, make_surrogate, reshaped, small_eyed, unbent

FRAMES: Final = 1000
POSED: Final = 100
ROUNDS: Final = 3
OPENINGS: Final = (0.25, 0.5, 0.75, 1.0)
FACES: Final = (
    ("same person", unbent, (), False),
    ("another person", reshaped, ("cheekPuff",), False),
    ("small eyes, folds behind lids and lips", small_eyed, ("cheekPuff",), True),
)
Table = dict[str, float]


def reading() -> Table:
    """Return the time to read a file of FLAME's size, of each kind, seconds."""
    arrays = flame_arrays()
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "Python 2 pickle with chumpy": write_old_pickle(Path(folder) / "old.pkl", arrays),
            "protocol 5 pickle": write_open_pickle(Path(folder) / "open.pkl", arrays),
            "npz": write_npz(Path(folder) / "plain.npz", arrays),
        }
        return {kind: seconds(lambda path=path: read_flame(path), ROUNDS) for kind, path in paths.items()}  # type: ignore[misc]


def speed(space_map: SpaceMap) -> Table:
    """Return frames a second, a whole clip at once and one frame at a time."""
    frames = round_trip_frames(space_map, FRAMES)
    flame = space_map.to_flame(frames)
    few = flame[:100]
    return {
        "to FLAME, whole clip": FRAMES / seconds(lambda: space_map.to_flame(frames), ROUNDS),
        "to the head, whole clip": FRAMES / seconds(lambda: space_map.to_head(flame), ROUNDS),
        "to the head, frame by frame": len(few) / seconds(lambda: [space_map.to_head(frame[None]) for frame in few], 1),
    }


def truth(surrogate: Surrogate, found: Correspondence, space_map: SpaceMap) -> Table:
    """Return how far the solved map is from the mixture that the stand-in was made with."""
    frames = round_trip_frames(space_map, FRAMES)
    true = np.zeros_like(frames)
    true[:, :EXPRESSION_COUNT] = frames[:, :49] @ surrogate.true_coefficients[:EXPRESSION_COUNT].T
    true[:, JAW_SLICE] = frames[:, JAW_SLICE]
    mapped = space_map.to_flame(frames)
    skin = found.target.skin.vertices[front_of(found.target)]

    def skin_motion(some: np.ndarray) -> np.ndarray:
        model, few = surrogate.model, some[:POSED].astype(np.float64)
        posed = posed_vertices(model, few[:, :EXPRESSION_COUNT], pose_of_frames(model, few))
        return (posed - model.v_template)[:, skin] * 1e3

    made, wanted = skin_motion(mapped), skin_motion(true)
    miss = np.linalg.norm(made - wanted, axis=-1)
    readable = space_map.readable
    back = np.abs(space_map.to_head(true) - frames)[:, :EXPRESSION_COUNT][:, readable]
    around = np.abs(space_map.to_head(mapped) - frames)[:, :EXPRESSION_COUNT][:, readable]
    solved, known = space_map.expression[:, :49], surrogate.true_coefficients[:EXPRESSION_COUNT]
    shapes = readable[:49]
    parameter = np.linalg.norm(solved - known, axis=0)[shapes] / np.linalg.norm(known, axis=0)[shapes]
    there = surrogate.kept @ build_head().v_template[surrogate.chosen]
    placed = found.on_source.of(found.source.points, found.source.skin.faces)
    strayed = np.linalg.norm(placed - there[found.target.skin.vertices], axis=1)[front_of(found.target)] * 1e3
    return {
        "correspondence, mean mm on the head's surface": float(strayed.mean()),
        "correspondence, 95th percentile mm": float(np.percentile(strayed, 95)),
        "mean motion of the skin, mm": float(np.linalg.norm(wanted, axis=-1).mean()),
        "mapped frames against the true ones, mean mm": float(miss.mean()),
        "mapped frames against the true ones, 99th percentile mm": float(np.percentile(miss, 99)),
        "mapped frames against the true ones, max mm": float(miss.max()),
        "coefficients against the true ones, median relative error": float(np.median(parameter)),
        "true frames to weights, mean error": float(back.mean()),
        "true frames to weights, RMS error": float(np.sqrt((back**2).mean())),
        "weights to FLAME and back, mean error": float(around.mean()),
        "weights to FLAME and back, 99th percentile": float(np.percentile(around, 99)),
        "smallest explained share of a made shape": min(f.explained for f in space_map.fits if f.by != "nothing"),
        "mean miss of the made shapes, mm": float(np.mean([f.mean_mm for f in space_map.fits if f.by != "nothing"])),
    }


def jaw() -> Table:
    """Return what linear jaw morphs lose on the project's head, millimetres."""
    head = build_head()
    table: Table = {}
    for opening in OPENINGS:
        residual = morph_residual(head, jaw_openings([opening]))
        table[f"jawOpen {opening}, mean"], table[f"jawOpen {opening}, max"] = residual.mean_mm, residual.max_mm
    rng = np.random.default_rng(0)
    weights = rng.random((POSED, len(ARKIT_SHAPES))) * (rng.random((POSED, len(ARKIT_SHAPES))) < 0.1)
    weights[:, ARKIT_SHAPES.index("jawOpen")] = rng.random(POSED)
    residual = morph_residual(head, frames_from_arkit(weights))
    table["jawOpen with random others, mean"], table["jawOpen with random others, max"] = (
        residual.mean_mm,
        residual.max_mm,
    )
    return table


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    record: dict[str, Any] = {"reading, s": reading(), "linear jaw, mm": jaw()}
    for title, bending, lacking, folded in FACES:
        surrogate = make_surrogate(bending, without=lacking, folded=folded)
        started = time.perf_counter()
        found = correspond(read_face(build_head()), read_face(surrogate.model))
        space_map = solve_from(found)
        record[title] = {"solve, s": time.perf_counter() - started, **truth(surrogate, found, space_map)}
        record[f"{title}, frames/s"] = speed(space_map)
        print(f"\n{title}: {surrogate.model.name}\n" + "\n".join(table_of(space_map.fits)))
    for title, table in record.items():
        print(f"\n{title}")
        for name, value in table.items():
            print(f"  {name:<60} {value:12,.4f}")
    if options.json is not None:
        options.json.write_text(json.dumps(record, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
