"""The page of a search: the best settings, what each was worth, and what more trials would have brought."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from matplotlib import style
from matplotlib.ticker import MaxNLocator
from optuna.trial import TrialState

from sentiment_hf.common.files import write_json, write_text
from sentiment_hf.comparison.page.drawing import LOOKS, MUTED, STYLE, Picture, ScoreAxis, as_picture, canvas
from sentiment_hf.comparison.page.page import small_page
from sentiment_hf.comparison.statistics.measures import wilson
from sentiment_hf.runs.report import Report
from sentiment_hf.searching.search import Search, in_words
from sentiment_hf.tasks.task import Score

PAGE, RESULTS = "tune.html", "tune.json"
TEMPLATES = Path(__file__).parent / "templates"
# Scores without which nothing is said of what a setting is worth.
LEAST_SCORES = 6
# The quantile of 95 % intervals.
NORMAL = 1.96


@dataclass(frozen=True)
class Found:
    """What a search found.

    trials: {number, settings, outcome, validation} of each, in their order. best: the number of the best one.
    worth: {setting: share of the differences between the scores that it explains}, the largest first; {} of few.
    expected: the mean best validation score of 1, 2, ... trials drawn from those with a score.
    reasons: what is to be said, in sentences. test: the scores of the best trial.
    """

    trials: list[dict]
    best: int
    worth: dict[str, float]
    expected: list[float]
    reasons: list[str]
    test: dict


def found_by(search: Search, report: Report) -> Found:
    """What the search found; `report` is that of the best trial."""
    trials, best, ranking = search.trials(), search.best(), search.ranking
    scores = [trial.value for trial in trials if trial.state is TrialState.COMPLETE]
    expected = expected_best(scores, ranking.more_is_better)
    rows = [
        {
            "number": number,
            "settings": trial.params,
            "outcome": {TrialState.COMPLETE: "scored", TrialState.PRUNED: "stopped early"}.get(trial.state, "failed"),
            "validation": trial.value if trial.state is TrialState.COMPLETE else None,
        }
        for number, trial in enumerate(trials, 1)
    ]
    place = next(number for number, trial in enumerate(trials, 1) if trial.number == best.number)
    # Equal scores differ by no setting.
    worth = worth_of(search) if len(scores) >= LEAST_SCORES and max(scores) > min(scores) else {}
    first = "trial 1, the recipe" if search.begins_with_recipe else "trial 1"
    reasons = sentences(rows, place, first, expected, report, ranking)
    return Found(rows, place, worth, expected, reasons, report.test)


def expected_best(scores: Sequence[float], more_is_better: bool) -> list[float]:
    """The mean of the best of 1, 2, ... scores, drawn with repetition (Dodge et al. 2019, equation 7)."""
    ordered = np.sort(scores) if more_is_better else np.sort(scores)[::-1]
    places, count = np.arange(1, len(scores) + 1), len(scores)
    return [float((ordered * ((places / count) ** n - ((places - 1) / count) ** n)).sum()) for n in places]


def worth_of(search: Search) -> dict[str, float]:
    """The share of the differences that each setting explains, by functional ANOVA (Hutter et al. 2014)."""
    return optuna.importance.get_param_importances(
        search.study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )


def sentences(
    rows: list[dict], best: int, first_name: str, expected: list[float], report: Report, ranking: Score
) -> list[str]:
    """The answer in words."""
    row, first = rows[best - 1], rows[0]
    where = f"Trial {best} of {len(rows)} is the best on validation, {ranking.brief(row['validation'])}"
    said = [f"{where}.", f"Its settings: {in_words(row['settings'])}."]
    if ranking.share:
        count = report.validation["rows"]
        interval = ranking.between(wilson(row["validation"], count, NORMAL))
        said.append(f"With {count:,} rows of validation such a score stands for {interval} (95 % interval).")
    if best != 1 and first["validation"] is not None:
        distance = ranking.distance(row["validation"] - first["validation"])
        said.append(f"That is {distance} better than {first_name}, and flatters the best of {len(rows)}.")
    if len(expected) > 3:
        half, whole = expected[len(expected) // 2 - 1], expected[-1]
        gain = ranking.distance(whole - half)
        said.append(
            f"The best of {len(expected) // 2} such trials has {ranking.brief(half)} on average, that of "
            f"{len(expected)} {ranking.brief(whole)}: the second half of the trials brought {gain}."
        )
    said.append(f"On test, scored once, the best trial has {ranking.name} {ranking.brief(report.test[ranking.key])}.")
    return said


def write_page(search: Search, found: Found) -> Path:
    """Write tune.html and tune.json; returns the path of the page."""
    page = small_page(
        TEMPLATES,
        "tune.html.j2",
        model=search.spec.model.name,
        found=found,
        pictures=drawn(found, search.ranking),
        ranking=search.ranking,
        in_words=in_words,
        seconds=seconds_of(search),
    )
    write_json(search.folder / RESULTS, vars(found))
    write_text(search.folder / PAGE, page)
    return search.folder / PAGE


def seconds_of(search: Search) -> float:
    """The median seconds of the trials that ended."""
    durations = [trial.duration.total_seconds() for trial in search.trials() if trial.duration]
    return statistics.median(durations)


def drawn(found: Found, ranking: Score) -> list[Picture]:
    """The scores of the trials in their order, with the best so far; and the expected best of so many trials."""
    scored = [row for row in found.trials if row["validation"] is not None]
    if len(scored) < 2:
        return []
    axis, (colour, marker) = ScoreAxis(ranking), LOOKS["scratch"]
    values = [row["validation"] for row in scored]
    with style.context(["default", STYLE]):
        figure, ax = canvas(400, 280, left=48, bottom=40)
        numbers = [row["number"] for row in scored]
        best = np.maximum.accumulate(values) if ranking.more_is_better else np.minimum.accumulate(values)
        ax.step(numbers, axis.places(best), where="post", color=MUTED, linestyle="--")
        ax.plot(numbers, axis.places(values), color=colour, marker=marker, linestyle="", markersize=6)
        finish(ax, axis, values, "trial")
        alt = f"{axis.title} on validation of {len(scored)} trials; the dashed line is the best so far."
        history = as_picture(figure, "The trials in their order", alt, "history", "dashed: the best so far")
        figure, ax = canvas(400, 280, left=48, bottom=40)
        numbers = range(1, len(found.expected) + 1)
        ax.plot(numbers, axis.places(found.expected), color=colour, marker=marker, markersize=4)
        finish(ax, axis, [*found.expected, max(values)], "number of trials")
        ends = f"{axis.said(found.expected[0])} to {axis.said(found.expected[-1])}"
        alt = f"The expected best of 1 to {len(found.expected)} trials: {ends}."
        return [history, as_picture(figure, "The expected best of so many trials", alt, "expected")]


def finish(ax, axis: ScoreAxis, values: Sequence[float], label: str) -> None:
    """Set limits, ticks and labels."""
    axis.set(ax, values)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel(label)
