"""``python -m cteg_core.evaluation.channel_plot CLIP.json... --out PNG``: a face's channels over the words it says.

Needs matplotlib (the ``train`` extra); with ``--clauses`` also what ``generate`` needs, to read each clause's emotion.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from cteg_core.clauses import arc_of
from cteg_core.clip import ExpressionClip
from cteg_core.dialogue import checked_text, sentences
from cteg_core.emotion import EmotionRead
from cteg_core.speech import SpeechPlan
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT

JAW: Final = "jaw pitch"
FULL_JAW: Final = 20.0
"""Degrees, to which the jaw's panel is drawn."""
PANELS: Final[Mapping[str, Mapping[str, str]]] = {
    "brows": {"browInnerUp": "inner up", "browOuterUp": "outer up", "browDown": "down"},
    "lids": {"eyeBlink": "closed", "eyeWide": "wide", "eyeSquint": "squint", "cheekSquint": "cheek up"},
    "mouth": {
        "mouthSmile": "corners up", "mouthFrown": "corners down", "mouthStretch": "stretched",
        "mouthUpperUp": "upper lip up", "mouthPress": "pressed", "noseSneer": "nose wrinkled",
    },
    "jaw": {JAW: "open"},
}  # fmt: skip
"""What is drawn: by panel, ARKit shapes (without a side: both) and what they are called beside it."""
COLOURS: Final[Mapping[str, str]] = {
    "happiness": "#f2c14e", "sadness": "#6c9bd2", "anger": "#e07a5f", "fear": "#a58ac4", "disgust": "#8fb573",
    "surprise": "#f4a3b8", "neutral": "#d5d9dd",
}  # fmt: skip
WIDTH_INCHES: Final = 11.7
DPI: Final = 110
_HEIGHTS: Final = (0.62, 0.85, 0.85, 0.95, 0.6)
_GAP: Final = 0.95
_CURVES: Final = ("#0b6e8f", "#d08700", "#b3261e", "#5b8c3a", "#6b4fa0", "#5b636b")
_INK, _GREY, _PALE = "#22262b", "#9aa1a9", "#e9ecef"
_STYLE: Final[Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.0, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _GREY, "axes.spines.top": False, "axes.spines.right": False, "xtick.color": _INK,
    "ytick.color": _INK, "xtick.labelsize": 8.0, "ytick.labelsize": 7.5,
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A stretch of a line, from ``start`` to ``end`` seconds, and the emotion acted in it."""

    start: float
    end: float
    emotion: EmotionRead


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw clips; return the exit status."""
    parser = argparse.ArgumentParser(prog="cteg_core.evaluation.channel_plot")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="what generate wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser.add_argument("--clauses", action="store_true", help="read the emotion of each clause (loads the text side)")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="whose text side reads (default: shipped)")
    parser.add_argument("--text-encoder", type=Path, metavar="DIR", help="folder of the text encoder (default: found)")
    options = parser.parse_args(arguments)
    try:
        clips = [ExpressionClip.from_json(path.read_text(encoding="utf-8")) for path in options.clips]
        spans = [whole_span(clip) for clip in clips]
        if options.clauses:
            spans = read_spans(clips, options.checkpoint, options.text_encoder)
        write_plot(clips, spans, options.out)
    except ImportError as error:
        print(f"This Python ({sys.executable}) cannot import {error.name}: --clauses needs it.", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.out} ({options.out.stat().st_size / 1e6:.2f} MB)")
    return 0


def curve_of(frames: np.ndarray, shape: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a channel's lower side, mean and higher side over time, ``[T]`` each.

    Args:
        frames: ``[T, 53]`` in ``cteg-head-1``.
        shape: an ARKit shape, without ``Left`` and ``Right`` for both sides; or ``JAW``, in degrees.
    """
    if shape == JAW:
        pitch = np.degrees(frames[:, EXPRESSION_COUNT])
        return pitch, pitch, pitch
    names = CTEG_HEAD_1.names
    sides = [shape] if shape in names else [f"{shape}Left", f"{shape}Right"]
    values = frames[:, [names.index(name) for name in sides]]
    return values.min(axis=1), values.mean(axis=1), values.max(axis=1)


def whole_span(clip: ExpressionClip) -> tuple[Span, ...]:
    """Return the emotion of a line as a whole, which is all that a clip knows by itself."""
    return () if clip.emotion is None else (Span(0.0, clip.seconds, clip.emotion),)


def spans_of(clip: ExpressionClip, clauses: Sequence[str], reads: Sequence[EmotionRead]) -> tuple[Span, ...]:
    """Return when each of a line's clauses is said, as the performance itself was given them.

    Args:
        clip: with its word times.
        clauses: put together they are the line.
        reads: what each of them carries.
    """
    plan = SpeechPlan(clip.words, np.zeros((len(clip.frames), 1), dtype=np.float32), clip.fps)
    rows = [(*read.probabilities, read.valence, read.arousal, read.dominance) for read in reads]
    arc = arc_of(plan, clauses, np.array(rows))
    ends = [*(arc.starts[1:] / clip.fps).tolist(), clip.seconds]
    return tuple(
        Span(float(start) / clip.fps, end, EmotionRead(tuple(row[:-3].tolist()), *row[-3:].tolist()))
        for start, end, row in zip(arc.starts, ends, arc.emotions, strict=True)
    )


def read_spans(
    clips: Sequence[ExpressionClip], checkpoint: Path | None, text_encoder: Path | None
) -> list[tuple[Span, ...]]:
    """Read what each clause of each clip carries, as the generator does; what the user asked for needs no reading.

    Raises ValueError with a sentence where the checkpoint or the text encoder cannot be used.
    """
    from cteg_core.model.checkpoint import load_checkpoint
    from cteg_core.model.emotion_reading import EmotionReader
    from cteg_core.model.parts import MAX_PART_WORDS
    from cteg_core.model.text_encoder import TextEncoder

    loaded, encoder = load_checkpoint(checkpoint), TextEncoder.load(text_encoder)
    encoder.adapt_to(loaded.adapters)
    reader = EmotionReader(encoder, loaded.emotion_head)
    found = []
    for clip in clips:
        if clip.controls.emotion is not None:
            found.append(whole_span(clip))
            continue
        parts = sentences(checked_text(clip.text).text, MAX_PART_WORDS)
        lines = reader.read_lines(parts, (clip.controls.context, *[""] * (len(parts) - 1)))
        # Between two parts lies a blank, which belongs to neither and holds no word.
        clauses = [clause for line in lines for clause in line.clauses]
        found.append(spans_of(clip, clauses, [read for line in lines for read in line.reads]))
    return found


def write_plot(clips: Sequence[ExpressionClip], spans: Sequence[Sequence[Span]], path: Path) -> None:
    """Draw clips below one another, with their ``spans``, and write the page.

    Raises:
        ValueError: for none, or for a clip of another space than the project's own.
    """
    for clip in clips:
        if clip.space != CTEG_HEAD_1.id:
            raise ValueError(f"Channels are drawn of clips of “{CTEG_HEAD_1.id}”; “{clip.text[:40]}” is {clip.space}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(_STYLE):
        draw_plot(clips, spans).savefig(path, dpi=DPI)


def draw_plot(clips: Sequence[ExpressionClip], spans: Sequence[Sequence[Span]]) -> Figure:
    """Return the page."""
    block = sum(_HEIGHTS) + _GAP
    height = block * len(clips)
    figure = Figure(figsize=(WIDTH_INCHES, height), facecolor="white")
    FigureCanvasAgg(figure)
    for number, (clip, known) in enumerate(zip(clips, spans, strict=True)):
        top = 1.0 - (number * block + 0.42) / height
        grid = GridSpec(len(_HEIGHTS), 1, figure, height_ratios=_HEIGHTS, left=0.055, right=0.87, top=top,
                        bottom=top - sum(_HEIGHTS) / height, hspace=0.14)  # fmt: skip
        _words(figure.add_subplot(grid[0]), clip, known)
        for row, panel in enumerate(PANELS, start=1):
            _curves(figure.add_subplot(grid[row]), clip, panel, last=row == len(PANELS))
    return figure


def _words(axes: Axes, clip: ExpressionClip, spans: Sequence[Span]) -> None:
    axes.set_xlim(0.0, clip.seconds)
    axes.set_ylim(0.0, 1.0)
    axes.axis("off")
    title = textwrap.shorten(f"“{clip.text}”", 118, placeholder=" …”")
    axes.text(0.0, 1.18, title, fontsize=11.0, fontweight="bold", va="bottom")
    for span in spans:
        axes.axvspan(span.start, span.end, 0.56, 0.98, color=COLOURS[span.emotion.basic], alpha=0.75, linewidth=0)
        share = (span.end - span.start) / clip.seconds
        labels = [f"{label} {100 * part:.0f} %" for label, part in span.emotion.strongest(3) if part >= 0.1]
        said = "  ·  ".join(labels[: max(1, int(share * 8))])
        axes.text(0.5 * (span.start + span.end), 0.77, said, fontsize=8.5, ha="center", va="center")
    for span in spans[1:]:
        axes.axvline(span.start, 0.56, 0.98, color="white", linewidth=2)
    # A word that would run into the one before it goes a step lower.
    ends = [-1.0, -1.0]
    for word in clip.words:
        width = 0.0115 * len(word.text) * clip.seconds * 0.72
        row = 0 if word.start >= ends[0] or ends[0] <= ends[1] else 1
        axes.text(word.start, (0.36, 0.10)[row], word.text, fontsize=8.5, va="center", ha="left")
        ends[row] = word.start + width


def _curves(axes: Axes, clip: ExpressionClip, panel: str, last: bool) -> None:
    times = np.arange(len(clip.frames)) / clip.fps
    for word in clip.words:
        axes.axvspan(word.start, word.end, color=_PALE, alpha=0.55, linewidth=0, zorder=0)
    for colour, (shape, called) in zip(_CURVES, PANELS[panel].items(), strict=False):
        low, mean, high = curve_of(clip.frames, shape)
        axes.fill_between(times, low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(times, mean, color=colour, linewidth=1.4, label=called)
    axes.set_xlim(0.0, clip.seconds)
    jaw = panel == "jaw"
    axes.set_ylim(-0.5 if jaw else -0.03, FULL_JAW if jaw else 1.03)
    axes.set_yticks((0, 10, 20) if jaw else (0, 0.5, 1), ("0°", "10°", "20°") if jaw else ("0", "", "1"))
    axes.set_ylabel(panel, fontsize=9)
    axes.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=8, handlelength=1.4,
                labelspacing=0.25)  # fmt: skip
    if last:
        axes.set_xlabel("seconds", fontsize=8.5, labelpad=1)
    else:
        axes.set_xticklabels([])
        axes.tick_params(axis="x", length=0)


if __name__ == "__main__":
    sys.exit(main())
