"""The pictures of the page: the score against cost and against rows of train, and a small panel for each model."""

import math
from itertools import pairwise

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sentiment_hf.comparison.page import panels
from sentiment_hf.comparison.page.drawing import (
    INK,
    LOOKS,
    MUTED,
    NAME_LENGTH,
    STYLE,
    Picture,
    ScoreAxis,
    as_picture,
    canvas,
    clipped,
    label_ends,
    label_points,
    legend_height,
    legend_of_kinds,
    text_size,
)
from sentiment_hf.comparison.page.grid_figure import grid_pictures
from sentiment_hf.comparison.statistics.ranking import comparable_minutes
from sentiment_hf.tasks.single_label import READABLE
from sentiment_hf.tasks.task import Task

WIDTH = 400

MARKERS, LINES = "o^sDvP*X", ("-", "--", "-.", ":")


def pictures(comparison: dict, task: Task) -> dict:
    """Pictures by section of the page, [] for a section without data; `columns` has a list for each column."""
    models, axis = comparison["models"], ScoreAxis(task.ranking)
    names = list(dict.fromkeys(column for model in models for column in model["by_column"]))
    readable = len(comparison["labels"]) <= READABLE
    # "default" undoes the settings of a matplotlibrc of the user.
    with style.context(["default", STYLE]):
        return {
            "grid": grid_pictures(comparison, axis),
            "cost": [*training_cost_pictures(comparison, axis), *inference_cost_pictures(comparison, axis)],
            "rows": train_rows_pictures(comparison["learning_curve"], axis),
            "curves": panels.learning_curve_panels(models, axis, task.loss_of_guessing),
            "confusion": panels.confusion_panels(models, comparison["labels"]) if readable else [],
            "residuals": panels.residual_panels(models),
            "reliability": panels.reliability_panels(models),
            "abstention": panels.abstention_panels(models),
            "length": panels.length_panels(models, axis),
            "columns": {name: panels.column_panels(models, name, axis) for name in names},
        }


def training_cost_pictures(comparison: dict, axis: ScoreAxis) -> list[Picture]:
    """The score against minutes of training, of the models that were trained."""
    costs = comparable_minutes(comparison["models"])
    front = comparison["pareto"]["train_minutes"]
    return cost_pictures(comparison["models"], costs, front, "training (minutes, log scale)", "training time", axis)


def inference_cost_pictures(comparison: dict, axis: ScoreAxis) -> list[Picture]:
    """The score against milliseconds for a text, in batches on one core, of the models whose inference was timed."""
    costs = {
        model["name"]: 1000 / model["inference"]["texts_per_second_one_core"]
        for model in comparison["models"]
        if model["inference"]
    }
    front = comparison["pareto"]["inference"]
    return cost_pictures(
        comparison["models"], costs, front, "one text on one core (ms, log scale)", "inference cost", axis
    )


def cost_pictures(
    models: list[dict], costs: dict, front: list[str], label: str, title: str, axis: ScoreAxis
) -> list[Picture]:
    """One picture, or none with fewer than two models of known cost; the note names the models that it leaves out."""
    known = [model for model in models if costs.get(model["name"])]
    if len(known) < 2:
        return []
    shown = above_cut(known, axis)
    kinds = {model["kind"] for model in shown}
    height = 340 + 14 * max(0, len(shown) - 6)
    figure, ax = canvas(WIDTH, height, left=48, bottom=40, right=12, top=legend_height(len(kinds) + 1))
    cost_axes(ax, shown, [costs[model["name"]] for model in shown], label, axis)
    best = sorted((model for model in shown if model["name"] in front), key=lambda model: costs[model["name"]])
    places = {m["name"]: (costs[m["name"]], float(axis.places(m[axis.score.key]["value"]))) for m in shown}
    ax.plot(*zip(*(places[model["name"]] for model in best), strict=True), color=MUTED, linestyle="--", zorder=1)
    for model in shown:
        colour, marker = LOOKS[model["kind"]]
        face = colour if model["name"] in front else "white"
        ax.plot(*places[model["name"]], color=colour, marker=marker, markersize=7, markerfacecolor=face, zorder=3)
        axis.whiskers(ax, costs[model["name"]], model[axis.score.key], colour)
    lines = [
        *pairwise(places[model["name"]] for model in best),
        *(interval_line(costs, model, axis) for model in shown),
    ]
    label_points(ax, [(*places[name], name) for name in places], lines)
    front_line = Line2D([], [], color=MUTED, linestyle="--", label="Pareto front, filled")
    legend_of_kinds(ax, kinds, [front_line])
    on_front = ", ".join(model["name"] for model in best)
    alt = f"{axis.title} against {title} of {len(shown)} models. On the Pareto front: {on_front}."
    note = left_out([m for m in known if m not in shown], [m for m in models if m not in known], axis)
    return [as_picture(figure, f"{axis.title} against {title}", alt, title, note)]


def above_cut(models: list[dict], axis: ScoreAxis) -> list[dict]:
    """The models without those far behind the others, which would press the others together.

    Far behind four fifths of the models is half as far as these are apart, and at least a quarter of the error: 0.25
    on the error scale. At most a fifth is left out, or one of three and four models.
    """
    if len(models) < 3:
        return models
    heights = {m["name"]: -axis.score.rank(float(axis.places(m[axis.score.key]["value"]))) for m in models}
    places = sorted(heights.values())
    low, high = places[max(1, len(places) // 5)], places[-1]
    least = 0.25 if axis.score.share else 0.25 * abs(low)
    cut = low - max((high - low) / 2, least)
    return [model for model in models if heights[model["name"]] >= cut]


def left_out(below: list[dict], without_cost: list[dict], axis: ScoreAxis) -> str:
    """The note on the models that a picture of cost does not show, "" if it shows all."""
    named = [f"{model['name']} ({axis.said(model[axis.score.key]['value'])})" for model in below]
    where = "below" if axis.score.more_is_better else "behind"
    notes = [f"Far {where} the others and not in the picture: {', '.join(named)}."] if below else []
    if without_cost:
        names = ", ".join(model["name"] for model in without_cost)
        notes.append(f"Not in the picture, for want of a cost above nothing that compares: {names}.")
    return " ".join(notes)


def interval_line(costs: dict, model: dict, axis: ScoreAxis) -> tuple:
    """The two ends ((x, y), (x, y)) of the whiskers of a model, in data coordinates."""
    return tuple((costs[model["name"]], float(axis.places(model[axis.score.key][bound]))) for bound in ("low", "high"))


def cost_axes(ax: Axes, models: list[dict], costs: list[float], label: str, axis: ScoreAxis) -> None:
    """Set limits, ticks and labels of both axes, with room for the names of the models."""
    axis.set(ax, [model[axis.score.key][bound] for model in models for bound in ("low", "high")])
    low, high = min(costs), max(costs)
    room = max((high / low) ** 0.12, 1.6)
    log_axis(ax, low / room, high * room, label)


def log_axis(ax: Axes, low: float, high: float, label: str) -> None:
    """Make the x axis logarithmic, with ticks at powers of ten; a short axis has ticks between them too."""
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    subs = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 1000 else (1,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e6 else f"{value:.0e}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label)


def train_rows_pictures(curves: list[dict], axis: ScoreAxis) -> list[Picture]:
    """The score against the number of training rows: a line for each model, with its name at the end."""
    if not curves:
        return []
    probe, _ = canvas(WIDTH, WIDTH, 0, 0)
    right = 20 + math.ceil(max(text_size(probe, clipped(curve["name"], NAME_LENGTH), 10)[0] for curve in curves))
    kinds = {curve["kind"] for curve in curves}
    height = max(340, 14 * len(curves) + 90)
    figure, ax = canvas(WIDTH, height, left=48, bottom=40, right=right, top=legend_height(len(kinds)))
    points = [point for curve in curves for point in curve["points"]]
    key = axis.score.key
    axis.set(ax, [point[key][bound] for point in points for bound in ("low", "high")])
    rows = [point["train_rows"] for point in points]
    log_axis(ax, min(rows) / 1.2, max(rows) * 1.2, "rows of train (log scale)")
    ends = []
    for index, curve in enumerate(curves):
        colour = LOOKS[curve["kind"]][0]
        x, y = zip(*((p["train_rows"], axis.places(p[key]["value"])) for p in curve["points"]), strict=True)
        look = {"marker": MARKERS[index % len(MARKERS)], "linestyle": LINES[index % len(LINES)]}
        ax.plot(x, y, color=colour, markersize=6, **look)
        for point in curve["points"]:
            axis.whiskers(ax, point["train_rows"], point[key], colour)
        ends.append((x[-1], y[-1], curve["name"], INK))
    label_ends(ax, ends)
    legend_of_kinds(ax, kinds)
    said = ", ".join(f"{c['name']} {axis.said(c['points'][-1][key]['value'])}" for c in curves)
    alt = f"{axis.title} against rows of train, {min(rows):,} to {max(rows):,}. With most rows: {said}."
    return [as_picture(figure, f"{axis.title} against rows of train", alt, "rows")]
