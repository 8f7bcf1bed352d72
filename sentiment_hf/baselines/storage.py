"""A fitted baseline as a file: skops reads it back, with types of scikit-learn and four of ours, and no others."""

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
# What CalibratedClassifierCV is made of; skops knows the public types of scikit-learn only.
TRUSTED += ["sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"]


def save_baseline(folder: Path, estimator: Pipeline, labels: list[str]) -> None:
    """model.skops, from texts to probabilities, and labels.json, the names of the classes in their order."""
    with extra_explained("baselines"):
        from skops import io
    io.dump(estimator, folder / BASELINE_FILE, compression=ZIP_DEFLATED, compresslevel=1)
    write_json(folder / LABELS, {"labels": labels})


def load_baseline(ref: ModelRef) -> tuple[Pipeline, list[str]]:
    """What was saved there.

    Raises:
        InputError: a damaged file, or one that holds a type which is neither of scikit-learn nor ours: nothing of it
            is made or run.
    """
    with extra_explained("baselines"):
        from skops import io
    with failure_explained(ref.name, ref.flag):
        estimator = io.load(ref.folder / BASELINE_FILE, trusted=TRUSTED)
        return estimator, json.loads((ref.folder / LABELS).read_text(encoding="utf-8"))["labels"]
