"""Live Link Face CSV: what Epic's app for the iPhone records, and what engines and face tools import.

One row a frame: a timecode, how many values follow, the 52 ARKit weights and nine angles. The order of the columns
and their spelling are the app's (jaw and mouth have Right before Left there); the reader goes by names. The file does
not say its frame rate: 60 is what the app records and what importers assume.

Angles are radians, as importers of the app's recordings take them. Their signs here are those of right-handed axes
with x to the subject's left and y up (ARKit's face anchor): yaw is positive to the subject's left, pitch down.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flame_rig.arkit import ARKIT_SHAPES
from flame_rig.arkit_spellings import Likeness, spelling_of
from flame_rig.gaze import eye_vectors
from flame_rig.resample import resample_values
from flame_rig.spaces import arkit_from_frames

DEFAULT_FPS: Final = 60.0
MAX_FPS: Final = 240.0
MAX_ROWS: Final = 200_000
"""Nearly an hour at 60 frames a second."""
MAX_CHARACTERS: Final = 256_000_000
LARGEST_VALUE: Final = 100.0
"""Weights lie in [0, 1] and angles in ±pi; a number beyond this is not a recording of a face."""

ANGLES: Final[tuple[str, ...]] = tuple(
    f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
"""The nine angles, in the order of the file."""

_SWAPPED: Final = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
SHAPES: Final[tuple[str, ...]] = tuple(_SWAPPED.get(shape, shape) for shape in ARKIT_SHAPES)
"""The 52 shapes in the order of the file, in Apple's spelling."""

HEADER: Final[tuple[str, ...]] = (
    "Timecode",
    "BlendShapeCount",
    *(shape[0].upper() + shape[1:] for shape in SHAPES),
    *ANGLES,
)

_RATES: Final = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
_TIMECODE: Final = re.compile(r"(\d{1,2})[:;](\d{1,2})[:;](\d{1,2})[:;](\d{1,3}(?:\.\d{1,9})?)", re.ASCII)
_FRAME_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_DAY_SECONDS: Final = 86_400.0
_LEAST_STEP: Final = 1e-4
"""Seconds; rows nearer in time than this are one moment."""


class LiveLinkError(ValueError):
    """A file is not a Live Link Face recording; the message is a sentence with the number of the row."""


@dataclass(frozen=True, eq=False)
class LiveLinkTake:
    """A recorded or generated performance as ARKit curves.

    Attributes:
        weights: ``float64 [T, 52]`` in Apple's order, each in [0, 1].
        angles: ``float64 [T, 9]`` radians, in the order of ``ANGLES``.
        fps: frames a second.
        notes: sentences for the user about what was mended or missing while reading.
    """

    weights: NDArray[np.float64]
    angles: NDArray[np.float64]
    fps: float
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights, angles = (np.asarray(array, dtype=np.float64) for array in (self.weights, self.angles))
        count = len(weights)
        if weights.shape != (count, len(ARKIT_SHAPES)) or angles.shape != (count, len(ANGLES)):
            raise ValueError(
                f"A take has weights [T, {len(ARKIT_SHAPES)}] and angles [T, {len(ANGLES)}]; "
                f"got {weights.shape} and {angles.shape}."
            )
        if not 1 <= count <= MAX_ROWS:
            raise ValueError(f"A take has 1 to {MAX_ROWS} frames; got {count}.")
        if not (np.isfinite(weights).all() and np.isfinite(angles).all()):
            raise ValueError("A take's values must be finite numbers; got NaN or infinity.")
        if not (np.isfinite(self.fps) and 1.0 <= self.fps <= MAX_FPS):
            raise ValueError(f"A take's frame rate is 1 to {MAX_FPS:g} frames a second; got {self.fps}.")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "angles", angles)


def livelink_take(frames: ArrayLike, source_fps: float, fps: float = DEFAULT_FPS) -> LiveLinkTake:
    """Turn frames of ``cteg-head-1`` into ARKit curves; eyes turn with the eyeLook shapes, the head stays still.

    Args:
        frames: ``[T, 53]``.
        source_fps: their frames a second.
        fps: frames a second of the result.
    """
    frames = np.asarray(frames, dtype=np.float64)
    weights, _ = arkit_from_frames(frames)
    eyes = eye_vectors(frames)
    angles = np.zeros((len(frames), len(ANGLES)))
    for eye, part in enumerate(("LeftEye", "RightEye")):
        angles[:, ANGLES.index(f"{part}Pitch")] = eyes[:, eye, 0]
        angles[:, ANGLES.index(f"{part}Yaw")] = eyes[:, eye, 1]
    values = resample_values(np.hstack([weights, angles]), source_fps, fps)
    # Between a frame with the jaw to the left and one to the right both shapes would be set.
    jaw = [ARKIT_SHAPES.index(shape) for shape in ("jawLeft", "jawRight")]
    values[:, jaw] -= values[:, jaw].min(axis=1, keepdims=True)
    return LiveLinkTake(values[:, : len(ARKIT_SHAPES)], values[:, len(ARKIT_SHAPES) :], fps)


def write_livelink(take: LiveLinkTake) -> str:
    """Return a take as the text of a CSV file; the timecode starts at 0 and counts whole frames without drops."""
    columns = [ARKIT_SHAPES.index(shape) for shape in SHAPES]
    values = np.hstack([take.weights[:, columns], take.angles]) + 0.0  # no -0.0
    count = str(values.shape[1])
    rows = (
        ",".join((_timecode(frame, take.fps), count, *(f"{value:.8f}" for value in row)))
        for frame, row in enumerate(values.tolist())
    )
    return "\n".join((",".join(HEADER), *rows, ""))


def read_livelink(text: str, fps: float | None = None) -> LiveLinkTake:
    """Read a recording.

    Rows without a face (a count of 0, or no values) and dropped frames are filled in from their neighbours; shapes and
    angles that have no column are 0; values outside [0, 1] are held to it. Each is said in the take's notes.

    Args:
        text: of the file.
        fps: frames a second that timecodes count in and that the take gets; None reads it from a whole second of
            timecodes, or else takes 60.

    Raises:
        LiveLinkError: the text is not such a file; the sentence names the row (the header is row 1).
    """
    if len(text) > MAX_CHARACTERS:
        raise LiveLinkError(f"The file has {len(text)} characters; a recording has {MAX_CHARACTERS} at most.")
    rows = _rows(text)
    _, header = next(rows, (1, []))
    notes: list[str] = []
    columns = _columns([name.strip() for name in header], notes)
    times, values, faceless = _values(rows, len(header), columns)
    if not values:
        raise LiveLinkError("The recording has no row with a face.")
    if faceless:
        notes.append(f"{faceless} rows have no face; they were filled in from their neighbours.")
    rate = fps if fps is not None else _rate(times, notes)
    if not (np.isfinite(rate) and 1.0 <= rate <= MAX_FPS):
        raise LiveLinkError(f"A recording's frame rate is 1 to {MAX_FPS:g} frames a second; got {rate}.")
    table = _uniform(times, np.array(values), rate, notes)
    weights = table[:, : len(ARKIT_SHAPES)]
    beyond = int(((weights < 0.0) | (weights > 1.0)).sum())
    if beyond:
        notes.append(f"{beyond} weights lie outside 0 to 1 and were held to it.")
    return LiveLinkTake(np.clip(weights, 0.0, 1.0), table[:, len(ARKIT_SHAPES) :], rate, tuple(notes))


def _timecode(frame: int, fps: float) -> str:
    base = max(1, round(fps))
    seconds, rest = divmod(frame, base)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{rest:02}.000"


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    lines = text.removeprefix("\ufeff").splitlines()
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise LiveLinkError(f"Row {reader.line_num} is not CSV: {error}.") from None


def _columns(header: Sequence[str], notes: list[str]) -> dict[int, int]:
    """Return which column of the file holds which value: 0 to 51 are shapes, 52 to 60 angles."""
    if not header or header[0].lower() != "timecode":
        raise LiveLinkError(
            "Row 1 is not the header of a Live Link Face recording: it begins with Timecode, BlendShapeCount and the "
            "names of the shapes."
        )
    angles = {name.lower(): len(ARKIT_SHAPES) + index for index, name in enumerate(ANGLES)}
    columns: dict[int, int] = {}
    unknown = []
    for column, name in enumerate(header[1:], start=1):
        spelling = spelling_of(name)
        if name.lower() == "blendshapecount":
            continue
        if spelling is not None and not spelling.prefix and spelling.likeness is not Likeness.OTHER_WORDS:
            value = ARKIT_SHAPES.index(spelling.shape)
        elif name.lower() in angles:
            value = angles[name.lower()]
        else:
            unknown.append(name[:40])
            continue
        if value in columns.values():
            raise LiveLinkError(f"Row 1 has two columns for {name}; a recording has each once.")
        columns[column] = value
    missing = [shape for index, shape in enumerate(ARKIT_SHAPES) if index not in columns.values()]
    if len(missing) == len(ARKIT_SHAPES):
        raise LiveLinkError("Row 1 names no ARKit shape; a Live Link Face recording has 52.")
    for sentence, names in (("No column for {}: taken as 0.", missing), ("Columns left out: {}.", unknown)):
        if names:
            notes.append(sentence.format(", ".join(names[:60])))
    return columns


def _values(
    rows: Iterator[tuple[int, list[str]]], width: int, columns: dict[int, int]
) -> tuple[list[tuple[float, float]], list[NDArray[np.float64]], int]:
    """Return each row's whole seconds and frames, its 61 values, and how many rows had no face."""
    times: list[tuple[float, float]] = []
    values: list[NDArray[np.float64]] = []
    faceless = 0
    order = list(columns.values())
    for number, row in rows:
        if number > MAX_ROWS + 1:
            raise LiveLinkError(f"The file has more than {MAX_ROWS} rows; cut it into parts.")
        time = _time(row[0].strip(), number)
        cells = row[2:]
        if not any(cell.strip() for cell in cells) or (len(row) > 1 and row[1].strip() in ("0", "0.0")):
            faceless += 1
            continue
        if len(row) != width:
            raise LiveLinkError(
                f"Row {number} has {len(row)} values and the header {width}; the file is damaged there."
            )
        try:
            numbers = np.array([float(row[column]) for column in columns])
        except ValueError:
            bad = next(row[column] for column in columns if not _is_number(row[column]))
            raise LiveLinkError(f"Row {number} has “{bad.strip()[:20]}” where a number belongs.") from None
        if not (np.abs(numbers) <= LARGEST_VALUE).all():
            raise LiveLinkError(f"Row {number} has a value beyond ±{LARGEST_VALUE:g}, or none; weights lie in 0 to 1.")
        line = np.zeros(len(ARKIT_SHAPES) + len(ANGLES))
        line[order] = numbers
        times.append(time)
        values.append(line)
    return times, values, faceless


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _time(cell: str, row: int) -> tuple[float, float]:
    """Return a timecode as whole seconds and frames; a plain number counts frames."""
    match = _TIMECODE.fullmatch(cell)
    if match is not None:
        hours, minutes, seconds = (int(part) for part in match.groups()[:3])
        if minutes < 60 and seconds < 60:
            return 3600.0 * hours + 60.0 * minutes + seconds, float(match.group(4))
    elif _FRAME_NUMBER.fullmatch(cell):
        return 0.0, float(cell)
    raise LiveLinkError(f"Row {row} has no timecode (hours:minutes:seconds:frames): “{cell[:20]}”.")


def _rate(times: Sequence[tuple[float, float]], notes: list[str]) -> float:
    """Return the rate that frames count up to before a new second, if the recording holds a whole second."""
    if len({second for second, _ in times}) > 1:
        # Before a new second the frames count up to the last of the old one.
        highest = max(frame for _, frame in times)
        return float(next((rate for rate in _RATES if rate > highest), DEFAULT_FPS))
    notes.append(f"The timecodes do not show the frame rate; {DEFAULT_FPS:g} frames a second were assumed.")
    return DEFAULT_FPS


def _uniform(
    times: Sequence[tuple[float, float]], values: NDArray[np.float64], rate: float, notes: list[str]
) -> NDArray[np.float64]:
    """Return ``[N, 61]`` at ``rate``: rows where they are in time, gaps filled by straight lines."""
    stamps = np.array([second + frame / max(1, round(rate)) for second, frame in times])
    # Past midnight the clock starts anew.
    stamps += _DAY_SECONDS * np.cumsum(np.diff(stamps, prepend=stamps[0]) < -_DAY_SECONDS / 2.0)
    stamps -= stamps[0]
    later = np.maximum.accumulate(stamps)
    keep = np.append(True, later[1:] > later[:-1] + _LEAST_STEP)
    if not keep.all():
        notes.append(f"{int((~keep).sum())} rows are not later than the row before them and were left out.")
    stamps, values = stamps[keep], values[keep]
    # Timecodes count the nominal frames of rates such as 29.97.
    positions = stamps * max(1, round(rate))
    if positions[-1] >= MAX_ROWS:
        raise LiveLinkError(f"The timecodes span {stamps[-1]:.0f} seconds; a recording has {MAX_ROWS} frames at most.")
    if np.array_equal(positions.round(3), np.arange(len(positions))):
        return values
    targets = np.arange(int(np.floor(positions[-1] + 1e-6)) + 1)
    gaps = int((np.diff(positions) > 1.5).sum())
    if gaps:
        notes.append(f"The recording has {gaps} gaps; they were filled with straight lines.")
    return np.column_stack([np.interp(targets, positions, column) for column in values.T])
