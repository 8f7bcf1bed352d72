"""Runs to the one dictionary that tables, pictures and advice are made of; JSON types, rates as fractions."""

import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from sentiment_hf.comparison.statistics.advice import advice
from sentiment_hf.comparison.statistics.disputed import disagreements, label_errors
from sentiment_hf.comparison.statistics.measures import (
    interval,
    quintiles,
    reliability,
)
from sentiment_hf.comparison.statistics.ranking import alike_names, compare_pairs, fronts
from sentiment_hf.comparison.statistics.rows import TestRows, require_rows_of
from sentiment_hf.comparison.statistics.seeds import Model, best_first, group_seeds, recipe
from sentiment_hf.runs.finished import Run, size_of
from sentiment_hf.runs.report import Report
from sentiment_hf.tasks.label_column import in_order


def compare(runs: Sequence[Run], rows: TestRows | None) -> dict:
    """All that the comparison says; without `rows` it knows nothing of texts, lengths and further columns.

    Models are the groups of seeds on all training rows, the best first; runs on fewer rows are points of
    the learning curve. Paired tests are between the median seeds.

    Raises:
        InputError: `rows` are not those of the runs, or a run is there twice.
    """
    if rows is not None:
        require_rows_of(max(runs, key=lambda run: run.train_rows), rows)
    groups = group_seeds(runs)
    most = max(run.train_rows for run in runs)
    models = best_first([group for group in groups if group.runs[0].train_rows == most])
    described = [describe(model, rows) for model in models]
    pairs = compare_pairs(models)
    result = about(models) | {
        "models": described,
        "learning_curve": learning_curve(groups, models),
        "pairs": pairs,
        "groups": alike_names(models, pairs),
        "pareto": fronts(described, models[0].task.ranking),
        "disagreements": disagreements(models, rows),
        "label_errors": label_errors(models, rows),
        "grid": None,
        "failed": [],
    }
    return result | {"advice": advice(result, models[0].task.ranking)}


def about(models: list[Model]) -> dict:
    """The data, and where the runs were made."""
    runs = [run for model in models for run in model.runs]
    first = runs[0]
    hashes = [run.report.data_hash for run in runs if run.report.data_hash]
    of_labels = hashlib.sha256("\n".join(first.task.as_text(first.labels)).encode()).hexdigest()
    versions = defaultdict(set)
    for run in runs:
        for name, version in run.report.versions.items():
            versions[name].add(version)
    return {
        "dataset": first.report.dataset,
        "labels": first.classes,
        "rows": first.report.data["rows"],
        "data_hash": hashes[0] if hashes else of_labels,
        "devices": sorted({device(run.report) for run in runs}),
        "versions": {name: ", ".join(sorted(found)) for name, found in versions.items()},
    }


def device(report: Report) -> str:
    """x86_64, 2 threads"""
    return f"{report.device}, {report.threads} thread{'' if report.threads == 1 else 's'}"


def describe(model: Model, rows: TestRows | None) -> dict:
    """One model: scores, costs, and where it is right."""
    task, tests = model.task, [run.test for run in model.runs]
    confidence = np.stack([task.confidence(test) for test in tests])
    right = np.stack([task.right(test.labels, test.predictions) for test in tests])
    return (
        {"name": model.name, "kind": model.median.kind, "tuning": model.median.tuning}
        | {"settings": model.median.settings}
        | {"seeds": [run.seed for run in model.runs], "single_seed": len(model.runs) == 1}
        | {"folders": ["/".join(run.folder.resolve().parts[-2:]) for run in model.runs]}
        | scores(model)
        | costs(model)
        | task.breakdown(model.median.test)
        | {"reliability": reliability(confidence, right), "curve": curve(model.median)}
        | {"by_length": by_length(model, rows), "by_column": by_column(model, rows)}
    )


def scores(model: Model) -> dict:
    """The scores that are compared with their intervals, and the one that ranks seed by seed."""
    ranking = model.task.ranking
    found = {score.key: interval(model.terms(score), score.share) for score in model.task.compared}
    return found | {f"{ranking.key}_by_seed": model.terms(ranking).mean(1).tolist()}


def costs(model: Model) -> dict:
    """Sizes of the median seed; times, speed and memory as medians over the seeds; None where not known."""
    report = model.median.report
    seconds = median(run.report.train_seconds for run in model.runs)
    # One seed is enough to measure the speed of a model.
    measured = [run.inference for run in (model.median, *model.runs) if run.inference]
    return {
        "parameters": report.parameters,
        "trained_parameters": report.trainable_parameters,
        "bytes_on_disk": report.bytes_on_disk or known_size(model, measured),
        "train_minutes": None if seconds is None else seconds / 60,
        "train_tokens_per_second": median(run.report.train_tokens_per_second for run in model.runs),
        "peak_memory_bytes": median(run.report.peak_memory_bytes for run in model.runs),
        "inference": measured[0] if measured else None,
    }


def known_size(model: Model, measured: list[dict]) -> int | None:
    """Bytes as they were when the speed was measured, or as they are; None where only the report is kept."""
    return measured[0]["bytes_on_disk"] if measured else size_of(model.median.folder) or None


def median(values: Sequence[float | None]) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def curve(run: Run) -> list[dict]:
    """What was logged at each step: losses and the score that ranks; None where not measured or not finite."""
    key = run.task.ranking.key
    names = {f"eval_{key}": f"validation_{key}", "eval_loss": "validation_loss", "loss": "train_loss"}
    points = {}
    for line in run.curve:
        found = {names[name]: value for name, value in line.items() if name in names and math.isfinite(value)}
        if found:
            empty = {"step": line["step"], "epoch": line["epoch"]} | dict.fromkeys(names.values())
            points[line["step"]] = points.get(line["step"], empty) | found
    return [points[step] for step in sorted(points)]


def by_length(model: Model, rows: TestRows | None) -> list[dict]:
    """The score in each fifth of the test texts by characters; `from` and `to` are the shortest and longest there."""
    if rows is None:
        return []
    fifths = quintiles(rows.characters)
    parts = [fifths == fifth for fifth in np.unique(fifths)]
    return [
        {"from": int(rows.characters[part].min()), "to": int(rows.characters[part].max()), **of_part(model, part)}
        for part in parts
    ]


def by_column(model: Model, rows: TestRows | None) -> dict[str, list[dict]]:
    """The score by value of each further column; rows without a value are left out."""
    if rows is None:
        return {}
    return {
        name: [{"value": value, **of_part(model, np.array(values) == value)} for value in in_order({*values} - {""})]
        for name, values in rows.columns.items()
    }


def of_part(model: Model, part: np.ndarray) -> dict:
    """How many test rows there are where `part` (rows,) is true, and the score that ranks on them."""
    ranking = model.task.ranking
    return {"rows": int(part.sum()), ranking.key: interval(model.terms(ranking)[:, part], ranking.share)}


def learning_curve(groups: list[Model], models: list[Model]) -> list[dict]:
    """The score that ranks by training rows, of models that were trained on fewer rows too."""
    curves = defaultdict(list)
    for group in groups:
        curves[curve_name(group, models)].append(group)
    return [
        {"name": name, "kind": points[0].median.kind, "points": [point(group) for group in points]}
        for name, found in curves.items()
        if len(points := sorted(found, key=lambda group: group.runs[0].train_rows)) > 1 or found[0] not in models
    ]


def curve_name(group: Model, models: list[Model]) -> str:
    """The model on all rows that has the recipe; of several, the one whose name the group's begins with."""
    if group in models:
        return group.name
    same = [model.name for model in models if recipe(model.median) == recipe(group.median)]
    if len(same) > 1:
        same = sorted((name for name in same if group.name.startswith(name)), key=len)[-1:]
    return same[0] if same else group.name


def point(group: Model) -> dict:
    """One size of train."""
    ranking = group.task.ranking
    return {"train_rows": group.runs[0].train_rows, ranking.key: interval(group.terms(ranking), ranking.share)}
