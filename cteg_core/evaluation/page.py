"""The report on one page: what was measured, drawn with matplotlib (the ``train`` extra)."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec

from cteg_core.emotion import BASIC_EMOTIONS
from cteg_core.evaluation.acting import ActingScores
from cteg_core.evaluation.measuring import CORPUS, MEAN, NETWORK, Example, HeldOutScores
from cteg_core.metrics.scores import PerformanceScores
from flame_rig.spaces import CTEG_HEAD_1, EXPRESSION_COUNT

PAGE_INCHES: Final = (11.7, 16.55)
"""A3 upright: a page that can be printed, or read on a screen at full width."""
DPI: Final = 130
_INK, _GREY, _PALE = "#22262b", "#9aa1a9", "#e9ecef"
_NETWORK, _TRUTH, _WARNING = "#0b6e8f", "#d08700", "#b3261e"
_FRECHET: Final = (("frames", "frames"), ("differences", "differences"), ("statistics", "statistics"))
_PAPER: Final = (
    ("Diversity", "diversity"), ("MModality", "multimodality"), ("Variation", "variation"),
    ("FgD", "fine_grained_diversity"), ("DoT", "diversity_on_test"),
)  # fmt: skip
_ACTING: Final = (
    ("the corpus's own performances", "corpus"), ("told the label", "told_the_label"),
    ("from the text alone", "from_text"), ("(text side, no face)", "text_side"),
    ("emotion shuffled", "emotion_shuffled"), ("text and emotion masked", "text_and_emotion_masked"),
)  # fmt: skip
_STYLE: Final[Any] = {
    "font.family": "DejaVu Sans", "font.size": 9.0, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _GREY, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10.5,
    "axes.titleweight": "bold", "axes.titlelocation": "left", "xtick.color": _INK, "ytick.color": _INK,
    "xtick.labelsize": 8.0, "ytick.labelsize": 8.5, "svg.fonttype": "none",
}  # fmt: skip


Section = Callable[[Figure, SubplotSpec], None]


@dataclass(frozen=True)
class Heading:
    """What the page is about: the checkpoint's id and a line below it."""

    checkpoint: str
    subtitle: str


def write_page(folder: Path, heading: Heading, held_out: HeldOutScores | None, acting: ActingScores | None) -> None:
    """Write ``report.png`` and ``report.pdf``; parts that were not measured are left out."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        figure = draw_page(heading, held_out, acting)
        for name in ("report.png", "report.pdf"):
            figure.savefig(folder / name, dpi=DPI)


def draw_page(heading: Heading, held_out: HeldOutScores | None, acting: ActingScores | None) -> Figure:
    """Return the page."""
    sections: list[tuple[float, Section]] = [
        (1.05, lambda figure, place: _head(figure.add_subplot(place), heading, held_out, acting))
    ]
    if held_out is not None:
        sections += [
            (2.3, lambda figure, place: _fidelity(figure, place, held_out)),
            (3.0, lambda figure, place: _prediction_and_motion(figure, place, held_out)),
            (2.2, lambda figure, place: _example(figure, place, held_out.example)),
            (1.75, lambda figure, place: _paper_table(figure.add_subplot(place), held_out)),
        ]
    if acting is not None:
        sections.append((2.5, lambda figure, place: _acting(figure, place, acting)))
    heights = [height for height, _ in sections]
    figure = Figure(figsize=(PAGE_INCHES[0], PAGE_INCHES[1] * (0.05 + sum(heights) / 12.4)), facecolor="white")
    FigureCanvasAgg(figure)
    grid = GridSpec(
        len(sections), 1, figure, height_ratios=heights, left=0.07, right=0.965, top=0.985, bottom=0.035, hspace=0.55
    )
    for row, (_, draw) in enumerate(sections):
        draw(figure, grid[row])
    return figure


def _head(axes: Axes, heading: Heading, held_out: HeldOutScores | None, acting: ActingScores | None) -> None:
    axes.axis("off")
    axes.text(0, 0.98, heading.checkpoint, fontsize=19, fontweight="bold", va="top")
    axes.text(0, 0.66, heading.subtitle, fontsize=9.5, color="#5b636b", va="top")
    lines = []
    if held_out is not None:
        lines.append(
            f"Held out: {held_out.source}; {held_out.takes} takes of each, seed {held_out.seed}. Unit: {held_out.unit}."
        )
    if acting is not None:
        lines.append(
            f"Acting: {acting.lines} lines of the test split, balanced over seven classes, speech and blinks off; "
            "the emotion is read back from the posed mesh."
        )
    axes.text(0, 0.44, "\n".join(textwrap.fill(line, 165) for line in lines), va="top", linespacing=1.4)


def _fidelity(figure: Figure, place: SubplotSpec, scores: HeldOutScores) -> None:
    """Energy score, and the three Fréchet distances."""
    inner = place.subgridspec(1, 5, width_ratios=(0.55, 1.25, 1, 1, 1), wspace=0.14)
    rows = [row for row, card in scores.performances.items() if card.energy is not None]
    first = figure.add_subplot(inner[1])
    energies = [scores.performances[row].energy or 0.0 for row in rows]
    _bars(first, rows, energies, "Energy score against the truth")
    for column, (name, label) in enumerate(_FRECHET, start=2):
        axes = figure.add_subplot(inner[column])
        values = [getattr(scores.performances[row].frechet, name) for row in rows]
        _bars(axes, rows, values, f"Fréchet: {label}", named=False, logarithmic=True)
    reached = ": “corpus again” is what can be reached" if scores.again_shares_conditions else ""
    first.set_xlabel(f"proper, lower is better{reached}")


def _bars(
    axes: Axes,
    rows: Sequence[str],
    values: Sequence[float],
    title: str,
    *,
    named: bool = True,
    logarithmic: bool = False,
) -> None:
    places = np.arange(len(rows))[::-1]
    axes.barh(places, values, color=[_colour(row) for row in rows], height=0.62)
    axes.set_title(title)
    axes.set_yticks(places, rows if named else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    largest = max(values)
    if logarithmic:
        axes.set_xscale("symlog", linthresh=max(1e-3, min(value for value in values if value > 0) / 2))
        axes.set_xlim(0, largest * 12)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.minorticks_off()
    else:
        axes.set_xlim(0, largest * 1.18)
    for place, value in zip(places, values, strict=True):
        axes.annotate(_number(value), (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8)


def _prediction_and_motion(figure: Figure, place: SubplotSpec, scores: HeldOutScores) -> None:
    # The lower row is left to the legends.
    inner = place.subgridspec(2, 5, width_ratios=(0.95, 2.1, 0.8, 0.35, 1.9), height_ratios=(1, 0.13), wspace=0.0)
    _predictions(figure.add_subplot(inner[0, 1]), scores)
    _motion(figure.add_subplot(inner[0, 4]), scores.performances)


def _predictions(axes: Axes, scores: HeldOutScores) -> None:
    """Bits a frame as CPPL counts them and as the true box probability does: the gap is what CPPL lets through."""
    rows = list(scores.teacher_forced)
    places = np.arange(len(rows))[::-1]
    coded = [float(np.log2(scores.teacher_forced[row].cppl)) for row in rows]
    proper = [scores.teacher_forced[row].box_bits for row in rows]
    for place, one, other in zip(places, coded, proper, strict=True):
        axes.plot((one, other), (place, place), color=_PALE, linewidth=5, solid_capstyle="round", zorder=1)
    axes.scatter(coded, places, s=46, facecolor="white", edgecolor=_WARNING, linewidth=1.6, zorder=3,
                 label="as CPPL counts (log2 CPPL)")  # fmt: skip
    axes.scatter(
        proper, places, s=46, color=[_colour(row) for row in rows], zorder=2, label="the box's true probability"
    )
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
    axes.set_xlim(-0.12, 4000)
    axes.set_xticks((0, 1, 10, 100, 1000), ("0", "1", "10", "100", "1000"))
    axes.minorticks_off()
    axes.set_yticks(places, rows)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    for place, row, value in zip(places, rows, proper, strict=True):
        card = scores.teacher_forced[row]
        axes.annotate(f"CPPL {_number(card.cppl)} · {_number(value)} bits", (4000, place), (4, 0),
                      textcoords="offset points", va="center", fontsize=7.5, color="#5b636b")  # fmt: skip
    axes.set_title("Frame by frame, shown the true past: bits a frame")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, -0.22), ncols=2, frameon=False, fontsize=8)


def _motion(axes: Axes, performances: Mapping[str, PerformanceScores]) -> None:
    regions = list(performances[NETWORK].motion)
    places = np.arange(len(regions))[::-1].astype(float)
    shown = [(NETWORK, _NETWORK, 0.13)] + ([(CORPUS, _TRUTH, -0.13)] if CORPUS in performances else [])
    axes.axvline(1.0, color=_GREY, linewidth=1, zorder=0)
    values = [1.0]
    for row, colour, shift in shown:
        cards = [performances[row].motion[region] for region in regions]
        for kind, marker, filled in (("speed_ratio", "o", True), ("acceleration_ratio", "D", False)):
            ratios = [getattr(card, kind) or np.nan for card in cards]
            values += [ratio for ratio in ratios if np.isfinite(ratio)]
            axes.scatter(ratios, places + shift, s=40, marker=marker, edgecolor=colour, linewidth=1.5,
                         facecolor=colour if filled else "white", zorder=3,
                         label=f"{row}: {kind.split('_')[0]}")  # fmt: skip
    low, high = min(values), max(values)
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, low * 0.85), max(2.0, high * 1.25))
    ticks = [
        tick
        for tick in (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
        if axes.get_xlim()[0] < tick < axes.get_xlim()[1]
    ]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(places, regions)
    axes.set_ylim(-0.6, len(regions) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title("Motion over the true performances'")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.06, -0.29), ncols=2, frameon=False, fontsize=8)


def _example(figure: Figure, place: SubplotSpec, example: Example) -> None:
    """The liveliest two coefficients of the true performance and the jaw, through time."""
    inner = place.subgridspec(1, 3, wspace=0.16)
    moving = example.truth[:, : EXPRESSION_COUNT - 1].std(axis=0)
    for column, name in enumerate(CTEG_HEAD_1.names[: EXPRESSION_COUNT - 1]):
        if name.startswith("eyeLook") or name.endswith("Right"):
            moving[column] = 0.0
    columns = [*np.argsort(-moving)[:2].tolist(), EXPRESSION_COUNT]
    text = textwrap.shorten(example.text, 90, placeholder=" …")
    for at, column in enumerate(columns):
        axes = figure.add_subplot(inner[at])
        jaw = column == EXPRESSION_COUNT
        factor = 180 / np.pi if jaw else 1.0
        for index, take in enumerate(example.takes):
            axes.plot(np.arange(len(take)) / 30.0, take[:, column] * factor, color=_NETWORK, linewidth=1.1,
                      alpha=0.75, label="network's takes" if index == 0 else None)  # fmt: skip
        axes.plot(np.arange(len(example.truth)) / 30.0, example.truth[:, column] * factor, color=_TRUTH, linewidth=2.0,
                  label="true performance")  # fmt: skip
        axes.set_title("jaw pitch (degrees)" if jaw else CTEG_HEAD_1.names[column], fontweight="normal", fontsize=9.5)
        axes.set_xlabel("seconds")
        if at == 0:
            axes.set_ylim(top=axes.get_ylim()[1] * 1.22)
            axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
            axes.text(0, 1.17, f"The line in the middle of the field: “{text}”", transform=axes.transAxes,
                      fontweight="bold", fontsize=10.5)  # fmt: skip


def _paper_table(axes: Axes, scores: HeldOutScores) -> None:
    rows = [row for row, card in scores.performances.items() if card.paper is not None]
    titles = [title for title, _ in _PAPER] + ["violent moments", "length error"]
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(-len(rows) - 1.9, 1.3)
    axes.text(0, 1.0, "The paper's metrics, which count more as better and so reward noise; violence and length",
              fontweight="bold", fontsize=10.5)  # fmt: skip
    columns = np.linspace(0.30, 0.985, len(titles))
    for x, title in zip(columns, titles, strict=True):
        axes.text(x, -0.15, title, ha="right", fontsize=8.5, color="#5b636b")
    for y, row in enumerate(rows, start=1):
        card = scores.performances[row]
        weight = "bold" if row == NETWORK else "normal"
        axes.text(0, -y - 0.15, row, fontsize=8.5, fontweight=weight)
        figures = [_number(getattr(card.paper, name)) for _, name in _PAPER]
        figures += [f"{100 * card.motion['all'].violent_acceleration:.2f} %", f"{card.length_error:.3f}"]
        for x, figure in zip(columns, figures, strict=True):
            axes.text(x, -y - 0.15, figure, ha="right", fontsize=8.5, fontweight=weight)
        axes.axhline(-y + 0.62, color=_PALE, linewidth=0.8)
    chosen = scores.performances[rows[0]].paper
    if chosen is not None:
        c = chosen.choices
        said = (
            f"Where the paper is silent: performances are compared by “{c.lengths}” ({c.frames} frames), distance per "
            f"{c.norm}; Diversity over at most {c.diversity_pairs} pairs made without text and emotion (the speech "
            f"plan stays), MModality over {c.same_text_pairs} pairs of takes, DoT over at most {c.test_pairs} pairs; "
            f"seed {c.seed}. Violent: acceleration beyond the 99.9th percentile of the true performances."
        )
        axes.text(0, -len(rows) - 0.75, textwrap.fill(said, 180), fontsize=7.8, color="#5b636b", va="top")


def _acting(figure: Figure, place: SubplotSpec, acting: ActingScores) -> None:
    inner = place.subgridspec(1, 4, width_ratios=(0.95, 2.1, 0.75, 1.5), wspace=0.0)
    axes = figure.add_subplot(inner[1])
    names = [label for label, _ in _ACTING]
    values = [getattr(acting, name).balanced for _, name in _ACTING]
    places = np.arange(len(names))[::-1]
    colours = [_TRUTH, _NETWORK, _NETWORK, _GREY, _PALE, _PALE]
    axes.barh(places, values, color=colours, height=0.62)
    axes.axvline(acting.chance, color=_WARNING, linewidth=1.2, linestyle="--", zorder=0.5)
    axes.annotate("chance", (acting.chance, -0.62), (3, 0), textcoords="offset points", color=_WARNING,
                  fontsize=8)  # fmt: skip
    for at, value in zip(places, values, strict=True):
        axes.annotate(f"{value:.3f}", (value, at), (4, 0), textcoords="offset points", va="center", fontsize=8,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1.05)
    axes.set_ylim(-0.75, len(names) - 0.5)
    axes.set_title("Emotion read back from the face: balanced accuracy")
    axes.set_xlabel(
        f"two seeds of a line are read alike in {100 * acting.two_seeds_agree:.0f} % of lines; "
        f"the stop head ended {100 * acting.stopped_by_itself:.0f} %"
    )
    confusion = np.array(acting.from_text.confusion, dtype=float)
    table = figure.add_subplot(inner[3])
    table.imshow(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for row in range(len(confusion)):
        for column in range(len(confusion)):
            count = int(confusion[row, column])
            dark = confusion[row, column] > 0.55 * max(confusion[row].sum(), 1)
            table.text(
                column, row, str(count or "·"), ha="center", va="center", fontsize=8, color="white" if dark else _INK
            )
    table.set_xticks(range(len(BASIC_EMOTIONS)), BASIC_EMOTIONS, rotation=35, ha="right")
    table.set_yticks(range(len(BASIC_EMOTIONS)), BASIC_EMOTIONS)
    table.tick_params(length=0)
    table.spines[:].set_visible(False)
    table.set_title("From the text: label → read")


def _colour(row: str) -> str:
    if row.startswith(NETWORK):
        return _NETWORK
    if row.startswith("truth - 0.8"):
        return _WARNING
    return _TRUTH if row == CORPUS else "#c3c8ce" if row == MEAN else _GREY


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 10_000:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
