"""Single test rows: rows on which the models disagree, and rows whose label all models contradict."""

import numpy as np

from sentiment_hf.comparison.statistics.measures import contradicted, most_disputed
from sentiment_hf.comparison.statistics.rows import TestRows
from sentiment_hf.comparison.statistics.seeds import Model

# Rows of each kind on the page, and the lowest mean probability of a confident prediction.
SHOWN = 20
CONFIDENT = 0.9


def median_predictions(models: list[Model]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Predictions, (rows,), and probabilities, (rows, classes), of the median seed of each model.

    A model that predicts the same class for every row is left out: it says nothing about a single row.
    """
    runs = [model.median for model in models if len(np.unique(model.median.predictions)) > 1]
    return [run.predictions for run in runs], [run.probabilities for run in runs]


def disagreements(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows on which the predictions of the models are split most evenly; [] with fewer than two models."""
    predictions, probabilities = median_predictions(models)
    if len(predictions) < 2:
        return []
    return [
        row_on_page(models, row, rows)
        | {"predictions": {m.name: m.task.labels[m.median.predictions[row]] for m in models}}
        for row in most_disputed(predictions, probabilities, SHOWN).tolist()
    ]


def label_errors(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows whose label all models contradict most confidently; of one model, its surest errors."""
    predictions, probabilities = median_predictions(models)
    if len(predictions) < min(2, len(models)):
        return []
    classes = models[0].task.labels
    confident = CONFIDENT if len(models) > 1 else 0
    found = contradicted(models[0].median.labels, predictions, probabilities, confident, SHOWN)
    return [
        row_on_page(models, row, rows) | {"predicted": classes[predictions[0][row]], "probability": probability}
        for row, probability in zip(*(array.tolist() for array in found), strict=True)
    ]


def row_on_page(models: list[Model], row: int, rows: TestRows | None) -> dict:
    """Number and label of the row; its text, or None if it is unknown."""
    first = models[0].median
    text = None if rows is None else rows.part[row]
    return {"row": row, "label": first.task.labels[first.labels[row]], "text": text}
