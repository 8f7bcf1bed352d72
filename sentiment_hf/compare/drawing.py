"""What the pictures share: a canvas in CSS pixels, looks, the accuracy axis, labels that do not overlap, SVG."""

import html
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, MUTED, PALE = "#1c2430", "#55606e", "#c3c9d1"

# Colour and marker of a kind of model; the colours are of Okabe & Ito, Color Universal Design (2008).
LOOKS = {
    "baseline": ("#000000", "s"),
    "scratch": ("#0072B2", "o"),
    "pretrained": ("#D55E00", "^"),
    "ensemble": ("#009E73", "D"),
}
KIND_NAMES = {
    "baseline": "baseline",
    "scratch": "trained from scratch",
    "pretrained": "pretrained",
    "ensemble": "ensemble",
}

# Texts stay texts, so that they can be searched and read aloud, and no name is taken for a formula.
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "grid.color": "#e6e9ed",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10,
}

LINE = 13  # pixels from one line of text to the next


@dataclass(frozen=True)
class Picture:
    """A drawing with its heading and what has to be said beside it; all three but `svg` are plain text."""

    title: str
    svg: str
    width: int
    note: str = ""


def canvas(width: int, height: int, left: int, bottom: int, right: int = 8, top: int = 8) -> tuple[Figure, Axes]:
    """A figure of so many CSS pixels with one pair of axes inside these margins, in pixels too."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasAgg(figure)
    return figure, add_axes(figure, left, bottom, width - left - right, height - bottom - top)


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes in pixels from the lower left corner, with a pale grid below what is drawn."""
    box = figure.bbox
    ax = figure.add_axes((left / box.width, bottom / box.height, width / box.width, height / box.height))
    ax.set_axisbelow(True)
    ax.grid(True)
    ax.tick_params(length=3)
    return ax


def picture(figure: Figure, title: str, alt: str, salt: str, note: str = "") -> Picture:
    """The figure as inline SVG: no date, no namespaces, no ids but those it refers to, which `salt` makes its own."""
    file = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": salt}):
        # The browser has the glyphs that the font which texts are measured with lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r'<g id="[^"]*"', "<g", re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL))
    width, height = figure.bbox.width, figure.bbox.height
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(alt)}">'
    return Picture(title, head + body.replace("xlink:href", "href").strip(), round(width), note)


def size_of(figure: Figure, text: str, size: float) -> tuple[float, float]:
    """Width and height in pixels of a line of text."""
    probe = figure.text(0, 0, text, fontsize=size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        box = probe.get_window_extent(figure.canvas.get_renderer())
    probe.remove()
    return box.width, box.height


def clipped(text: str, length: int) -> str:
    """At most `length` characters, the last a mark that there were more."""
    return text if len(text) <= length else text[: length - 1] + "…"


def stretch(accuracy: float | Sequence[float]) -> np.ndarray:
    """Where an accuracy stands on its axis: by the logarithm of the error, so that 90 and 92 % lie apart beside 50 %.

    The hundredth added to the error keeps 100 % on the page.
    """
    return -np.log(1.01 - np.asarray(accuracy, dtype=float))


def accuracy_axis(ax: Axes, accuracies: Sequence[float], label: str = "accuracy (%)") -> None:
    """Limits, ticks and label of a y axis on which `stretch(accuracy)` is drawn."""
    low, high = stretch([min(accuracies), max(accuracies)])
    margin = max(0.07 * (high - low), 0.02)
    low, high = low - margin, high + margin
    ax.set_ylim(low, high)
    percents = accuracy_ticks(low, high, ax.bbox.height)
    ax.set_yticks(stretch([percent / 100 for percent in percents]), [f"{percent:g}" for percent in percents])
    ax.set_ylabel(label)


def accuracy_ticks(low: float, high: float, pixels: float, gap: float = 24) -> list[float]:
    """Percents between two places on the stretched axis, round ones first, none closer than `gap` pixels."""
    places: dict[float, float] = {}
    for step in (50, 10, 5, 2, 1, 0.5, 0.2, 0.1):
        for percent in np.round(np.arange(0, 100 + step / 2, step), 1):
            place = float(stretch(percent / 100)) * pixels / (high - low)
            inside = low * pixels / (high - low) <= place <= high * pixels / (high - low)
            if inside and all(abs(place - other) >= gap for other in places.values()):
                places[float(percent)] = place
    return sorted(places)


def whiskers(ax: Axes, x: float, interval: dict, colour: str) -> None:
    """The 95 % interval of an accuracy as a thin line."""
    ax.plot([x, x], stretch([interval["low"], interval["high"]]), color=colour, linewidth=1, alpha=0.6, zorder=2)


def legend_of_kinds(ax: Axes, kinds: set[str], more: Sequence[Line2D] = ()) -> None:
    """Which marker stands for which kind, above the axes."""
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6, label=KIND_NAMES[kind])
        for kind, (colour, marker) in LOOKS.items()
        if kind in kinds
    ]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2, "handletextpad": 0.3}
    ax.legend(handles=[*handles, *more], ncols=3, frameon=False, fontsize=10, columnspacing=1.0, **place)


def label_points(ax: Axes, points: Sequence[tuple[float, float, str]], size: float = 10) -> None:
    """Each name beside its point (data coordinates), where it covers no other name or point; farther off by a line."""
    figure, taken = ax.figure, []
    centres = [ax.transData.transform((x, y)) for x, y, _ in points]
    markers = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    for (x, y), (_, _, name) in sorted(zip(centres, points, strict=True), key=lambda pair: -pair[0][1]):
        text = clipped(name, 30)
        width, height = size_of(figure, text, size)
        box = free_box((x, y), width, height, markers + taken, ax.bbox.extents)
        taken.append(box)
        left, bottom, right, top = box
        if max(left - x, x - right, bottom - y, y - top) > 12:
            end = min(max(x, left), right), min(max(y, bottom), top)
            line = Line2D(*zip((x, y), end, strict=True), transform=None, color=MUTED, linewidth=0.6, zorder=1)
            figure.add_artist(line)
        figure.text(left / figure.bbox.width, bottom / figure.bbox.height, text, fontsize=size, va="bottom")


def free_box(
    centre: tuple[float, float], width: float, height: float, taken: list[tuple], inside: Sequence[float]
) -> tuple[float, float, float, float]:
    """left, bottom, right, top of the place nearest to `centre` that lies `inside` and is not taken; pixels."""
    x, y = centre
    for radius in range(8, 400, 6):
        for angle in np.radians([0, 180, 45, 135, -45, -135, 90, -90, 22, 158, -22, -158]):
            across, up = radius * np.cos(angle), radius * np.sin(angle)
            left = x + across - (width if across < -1e-6 else 0 if across > 1e-6 else width / 2)
            bottom = y + up - height / 2
            box = (left, bottom, left + width, bottom + height)
            fits = box[0] >= inside[0] and box[1] >= inside[1] and box[2] <= inside[2] and box[3] <= inside[3]
            if fits and not any(overlap(box, other) for other in taken):
                return box
    return x + 8, y - height / 2, x + 8 + width, y + height / 2


def overlap(a: tuple, b: tuple) -> bool:
    """Whether two boxes (left, bottom, right, top) share more than an edge."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 10) -> None:
    """(x, y, name, colour) of the last point of each line: names in the right margin, one under the other."""
    figure, right = ax.figure, ax.bbox.x1 + 12
    ends = sorted(
        ((*ax.transData.transform((x, y)), name, colour) for x, y, name, colour in ends), key=lambda e: -e[1]
    )
    places = spread([y for _, y, _, _ in ends], ax.bbox.y0)
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        figure.add_artist(Line2D([x + 4, right - 2], [y, place], transform=None, color=colour, linewidth=0.6))
        where = right / figure.bbox.width, place / figure.bbox.height
        figure.text(*where, clipped(name, 24), fontsize=size, va="center")


def spread(heights: Sequence[float], bottom: float) -> list[float]:
    """Heights from top to bottom, moved apart to `LINE` pixels, none below `bottom` while there is room above."""
    places: list[float] = []
    for height in heights:
        places.append(min(height, places[-1] - LINE) if places else height)
    for index in range(len(places) - 1, -1, -1):
        floor = bottom if index == len(places) - 1 else places[index + 1] + LINE
        places[index] = max(places[index], floor)
    return places
