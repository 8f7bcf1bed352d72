"""The picture of a grid: the score and training time against the first key, a line for each other setting."""

import itertools
import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from sentiment_hf.comparison.page.drawing import (
    INK,
    LINE_HEIGHT,
    NAME_LENGTH,
    Picture,
    ScoreAxis,
    add_axes,
    as_picture,
    canvas,
    clipped,
    label_ends,
    text_size,
)
from sentiment_hf.comparison.plan.grid import as_word, setting_text
from sentiment_hf.comparison.statistics.ranking import comparable_minutes
from sentiment_hf.settings.recipes import Value

# Colours of Okabe & Ito, Color Universal Design (2008). Their yellow is left out: it is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = "os^Dv*PX"

LEFT, PLOT, GAP = 48, 320, 16

# Values stand on a logarithmic axis if the largest is at least this many times the smallest.
WIDE = 8

# The name of a line and its points: (position on the x axis, entry of `settings` in results.json).
GridLine = tuple[str, list[tuple[float, dict]]]


def grid_pictures(comparison: dict, axis: ScoreAxis) -> list[Picture]:
    """One picture, or none without a grid. A combination whose runs failed is missing on its line.

    The scores are those of test if all are to be shown, else those of validation.
    """
    part, models = part_shown(comparison["settings"], axis)
    if not models:
        return []
    grid = comparison["grid"]
    key, values = next(iter(grid.items()))
    lines = grid_lines(models, grid)
    drawn = (axis.score.key, "log_loss", "train_minutes")
    scores = [name for name in drawn if any(model.get(name) for model in models)]
    probe, _ = canvas(PLOT, PLOT, 0, 0)
    widths = [text_size(probe, tick_label(value), 10)[0] for value in values]
    upright = max(widths) > PLOT / len(values) - 6
    bottom = 30 + (math.ceil(max(widths)) if upright else LINE_HEIGHT)
    right = 24 + math.ceil(max(text_size(probe, clipped(name, NAME_LENGTH), 10)[0] for name, _ in lines))
    height = max(150, LINE_HEIGHT * len(lines) + 10)
    figure, below = canvas(LEFT + PLOT + right, bottom + len(scores) * (height + GAP), LEFT, bottom)
    figure.delaxes(below)
    for index, score in enumerate(reversed(scores)):
        ax = add_axes(figure, LEFT, bottom + index * (height + GAP), PLOT, height)
        settings_axis(ax, key, values, upright, last=index == 0)
        draw_score(ax, score, lines, not are_numbers(values), axis)
        if score != "train_minutes":
            ax.set_ylabel(f"{part} {axis.label if score == axis.score.key else 'log-loss (nats)'}")
    title, alt = f"{axis.title} and cost against {key}", alternative_text(key, values, lines, part, axis)
    return [as_picture(figure, title, alt, "grid")]


def part_shown(settings: list[dict], axis: ScoreAxis) -> tuple[str, list[dict]]:
    """(the part whose scores are drawn, the entries with these scores by their keys).

    Minutes that compare with none are None.
    """
    minutes = comparable_minutes(settings)
    settings = [model | {"train_minutes": minutes[model["name"]]} for model in settings]
    if all(model["test"] for model in settings):
        return "test", [model | model["test"] for model in settings]
    return "validation", [model | {axis.score.key: model["validation"], "log_loss": None} for model in settings]


def grid_lines(models: list[dict], grid: dict[str, list[Value]]) -> list[GridLine]:
    """A line for each combination of all keys but the first, in the order of the grid."""
    (_, values), *others = grid.items()
    found = {tuple(model["settings"][name] for name in grid): model for model in models}
    lines = []
    for rest in itertools.product(*(choices for _, choices in others)):
        points = [
            (place, found[value, *rest])
            for place, value in zip(axis_places(values), values, strict=True)
            if (value, *rest) in found
        ]
        if points:
            name = " ".join(setting_text(other, value) for (other, _), value in zip(others, rest, strict=True))
            lines.append((name, sorted(points, key=lambda point: point[0])))
    return lines


def are_numbers(values: list[Value]) -> bool:
    """True if all values are numbers; true and false are none."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def axis_places(values: list[Value]) -> list[float]:
    """Positions of the values on the x axis: numbers stand at their value, words side by side at 0, 1, ..."""
    return list(values) if are_numbers(values) else list(range(len(values)))


def tick_label(value: Value) -> str:
    """The text at a tick: the value, or the last part of a Hub id or a path."""
    return clipped(as_word(value).rpartition("/")[2], NAME_LENGTH)


def settings_axis(ax: Axes, key: str, values: list[Value], upright: bool, last: bool) -> None:
    """Set a tick at each value; only the `last` axis, the lowest one, has labels."""
    at = axis_places(values)
    wide = are_numbers(values) and min(at) > 0 and max(at) >= WIDE * min(at)
    if wide:
        ax.set_xscale("log")
        room = (max(at) / min(at)) ** 0.05
        ax.set_xlim(min(at) / room, max(at) * room)
    else:
        room = 0.5 if not are_numbers(values) else 0.05 * (max(at) - min(at)) or 0.5
        ax.set_xlim(min(at) - room, max(at) + room)
    ax.xaxis.set_major_locator(FixedLocator(at))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FixedFormatter([tick_label(value) for value in values]))
    ax.tick_params("x", labelbottom=last, labelrotation=90 if upright else 0)
    if last:
        ax.set_xlabel(f"{key} (log scale)" if wide else key)


def draw_score(ax: Axes, score: str, lines: list[GridLine], side_by_side: bool, axis: ScoreAxis) -> None:
    """Draw one score of all lines, each with its name at the end.

    With `side_by_side` the points that share a place are moved apart, for an axis of words.
    """
    ends, bounds = [], []
    for index, (name, points) in enumerate(lines):
        shift = 0.5 * ((index + 0.5) / len(lines) - 0.5) if side_by_side else 0
        known = [(place + shift, model[score]) for place, model in points if model[score]]
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        heights = [axis_height(score, value, axis) for _, value in known]
        ax.plot([x for x, _ in known], heights, color=colour, marker=marker, markersize=5, linewidth=1)
        if score != "train_minutes":
            for x, value in known:
                if value["low"] is None:
                    bounds += [value["value"]]
                    continue
                limits = [value["low"], value["high"]]
                bounds += limits
                whisker = axis.places(limits) if score == axis.score.key else limits
                ax.plot([x, x], whisker, color=colour, alpha=0.6)
        if name and known:
            ends.append((known[-1][0], heights[-1], name, INK))
    score_axis(ax, score, bounds, axis)
    label_ends(ax, ends)


def score_axis(ax: Axes, score: str, bounds: list[float], axis: ScoreAxis) -> None:
    """Set limits, ticks and label of the y axis; an axis of minutes begins at 0."""
    if score == axis.score.key:
        axis.set(ax, bounds)
        return
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.set_ylabel("training (minutes)")
    # The limits are fixed before `label_ends`, which computes positions from them.
    ax.set_ylim(0 if score == "train_minutes" else None)


def axis_height(score: str, value: dict | float, axis: ScoreAxis) -> float:
    """The position of a score on its y axis."""
    if score == "train_minutes":
        return value
    return float(axis.places(value["value"])) if score == axis.score.key else value["value"]


def alternative_text(key: str, values: list[Value], lines: list[GridLine], part: str, axis: ScoreAxis) -> str:
    """The picture in words, to be read aloud: the scores of each line in the order of the x axis."""
    said = []
    for name, points in lines:
        values_said = ", ".join(axis.said(model[axis.score.key]["value"]) for _, model in points)
        said.append(f"{name}: {values_said}" if name else values_said)
    scores = f"{part.capitalize()} {axis.score.name}: {'; '.join(said)}."
    return f"{axis.title} and cost against {key}, {', '.join(map(as_word, values))}. {scores}"
