"""From runs to the dictionary behind tables, pictures and advice; it has JSON types, and rates are fractions."""

import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from sentiment_hf.comparison.statistics.advice import advice
from sentiment_hf.comparison.statistics.disputed import disagreements, label_errors
from sentiment_hf.comparison.statistics.measures import (
    accuracy_terms,
    calibration_terms,
    confusions,
    interval,
    log_loss_terms,
    macro_f1_terms,
    quintiles,
    reliability,
)
from sentiment_hf.comparison.statistics.ranking import alike_names, compare_pairs, fronts
from sentiment_hf.comparison.statistics.rows import TestRows, in_order, require_rows_of
from sentiment_hf.comparison.statistics.seeds import Model, group_seeds, recipe
from sentiment_hf.runs.finished import Run, size_of
from sentiment_hf.runs.report import Report
from sentiment_hf.tasks.metrics import COLUMNS


def compare(runs: Sequence[Run], rows: TestRows | None) -> dict:
    """All that the comparison says; without `rows` it knows nothing of texts, lengths and further columns.

    Models are the groups of seeds on all training rows, the best accuracy first; runs on fewer rows are points of
    the learning curve. Paired tests are between the median seeds.

    Raises:
        InputError: `rows` are not those of the runs, or a run is there twice.
    """
    if rows is not None:
        require_rows_of(max(runs, key=lambda run: run.train_rows), rows)
    groups = group_seeds(runs)
    most = max(run.train_rows for run in runs)
    models = [group for group in groups if group.runs[0].train_rows == most]
    models.sort(key=lambda model: (-model.accuracy, model.name))
    described = [describe(model, rows) for model in models]
    pairs = compare_pairs(models)
    result = about(models) | {
        "models": described,
        "learning_curve": learning_curve(groups, models),
        "pairs": pairs,
        "groups": alike_names(models, pairs),
        "pareto": fronts(described),
        "disagreements": disagreements(models, rows),
        "label_errors": label_errors(models, rows),
        "grid": None,
        "failed": [],
    }
    return result | {"advice": advice(result)}


def about(models: list[Model]) -> dict:
    """Data set, classes, numbers of rows, devices and versions of the runs."""
    runs = [run for model in models for run in model.runs]
    first = runs[0]
    hashes = [run.report.data_hash for run in runs if run.report.data_hash]
    of_labels = hashlib.sha256("\n".join(first.classes[label] for label in first.labels).encode()).hexdigest()
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
    """The machine of a run: x86_64, 2 threads"""
    return f"{report.device}, {report.threads} thread{'' if report.threads == 1 else 's'}"


def describe(model: Model, rows: TestRows | None) -> dict:
    """The entry of a model: scores, costs, confusion matrix, accuracy on parts of the rows."""
    correct = correctness(model)
    confidence = np.stack([run.probabilities[np.arange(len(run.labels)), run.predictions] for run in model.runs])
    return (
        {"name": model.name, "kind": model.median.kind, "tuning": model.median.tuning}
        | {"settings": model.median.settings}
        | {"seeds": [run.seed for run in model.runs], "single_seed": len(model.runs) == 1}
        | {"folders": ["/".join(run.folder.resolve().parts[-2:]) for run in model.runs]}
        | scores(model, correct, confidence)
        | costs(model)
        | of_classes(model.median)
        | {"reliability": reliability(confidence, correct), "curve": curve(model.median)}
        | {"by_length": by_length(correct, rows), "by_column": by_column(correct, rows)}
    )


def correctness(model: Model) -> np.ndarray:
    """(seeds, rows): 1 where right."""
    return np.stack([accuracy_terms(run.labels, run.predictions) for run in model.runs])


def scores(model: Model, correct: np.ndarray, confidence: np.ndarray) -> dict:
    """Accuracy, macro-F1, log-loss and calibration error with their intervals; (seeds, rows) arrays."""
    runs, classes = model.runs, len(model.median.classes)
    f1 = np.stack([macro_f1_terms(run.labels, run.predictions, classes) for run in runs])
    loss = np.stack([log_loss_terms(run.labels, run.probabilities) for run in runs])
    calibration = np.stack([calibration_terms(*pair) for pair in zip(confidence, correct, strict=True)])
    return {
        "accuracy": interval(correct, share=True),
        "f1_macro": interval(f1, share=True),
        "log_loss": interval(loss, share=False),
        "calibration_error": interval(calibration, share=False),
        "accuracy_by_seed": correct.mean(1).tolist(),
    }


def costs(model: Model) -> dict:
    """Sizes of the median seed; times, speed and memory as medians over the seeds. None for an unknown value."""
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
    """Bytes on disk when the speed was measured, else now; None if only the report is kept."""
    return measured[0]["bytes_on_disk"] if measured else size_of(model.median.folder) or None


def median(values: Sequence[float | None]) -> float | None:
    """The median of the known values, None without any."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def of_classes(run: Run) -> dict:
    """Confusion matrix, and precision, recall, F1 and rows of each class."""
    ids = range(len(run.classes))
    columns = precision_recall_fscore_support(run.labels, run.predictions, labels=ids, zero_division=0)
    per_class = {
        name: dict(zip(COLUMNS, map(float, values), strict=True)) | {"rows": int(count)}
        for name, *values, count in zip(run.classes, *columns, strict=True)
    }
    return {
        "confusion": confusions(run.labels, run.predictions, len(run.classes)).tolist(),
        "per_class": per_class,
    }


def curve(run: Run) -> list[dict]:
    """What was logged at each step: losses and validation accuracy; None where not measured or not finite."""
    names = {"eval_accuracy": "validation_accuracy", "eval_loss": "validation_loss", "loss": "train_loss"}
    points = {}
    for line in run.curve:
        found = {names[name]: value for name, value in line.items() if name in names and math.isfinite(value)}
        if found:
            empty = {"step": line["step"], "epoch": line["epoch"]} | dict.fromkeys(names.values())
            points[line["step"]] = points.get(line["step"], empty) | found
    return [points[step] for step in sorted(points)]


def by_length(correct: np.ndarray, rows: TestRows | None) -> list[dict]:
    """Accuracy in each fifth of the test texts by characters; `from` and `to` are the shortest and longest there."""
    if rows is None:
        return []
    fifths = quintiles(rows.characters)
    parts = [fifths == fifth for fifth in np.unique(fifths)]
    return [
        {"from": int(rows.characters[part].min()), "to": int(rows.characters[part].max()), **of_part(correct, part)}
        for part in parts
    ]


def by_column(correct: np.ndarray, rows: TestRows | None) -> dict[str, list[dict]]:
    """Accuracy by value of each further column; rows without a value are left out."""
    if rows is None:
        return {}
    return {
        name: [{"value": value, **of_part(correct, np.array(values) == value)} for value in in_order({*values} - {""})]
        for name, values in rows.columns.items()
    }


def of_part(correct: np.ndarray, part: np.ndarray) -> dict:
    """Rows and accuracy where `part` is true; (seeds, rows) and (rows,)."""
    return {"rows": int(part.sum()), "accuracy": interval(correct[:, part], share=True)}


def learning_curve(groups: list[Model], models: list[Model]) -> list[dict]:
    """Accuracy by training rows, of models that were trained on fewer rows too."""
    curves = defaultdict(list)
    for group in groups:
        curves[curve_name(group, models)].append(group)
    return [
        {"name": name, "kind": points[0].median.kind, "points": [point(group) for group in points]}
        for name, found in curves.items()
        if len(points := sorted(found, key=lambda group: group.runs[0].train_rows)) > 1 or found[0] not in models
    ]


def curve_name(group: Model, models: list[Model]) -> str:
    """The name of the model on all rows that has the recipe of the group, else the name of the group.

    Of several models with that recipe, the name of the group begins with the name of the right one.
    """
    if group in models:
        return group.name
    same = [model.name for model in models if recipe(model.median) == recipe(group.median)]
    if len(same) > 1:
        same = sorted((name for name in same if group.name.startswith(name)), key=len)[-1:]
    return same[0] if same else group.name


def point(group: Model) -> dict:
    """The point of a learning curve: training rows and accuracy of a group."""
    return {"train_rows": group.runs[0].train_rows, "accuracy": interval(correctness(group), share=True)}
