"""Shared parts of the pictures: canvas in CSS pixels, colours, axis of a score, labels that do not overlap, SVG."""

import html
import io
import logging
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
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import IdentityTransform

from sentiment_hf.tasks.task import Score

# It warns of a cache in the home of the user that cannot be written, and makes one for the time of the command.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

INK, MUTED, PALE = "#1c2430", "#55606e", "#c3c9d1"

# Colour and marker of each kind of model. The colours are those of Okabe & Ito, Color Universal Design (2008).
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

# Text is written as text and not as paths, so that it can be searched and read aloud. A "$" in a name is no formula.
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
NAME_LENGTH = 26  # most characters of a name in a picture
LEADER_FROM = 14  # pixels: a name that lies farther from its point is joined to it by a line, the leader

# left, bottom, right, top in pixels
Box = tuple[float, float, float, float]
# x, y, name
NamedPoint = tuple[float, float, str]
# (x, y), (x, y)
Segment = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """A drawing: SVG source with its heading, its width in pixels and a note. Title and note are plain text."""

    title: str
    svg: str
    width: int
    note: str = ""


def canvas(width: int, height: int, left: int, bottom: int, right: int = 8, top: int = 8) -> tuple[Figure, Axes]:
    """A figure of `width` by `height` CSS pixels with one pair of axes inside the margins, which are pixels too."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasAgg(figure)
    return figure, add_axes(figure, left, bottom, width - left - right, height - bottom - top)


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes with a pale grid behind the data; positions are pixels from the lower left corner of the figure."""
    box = figure.bbox
    ax = figure.add_axes((left / box.width, bottom / box.height, width / box.width, height / box.height))
    ax.set_axisbelow(True)
    ax.grid(True)
    ax.tick_params(length=3)
    return ax


def as_picture(figure: Figure, title: str, alt: str, salt: str, note: str = "") -> Picture:
    """The figure as inline SVG without date and namespaces.

    The only ids are those that the SVG refers to; `salt` makes them differ from the ids of other pictures on the page.
    `alt` is read aloud in place of the picture.
    """
    for ax in figure.axes:
        # The label stands at the edge of the figure: beside wide tick labels it would be cut off.
        ax.yaxis.set_label_coords(16, (ax.bbox.y0 + ax.bbox.y1) / 2, transform=IdentityTransform())
    file = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": salt}):
        # The font that measures the texts lacks some glyphs; the browser that shows them has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r'<g id="[^"]*"', "<g", re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL))
    width, height = figure.bbox.width, figure.bbox.height
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(alt)}">'
    return Picture(title, head + body.replace("xlink:href", "href").strip(), round(width), note)


def text_size(figure: Figure, text: str, size: float) -> tuple[float, float]:
    """(width, height) in pixels of a line of text in a font of `size` pixels."""
    probe = figure.text(0, 0, text, fontsize=size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        box = probe.get_window_extent(figure.canvas.get_renderer())
    probe.remove()
    return box.width, box.height


def clipped(text: str, length: int) -> str:
    """The text in at most `length` characters; "…" stands for the middle, since names often differ at their ends."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[-tail:]}"


def error_scale(accuracy: float | Sequence[float]) -> np.ndarray:
    """Positions of accuracies on their axis: -log(1.01 - accuracy), any shape.

    The logarithm of the error keeps 90 % and 92 % apart on an axis that also shows 50 %. The added 0.01 keeps the
    position of 100 % finite.
    """
    return -np.log(1.01 - np.asarray(accuracy, dtype=float))


@dataclass(frozen=True)
class ScoreAxis:
    """A y axis of a score, with what is better further up. A share stands on `error_scale`."""

    score: Score

    @property
    def title(self) -> str:
        """The name of the score at the beginning of a heading."""
        return self.score.name[0].upper() + self.score.name[1:]

    @property
    def label(self) -> str:
        """The name of the score with its unit."""
        return f"{self.score.name} ({self.score.unit})" if self.score.unit else self.score.name

    def places(self, values: float | Sequence[float]) -> np.ndarray:
        """Positions of values, any shape."""
        return error_scale(values) if self.score.share else np.asarray(values, dtype=float)

    def said(self, value: float) -> str:
        """The value, to be read aloud."""
        return f"{100 * value:.1f} %" if self.score.share else self.score.brief(value)

    def set(self, ax: Axes, values: Sequence[float], label: str | None = None) -> None:
        """Set limits, ticks and label of an axis with room for these values."""
        low, high = self.places([min(values), max(values)])
        margin = max(0.07 * (high - low), 0.02 if self.score.share else 1e-3 * abs(high) + 1e-9)
        low, high = low - margin, high + margin
        ax.set_ylim(*((low, high) if self.score.more_is_better else (high, low)))
        if self.score.share:
            percents = accuracy_ticks(low, high, ax.bbox.height)
            ax.set_yticks(self.places([percent / 100 for percent in percents]), [f"{one:g}" for one in percents])
        else:
            ax.yaxis.set_major_locator(MaxNLocator(max(3, int(ax.bbox.height // 50)), steps=[1, 2, 2.5, 5, 10]))
        ax.set_ylabel(self.label if label is None else label)

    def whiskers(self, ax: Axes, x: float, interval: dict, colour: str) -> None:
        """Draw the 95 % interval of a value as a thin vertical line at `x`."""
        ends = self.places([interval["low"], interval["high"]])
        ax.plot([x, x], ends, color=colour, linewidth=1, alpha=0.6, zorder=2)


def accuracy_ticks(low: float, high: float, pixels: float, gap: float = 22) -> list[float]:
    """The four or five roundest percentages from `low` to `high` on the error scale, at least `gap` pixels apart."""
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


def legend_of_kinds(ax: Axes, kinds: set[str], more: Sequence[Line2D] = ()) -> None:
    """Add a legend above the axes, three entries in a line: the marker of each kind of model, then `more`."""
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=6, label=KIND_NAMES[kind])
        for kind, (colour, marker) in LOOKS.items()
        if kind in kinds
    ]
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3, "borderpad": 0}
    look = {"frameon": False, "fontsize": 10, "columnspacing": 1.0, "handletextpad": 0.3}
    ax.legend(handles=[*handles, *more], ncols=3, **place, **look)


def legend_height(entries: int) -> int:
    """Height in pixels of a legend of `legend_of_kinds`."""
    return 10 + 15 * math.ceil(entries / 3)


def label_points(ax: Axes, points: Sequence[NamedPoint], lines: Sequence[Segment] = (), size: float = 10) -> None:
    """Write the name of each point near it, without covering a point or another name.

    A place beside the point that covers no line is preferred. A name that has to stand farther off is joined to its
    point by a leader. points: (x, y, name), lines: ((x, y), (x, y)), both in data coordinates.
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
    """A box of `size` that lies `inside` the axes and overlaps no box of `taken`, (boxes, 4).

    The nearest box that needs no leader is chosen, if possible one that overlaps no line of `traces`, (boxes, 4).
    Among boxes that need a leader, the one with a short leader that crosses few boxes is chosen.
    """
    free = [box for box in boxes_around(centre, size, inside) if not overlaps(box, taken)]
    near = [box for box in free if math.dist(nearest_point(box, centre), centre) <= LEADER_FROM]
    clear = [box for box in near if not overlaps(box, traces)]
    if clear or near:
        return (clear or near)[0]
    leaders = [(centre, nearest_point(box, centre)) for box in free]
    # The first three boxes of a leader lie at its own point.
    crossed = [sum(overlaps(dot, taken) for dot in boxes_along(*leader)[3:]) for leader in leaders]
    away = [math.dist(*leader) for leader in leaders]
    costs = [
        distance + 15 * number + 20 * overlaps(box, traces)
        for box, distance, number in zip(free, away, crossed, strict=True)
    ]
    return free[int(np.argmin(costs))]


def boxes_around(centre: tuple[float, float], size: tuple[float, float], inside: Sequence[float]) -> Iterator[Box]:
    """Boxes of `size` on circles around `centre`, nearest first; boxes that are not wholly `inside` are left out."""
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
    """(boxes, 4): small boxes that cover the line from `start` to `end`."""
    steps = math.ceil(math.dist(start, end) / 4) + 1
    middles = np.linspace(start, end, steps)
    return np.concatenate([middles - 2, middles + 2], axis=1)


def nearest_point(box: Box, point: tuple[float, float]) -> tuple[float, float]:
    """The point of the box that is nearest to `point`."""
    left, bottom, right, top = box
    return min(max(point[0], left), right), min(max(point[1], bottom), top)


def overlaps(box: Box, others: np.ndarray) -> bool:
    """True if the box shares more than an edge with one of `others`, (boxes, 4)."""
    left, bottom, right, top = box
    apart = (others[:, 0] >= right) | (others[:, 2] <= left) | (others[:, 1] >= top) | (others[:, 3] <= bottom)
    return not apart.all()


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 10) -> None:
    """Write the names of lines in the right margin, one under the other; ends: (x, y, name, colour) of last points."""
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
    """The heights, given from top to bottom, moved until they are `LINE_HEIGHT` pixels apart, none below `bottom`."""
    places: list[float] = []
    for height in heights:
        places.append(min(height, places[-1] - LINE_HEIGHT) if places else height)
    for index in range(len(places) - 1, -1, -1):
        floor = bottom if index == len(places) - 1 else places[index + 1] + LINE_HEIGHT
        places[index] = max(places[index], floor)
    return places
