"""Saves and loads a fitted baseline by skops, which loads types of scikit-learn and of `TRUSTED` only."""

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED

from sklearn.pipeline import Pipeline

from sentiment_hf.baselines.columns import Picked
from sentiment_hf.baselines.features import LexiconScores, LogCountRatio, NGrams, Tokens
from sentiment_hf.baselines.tempered import Tempered
from sentiment_hf.common.errors import extra_explained, failure_explained
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import BASELINE_FILE, LABELS
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

OWN = (Tokens, NGrams, LogCountRatio, LexiconScores, Picked, Tempered)
TRUSTED = [f"{kind.__module__}.{kind.__qualname__}" for kind in OWN]
# What the imputer of columns beside the text remembers of its input.
TRUSTED += ["numpy.dtype"]
# CalibratedClassifierCV contains these private types; skops trusts public types of scikit-learn only.
TRUSTED += ["sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"]
# OneVsRestClassifier contains it for a label that every row of train has.
TRUSTED += ["sklearn.multiclass._ConstantPredictor"]


def save_baseline(folder: Path, estimator: Pipeline, task: Task) -> None:
    """Write `estimator` to model.skops, and the labels in the order of their ids and the task to labels.json."""
    with extra_explained("baselines"):
        from skops import io
    io.dump(estimator, folder / BASELINE_FILE, compression=ZIP_DEFLATED, compresslevel=1)
    named = {} if task.name == SingleLabel.name else {"task": task.name, "task_settings": task.settings}
    write_json(folder / LABELS, {"labels": list(task.labels)} | named)


def load_baseline(ref: ModelRef) -> tuple[Pipeline, Task]:
    """Load the estimator and the task from the folder of `ref`.

    Raises:
        InputError: a file is damaged, or model.skops contains a type that is not trusted; no object of it is created.
    """
    with extra_explained("baselines"):
        from skops import io
    with failure_explained(ref.name, ref.flag):
        estimator = io.load(ref.folder / BASELINE_FILE, trusted=TRUSTED)
        saved = json.loads((ref.folder / LABELS).read_text(encoding="utf-8"))
    task = saved.get("task", SingleLabel.name)
    return estimator, task_named(task, saved["labels"], saved.get("task_settings"), ref.folder / LABELS)
