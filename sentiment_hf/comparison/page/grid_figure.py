"""The picture of a grid: accuracy, log-loss and training time against its first key, a line for each of the others."""

import itertools
import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from sentiment_hf.comparison.page.drawing import (
    INK,
    LINE,
    NAME,
    Picture,
    accuracy_axis,
    add_axes,
    canvas,
    clipped,
    label_ends,
    picture,
    size_of,
    stretch,
)
from sentiment_hf.comparison.plan.grid import as_word, spoken
from sentiment_hf.settings.recipes import Value

# Colours of Okabe & Ito, Color Universal Design (2008), without the yellow, which is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = "os^Dv*PX"

LEFT, PLOT, GAP = 48, 320, 16

# Numbers of which the largest is so many times the smallest stand on a logarithmic axis.
WIDE = 8

# Name of a line, and its points: where on the axis, and which model.
Line = tuple[str, list[tuple[float, dict]]]


def grid_picture(comparison: dict) -> list[Picture]:
    """[] without a grid; a combination whose runs failed is missing on its line."""
    models = [model for model in comparison["models"] if model["settings"]]
    if not models:
        return []
    grid = comparison["grid"]
    key, values = next(iter(grid.items()))
    lines = lines_of(models, grid)
    scores = [name for name in ("accuracy", "log_loss", "train_minutes") if any(model[name] for model in models)]
    probe, _ = canvas(PLOT, PLOT, 0, 0)
    widths = [size_of(probe, tick(value), 10)[0] for value in values]
    upright = max(widths) > PLOT / len(values) - 6
    bottom = 30 + (math.ceil(max(widths)) if upright else LINE)
    right = 24 + math.ceil(max(size_of(probe, clipped(name, NAME), 10)[0] for name, _ in lines))
    height = max(150, LINE * len(lines) + 10)
    figure, below = canvas(LEFT + PLOT + right, bottom + len(scores) * (height + GAP), LEFT, bottom)
    figure.delaxes(below)
    for index, score in enumerate(reversed(scores)):
        ax = add_axes(figure, LEFT, bottom + index * (height + GAP), PLOT, height)
        settings_axis(ax, key, values, upright, last=index == 0)
        draw(ax, score, lines, not numeric(values))
    return [picture(figure, f"Accuracy and cost against {key}", spoken_lines(key, values, lines), "grid")]


def lines_of(models: list[dict], grid: dict[str, list[Value]]) -> list[Line]:
    """One for each combination of all keys but the first, in their order in the grid."""
    (_, values), *others = grid.items()
    found = {tuple(model["settings"][name] for name in grid): model for model in models}
    lines = []
    for rest in itertools.product(*(choices for _, choices in others)):
        points = [
            (place, found[value, *rest])
            for place, value in zip(places(values), values, strict=True)
            if (value, *rest) in found
        ]
        if points:
            name = " ".join(spoken(other, value) for (other, _), value in zip(others, rest, strict=True))
            lines.append((name, sorted(points, key=lambda point: point[0])))
    return lines


def numeric(values: list[Value]) -> bool:
    """Whether they stand on an axis of numbers; true and false do not."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def places(values: list[Value]) -> list[float]:
    """Where they stand on the axis: numbers at themselves, words side by side."""
    return list(values) if numeric(values) else list(range(len(values)))


def tick(value: Value) -> str:
    """A value on the axis; of a Hub id or a path the last part."""
    return clipped(as_word(value).rpartition("/")[2], NAME)


def settings_axis(ax: Axes, key: str, values: list[Value], upright: bool, last: bool) -> None:
    """A tick at each value; only the `last` axis, below the others, names them and the key."""
    at = places(values)
    wide = numeric(values) and min(at) > 0 and max(at) >= WIDE * min(at)
    if wide:
        ax.set_xscale("log")
        room = (max(at) / min(at)) ** 0.05
        ax.set_xlim(min(at) / room, max(at) * room)
    else:
        room = 0.5 if not numeric(values) else 0.05 * (max(at) - min(at)) or 0.5
        ax.set_xlim(min(at) - room, max(at) + room)
    ax.xaxis.set_major_locator(FixedLocator(at))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FixedFormatter([tick(value) for value in values]))
    ax.tick_params("x", labelbottom=last, labelrotation=90 if upright else 0)
    if last:
        ax.set_xlabel(f"{key} (log scale)" if wide else key)


def draw(ax: Axes, score: str, lines: list[Line], side_by_side: bool) -> None:
    """One score of all lines, each named at its end; over words the points of a place stand `side_by_side`."""
    ends, bounds = [], []
    for index, (name, points) in enumerate(lines):
        shift = 0.5 * ((index + 0.5) / len(lines) - 0.5) if side_by_side else 0
        known = [(place + shift, model[score]) for place, model in points if model[score]]
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        heights = [middle(score, value) for _, value in known]
        ax.plot([x for x, _ in known], heights, color=colour, marker=marker, markersize=5, linewidth=1)
        if score != "train_minutes":
            for x, value in known:
                limits = [value["low"], value["high"]]
                bounds += limits
                ax.plot([x, x], stretch(limits) if score == "accuracy" else limits, color=colour, alpha=0.6)
        if name and known:
            ends.append((known[-1][0], heights[-1], name, INK))
    score_axis(ax, score, bounds)
    label_ends(ax, ends)


def score_axis(ax: Axes, score: str, bounds: list[float]) -> None:
    """Limits, ticks and label of the y axis; minutes begin at none."""
    if score == "accuracy":
        accuracy_axis(ax, bounds)
        return
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.set_ylabel("test log-loss (nats)" if score == "log_loss" else "training (minutes)")
    # Now and not when it is drawn, for the names at the ends of the lines are placed by it.
    ax.set_ylim(0 if score == "train_minutes" else None)


def middle(score: str, value: dict | float) -> float:
    """Where a score stands on its axis."""
    if score == "train_minutes":
        return value
    return float(stretch(value["value"])) if score == "accuracy" else value["value"]


def spoken_lines(key: str, values: list[Value], lines: list[Line]) -> str:
    """What the picture shows, for who cannot see it: the accuracies of each line in the order of the axis."""
    said = []
    for name, points in lines:
        accuracies = ", ".join(f"{100 * model['accuracy']['value']:.1f} %" for _, model in points)
        said.append(f"{name}: {accuracies}" if name else accuracies)
    return f"Accuracy and cost against {key}, {', '.join(map(as_word, values))}. Accuracy: {'; '.join(said)}."
