"""Single test rows: those that the models disagree on, and those whose label they all contradict."""

import numpy as np

from sentiment_hf.comparison.statistics.measures import contradicted, most_disputed
from sentiment_hf.comparison.statistics.rows import TestRows
from sentiment_hf.comparison.statistics.seeds import Model

# Rows shown of each kind, and the mean probability from which a wrong class is said with confidence.
SHOWN = 20
CONFIDENT = 0.9


def votes(models: list[Model]) -> tuple[np.ndarray, np.ndarray]:
    """(models, rows) predictions and (models, rows, classes) probabilities of the median seeds.

    A model that gives every row the same class says nothing of a single row and is left out.
    """
    runs = [model.median for model in models if len(np.unique(model.median.predictions)) > 1]
    rows, classes = models[0].median.probabilities.shape
    predictions = np.array([run.predictions for run in runs], dtype=int).reshape(-1, rows)
    return predictions, np.array([run.probabilities for run in runs]).reshape(-1, rows, classes)


def disagreements(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows over which the models are split most evenly."""
    predictions, probabilities = votes(models)
    if len(predictions) < 2:
        return []
    return [
        shown(models, row, rows) | {"predictions": {m.name: m.task.labels[m.median.predictions[row]] for m in models}}
        for row in most_disputed(predictions, probabilities, SHOWN).tolist()
    ]


def label_errors(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows that all models contradict with most confidence; with one model there is no "all"."""
    predictions, probabilities = votes(models)
    if len(predictions) < 2:
        return []
    classes = models[0].task.labels
    found = contradicted(models[0].median.labels, predictions, probabilities, CONFIDENT, SHOWN)
    return [
        shown(models, row, rows) | {"predicted": classes[predictions[0, row]], "probability": probability}
        for row, probability in zip(*(array.tolist() for array in found), strict=True)
    ]


def shown(models: list[Model], row: int, rows: TestRows | None) -> dict:
    """The row, its label, and its text where that is known and to be shown."""
    first = models[0].median
    text = rows.texts[row] if rows is not None and rows.texts is not None else None
    return {"row": row, "label": first.task.labels[first.labels[row]], "text": text}
