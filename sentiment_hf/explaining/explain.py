"""Explains what a model says of a text: how much each word speaks for and against each output."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import MemberRows, Rows
from sentiment_hf.explaining.exact import is_sum
from sentiment_hf.explaining.integrated_gradients import IncompleteError, has_gradients, require_captum
from sentiment_hf.explaining.measured import offered, read_measured
from sentiment_hf.explaining.methods import (
    BATCH,
    COEFFICIENTS,
    DELETION,
    EXACT,
    GRADIENTS,
    Method,
    Phrases,
    by_deletion,
    by_estimator,
    by_exact_sum,
    by_gradients,
    phrases_by_estimator,
    phrases_by_exact_sum,
    read_all,
    read_by,
    takes_largest,
)
from sentiment_hf.explaining.tokens import places_tokens
from sentiment_hf.explaining.words import Spans, words_of
from sentiment_hf.inference.classifier import classifier_of, load_trained
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.inference.onnx_graph import graph_tokenizers
from sentiment_hf.inference.scorer import Inputs, Scorer, baseline_scorer, load_scorer
from sentiment_hf.models.checkpoint import checkpoint_tokenizer
from sentiment_hf.models.resolve import resolve_on_hub
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.settings.model_ref import Kind, ModelRef


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model says of a text, and how much each word speaks for it.

    words: first character, and the one behind the last, of each word. Punctuation marks are words.
    scores: (words, outputs). A positive one speaks for the output, a negative one against it: of a class by how much
        the word raises its logit above the mean of all classes, of a label by how much it raises its log-odds, both
        in natural logarithms; of a regression by how much it raises the number.
    read: (words,) bool, false at words behind what the model reads of a long text, which have the scores 0.
    labels: the names of the outputs. probabilities: (outputs,), or the number of a regression.
    prediction: the class, the labels or the number, as `predict` writes them.
    method: one of `methods.METHODS`. task: the name of the task.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    scores: np.ndarray
    read: np.ndarray
    labels: tuple[str, ...]
    probabilities: np.ndarray
    prediction: str
    method: str
    task: str


@dataclass(frozen=True, eq=False)
class Explainer:
    """A model that is ready to explain.

    methods: those that apply to the model, the best first. method: the name of the one that explains.
    reads: text and its words -> (words,) bool, which of them the model reads.
    phrases: text and its words -> the n-grams that the model adds up, with (outputs,) weights; None if it does not.
    """

    name: str
    scorer: Scorer
    methods: Mapping[str, Method]
    method: str
    reads: Callable[[str, Spans], np.ndarray]
    phrases: Phrases | None = None

    def by(self, method: str) -> "Explainer":
        """The same model explained by another method; raises InputError if a package is missing for it."""
        if method == GRADIENTS:
            require_captum()
        return replace(self, method=method)

    def explain(self, inputs: Inputs) -> list[Explanation]:
        """An explanation of each text. Columns beside texts alone count as missing, as in `predict`.

        Raises InputError if the model fails on a text, or the method on the model; IncompleteError, which is one, if
            the scores of a text explain nothing.
        """
        inputs = self.scorer.as_trained(inputs)
        return [self._explain_row(inputs[row : row + 1], row) for row in range(len(inputs))]

    def explain_most(self, inputs: Inputs) -> Iterator[tuple[Inputs, Explanation | None]]:
        """Yield each row with its explanation; None for a text whose scores explain nothing."""
        inputs = self.scorer.as_trained(inputs)
        for row in range(len(inputs)):
            one = inputs[row : row + 1]
            try:
                yield one, self._explain_row(one, row)
            except IncompleteError:
                yield one, None

    def _explain_row(self, row: Inputs, place: int) -> Explanation:
        """The explanation of a single row."""
        (text,), task = texts_of(row), self.scorer.task
        (probabilities,) = self.scorer.classify(row, BATCH)
        words = words_of(text)
        try:
            scores = self.methods[self.method](row, text, words)
        except InputError as error:
            raise type(error)(f"{self.name}, text {place + 1}: {error}") from error
        return Explanation(
            text=text,
            words=words,
            scores=scores,
            read=self.reads(text, words),
            labels=task.labels,
            probabilities=probabilities,
            prediction=task.as_text(task.decide(probabilities[None]))[0],
            method=self.method,
            task=task.name,
        )


def texts_of(rows: Inputs) -> Sequence[str]:
    """The texts of some rows; raises InputError if the members of an ensemble read different ones."""
    if isinstance(rows, MemberRows):
        raise InputError("members of an ensemble read columns of their own; explain each member by itself")
    return rows.texts if isinstance(rows, Rows) else rows


def load_explainer(ref: ModelRef, method: str | None = None, device: str | None = None) -> Explainer:
    """Load the model that `ref` names, with a `method` by which it is explained; None is the best that is offered.

    A method that was measured for the model, and is no better than words taken at random, is not offered.

    Raises InputError if the model cannot be loaded, or the method does not apply to it or is not offered.
    """
    explainer = load_all(ref, device)
    applies, measured = list(explainer.methods), read_measured(ref.folder)
    if method is not None:
        require_applies(explainer, method)
    left = offered(applies, measured)
    wanted = method or next(iter(left or applies))
    if wanted not in left:
        other = f"give {as_flags(left)}, or" if left else "no other method is left;"
        raise InputError(
            f"--method {wanted} is not better than random words for {ref.name}: {measured[wanted]}; {other} measure "
            "it again by --measure"
        )
    return explainer.by(wanted)


def load_all(ref: ModelRef, device: str | None = None) -> Explainer:
    """Load a model with the best of the methods that apply, whatever was measured. Raises as `load_explainer`."""
    if ref.kind in (Kind.CHECKPOINT, Kind.ADAPTER):
        require_checkpoint(ref)
        # On the Hub it may turn out to be something else.
        ref = resolve_on_hub(ref)
    if ref.kind in (Kind.CHECKPOINT, Kind.ADAPTER):
        scorer, methods, reads, phrases = of_checkpoint(ref, device)
    elif ref.kind is Kind.BASELINE and not ref.is_new:
        scorer, methods, reads, phrases = of_baseline(ref)
    else:
        scorer, methods, reads, phrases = load_scorer(ref, device), {}, reader_of(ref), None
    methods[DELETION] = partial(by_deletion, scorer, reads)
    return Explainer(ref.name, scorer, methods, next(iter(methods)), reads, phrases)


def require_applies(explainer: Explainer, method: str) -> None:
    """Raise InputError if the method does not apply to the model."""
    if method not in explainer.methods:
        raise InputError(f"--method {method} does not apply to {explainer.name}; give {as_flags(explainer.methods)}")


def as_flags(methods: Iterable[str]) -> str:
    """--method exact or --method deletion."""
    return " or ".join(f"--method {name}" for name in methods)


Loaded = tuple[Scorer, dict[str, Method], Callable[[str, Spans], np.ndarray], Phrases | None]


def of_checkpoint(ref: ModelRef, device: str | None) -> Loaded:
    """The scorer of a checkpoint or adapter, the methods that go by its weights, what it reads, and its n-grams."""
    model, tokenizer = load_trained(ref, device)
    if ref.kind is Kind.ADAPTER:
        model = model.merge_and_unload()
    scorer = Scorer(*classifier_of(ref, model, tokenizer))
    methods, phrases = {}, None
    if places_tokens(tokenizer) and is_sum(model):
        # Of the largest of several windows no sum is known.
        phrases = None if takes_largest(tokenizer) else partial(phrases_by_exact_sum, model, tokenizer, scorer.task)
        methods[EXACT] = partial(by_exact_sum, model, tokenizer, scorer.task)
    if places_tokens(tokenizer) and has_gradients(model):
        methods[GRADIENTS] = partial(by_gradients, model, tokenizer, scorer.task)
    return scorer, methods, partial(read_by, tokenizer), phrases


def of_baseline(ref: ModelRef) -> Loaded:
    """The scorer of a baseline, its coefficients and n-grams if it is linear, and what it reads, which is all."""
    from sentiment_hf.baselines.storage import load_baseline
    from sentiment_hf.explaining.coefficients import is_linear

    estimator, task = load_baseline(ref)
    scorer = baseline_scorer(ref, estimator, task)
    if not is_linear(estimator):
        return scorer, {}, read_all, None
    methods = {COEFFICIENTS: partial(by_estimator, estimator, task)}
    return scorer, methods, read_all, partial(phrases_by_estimator, estimator, task)


def reader_of(ref: ModelRef) -> Callable[[str, Spans], np.ndarray]:
    """Text and its words -> (words,) bool, which of them a model reads: of an ensemble those that a member reads."""
    if ref.kind is Kind.BASELINE:
        return read_all
    if ref.kind in (Kind.CHECKPOINT, Kind.ADAPTER):
        return partial(read_by, checkpoint_tokenizer(ref))
    if ref.kind is Kind.ONNX:
        members = [partial(read_by, tokenizer) for tokenizer in graph_tokenizers(ref).values()]
    else:
        given = {"trust_remote_code": ref.trust_remote_code, "flag": ref.flag}
        members = [reader_of(ModelRef.in_folder(folder, **given)) for folder in load_ensemble(ref.folder).folders]
    return lambda text, words: np.any([reads(text, words) for reads in members], axis=0)
