"""Saves and loads a fitted baseline by skops, which loads types of scikit-learn and of `TRUSTED` only."""

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED

from sklearn.pipeline import Pipeline

from sentiment_hf.baselines.features import LexiconScores, LogCountRatio, NGrams, Tokens
from sentiment_hf.common.errors import extra_explained, failure_explained
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import BASELINE_FILE, LABELS
from sentiment_hf.settings.model_ref import ModelRef

TRUSTED = [f"{kind.__module__}.{kind.__qualname__}" for kind in (Tokens, NGrams, LogCountRatio, LexiconScores)]
# CalibratedClassifierCV contains these private types; skops trusts public types of scikit-learn only.
TRUSTED += ["sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"]


def save_baseline(folder: Path, estimator: Pipeline, labels: list[str]) -> None:
    """Write `estimator` to model.skops and the names of the classes, in the order of their ids, to labels.json."""
    with extra_explained("baselines"):
        from skops import io
    io.dump(estimator, folder / BASELINE_FILE, compression=ZIP_DEFLATED, compresslevel=1)
    write_json(folder / LABELS, {"labels": labels})


def load_baseline(ref: ModelRef) -> tuple[Pipeline, list[str]]:
    """Load the estimator and the names of the classes from the folder of `ref`.

    Raises:
        InputError: a file is damaged, or model.skops contains a type that is not trusted; no object of it is created.
    """
    with extra_explained("baselines"):
        from skops import io
    with failure_explained(ref.name, ref.flag):
        estimator = io.load(ref.folder / BASELINE_FILE, trusted=TRUSTED)
        return estimator, json.loads((ref.folder / LABELS).read_text(encoding="utf-8"))["labels"]
