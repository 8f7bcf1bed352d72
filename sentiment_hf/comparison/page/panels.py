"""Panels: a small picture for each model. All panels of a kind have the same axes; other models are drawn in grey."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sentiment_hf.comparison.page.drawing import (
    LINE_HEIGHT,
    LOOKS,
    MUTED,
    PALE,
    Picture,
    ScoreAxis,
    add_axes,
    as_picture,
    canvas,
    clipped,
    text_size,
)
from sentiment_hf.tasks.task import with_digits

# The certainty of the sets below the pictures of abstention.
SHOWN_LEVEL = 0.95

WIDTH = 180
LEFT = 48


def learning_curve_panels(models: list[dict], axis: ScoreAxis, loss_of_guessing: float) -> list[Picture]:
    """Validation score (above) and losses (below) against epochs, for each model that logged any of them."""
    seen = [model for model in models if model["curve"]]
    if not seen:
        return []
    epochs = max(point["epoch"] for model in seen for point in model["curve"])
    scores = [y for model in seen for y in curve_values(model, f"validation_{axis.score.key}")[1]]
    losses = [y for model in seen for key in ("validation_loss", "train_loss") for y in curve_values(model, key)[1]]
    # At most twice the loss of guessing: a run that diverged must not flatten the curves of all others.
    highest = min(max(losses, default=1), 2 * loss_of_guessing)
    shared = (seen, epochs, axis, scores, highest)
    return [learning_curve_panel(model, index, *shared) for index, model in enumerate(seen)]


def curve_values(model: dict, key: str) -> tuple[list[float], list[float]]:
    """(epochs, values) of the points of a learning curve that have a value for `key`."""
    points = [(point["epoch"], point[key]) for point in model["curve"] if point[key] is not None]
    return [x for x, _ in points], [y for _, y in points]


def learning_curve_panel(
    model: dict, index: int, models: list[dict], epochs: float, axis: ScoreAxis, scores: list, highest: float
) -> Picture:
    """One panel of `learning_curve_panels`."""
    colour, marker = LOOKS[model["kind"]]
    figure, below = canvas(WIDTH, 240, left=LEFT, bottom=34, top=134)
    above = add_axes(figure, LEFT, 124, WIDTH - LEFT - 8, 108)
    key = f"validation_{axis.score.key}"
    for other in models:
        x, y = curve_values(other, key)
        above.plot(x, axis.places(y), color=PALE, linewidth=0.8, zorder=1)
    x, y = curve_values(model, key)
    above.plot(x, axis.places(y), color=colour, marker=marker, markersize=3.5)
    axis.set(above, scores or [0.5, 1])
    above.tick_params(labelbottom=False)
    below.plot(*curve_values(model, "train_loss"), color=MUTED, linewidth=1, linestyle="--")
    below.plot(*curve_values(model, "validation_loss"), color=colour, marker=marker, markersize=3.5)
    below.set_ylim(0, highest * 1.05)
    below.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    below.set_ylabel("loss")
    below.set_xlabel("epochs")
    for ax in (above, below):
        ax.set_xlim(0, epochs * 1.05)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=epochs > 3))
    best = min(y, key=axis.score.rank) if y else None
    said = (
        f"best {axis.score.name} {axis.said(best)} after {x[y.index(best)]:.3g} epochs"
        if y
        else "losses of train only"
    )
    return as_picture(figure, model["name"], f"Learning curve of {model['name']}: {said}.", f"curve-{index}")


def confusion_panels(models: list[dict], labels: list[str]) -> list[Picture]:
    """Confusion matrices: of the rows of a true class (a row), the share predicted as each class (a column)."""
    seen = [model for model in models if "confusion" in model]
    return [confusion_panel(model, labels, index) for index, model in enumerate(seen)]


def residual_panels(models: list[dict]) -> list[Picture]:
    """Predicted numbers against those of the rows (above), and how many rows have which error (below)."""
    seen = [model for model in models if "scatter" in model]
    if not seen:
        return []
    spans = [np.array(model["scatter"]).T for model in seen]
    low, high = min(span.min() for span in spans), max(span.max() for span in spans)
    return [residual_panel(model, (low, high), index) for index, model in enumerate(seen)]


def residual_panel(model: dict, span: tuple[float, float], index: int) -> Picture:
    """One panel of `residual_panels`; both axes above have the `span` of all numbers. On the line both are equal."""
    colour, _ = LOOKS[model["kind"]]
    figure, below = canvas(WIDTH, 300, left=LEFT, bottom=34, top=194)
    above = add_axes(figure, LEFT, 150, WIDTH - LEFT - 8, 142)
    labels, predictions = np.array(model["scatter"]).T
    above.plot(span, span, color=MUTED, linewidth=1, linestyle="--", zorder=2)
    above.plot(labels, predictions, color=colour, marker="o", markersize=2, alpha=0.35, linestyle="", zorder=1)
    margin = 0.04 * (span[1] - span[0])
    above.set(xlim=(span[0] - margin, span[1] + margin), ylim=(span[0] - margin, span[1] + margin))
    above.set(xlabel="number of the row", ylabel="predicted")
    counts, edges = (np.array(model["residuals"][name]) for name in ("counts", "edges"))
    below.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=colour, alpha=0.7)
    below.axvline(0, color=MUTED, linewidth=1, linestyle="--")
    below.set(xlabel="predicted minus number", ylabel="rows")
    for axis in (above.xaxis, above.yaxis, below.xaxis, below.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    error = f"RMSE {with_digits(model['rmse']['value'], 4)}"
    alt = f"Predicted numbers of {model['name']} against those of the rows, and its errors: {error}."
    return as_picture(figure, model["name"], alt, f"residuals-{index}", error)


def confusion_panel(model: dict, labels: list[str], index: int) -> Picture:
    """One panel of `confusion_panels`: percentages, and up to three classes counts too."""
    counts = np.array(model["confusion"])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cell = {2: 60, 3: 42, 4: 34}.get(len(labels), 26)
    names = [clipped(label, 16) for label in labels]
    probe, _ = canvas(WIDTH, WIDTH, 0, 0)
    longest = math.ceil(max(text_size(probe, name, 10)[0] for name in names))
    upright = longest > cell - 4
    left, bottom, side = longest + 28, (longest if upright else 12) + 26, cell * len(labels)
    figure, ax = canvas(max(WIDTH, left + side + 8), bottom + side + 8, left, bottom, right=0)
    ax.set_position((left / figure.bbox.width, bottom / figure.bbox.height, *(side / figure.bbox.size)))
    ax.grid(False)
    ax.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolor="white", linewidth=1)
    ax.invert_yaxis()
    middles = np.arange(len(labels)) + 0.5
    ax.set_xticks(middles, names, rotation=90 if upright else 0)
    ax.set_yticks(middles, names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    write_cells(ax, shares, counts)
    right = ", ".join(f"{label} {100 * shares[i, i]:.1f} %" for i, label in enumerate(labels))
    alt = f"Confusion matrix of {model['name']}; share of each true class that was found: {right}."
    return as_picture(figure, model["name"], alt, f"confusion-{index}")


def write_cells(ax: Axes, shares: np.ndarray, counts: np.ndarray) -> None:
    """Write percentages into the cells; with more than three classes only those that round to 1 % or more."""
    few = len(shares) <= 3
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else "#1c2430"
        text = f"{100 * share:.1f} %\n{counts[row, column]:,}" if few else f"{100 * share:.0f}"
        if few or share >= 0.005:
            size = 11 if len(shares) == 2 else 10
            ax.text(column + 0.5, row + 0.5, text, color=colour, ha="center", va="center", fontsize=size)


def reliability_panels(models: list[dict]) -> list[Picture]:
    """Accuracy against confidence; on the dashed line both are equal."""
    seen = [model for model in models if model["reliability"]]
    rates = [one[key] for model in seen for one in model["reliability"] for key in ("confidence", "accuracy")]
    start = 10 * math.floor(10 * min(rates, default=0))
    return [reliability_panel(model, start, index) for index, model in enumerate(seen)]


def reliability_panel(model: dict, start: int, index: int) -> Picture:
    """One panel of `reliability_panels`; axes begin at `start` percent, bars are the shares of the test rows."""
    colour, marker = LOOKS[model["kind"]]
    figure, ax = canvas(WIDTH, WIDTH, LEFT, 36)
    confidences, accuracies = ([100 * one[key] for one in model["reliability"]] for key in ("confidence", "accuracy"))
    rows = np.array([one["rows"] for one in model["reliability"]])
    span = 100 - start
    ax.bar(confidences, 0.3 * span * rows / rows.sum(), width=0.035 * span, bottom=start, color=PALE, zorder=1)
    ax.plot([start, 100], [start, 100], color=MUTED, linewidth=1, linestyle="--", zorder=2)
    ax.plot(confidences, accuracies, color=colour, marker=marker, markersize=4, zorder=3)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.set(xlim=(start, 101), ylim=(start, 101), xlabel="confidence (%)", ylabel="accuracy (%)")
    error = f"calibration error {100 * model['calibration_error']['value']:.1f} %"
    if before := model.get("calibration", {}).get("test", {}).get("before"):
        error += f", {100 * before['calibration_error']:.1f} % before its temperature"
    alt = f"Reliability diagram of {model['name']}: {error}."
    return as_picture(figure, model["name"], alt, f"reliability-{index}", error)


def abstention_panels(models: list[dict]) -> list[Picture]:
    """Risk against coverage: the share of wrong answers among the texts of which a model is surest."""
    seen = [model for model in models if "risk_by_coverage" in model.get("abstention", {})]
    top = 100 * max((one["risk"] for model in seen for one in model["abstention"]["risk_by_coverage"]), default=0)
    return [abstention_panel(model, top, index) for index, model in enumerate(seen)]


def abstention_panel(model: dict, top: float, index: int) -> Picture:
    """One panel of `abstention_panels`; the risk goes up to `top` percent."""
    colour, marker = LOOKS[model["kind"]]
    figure, ax = canvas(WIDTH, WIDTH, LEFT, 36)
    curve = model["abstention"]["risk_by_coverage"]
    coverages, risks = ([100 * one[key] for one in curve] for key in ("coverage", "risk"))
    ax.plot(coverages, risks, color=colour, marker=marker, markersize=4, zorder=3)
    ax.set(xlim=(0, 102), ylim=(0, 1.05 * top or 1), xlabel="answered texts (%)", ylabel="wrong answers (%)")
    half = risks[len(risks) // 2 - 1]
    alt = f"Risk against coverage of {model['name']}: {risks[-1]:.1f} % wrong of all, {half:.1f} % of the surest half."
    said = [sets_in_words(one) for one in model["abstention"]["levels"] if one["level"] == SHOWN_LEVEL]
    return as_picture(figure, model["name"], alt, f"abstention-{index}", *said)


def sets_in_words(level: dict) -> str:
    """What sets with a certainty do on test, as text."""
    return f"{level['coverage']:.1%} of sets hold the label, {level['abstained']:.1%} abstained"


def length_panels(models: list[dict], axis: ScoreAxis) -> list[Picture]:
    """The score by length of the text in characters; a tick stands where a bin ends and the next one begins."""
    seen = [model for model in models if model["by_length"]]
    if not seen:
        return []
    bins = seen[0]["by_length"]
    ends = [f"{one['from']:,}" for one in bins] + [f"{bins[-1]['to']:,}"]
    ticks = np.arange(len(ends)) - 0.5, ends
    rows = {model["name"]: [one[axis.score.key] for one in model["by_length"]] for model in seen}
    alt = f"{axis.title} by length of the text, {ends[0]} to {ends[-1]} characters,"
    return [
        scores_panel(model, rows, ticks, "characters", alt, f"length-{index}", axis, joined=True)
        for index, model in enumerate(seen)
    ]


def column_panels(models: list[dict], column: str, axis: ScoreAxis) -> list[Picture]:
    """The score by the values of a further column of the test rows; a line joins points whose values are numbers."""
    seen = [model for model in models if column in model["by_column"]]
    names = [str(one["value"]) for one in seen[0]["by_column"][column]]
    ticks = np.arange(len(names)), [clipped(name, 18) for name in names]
    rows = {model["name"]: [one[axis.score.key] for one in model["by_column"][column]] for model in seen}
    ordered = all(name.replace(".", "", 1).isdecimal() for name in names)
    alt = f"{axis.title} by {column}, {names[0]} to {names[-1]},"
    return [
        scores_panel(model, rows, ticks, column, alt, f"{column}-{index}", axis, joined=ordered)
        for index, model in enumerate(seen)
    ]


def scores_panel(
    model: dict, rows: dict[str, list], ticks: tuple, label: str, alt: str, salt: str, axis: ScoreAxis, joined: bool
) -> Picture:
    """One panel of `length_panels` or `column_panels`; `rows` has the scores by group for each model."""
    colour, marker = LOOKS[model["kind"]]
    probe, _ = canvas(WIDTH, WIDTH, 0, 0)
    longest = max(text_size(probe, text, 10)[0] for text in ticks[1])
    width = max(WIDTH, LEFT + 8 + LINE_HEIGHT * len(ticks[1]))
    upright = longest > (width - LEFT - 8) / len(ticks[1]) - 2
    bottom = math.ceil(longest if upright else LINE_HEIGHT) + 28
    figure, ax = canvas(width, 130 + bottom, LEFT, bottom)
    places = np.arange(len(rows[model["name"]]))
    for others in rows.values():
        middle = axis.places([one["value"] for one in others])
        look = {"linewidth": 0.8} if joined else {"marker": "_", "markersize": 6, "linestyle": ""}
        ax.plot(places, middle, color=PALE, zorder=1, **look)
    mine = rows[model["name"]]
    line = {"linestyle": "-" if joined else "", "marker": marker, "markersize": 4.5}
    ax.plot(places, axis.places([one["value"] for one in mine]), color=colour, zorder=3, **line)
    for place, one in zip(places, mine, strict=True):
        axis.whiskers(ax, place, one, colour)
    axis.set(ax, [one[bound] for others in rows.values() for one in others for bound in ("low", "high")])
    ax.set_xticks(*ticks, rotation=90 if upright else 0)
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set_xlabel(clipped(label, 20))
    first, last = (axis.said(mine[end]["value"]) for end in (0, -1))
    return as_picture(figure, model["name"], f"{alt} of {model['name']}: {first} to {last}.", salt)
