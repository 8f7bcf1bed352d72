"""Fits a baseline on train for each value of its regularisation, and chooses the value on validation."""

import logging
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ParameterGrid
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from sentiment_hf.baselines.columns import beside, predict_rows, text_features
from sentiment_hf.baselines.estimators import BASELINES, FOR_NUMBERS, Baseline
from sentiment_hf.baselines.features import LexiconScores, Tokens, vader_analyzer
from sentiment_hf.baselines.outputs import logits_of, outputs_of
from sentiment_hf.baselines.storage import save_baseline
from sentiment_hf.baselines.tempered import Tempered
from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.common.extra_columns import Rows
from sentiment_hf.common.profile import station
from sentiment_hf.common.stopwatch import Stopwatch
from sentiment_hf.data.splits import Splits
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.unknown import advice_for, say_unknown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline.

    estimator: texts -> probabilities.
    chosen: the chosen value of each parameter of the grid.
    search: for each point of the grid, its values, the score on validation by which one is chosen, and the seconds of
        the fit.
    stations: the seconds of features, fits, evaluation and saving.
    texts, tokens: how many were read for the features.
    unknown_tokens: the fraction of the tokens of validation that are not in train; None without tokens.
    temperatures: (outputs,) numbers by which the logits of its probabilities are divided; None if they are not.
    refit_rows: the rows of train and validation if it was fitted again on both after the choice; else None.
    """

    estimator: Pipeline
    task: Task
    chosen: dict[str, float]
    search: list[dict]
    stations: Stopwatch
    texts: int
    tokens: int
    unknown_tokens: float | None
    temperatures: np.ndarray | None = None
    refit_rows: int | None = None

    def logits(self, texts: list[str] | Rows) -> np.ndarray:
        """(texts, outputs) logits, as `logits_of` makes them."""
        return logits_of(self.task, predict_rows(self.estimator, texts))

    def save(self, folder: Path) -> None:
        """Write model.skops and labels.json."""
        with self.stations.counting("saving"):
            save_baseline(folder, self.estimator, self.task)

    def training_cost(self) -> dict[str, Any]:
        """The fields of a report about size and training."""
        features, coefficients = text_features(self.estimator), num_coefficients(self.estimator[-1])
        # The tokens are read for the features, and the features for each fit.
        seconds = self.stations.seconds["preprocessing"] + self.stations.seconds["training"]
        return {
            "parameters": coefficients,
            "trainable_parameters": coefficients,
            "seconds": dict(self.stations.seconds),
            "train_seconds": seconds,
            "train_tokens": self.tokens,
            "train_tokens_per_second": self.tokens / seconds,
            "train_texts_per_second": self.texts / seconds,
            "processes": 1,
            "vocabulary": features.vocabulary_,
            "validation_unknown_tokens": self.unknown_tokens,
            "chosen": self.chosen,
            "search": self.search,
            "refit": {"rows": self.refit_rows, "steps": None} if self.refit_rows else None,
        }


def prepare_baseline(spec: RunSpec, splits: Splits, processes: int) -> Baseline:
    """The untrained baseline that --model names.

    Raises:
        InputError: a package is not installed, there are several processes, or validation lacks a class that a
            support vector machine needs for its calibration.
    """
    name = spec.model.name
    if processes > 1:
        raise InputError(
            f"--model {name} is fitted by one process, and {processes} were started; start it by "
            "`python scripts/run.py`"
        )
    refuse_other_task(name, splits.task)
    with extra_explained("baselines"):
        import skops.io  # noqa: F401  needed after the fit; a missing package is reported before it
    if name == "baseline-lexicon":
        vader_analyzer()
    baseline = BASELINES[name](Tokens(spec.tokenizer.tokenizer, spec.tokenizer.lowercase), spec.training["seed"])
    if isinstance(baseline.classifier, LinearSVC):
        refuse_lacking_class(splits, name)
    if splits.columns and name == "baseline-majority":
        logger.warning("--extra_column_names: %s goes by neither text nor columns", name)
    if splits.columns:
        baseline = baseline._replace(features=beside(baseline.features, splits.columns))
    return baseline.one_vs_rest() if splits.task.name == MultiLabel.name else baseline


def refuse_other_task(name: str, task: Task) -> None:
    """Raise InputError if the baseline learns classes and the labels are numbers, or the other way."""
    if name in FOR_NUMBERS and task.name != Regression.name:
        raise InputError(f"--model {name} learns numbers (--task regression), and the task is {task.name}")
    if name not in FOR_NUMBERS and task.name == Regression.name:
        raise InputError(f"--model {name} learns classes; for --task regression take {' or '.join(FOR_NUMBERS)}")


def refuse_lacking_class(splits: Splits, name: str) -> None:
    """Raise InputError if validation has no row of a class: calibration needs rows of every class."""
    if lacking := splits.task.absent(splits.validation.labels):
        raise InputError(
            f"--model {name} learns its probabilities on validation, which has no row of the class "
            f"{lacking[0]!r}; add one, or take a baseline that is no support vector machine"
        )


@station("steps")
def fit_baseline(baseline: Baseline, splits: Splits, metric: str, weighted: bool, tempers: bool) -> FittedBaseline:
    """Fit `baseline` on train for each point of its grid, and keep the one with the best `metric` on validation.

    metric: as `Task.logged` names it, or "loss". Of several points with the same value, the one with the strongest
        regularisation is kept.
    weighted: whether each class weighs as much as any other, in the fits and in the calibration.
    tempers: whether the chosen one gets temperatures, unless it has sigmoids.

    The features are computed once.
    """
    train, validation = splits.train, splits.validation
    stations, task = Stopwatch(), without_order(splits.task)
    with stations.counting("preprocessing"), station("preparing"):
        features = baseline.features.fit_transform(train.inputs, train.labels)
        held_out = baseline.features.transform(validation.inputs)
    inputs, known = (features, held_out), replace(splits, task=task)
    search, best, classifier = best_of_grid(baseline, known, inputs, metric, weighted, stations)
    if tempers:
        classifier = tempered(classifier, task, held_out, validation.labels)
    return FittedBaseline(
        estimator=Pipeline([*baseline.features.steps, ("classifier", classifier)]),
        task=task.tuned(logits_of(task, outputs_of(classifier, held_out)), validation.labels),
        chosen=best["chosen"],
        search=search,
        stations=stations,
        texts=len(train),
        tokens=text_features(baseline.features).num_tokens_,
        unknown_tokens=unknown_tokens(text_features(baseline.features), validation.texts),
        temperatures=np.array(classifier.temperatures) if isinstance(classifier, Tempered) else None,
    )


def without_order(task: Task) -> Task:
    """The task of a baseline, which knows of no order of its classes."""
    return replace(task, head="classes") if task.name == Ordinal.name else task


def best_of_grid(
    baseline: Baseline,
    splits: Splits,
    inputs: tuple[csr_array, csr_array],
    metric: str,
    weighted: bool,
    stations: Stopwatch,
) -> tuple[list[dict], dict, BaseEstimator]:
    """(all points of the grid, the best, its classifier); `inputs` are the features of train and validation."""
    features, held_out = inputs
    labels, truth = splits.train.labels, splits.validation.labels
    weights = splits.task.class_weights(labels) if weighted else None
    search, classifiers = [], []
    for setting in ParameterGrid(baseline.grid):
        before = stations.seconds.get("training", 0.0)
        with stations.counting("training"):
            classifier = fit_weighted(clone(baseline.classifier).set_params(**setting), features, labels, weights)
        with stations.counting("evaluation"):
            classifiers.append(calibrate(classifier, held_out, truth, weights))
            score = validation_score(splits.task, classifiers[-1], held_out, truth, metric)
        chosen = {name.split("__")[-1]: value for name, value in setting.items()}
        fit = stations.seconds["training"] - before
        search.append({"chosen": chosen, f"validation_{metric}": score, "fit_seconds": fit})
    choose = min if metric in splits.task.falling else max
    best = choose(range(len(search)), key=lambda index: search[index][f"validation_{metric}"])
    return search, search[best], classifiers[best]


def tempered(classifier: BaseEstimator, task: Task, held_out: csr_array, labels: np.ndarray) -> BaseEstimator:
    """The classifier with temperatures from (rows, features) of validation; with sigmoids, fitted there, as it is."""
    if has_sigmoids(classifier):
        return classifier
    logits = logits_of(task, outputs_of(classifier, held_out))
    return Tempered(classifier, tuple(task.temperatures(logits, labels).tolist()), task.name == MultiLabel.name)


def has_sigmoids(classifier: BaseEstimator) -> bool:
    """Whether `calibrate` has added probabilities to it."""
    inner = classifier.estimators_[0] if isinstance(classifier, OneVsRestClassifier) else classifier
    return isinstance(inner, CalibratedClassifierCV)


@station("steps")
def refit_baseline(fitted: FittedBaseline, splits: Splits, weighted: bool) -> FittedBaseline:
    """`fitted` with features and classifier fitted again, on train and validation, with the chosen regularisation.

    Sigmoids and temperatures stay those of the first fit: no rows are held out for new ones.
    """
    both = splits.with_validation_in_train()
    rows, labels = both.train, both.train.labels
    weights = both.task.class_weights(labels) if weighted else None
    chosen = fitted.estimator[-1]
    with fitted.stations.counting("preprocessing"):
        steps = Pipeline([(name, clone(step)) for name, step in fitted.estimator.steps[:-1]])
        features = steps.fit_transform(rows.inputs, labels)
    with fitted.stations.counting("training"):
        chosen = fitted_again(chosen, features, labels, weights)
    estimator = Pipeline([*steps.steps, ("classifier", chosen)])
    texts, tokens = fitted.texts + len(rows), fitted.tokens + text_features(estimator).num_tokens_
    return replace(fitted, estimator=estimator, texts=texts, tokens=tokens, refit_rows=len(rows))


def fitted_again(
    chosen: BaseEstimator, features: csr_array, labels: np.ndarray, weights: np.ndarray | None
) -> BaseEstimator:
    """The classifier fitted on other rows; sigmoids and temperatures stay as they are."""
    if isinstance(chosen, Tempered):
        again = fitted_again(chosen.classifier, features, labels, weights)
        return Tempered(again, chosen.temperatures, chosen.several)
    if isinstance(chosen, CalibratedClassifierCV):
        (only,) = chosen.calibrated_classifiers_
        only.estimator = FrozenEstimator(fit_weighted(clone(only.estimator.estimator), features, labels, weights))
        return chosen
    if isinstance(chosen, OneVsRestClassifier) and isinstance(chosen.estimator, LinearSVC):
        of_labels = zip(chosen.estimators_, labels.T, strict=True)
        chosen.estimators_ = [fitted_again(one, features, label, None) for one, label in of_labels]
        return chosen
    return fit_weighted(clone(chosen), features, labels, weights)


def unknown_tokens(features: Tokens | LexiconScores, texts: list[str]) -> float | None:
    """The fraction of the tokens of `texts` that are not in train; says so if there are many. None for a lexicon."""
    if not isinstance(features, Tokens):
        return None
    share = features.unknown_share(texts)
    say_unknown(share, advice_for(features.kind))
    return share


def fit_weighted(
    classifier: ClassifierMixin, features: csr_array, labels: np.ndarray, weights: np.ndarray | None
) -> ClassifierMixin:
    """`classifier` fitted on (rows, features) and (rows,) class ids; (classes,) `weights` weigh the rows if given."""
    if weights is None:
        return classifier.fit(features, labels)
    if isinstance(classifier, OneVsRestClassifier):
        # It takes no weights of rows. Each class and the rest weigh alike, whose balance is that of two classes.
        return classifier.set_params(estimator__logisticregression__class_weight="balanced").fit(features, labels)
    return classifier.fit(features, labels, sample_weight=weights[labels])


def validation_score(
    task: Task, classifier: ClassifierMixin, held_out: csr_array, labels: np.ndarray, metric: str
) -> float:
    """The `metric` of a fitted classifier on (rows, features) and (rows,) class ids."""
    logits = logits_of(task, outputs_of(classifier, held_out))
    return task.evaluation_loss(logits, labels) if metric == "loss" else task.logged(logits, labels)[metric]


def calibrate(
    classifier: ClassifierMixin, held_out: csr_array, labels: np.ndarray, weights: np.ndarray | None
) -> ClassifierMixin:
    """Add probabilities to a support vector machine, by one sigmoid per class (Platt 1999).

    held_out: (rows, features) of validation. labels: (rows,) class ids. weights: (classes,), or None.

    The sigmoids are fitted on validation, where the regularisation is chosen too: the log-loss on validation is too
    good for this reason. Other classifiers are returned unchanged.
    """
    if isinstance(classifier, OneVsRestClassifier) and isinstance(classifier.estimator, LinearSVC):
        of_labels = zip(classifier.estimators_, labels.T, strict=True)
        classifier.estimators_ = [calibrate(one, held_out, label, None) for one, label in of_labels]
        return classifier
    if not isinstance(classifier, LinearSVC):
        return classifier
    # One split with all rows, because the classifier is fitted already. The default needs five rows of each class.
    rows = np.arange(len(labels))
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), cv=[(rows, rows)])
    if weights is None:
        return calibrated.fit(held_out, labels)
    with warnings.catch_warnings():
        # It warns that the frozen classifier, which is fitted with these weights already, does not take them again.
        warnings.filterwarnings("ignore", message=".*sample_weight", category=UserWarning)
        return calibrated.fit(held_out, labels, sample_weight=weights[labels])


def num_coefficients(classifier: ClassifierMixin) -> int:
    """The number of learned values: weights and intercepts, log-probabilities, parameters of sigmoids."""
    match classifier:
        case DummyClassifier():
            return classifier.class_prior_.size
        case MultinomialNB():
            return classifier.feature_log_prob_.size + classifier.class_log_prior_.size
        case Tempered():
            return num_coefficients(classifier.classifier)
        case Pipeline():
            return num_coefficients(classifier[-1])
        case TransformedTargetRegressor():
            return num_coefficients(classifier.regressor_)
        case OneVsRestClassifier():
            return sum(map(num_coefficients, classifier.estimators_))
        case CalibratedClassifierCV():
            (only,) = classifier.calibrated_classifiers_
            return num_coefficients(only.estimator.estimator) + 2 * len(only.calibrators)
        case _:
            # scikit-learn learns nothing of a label that every row has.
            return classifier.coef_.size + np.size(classifier.intercept_) if hasattr(classifier, "coef_") else 1
