"""What the pictures share: a canvas in CSS pixels, looks, the accuracy axis, labels that do not overlap, SVG."""

import html
import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import IdentityTransform

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
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.2,
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

LINE_HEIGHT = 13  # pixels from one line of text to the next
NAME_LENGTH = 26  # characters of a name in a picture
LEADER_FROM = 14  # pixels from a point to its name from which on a leader joins them

# left, bottom, right, top in pixels
Box = tuple[float, float, float, float]
NamedPoint = tuple[float, float, str]
Segment = tuple[tuple[float, float], tuple[float, float]]


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


def as_picture(figure: Figure, title: str, alt: str, salt: str, note: str = "") -> Picture:
    """The figure as inline SVG: no date, no namespaces, no ids but those it refers to, which `salt` makes its own."""
    for ax in figure.axes:
        # Not left of the tick labels, however wide these are, but at the edge, where it is never cut.
        ax.yaxis.set_label_coords(16, (ax.bbox.y0 + ax.bbox.y1) / 2, transform=IdentityTransform())
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


def text_size(figure: Figure, text: str, size: float) -> tuple[float, float]:
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


def error_scale(accuracy: float | Sequence[float]) -> np.ndarray:
    """Where an accuracy stands on its axis: by the logarithm of the error, so that 90 and 92 % lie apart beside 50 %.

    The hundredth added to the error keeps 100 % on the page.
    """
    return -np.log(1.01 - np.asarray(accuracy, dtype=float))


def accuracy_axis(ax: Axes, accuracies: Sequence[float], label: str = "accuracy (%)") -> None:
    """Limits, ticks and label of a y axis on which `error_scale(accuracy)` is drawn."""
    low, high = error_scale([min(accuracies), max(accuracies)])
    margin = max(0.07 * (high - low), 0.02)
    low, high = low - margin, high + margin
    ax.set_ylim(low, high)
    percents = accuracy_ticks(low, high, ax.bbox.height)
    ax.set_yticks(error_scale([percent / 100 for percent in percents]), [f"{percent:g}" for percent in percents])
    ax.set_ylabel(label)


def accuracy_ticks(low: float, high: float, pixels: float, gap: float = 22) -> list[float]:
    """Percents between two places on the stretched axis: the four or five roundest, `gap` pixels apart or more."""
    span = 100 * float(np.exp(-low) - np.exp(-high))
    places: dict[float, float] = {}
    for step in (step for step in (50, 10, 5, 2, 1, 0.5, 0.2, 0.1) if 20 * step >= span):
        for percent in np.round(np.arange(0, 100 + step / 2, step), 1):
            place = float(error_scale(percent / 100)) * pixels / (high - low)
            inside = low * pixels / (high - low) <= place <= high * pixels / (high - low)
            if inside and all(abs(place - other) >= gap for other in places.values()):
                places[float(percent)] = place
        if len(places) >= min(5, max(4, pixels // 50)):
            break
    return sorted(places)


def whiskers(ax: Axes, x: float, interval: dict, colour: str) -> None:
    """The 95 % interval of an accuracy as a thin line."""
    ax.plot([x, x], error_scale([interval["low"], interval["high"]]), color=colour, linewidth=1, alpha=0.6, zorder=2)


def legend_of_kinds(ax: Axes, kinds: set[str], more: Sequence[Line2D] = ()) -> None:
    """Which marker stands for which kind, above the axes, three in a line."""
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6, label=KIND_NAMES[kind])
        for kind, (colour, marker) in LOOKS.items()
        if kind in kinds
    ]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3, "borderpad": 0}
    look = {"frameon": False, "fontsize": 10, "columnspacing": 1.0, "handletextpad": 0.3}
    ax.legend(handles=[*handles, *more], ncols=3, **place, **look)


def legend_height(entries: int) -> int:
    """Pixels above the axes that a legend takes."""
    return 10 + 15 * math.ceil(entries / 3)


def label_points(ax: Axes, points: Sequence[NamedPoint], lines: Sequence[Segment] = (), size: float = 10) -> None:
    """Each name beside its point where that covers no point, no name and, if it can be, no line; else farther off.

    points: (x, y, name), lines: ((x, y), (x, y)), both in data coordinates.
    """
    figure = ax.figure
    centres = [tuple(ax.transData.transform((x, y))) for x, y, _ in points]
    taken = np.array([(x - 5, y - 5, x + 5, y + 5) for x, y in centres])
    traces = np.concatenate([np.empty((0, 4)), *(boxes_along(*ax.transData.transform(line)) for line in lines)])
    for centre, (_, _, name) in sorted(zip(centres, points, strict=True), key=lambda pair: -pair[0][1]):
        text = clipped(name, NAME_LENGTH)
        box = free_box(centre, text_size(figure, text, size), taken, traces, ax.bbox.extents)
        end = nearest_point(box, centre)
        if math.dist(end, centre) > LEADER_FROM:
            leader = Line2D(*zip(centre, end, strict=True), transform=None, color=MUTED, linewidth=0.6, zorder=1)
            figure.add_artist(leader)
            traces = np.concatenate([traces, boxes_along(centre, end)])
        taken = np.concatenate([taken, [box]])
        figure.text(box[0] / figure.bbox.width, box[1] / figure.bbox.height, text, fontsize=size, va="bottom")


def free_box(
    centre: tuple[float, float],
    size: tuple[float, float],
    taken: np.ndarray,
    traces: np.ndarray,
    inside: Sequence[float],
) -> Box:
    """A box of this size `inside` the axes that overlaps nothing `taken`, (boxes, 4), and, if near, no `traces`.

    First comes the nearest; of boxes that need a leader, one whose leader is short and crosses little.
    """
    free = [box for box in boxes_around(centre, size, inside) if not overlaps(box, taken)]
    near = [box for box in free if math.dist(nearest_point(box, centre), centre) <= LEADER_FROM]
    clear = [box for box in near if not overlaps(box, traces)]
    if clear or near:
        return (clear or near)[0]
    crossed = [
        sum(overlaps(dot, taken) for dot in boxes_along(centre, nearest_point(box, centre))[3:]) for box in free
    ]
    away = [math.dist(nearest_point(box, centre), centre) for box in free]
    costs = [
        distance + 15 * number + 20 * overlaps(box, traces)
        for box, distance, number in zip(free, away, crossed, strict=True)
    ]
    return free[int(np.argmin(costs))]


def boxes_around(centre: tuple[float, float], size: tuple[float, float], inside: Sequence[float]) -> Iterator[Box]:
    """Boxes of one size on circles about `centre`, the nearest first, as far as they lie `inside` another box."""
    (x, y), (width, height) = centre, size
    for radius in range(8, 400, 8):
        for angle in np.radians([0, 180, 45, 135, -45, -135, 90, -90, 22, 158, -22, -158, 67, 113, -67, -113]):
            across, up = radius * np.cos(angle), radius * np.sin(angle)
            left = x + across - (width if across < -1e-6 else 0 if across > 1e-6 else width / 2)
            bottom = y + up - height / 2
            box = left, bottom, left + width, bottom + height
            if left >= inside[0] and bottom >= inside[1] and box[2] <= inside[2] and box[3] <= inside[3]:
                yield box


def boxes_along(start: Sequence[float], end: Sequence[float]) -> np.ndarray:
    """(boxes, 4): a line as small boxes along it."""
    steps = math.ceil(math.dist(start, end) / 4) + 1
    middles = np.linspace(start, end, steps)
    return np.concatenate([middles - 2, middles + 2], axis=1)


def nearest_point(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """The point of a box that is nearest to another point."""
    left, bottom, right, top = box
    return min(max(point[0], left), right), min(max(point[1], bottom), top)


def overlaps(box: Box, others: np.ndarray) -> bool:
    """Whether a box shares more than an edge with one of the others, (boxes, 4)."""
    left, bottom, right, top = box
    apart = (others[:, 0] >= right) | (others[:, 2] <= left) | (others[:, 1] >= top) | (others[:, 3] <= bottom)
    return not apart.all()


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 10) -> None:
    """(x, y, name, colour) of the last point of each line: names in the right margin, one under the other."""
    figure, right = ax.figure, ax.bbox.x1 + 12
    ends = sorted(
        ((*ax.transData.transform((x, y)), name, colour) for x, y, name, colour in ends), key=lambda e: -e[1]
    )
    places = spread_heights([y for _, y, _, _ in ends], ax.bbox.y0)
    for (x, y, name, colour), place in zip(ends, places, strict=True):
        figure.add_artist(Line2D([x + 4, right - 2], [y, place], transform=None, color=colour, linewidth=0.6))
        where = right / figure.bbox.width, place / figure.bbox.height
        figure.text(*where, clipped(name, NAME_LENGTH), fontsize=size, va="center")


def spread_heights(heights: Sequence[float], bottom: float) -> list[float]:
    """Heights from top to bottom, moved apart to `LINE_HEIGHT` pixels, none below `bottom` while there is room above."""
    places: list[float] = []
    for height in heights:
        places.append(min(height, places[-1] - LINE_HEIGHT) if places else height)
    for index in range(len(places) - 1, -1, -1):
        floor = bottom if index == len(places) - 1 else places[index + 1] + LINE_HEIGHT
        places[index] = max(places[index], floor)
    return places
