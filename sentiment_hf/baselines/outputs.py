"""What a fitted baseline says of texts, as probabilities or numbers and as logits."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from sentiment_hf.tasks.task import Task


def outputs_of(estimator: BaseEstimator, inputs: list[str] | csr_array) -> np.ndarray:
    """(rows, outputs) probabilities, or (rows, 1) numbers."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(inputs)
    return estimator.predict(inputs)[:, None]


def logits_of(task: Task, probabilities: np.ndarray) -> np.ndarray:
    """(rows, outputs) logits with these probabilities; 0 is replaced by the smallest normal float64, 2e-308."""
    return task.logits(probabilities, np.finfo(np.float64).tiny)
