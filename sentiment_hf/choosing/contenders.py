"""What is known of the models that were trained, by validation alone, and which of them to take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from sentiment_hf.common.errors import listed
from sentiment_hf.common.files import read_json
from sentiment_hf.common.layout import INFERENCE, PREDICTIONS
from sentiment_hf.comparison.statistics.advice import behind, cheapest, near
from sentiment_hf.comparison.statistics.measures import LEVEL, interval
from sentiment_hf.comparison.statistics.ranking import Side, spread_of, verdicts
from sentiment_hf.runs.finished import kind_of_model
from sentiment_hf.runs.published import read_predictions
from sentiment_hf.runs.report import Report

# Of fewer rows a few wrong ones say nothing of how good a model is.
ENOUGH = 50
VALIDATION = PREDICTIONS["validation"]


@dataclass(frozen=True, eq=False)
class Contender:
    """A trained model: the `folder` of its first seed, its side in tests on validation, and what it costs.

    kind: as `Run` has it. seconds: of its first run. ms: for a single text on all cores. megabytes: of its files.
    """

    name: str
    kind: str
    folder: Path
    side: Side
    seconds: float
    ms: float
    megabytes: float
    texts_per_second_one_core: float

    @property
    def score(self) -> float:
        """The mean of the ranking score over the seeds, on validation."""
        return float(self.side.terms.mean())

    @property
    def seeds(self) -> int:
        """How many seeds were run."""
        return len(self.side.terms)

    def entry(self) -> dict:
        """The model as an entry of `results.json`, as far as advice and pictures read it; scores: validation."""
        ranking = self.side.task.ranking
        validation = interval(self.side.terms, ranking) | {"value": self.score}
        speed = {"texts_per_second_one_core": self.texts_per_second_one_core}
        entry = {"name": self.name, "kind": self.kind, "validation": validation, "inference": speed}
        return entry | {ranking.key: validation}


def contender(name: str, folders: Sequence[Path], order: Sequence[str]) -> Contender:
    """The model of these runs, one for each seed, with its labels in this `order`; the speed of the first is measured.

    Raises InputError if a file of a run is damaged.
    """
    report, speed = Report.load(folders[0]), read_json(folders[0] / INFERENCE)
    return Contender(
        name,
        kind_of_model(report),
        folders[0],
        side_of(folders, order),
        report.total_seconds,
        speed["latency_p50_ms"],
        speed["bytes_on_disk"] / 1e6,
        speed["texts_per_second_one_core"],
    )


def side_of(folders: Sequence[Path], order: Sequence[str]) -> Side:
    """The side of these runs, one for each seed, in tests on validation, with the labels in this `order`."""
    reports = [Report.load(folder) for folder in folders]
    tasks = [report.as_task() for report in reports]
    saved = [own.rescaled(read_predictions(one / VALIDATION, own)) for one, own in zip(folders, tasks, strict=True)]
    predicted = [own.predicted_in(order, found) for own, found in zip(tasks, saved, strict=True)]
    task = tasks[0].in_order(order)
    terms = np.stack([task.ranking.terms(one) for one in predicted])
    median = predicted[int(np.argsort(terms.mean(1), kind="stable")[(len(predicted) - 1) // 2])]
    return Side(task, terms, median, len(folders) > 1 or reports[0].tuning == "baseline")


def best_first(contenders: Sequence[Contender]) -> list[Contender]:
    """The models by their score on validation, the best one first.

    Of equal ones a checkpoint stands before a baseline, which no other program loads, and the faster one first.
    """
    return sorted(contenders, key=lambda one: (one.side.task.ranking.rank(one.score), one.kind == "baseline", one.ms))


def alike(contenders: Sequence[Contender]) -> list[tuple[Contender, float]]:
    """The models that cannot be told apart from the best on validation, the best first, each with its p beside it."""
    best, *others = best_first(contenders)
    sides = [one.side for one in others]
    judged = verdicts([(best.side, side) for side in sides], spread_of([best.side, *sides])) if others else []
    told = zip(others, judged, strict=True)
    return [(best, 1.0), *((one, verdict["p_holm"]) for one, verdict in told if not verdict["differs"])]


@dataclass(frozen=True)
class Taken:
    """The model to take, and why, in sentences."""

    contender: Contender
    reasons: list[str]


def take(contenders: Sequence[Contender]) -> Taken:
    """Of the models that validation cannot tell apart from the best, the one that costs about the least per text."""
    like = alike(contenders)
    best, ranking = like[0][0], like[0][0].side.task.ranking
    entries = {one.name: one.entry() for one, _ in like}
    first = entries[best.name]
    close = [entry for entry in entries.values() if behind(entry, first, ranking) <= near(first, ranking)]
    chosen, p = next(pair for pair in like if pair[0].name == cheapest(close, "inference")["name"])
    rows = best.side.terms.shape[1]
    leads = f"{best.name} is the best of {len(contenders)} on {rows:,} rows of validation, with {scored(best)}"
    if chosen is best:
        rivals = [f"{one.name} ({ranking.brief(one.score)})" for one, _ in like[1:] if entries[one.name] in close]
        nearly = f"; {listed(rivals)} may be as good, and would not be much faster" if rivals else ""
        return Taken(chosen, [f"{leads}{nearly}."])
    times = chosen.texts_per_second_one_core / best.texts_per_second_one_core
    distance = ranking.distance(best.score - chosen.score)
    chance = f"{chosen.name} is {distance} behind, which may be chance (p = {p:.2f})"
    return Taken(chosen, [f"{leads}.", f"{chance}, and {times:,.1f} times as fast on one core."])


def scored(one: Contender) -> str:
    """The score of a model with its interval, in words."""
    ranking = one.side.task.ranking
    return f"{ranking.name} {ranking.brief(one.score)} ({ranking.between(one.entry()['validation'])})"


def nothing_to_gain(best: Contender) -> str | None:
    """Why no model can be shown to be better than the best one, which has almost all rows of validation right."""
    if not best.side.task.ranking.share:
        return None
    rows = best.side.terms.shape[1]
    wrong = round((1 - best.score) * rows)
    if rows < ENOUGH:
        return None
    # The p-value of the exact test against a model that has all rows right, and so differs in these alone.
    if 2 * 0.5**wrong < LEVEL:
        return None
    return f"{best.name} has {wrong} of {rows:,} rows of validation wrong: a model without any could not be told apart"


def hopeless(part: Side, best: Contender, gains: Sequence[float], share: float) -> str | None:
    """Why a model that was trained on a part of the rows need not be trained on all; None if it may become the best.

    part: the model on a `share` of the rows. gains: by how much others became better from that share to all rows.
    It may gain twice as much as the one that gained most, and be underrated by as much as validation is uncertain.
    """
    ranking, score = best.side.task.ranking, float(part.terms.mean())
    gain = 2 * max([*gains, 0.0])
    lead = ranking.rank(score) - ranking.rank(best.score)
    differences = part.terms.mean(0) - best.side.terms.mean(0)
    margin = stats.norm.ppf(1 - LEVEL / 2) * float(differences.std()) / math.sqrt(len(differences))
    if lead <= gain + margin:
        return None
    return (
        f"on {share:.0%} of the rows it has {ranking.brief(score)}; with twice what all rows brought others "
        f"({ranking.distance(gain)}) it would stay behind {best.name} with {ranking.brief(best.score)}"
    )


def gained(whole: Contender, part: Side) -> float:
    """By how much a model on all rows is better than on a part of them; negative if it is worse."""
    ranking = part.task.ranking
    return ranking.rank(float(part.terms.mean())) - ranking.rank(whole.score)
