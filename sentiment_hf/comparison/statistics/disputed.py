"""Single test rows: rows on which the models disagree, and rows whose label all models contradict."""

import numpy as np

from sentiment_hf.comparison.statistics.measures import most_disputed
from sentiment_hf.comparison.statistics.rows import TestRows
from sentiment_hf.comparison.statistics.seeds import Model

# Rows of each kind on the page.
SHOWN = 20


def telling(models: list[Model]) -> list[Model]:
    """The models whose median seed does not predict the same for every row: one that does says nothing of a row."""
    return [model for model in models if (model.median.predictions != model.median.predictions[0]).any()]


def as_numbers(predictions: list[np.ndarray]) -> list[np.ndarray]:
    """(rows,) of each model, equal where (rows,) or (rows, labels) predictions are."""
    if predictions[0].ndim == 1:
        return predictions
    packed = np.concatenate([np.packbits(of_model, axis=1) for of_model in predictions])
    return np.split(np.unique(packed, axis=0, return_inverse=True)[1].ravel(), len(predictions))


def disagreements(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows on which the predictions of the models are split most evenly; [] with fewer than two models."""
    judges = telling(models)
    if len(judges) < 2:
        return []
    predictions = as_numbers([model.median.predictions for model in judges])
    disputed = most_disputed(predictions, [model.median.probabilities for model in judges], SHOWN)
    shown = {model.name: model.task.said(model.median.predictions[disputed]) for model in models}
    return [
        row_on_page(models, row, rows) | {"predictions": {name: of[place] for name, of in shown.items()}}
        for place, row in enumerate(disputed.tolist())
    ]


def label_errors(models: list[Model], rows: TestRows | None) -> list[dict]:
    """The 20 test rows whose label all models contradict most surely; of one model, its surest errors."""
    judges, task = telling(models), models[0].task
    if len(judges) < min(2, len(models)) or not judges:
        return []
    sureness = task.sureness([model.median.test for model in judges])
    likely = np.flatnonzero(sureness >= task.sure if len(models) > 1 else sureness > 0)
    likely = likely[sureness[likely] > 0]
    found = likely[np.argsort(-sureness[likely], kind="stable")][:SHOWN]
    predicted = task.said(judges[0].median.predictions[found])
    return [
        row_on_page(models, row, rows) | {"predicted": what, task.sure_name.split()[-1]: float(sureness[row])}
        for row, what in zip(found.tolist(), predicted, strict=True)
    ]


def row_on_page(models: list[Model], row: int, rows: TestRows | None) -> dict:
    """Number and label of the row; its text, or None if it is unknown."""
    first = models[0].median
    (label,) = first.task.said(first.labels[row : row + 1])
    return {"row": row, "label": label, "text": None if rows is None else rows.part[row]}
