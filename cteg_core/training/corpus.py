"""The corpus: pairs of a line and a performance, synthesised in shards and read back at random.

On disk: ``lines.jsonl`` (texts), ``shard-00000.safetensors`` ... (performances, concatenated), and ``corpus.json``,
which is written last and says how the corpus came about. Shards depend only on lines and settings, so an interrupted
run goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cteg_core.clauses import Arc
from cteg_core.emotion import EMOTION_LABELS
from cteg_core.speech import SPEECH_WIDTH, plan_speech
from cteg_core.training.direction import direct, perform_arc
from cteg_core.training.text_data import LabelledLine
from flame_rig.spaces import CTEG_HEAD_1, FRAME_WIDTH

CORPUS_FORMAT: Final = 2
SHARD_ITEMS: Final = 2000
FPS: Final = 30.0
CHAINED_SHARE: Final = 0.15
SILENT_SHARE: Final = 0.10
TIMED_SHARE: Final = 0.15
_TIMED_FACTOR: Final = (0.8, 1.5)
_POOL: Final = 64
_CHOICE_STREAM, _ORDER_STREAM, _SHARD_STREAM = 0xC0A5, 0x04DE, 0x5A4D
_SEED_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
"""Generators take no negative seeds; a mask accepts any whole number."""
CONDITION_WIDTH: Final = len(EMOTION_LABELS) + 4

_ARRAYS: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "frames": ("F16", (FRAME_WIDTH,)),
    "speech": ("F16", (SPEECH_WIDTH,)),
    "offsets": ("I64", ()),
    "emotions": ("F32", (CONDITION_WIDTH,)),
    "arc_offsets": ("I64", ()),
    "arc_starts": ("I64", ()),
    "arc_emotions": ("F32", (CONDITION_WIDTH,)),
    "settles": ("U8", ()),
    "chained": ("U8", ()),
    "lines": ("I64", ()),
}
"""Arrays of a shard: type as safetensors names it, and shape behind the first axis."""
_NUMPY_TYPES: Final[dict[str, str]] = {"F16": "<f2", "F32": "<f4", "I64": "<i8", "U8": "u1"}


@dataclass(frozen=True, eq=False)
class CorpusItem:
    """One performance of one line.

    Attributes:
        frames: ``float32 [T, 53]`` in space ``cteg-head-1``.
        speech: ``float32 [T, SPEECH_WIDTH]``, the plan it followed.
        emotion: ``float32 [32]``, what it was asked to show (``affect.condition_vector``), over the whole line.
        arc: the same clause by clause; one entry where the line does not turn.
        start_frame: ``float32 [53]``, the pose it starts from: its first frame, the rest face unless chained.
        settles: whether it ends at rest.
        chained: whether it starts from another performance's pose.
        line_index: place of its text in ``CorpusReader.texts``.
    """

    frames: NDArray[np.float32]
    speech: NDArray[np.float32]
    emotion: NDArray[np.float32]
    arc: Arc
    start_frame: NDArray[np.float32]
    settles: bool
    chained: bool
    line_index: int


@dataclass(frozen=True)
class CorpusSettings:
    """What a corpus is a function of, beside its lines."""

    pairs: int
    seed: int
    shard_items: int = SHARD_ITEMS
    fps: float = FPS


def choose_lines(lines: Sequence[LabelledLine], count: int, seed: int) -> list[LabelledLine]:
    """Choose ``count`` lines without repetition so that rare emotions are not drowned by common ones.

    A line is drawn with the inverse square root of its rarest label's frequency.
    """
    if count >= len(lines):
        return list(lines)
    given = np.array([line.emotions for line in lines])
    frequency = np.maximum(given.sum(axis=0), 1.0)
    weights = (given / np.sqrt(frequency)).max(axis=1)
    weights = np.where(weights > 0.0, weights, weights[weights > 0.0].min(initial=1.0))
    rng = np.random.default_rng([_CHOICE_STREAM, seed & _SEED_MASK])
    chosen = rng.choice(len(lines), size=count, replace=False, p=weights / weights.sum())
    return [lines[i] for i in np.sort(chosen)]


def synthesise_corpus(
    lines: Sequence[LabelledLine],
    out_dir: Path,
    performances_per_line: int,
    seed: int,
    *,
    shard_items: int = SHARD_ITEMS,
    report: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write a corpus of ``performances_per_line`` performances of every line.

    Shards that are already there, whole and from the same lines and settings, are kept: calling again after an
    interruption goes on. The same lines and seed give the same bytes.

    Raises:
        ValueError: if there are no lines, or the folder holds another corpus.
    """
    if not lines:
        raise ValueError("A corpus needs at least one line.")
    if performances_per_line < 1 or shard_items < 1:
        raise ValueError("A corpus needs at least one performance of each line, and one performance in a shard.")
    settings = CorpusSettings(len(lines) * performances_per_line, seed, shard_items)
    out_dir.mkdir(parents=True, exist_ok=True)
    texts = "".join(json.dumps({"text": line.text}, ensure_ascii=False) + "\n" for line in lines)
    labels = json.dumps([[*line.emotions, *(line.vad or ()), line.clauses, line.arc] for line in lines])
    digest = hashlib.sha256((json.dumps(asdict(settings)) + texts + labels).encode()).hexdigest()
    _claim(out_dir, texts, digest)
    order = np.random.default_rng([_ORDER_STREAM, seed & _SEED_MASK]).permutation(settings.pairs)
    shards = -(-settings.pairs // shard_items)
    for shard in range(shards):
        path = _shard_path(out_dir, shard)
        if not _is_whole(path, digest):
            chosen = order[shard * shard_items : (shard + 1) * shard_items] // performances_per_line
            rng = np.random.default_rng([_SHARD_STREAM, seed & _SEED_MASK, shard])
            arrays = _concatenated(_performances(lines, chosen, rng))
            partial = path.with_suffix(".partial")
            save_file(arrays, partial, metadata={"corpus": digest})
            partial.replace(path)
        report(f"{min(settings.pairs, (shard + 1) * shard_items)} of {settings.pairs} performances")
    manifest = {
        "format": CORPUS_FORMAT,
        "space": CTEG_HEAD_1.id,
        "shards": shards,
        "digest": digest,
        **asdict(settings),
    }
    _write(out_dir / "corpus.json", json.dumps(manifest, indent=2) + "\n")


def _claim(out_dir: Path, texts: str, digest: str) -> None:
    """Write the texts, unless the folder already belongs to a corpus of other lines or settings."""
    mark = out_dir / "digest"
    if mark.is_file() and mark.read_text(encoding="ascii") != digest:
        raise ValueError(
            f"{out_dir} holds a corpus of other lines or settings. Choose an empty folder, or delete that one."
        )
    _write(out_dir / "lines.jsonl", texts)
    _write(mark, digest)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)


def _shard_path(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.safetensors"


def _is_whole(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="numpy") as shard:
            return bool((shard.metadata() or {}).get("corpus") == digest)
    except (OSError, SafetensorError):
        return False


def _performances(
    lines: Sequence[LabelledLine], chosen: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[CorpusItem]:
    """Synthesise a shard. Chained performances start from poses met earlier in the shard."""
    pool: list[NDArray[np.float32]] = []
    for index in chosen:
        line = lines[int(index)]
        draws = rng.random(6)
        natural = plan_speech(line.text, fps=FPS, seed=int(rng.integers(2**62)))
        plan = natural
        if draws[0] < TIMED_SHARE or draws[1] < SILENT_SHARE:
            factor = _TIMED_FACTOR[0] + draws[2] * (_TIMED_FACTOR[1] - _TIMED_FACTOR[0])
            duration = natural.length / FPS * (factor if draws[0] < TIMED_SHARE else 1.0)
            plan = plan_speech(
                line.text, fps=FPS, seed=int(rng.integers(2**62)), duration=duration, speech=draws[1] >= SILENT_SHARE
            )
        arc = direct(line, plan, rng)
        chained = bool(draws[3] < CHAINED_SHARE and pool)
        settles = bool(draws[4] >= CHAINED_SHARE)
        start = pool[int(draws[5] * len(pool))] if chained else None
        frames = perform_arc(arc, plan, rng, start_pose=start, settle=settles)
        # A pose to chain from: where an unsettled line ends, or the middle of a settled one.
        pool = [*pool[-_POOL:], frames[-1 if not settles else len(frames) // 2]]
        emotion = arc.mean(len(frames))
        yield CorpusItem(frames, plan.features, emotion, arc, frames[0], settles, chained, int(index))


def _concatenated(items: Iterator[CorpusItem]) -> dict[str, NDArray[Any]]:
    held = list(items)
    offsets = np.cumsum([0, *(len(item.frames) for item in held)])
    arrays: dict[str, NDArray[Any]] = {
        "frames": np.concatenate([item.frames for item in held]),
        "speech": np.concatenate([item.speech for item in held]),
        "offsets": offsets,
        "emotions": np.stack([item.emotion for item in held]),
        "arc_offsets": np.cumsum([0, *(len(item.arc.starts) for item in held)]),
        "arc_starts": np.concatenate([item.arc.starts for item in held]),
        "arc_emotions": np.concatenate([item.arc.emotions for item in held]),
        "settles": np.array([item.settles for item in held]),
        "chained": np.array([item.chained for item in held]),
        "lines": np.array([item.line_index for item in held]),
    }
    return {name: np.ascontiguousarray(array, dtype=_NUMPY_TYPES[_ARRAYS[name][0]]) for name, array in arrays.items()}


class CorpusReader:
    """Random access to a corpus folder.

    Attributes:
        texts: the lines.
        lengths: ``int64 [items]`` frames of each performance.
        line_indices: ``int64 [items]`` which line each performs.
        emotions: ``float32 [items, 32]``.
        fps: frames a second.
    """

    def __init__(self, folder: Path) -> None:
        """Open a corpus; raises ValueError with a sentence if it is not whole.

        Reading a performance raises ValueError with its shard and place when its frames are not finite.
        """
        manifest = _manifest(folder)
        self.fps = float(manifest["fps"])
        self.texts = _texts(folder / "lines.jsonl")
        shards = int(manifest["shards"])
        self._shards = [_open_shard(_shard_path(folder, i), manifest["digest"]) for i in range(shards)]
        small = {
            name: [shard.get_tensor(name) for shard in self._shards]
            for name in _ARRAYS
            if name not in ("frames", "speech")
        }
        self._offsets = small["offsets"]
        self._first = np.cumsum([0, *(len(offsets) - 1 for offsets in self._offsets)])
        self.lengths: NDArray[np.int64] = np.concatenate([np.diff(offsets) for offsets in self._offsets])
        self.emotions: NDArray[np.float32] = np.concatenate(small["emotions"])
        self.line_indices: NDArray[np.int64] = np.concatenate(small["lines"])
        arcs = (small["arc_offsets"], small["arc_starts"], small["arc_emotions"])
        self._arcs = list(zip(*arcs, strict=True))
        self._settles, self._chained = np.concatenate(small["settles"]), np.concatenate(small["chained"])
        self._folder = folder
        unknown = np.flatnonzero((self.line_indices < 0) | (self.line_indices >= len(self.texts)))
        if len(unknown):
            raise ValueError(f"{self._named(int(unknown[0]))} names a line that lines.jsonl does not hold.")
        odd = np.flatnonzero(~np.isfinite(self.emotions).all(axis=1))
        if len(odd):
            raise ValueError(f"{self._named(int(odd[0]))} has an emotion that is not finite.")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> CorpusItem:
        if not 0 <= index < len(self):
            raise IndexError(f"The corpus has {len(self)} performances; there is no number {index}.")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        within = index - int(self._first[shard])
        start, end = (int(value) for value in self._offsets[shard][within : within + 2])
        frames = self._shards[shard].get_slice("frames")[start:end].astype(np.float32)
        speech = self._shards[shard].get_slice("speech")[start:end].astype(np.float32)
        for name, array in (("frame", frames), ("speech plan", speech)):
            if not np.isfinite(array).all():
                raise ValueError(f"{self._named(index)} has a {name} that is not finite: synthesise the shard again.")
        return CorpusItem(
            frames=frames,
            speech=speech,
            emotion=self.emotions[index],
            arc=self._arc(shard, within, index),
            start_frame=frames[0].copy(),
            settles=bool(self._settles[index]),
            chained=bool(self._chained[index]),
            line_index=int(self.line_indices[index]),
        )

    def arc_length(self, index: int) -> int:
        """Return how many emotions performance ``index`` shows one after the other."""
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        offsets, _, _ = self._arcs[shard]
        within = index - int(self._first[shard])
        return int(offsets[within + 1] - offsets[within])

    def _arc(self, shard: int, within: int, index: int) -> Arc:
        offsets, starts, emotions = self._arcs[shard]
        chosen = slice(int(offsets[within]), int(offsets[within + 1]))
        if not np.isfinite(emotions[chosen]).all():
            raise ValueError(f"{self._named(index)} has an arc that is not finite: synthesise the shard again.")
        try:
            return Arc(starts[chosen], emotions[chosen])
        except ValueError as error:
            raise ValueError(f"{self._named(index)}: {error} Synthesise the shard again.") from None

    def _named(self, index: int) -> str:
        """Return a performance's file and place, for messages."""
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        return f"{_shard_path(self._folder, shard)} is damaged: its item {index - int(self._first[shard])}"


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "corpus.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished corpus. Run the synthesize command on it (again).")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        readable = manifest["format"] == CORPUS_FORMAT and manifest["space"] == CTEG_HEAD_1.id
        _ = int(manifest["shards"]), float(manifest["fps"]), str(manifest["digest"])
    except (ValueError, KeyError, TypeError):
        readable = False
    if not readable:
        raise ValueError(f"{path} is not the description of a corpus that this version can read.")
    return dict(manifest)


def _texts(path: Path) -> list[str]:
    try:
        return [str(json.loads(row)["text"]) for row in path.read_text(encoding="utf-8").split("\n") if row]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the list of a corpus's lines ({error}).") from None


def _open_shard(path: Path, digest: str) -> Any:
    """Open a shard and check its arrays against ``_ARRAYS``."""
    if not _is_whole(path, digest):
        raise ValueError(f"{path} is missing, damaged or of another corpus. Run the synthesize command again.")
    shard: Any = safe_open(path, framework="numpy")
    for name, (kind, trailing) in _ARRAYS.items():
        array = shard.get_slice(name) if name in shard.keys() else None  # noqa: SIM118 (not a mapping)
        if array is None or array.get_dtype() != kind or tuple(array.get_shape()[1:]) != trailing:
            raise ValueError(f"{path} is damaged: its array {name!r} is missing or has another shape.")
    offsets = shard.get_tensor("offsets")
    empty = np.flatnonzero(np.diff(offsets) < 1)
    if len(empty):
        raise ValueError(f"{path} is damaged: its item {empty[0]} has no frames.")
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != shard.get_slice("frames").get_shape()[0]:
        raise ValueError(f"{path} is damaged: its offsets do not divide its frames.")
    arc_offsets = shard.get_tensor("arc_offsets")
    arcs = [shard.get_slice(name).get_shape()[0] for name in ("arc_starts", "arc_emotions")]
    if len(arc_offsets) != len(offsets) or arc_offsets[0] != 0 or arcs != [arc_offsets[-1]] * 2:
        raise ValueError(f"{path} is damaged: its arcs are not as many as its items.")
    if (np.diff(arc_offsets) < 1).any():
        raise ValueError(f"{path} is damaged: an item has no arc.")
    for name in ("emotions", "settles", "chained", "lines"):
        if shard.get_slice(name).get_shape()[0] != len(offsets) - 1:
            raise ValueError(f"{path} is damaged: its {name} end before or behind its item {len(offsets) - 2}.")
    return shard
