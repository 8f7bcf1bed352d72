"""A baseline from splits to report: fitted on train at each strength, chosen on validation, scored once on test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from datasets import Dataset
from scipy.sparse import csr_array
from sklearn.base import ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ParameterGrid
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits
from transformers import TrainingArguments

from sentiment_hf.args import ModelArguments
from sentiment_hf.baselines.estimators import BASELINES, Baseline
from sentiment_hf.baselines.features import Tokens, analyzer
from sentiment_hf.baselines.storage import class_logits, save_baseline
from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import PREDICTIONS, REPORT
from sentiment_hf.data import Splits
from sentiment_hf.runs.report import environment, write_predictions
from sentiment_hf.tasks.metrics import full_scores


@dataclass(frozen=True)
class Fitted:
    """A classifier of texts, the strength that was chosen for it, all that were tried, and what one fit took."""

    estimator: Pipeline
    chosen: dict[str, float]
    search: list[dict]
    train_seconds: float


def prepare_baseline(
    model_args: ModelArguments, training_args: TrainingArguments, splits: Splits, facts: dict
) -> Callable[[Path | None], dict]:
    """What fits the baseline, writes its files and returns its report, into which `facts` go.

    There are no checkpoints to go on from: an interrupted fit begins anew.

    Raises:
        InputError: a package is not installed, several processes, a validation part that cannot calibrate.
    """
    name = model_args.model_name_or_path
    if training_args.world_size > 1:
        raise InputError(
            f"--model {name} is fitted by one process, and {training_args.world_size} were started; start it by "
            "`python scripts/run.py`"
        )
    with extra_explained("baselines"):
        import skops.io  # noqa: F401  asked for before the fit, needed after it
    if name == "baseline-lexicon":
        analyzer()
    baseline = BASELINES[name](Tokens(model_args.tokenizer, model_args.lowercase), training_args.seed)
    if isinstance(baseline.classifier, LinearSVC):
        refuse_lacking_class(splits.validation, name)

    def fit_and_test(checkpoint: None) -> dict:
        with threadpool_limits(torch.get_num_threads()):
            fitted = fit(baseline, splits.train, splits.validation)
            return evaluate(fitted, splits, Path(training_args.output_dir), facts)

    return fit_and_test


def refuse_lacking_class(validation: Dataset, name: str) -> None:
    """Calibration on validation learns how sure to be of each class."""
    classes = validation.features["label"]
    lacking = set(range(classes.num_classes)) - set(validation["label"][:])
    if lacking:
        raise InputError(
            f"--model {name} learns its probabilities on validation, which has no row of the class "
            f"{classes.int2str(min(lacking))!r}; add one, or take a baseline that is no support vector machine"
        )


def fit(baseline: Baseline, train: Dataset, validation: Dataset) -> Fitted:
    """On train, once for each strength; kept is the best accuracy on validation, of equal ones the most regularised.

    The features are made once. `train_seconds` are theirs and those of the classifier that is kept.
    """
    labels, truth = (np.asarray(part["label"][:]) for part in (train, validation))
    start = perf_counter()
    seen = baseline.features.fit_transform(train["text"][:], labels)
    features_seconds = perf_counter() - start
    held_out = baseline.features.transform(validation["text"][:])
    search, classifiers = [], []
    for setting in ParameterGrid(baseline.grid):
        start = perf_counter()
        classifiers.append(clone(baseline.classifier).set_params(**setting).fit(seen, labels))
        seconds = perf_counter() - start
        accuracy = float((classifiers[-1].predict(held_out) == truth).mean())
        chosen = {name.split("__")[-1]: value for name, value in setting.items()}
        search.append({"chosen": chosen, "validation_accuracy": accuracy, "fit_seconds": seconds})
    best = max(range(len(search)), key=lambda index: search[index]["validation_accuracy"])
    classifier = calibrated(classifiers[best], held_out, truth)
    estimator = Pipeline([*baseline.features.steps, ("classifier", classifier)])
    return Fitted(estimator, search[best]["chosen"], search, features_seconds + search[best]["fit_seconds"])


def calibrated(classifier: ClassifierMixin, held_out: csr_array, labels: np.ndarray) -> ClassifierMixin:
    """A support vector machine knows distances and no probabilities: a sigmoid per class makes them (Platt 1999).

    It is fitted on validation, where the strength was chosen too, so the log-loss there flatters it. All others are
    returned as they are.
    """
    if not isinstance(classifier, LinearSVC):
        return classifier
    # One split, since nothing is fitted again: the default of five wants five rows of each class.
    rows = np.arange(len(labels))
    return CalibratedClassifierCV(FrozenEstimator(classifier), cv=[(rows, rows)]).fit(held_out, labels)


def evaluate(fitted: Fitted, splits: Splits, folder: Path, facts: dict) -> dict:
    """Validation, then test once; writes model, predictions and, last, report.json."""
    names = splits.train.features["label"].names
    report = facts | {"model_type": facts["model"]} | describe(fitted, len(splits.train))
    for part, dataset in (("validation", splits.validation), ("test", splits.test)):
        logits, labels = class_logits(fitted.estimator, dataset["text"][:]), np.asarray(dataset["label"][:])
        report[part] = full_scores(logits, labels, names)
        write_predictions(folder / PREDICTIONS[part], logits, labels, names)
    save_baseline(folder, fitted.estimator, names)
    report |= environment()
    write_json(folder / REPORT, report)
    return report


def describe(fitted: Fitted, rows: int) -> dict:
    """What of a report the fit knows; null is what only a model has. All texts are read whole."""
    seconds, features = fitted.train_seconds, fitted.estimator[0]
    coefficients = num_coefficients(fitted.estimator[-1])
    return {
        "parameters": coefficients,
        "trainable_parameters": coefficients,
        "train_seconds": seconds,
        "train_tokens": features.num_tokens_,
        "train_tokens_per_second": features.num_tokens_ / seconds,
        "train_texts_per_second": rows / seconds,
        **dict.fromkeys(("epochs", "steps", "best_step"), None),
        "processes": 1,
        **dict.fromkeys(("mixed_precision", "max_seq_length", "truncation", "train_texts_at_max_seq_length"), None),
        "vocabulary": features.vocabulary_,
        "chosen": fitted.chosen,
        "search": fitted.search,
    }


def num_coefficients(classifier: ClassifierMixin) -> int:
    """Learned numbers that a score is made of: weights and intercepts, logarithms of probabilities, sigmoids."""
    match classifier:
        case DummyClassifier():
            return classifier.class_prior_.size
        case MultinomialNB():
            return classifier.feature_log_prob_.size + classifier.class_log_prior_.size
        case OneVsRestClassifier():
            return sum(num_coefficients(pipeline[-1]) for pipeline in classifier.estimators_)
        case CalibratedClassifierCV():
            (only,) = classifier.calibrated_classifiers_
            return num_coefficients(only.estimator.estimator) + 2 * len(only.calibrators)
        case _:
            return classifier.coef_.size + classifier.intercept_.size
