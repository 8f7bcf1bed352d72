"""What a score is measured in: logits of the outputs, which have no constant in common; numbers as they are."""

import numpy as np

from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

# The odds of a label whose probability rounds to 1 in float32 are not known.
ROUNDED = 1e-7


def is_one_of_several(task: Task) -> bool:
    """Whether the probabilities of a text sum to 1, so that a constant added to all logits changes nothing."""
    return isinstance(task, SingleLabel)


def centred(scores: np.ndarray, task: Task) -> np.ndarray:
    """(..., outputs) scores of logits, of classes without their mean: what speaks for all of them speaks for none."""
    return scores - scores.mean(-1, keepdims=True) if is_one_of_several(task) else scores


def logits_of(probabilities: np.ndarray, task: Task) -> np.ndarray:
    """(..., outputs) probabilities or numbers -> logits as they are explained, or the numbers."""
    smallest = ROUNDED if isinstance(task, MultiLabel) else np.finfo(np.float64).tiny
    return centred(task.logits(probabilities, smallest), task)


def directions_of(task: Task, apart: bool) -> np.ndarray:
    """(directions, outputs): the combinations of logits that are to be explained, of two classes their difference.

    apart: whether the logits of a text are not of the same window, so that each is explained by itself.
    """
    if is_one_of_several(task) and len(task.labels) == 2 and not apart:
        return np.array([[-1.0, 1.0]])
    return np.eye(len(task.labels))


def of_outputs(scores: np.ndarray, task: Task) -> np.ndarray:
    """(words, directions) scores, or of two classes those of the second against the first -> (words, outputs)."""
    if scores.shape[1] < len(task.labels):
        return scores @ np.array([[-0.5, 0.5]])
    return centred(scores, task)
