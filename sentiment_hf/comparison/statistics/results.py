"""From runs to the dictionary behind tables, pictures and advice; it has JSON types, and rates are fractions."""

import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from sentiment_hf.common.class_names import sorted_names
from sentiment_hf.comparison.statistics.advice import advice
from sentiment_hf.comparison.statistics.disputed import disagreements, label_errors
from sentiment_hf.comparison.statistics.measures import (
    interval,
    quintiles,
    reliability,
)
from sentiment_hf.comparison.statistics.ranking import alike_names, alike_on_validation, compare_pairs, pareto_fronts
from sentiment_hf.comparison.statistics.rows import Groups, TestRows, language_groups, require_rows_of
from sentiment_hf.comparison.statistics.seeds import Model, best_first, group_seeds, method_key
from sentiment_hf.runs.finished import Run, model_bytes
from sentiment_hf.runs.origin import beside_labels
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.recipes import Value
from sentiment_hf.tasks.single_label import SingleLabel


def compare(
    runs: Sequence[Run],
    rows: TestRows | None,
    grid: dict[str, list[Value]] | None = None,
    show_all_test: bool = False,
) -> dict:
    """The comparison as a dictionary; without `rows` it has no texts, no score by length and by column only by
    language.

    A model is a group of seeds on all training rows; the best one by validation comes first. Runs on fewer rows are
    points of the learning curve. Of the models of a `grid` only the best one has test scores, unless `show_all_test`.

    Raises:
        InputError: the runs were scored on other rows than `rows`, or two runs are the same model and seed.
    """
    if rows is not None:
        require_rows_of(max(runs, key=lambda run: run.train_rows), rows)
    groups = group_seeds(runs)
    most = max(run.train_rows for run in runs)
    ranked = best_first([group for group in groups if group.runs[0].train_rows == most])
    models = ranked if grid is None or show_all_test else ranked[:1]
    groups = [group for group in groups if group in models or group.runs[0].train_rows < most]
    if models != ranked:
        groups = [group for group in groups if method_key(group.median) == method_key(models[0].median)]
    columns = (rows.columns if rows else {}) | language_groups(runs)
    described = [model_entry(model, rows, columns) for model in models]
    pairs = compare_pairs(models)
    result = data_entry(ranked) | {
        "models": described,
        "candidates": len(ranked),
        "alike_on_validation": alike_on_validation(models) if models[0].validation is not None else [],
        "learning_curve": learning_curve(groups, models),
        "pairs": pairs,
        "groups": alike_names(models, pairs),
        "pareto": pareto_fronts(described, models[0].task.ranking),
        "disagreements": disagreements(models, rows),
        "label_errors": label_errors(models, rows),
        "grid": grid,
        "settings": [setting_entry(model, model in models) for model in ranked] if grid else [],
        "failed": [],
    }
    return result | {"advice": advice(result, models[0].task)}


def data_entry(models: list[Model]) -> dict:
    """Data set, classes, numbers of rows, devices and versions of the runs."""
    runs = [run for model in models for run in model.runs]
    first = runs[0]
    hashes = [run.report.data_hash for run in runs if run.report.data_hash]
    versions = defaultdict(set)
    for run in runs:
        for name, version in run.report.versions.items():
            versions[name].add(version)
    return {
        "dataset": first.report.dataset,
        **({} if first.task.name == SingleLabel.name else {"task": first.task.name}),
        "labels": first.classes,
        "rows": first.report.data["rows"],
        # As `data/splits.py` writes it: "given", or how validation was split off from train.
        "validation_part": first.report.data["validation"],
        "data_hash": hashes[0] if hashes else hash_of_labels(first),
        "devices": sorted({machine(run.report) for run in runs}),
        "versions": {name: ", ".join(sorted(found)) for name, found in versions.items()},
    }


def hash_of_labels(run: Run) -> str:
    """SHA-256 of the labels of the test rows, by which data are known if no report has their hash."""
    return hashlib.sha256("\n".join(run.task.as_text(run.labels)).encode()).hexdigest()


def machine(report: Report) -> str:
    """The machine of a run: x86_64, 2 threads"""
    return f"{report.device}, {report.threads} thread{'' if report.threads == 1 else 's'}"


def model_entry(model: Model, rows: TestRows | None, columns: Mapping[str, Groups]) -> dict:
    """The entry of a model: scores, costs, scores of each class, accuracy on parts of the rows.

    columns: the groups of the test rows by name of a column.
    """
    task, tests = model.task, [run.test for run in model.runs]
    sure = [found for test in tests if (found := task.reliability(test))]
    return (
        {"name": model.name, "kind": model.median.kind, "tuning": model.median.tuning}
        | {"settings": model.median.settings}
        | ({"beside_labels": more} if (more := beside_labels(model.median.report)) else {})
        | {"seeds": [run.seed for run in model.runs], "single_seed": not model.seeds_known}
        | {"folders": ["/".join(run.folder.resolve().parts[-2:]) for run in model.runs]}
        | {"validation": validation_entry(model)}
        | model_scores(model)
        | model_costs(model)
        | task.breakdown(model.median.test)
        | {"reliability": reliability(*map(np.stack, zip(*sure, strict=True))) if sure else []}
        | ({"calibration": found} if (found := model.median.report.calibration) else {})
        | ({"abstention": found} if (found := model.median.report.abstention) else {})
        | {"curve": logged_curve(model.median)}
        | {"by_length": by_length(model, rows), "by_column": by_column(model, columns)}
    )


def model_scores(model: Model) -> dict:
    """The compared scores with their intervals, and the ranking score of each seed."""
    ranking = model.task.ranking
    found = {score.key: interval(model.terms(score), score) for score in model.task.compared}
    return found | {f"{ranking.key}_by_seed": model.terms(ranking).mean(1).tolist()}


def validation_entry(model: Model) -> dict | None:
    """The ranking score on validation, by which models are chosen; its interval is None if not all rows were kept."""
    if model.validation is None:
        return None
    ranking = model.task.ranking
    if not model.has_validation_rows:
        return {"value": model.validation, "low": None, "high": None}
    return interval(model.terms(ranking, "validation"), ranking) | {"value": model.validation}


def setting_entry(model: Model, shows_test: bool) -> dict:
    """A model of a grid: settings, validation scores, minutes of training, and test scores or None."""
    costs = model_costs(model)
    return {
        "name": model.name,
        "settings": model.runs[0].settings,
        "validation": validation_entry(model),
        "test": model_scores(model) if shows_test else None,
    } | {name: costs[name] for name in ("train_minutes", "side_by_side") if name in costs}


def model_costs(model: Model) -> dict:
    """Sizes of the median seed; times, speed and memory as medians over the seeds. None for an unknown value.

    Minutes count from the data files to the saved model, and memory what a run added to its imports. Of reports of
    older versions they are those of training steps and of the whole process, and there is no `seconds_by_station`.
    `side_by_side` is there if a seed was made beside other runs, and is how many they were; its minutes, stations and
    tokens per second compare with none.
    """
    report, reports = model.median.report, [run.report for run in model.runs]
    whole = all(one.total_seconds is not None for one in reports)
    seconds = known_median(one.total_seconds if whole else one.train_seconds for one in reports)
    memory = known_median(one.run_memory_bytes if whole else one.peak_memory_bytes for one in reports)
    # One seed is enough to measure the speed of a model.
    measured = [run.inference for run in (model.median, *model.runs) if run.inference]
    side_by_side = max(one.side_by_side for one in reports)
    return (
        {
            "parameters": report.parameters,
            "trained_parameters": report.trainable_parameters,
            "bytes_on_disk": report.bytes_on_disk or known_size(model, measured),
            "train_minutes": None if seconds is None else seconds / 60,
            "train_tokens_per_second": known_median(run.report.train_tokens_per_second for run in model.runs),
            "peak_memory_bytes": memory,
            "inference": measured[0] if measured else None,
        }
        | ({"seconds_by_station": seconds_by_station(reports)} if whole else {})
        | ({"side_by_side": side_by_side} if side_by_side > 1 else {})
    )


def seconds_by_station(reports: Sequence[Report]) -> dict[str, float]:
    """The median seconds of each station over the seeds; empty for an ensemble."""
    stations = dict.fromkeys(station for report in reports for station in report.seconds or {})
    return {name: known_median((report.seconds or {}).get(name) for report in reports) for name in stations}


def known_size(model: Model, measured: list[dict]) -> int | None:
    """Bytes on disk when the speed was measured, else now; None if only the report is kept."""
    return measured[0]["bytes_on_disk"] if measured else model_bytes(model.median.folder) or None


def known_median(values: Sequence[float | None]) -> float | None:
    """The median of the known values, None without any."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def logged_curve(run: Run) -> list[dict]:
    """The logged losses and ranking scores by step; a value is None if it was not measured or is not finite."""
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
    """The ranking score in each fifth of the test texts by length; `from` to `to` is the range of characters."""
    if rows is None:
        return []
    fifths = quintiles(rows.characters)
    parts = [fifths == fifth for fifth in np.unique(fifths)]
    return [
        {
            "from": int(rows.characters[part].min()),
            "to": int(rows.characters[part].max()),
            **score_of_part(model, part),
        }
        for part in parts
    ]


def by_column(model: Model, columns: Mapping[str, Groups]) -> dict[str, list[dict]]:
    """The ranking score for each value of each further column; rows without a value are left out."""
    return {
        name: [
            {"value": value, **score_of_part(model, groups.rows_with(value))}
            for value in sorted_names({*groups.values} - {""})
        ]
        for name, groups in columns.items()
    }


def score_of_part(model: Model, part: np.ndarray) -> dict:
    """Number of rows and ranking score where `part`, (rows,) bool, is true."""
    ranking = model.task.ranking
    return {"rows": int(part.sum()), ranking.key: interval(model.terms(ranking)[:, part], ranking)}


def learning_curve(groups: list[Model], models: list[Model]) -> list[dict]:
    """The ranking score by number of training rows, for each model that was trained on fewer rows too."""
    curves = defaultdict(list)
    for group in groups:
        curves[curve_name(group, models)].append(group)
    return [
        {"name": name, "kind": points[0].median.kind, "points": [curve_point(group) for group in points]}
        for name, found in curves.items()
        if len(points := sorted(found, key=lambda group: group.runs[0].train_rows)) > 1 or found[0] not in models
    ]


def curve_name(group: Model, models: list[Model]) -> str:
    """The name of the model on all rows that has the method of the group, else the name of the group."""
    if group in models:
        return group.name
    same = [model.name for model in models if method_key(model.median) == method_key(group.median)]
    return same[0] if same else group.name


def curve_point(group: Model) -> dict:
    """The point of a learning curve: training rows, and the ranking score of a group on test and on validation."""
    ranking = group.task.ranking
    score = interval(group.terms(ranking), ranking)
    return {"train_rows": group.runs[0].train_rows, ranking.key: score, "validation": group.validation}
