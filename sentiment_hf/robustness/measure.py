"""Scores a model on test rows as they are and as each perturbation changes them, and on written pairs of negations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import Rows
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.inference.scorer import Inputs, Scorer, load_scorer
from sentiment_hf.inference.test_part import read_test_part, run_with_rows, some_places
from sentiment_hf.robustness.kept import Effect, Negations, Robustness, save_robustness
from sentiment_hf.robustness.names import NEGATION
from sentiment_hf.robustness.negations import IS_POSITIVE, PAIRS, signs
from sentiment_hf.robustness.perturbations import all_applied, applying
from sentiment_hf.robustness.script import NOT_ENGLISH, Script
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.paired import terms_difference
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Predicted, Task

REMEDY = "name the folder of a run whose data are still there"
BATCH = 64


@dataclass(frozen=True)
class Sample:
    """Some rows of test, as a model reads them.

    places: (rows,) their places in the part. inputs: with what is before and beside the texts. bare: the texts alone.
    labels: as the task of the model has them.
    """

    places: np.ndarray
    inputs: Inputs
    bare: Sequence[str]
    labels: np.ndarray

    @classmethod
    def of(cls, part: LabelledTexts, most: int) -> Self:
        """At most so many rows of a part, the same each time, whatever a model reads beside the texts."""
        places = some_places(part, most)
        some = part.select(places)
        bare = [text for batch in some.bare_batches() for text in batch.to_pylist()]
        return cls(places, some.inputs, bare, some.labels)

    def with_texts(self, rows: np.ndarray, texts: Sequence[str]) -> Inputs:
        """These rows, with other texts behind what stands before them and beside the same columns."""
        own = self.inputs.texts if isinstance(self.inputs, Rows) else self.inputs
        before = [own[row].removesuffix(self.bare[row]) for row in rows]
        whole = [prefix + text for prefix, text in zip(before, texts, strict=True)]
        return Rows(whole, self.inputs.columns[rows]) if isinstance(self.inputs, Rows) else whole


def measure_model(ref: ModelRef, most: int) -> tuple[Robustness, Task]:
    """Measure a finished model on at most so many of its test rows, and keep what is found in its folder.

    Returns it with the task of the model.

    Raises InputError: the model is no run or cannot be loaded, its data are not there any more or are others, or it is
        an ensemble that reads columns beside the text.
    """
    run_with_rows(ref, REMEDY)
    scorer = load_scorer(ref)
    if scorer.members and scorer.extra_column_names:
        raise InputError(
            f"{ref.flag} {ref.name}: the members of this ensemble read columns beside the text, each in its own way; "
            "measure the members"
        )
    task, part = read_test_part(ref, scorer.columns, REMEDY)
    sample = Sample.of(part, most)
    found = measure(scorer, replace(sample, labels=task.labels_in(scorer.task.labels, sample.labels)))
    save_robustness(ref.folder, found)
    return found, scorer.task


def measure(scorer: Scorer, sample: Sample) -> Robustness:
    """What a model says of these rows, and of what the perturbations for their script make of them."""
    script = Script.of(sample.bare)
    task, before = scorer.task, scorer.classify(sample.inputs, BATCH)
    plain = predicted(task, sample.labels, before)
    chosen, left_out = applying(script)
    effects = {}
    for one in chosen:
        texts = all_applied(one, sample.bare, sample.places, script)
        rows = np.flatnonzero([a != b for a, b in zip(texts, sample.bare, strict=True)])
        after = before.copy()
        after[rows] = scorer.classify(sample.with_texts(rows, [texts[row] for row in rows]), BATCH)
        effects[one.key] = effect_of(task, plain, predicted(task, sample.labels, after), len(rows))
    negations, reason = measure_negations(scorer, script)
    return Robustness(
        rows=len(sample.places),
        score_name=task.ranking.key,
        score=float(task.ranking.terms(plain).mean()),
        effects=effects,
        negations=negations,
        left_out=left_out | ({NEGATION: reason} if reason else {}),
    )


def predicted(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> Predicted:
    """What the probabilities predict, with the labels."""
    return Predicted(labels, task.decide(probabilities), probabilities)


def effect_of(task: Task, before: Predicted, after: Predicted, changed: int) -> Effect:
    """The effect of a perturbation that changes so many texts, from the predictions of all rows."""
    terms = task.ranking.terms(after)
    difference, _ = terms_difference(terms, task.ranking.terms(before))
    return Effect(
        changed=changed,
        score=float(terms.mean()),
        change=difference["value"],
        interval=(difference["low"], difference["high"]),
        p=task.duel(after, before)[2],
        moved=float(moved(task, before.predictions, after.predictions).mean()),
    )


def moved(task: Task, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(rows,) whether the prediction changed, of several labels any; of numbers by how many standard deviations."""
    if task.name == Regression.name:
        return np.abs(after - before) / task.scale
    return (after != before).reshape(len(after), -1).any(1)


def measure_negations(scorer: Scorer, script: Script) -> tuple[Negations | None, str | None]:
    """What a model says of the pairs; None and why if it is not known which of its classes is positive."""
    if not script.is_english:
        return None, NOT_ENGLISH
    if not (sign := signs(scorer.task.labels)):
        return None, "for two classes called positive and negative"
    first, negated = (answers(scorer, sign, texts) for texts in zip(*PAIRS, strict=True))
    right, negated_right = first == IS_POSITIVE, negated != IS_POSITIVE
    found = (right, negated_right, right & negated_right, first != negated)
    return Negations(len(PAIRS), *(int(one.sum()) for one in found)), None


def answers(scorer: Scorer, sign: dict[str, bool], texts: Sequence[str]) -> np.ndarray:
    """(texts,) whether a model takes each for positive."""
    names = scorer.task.as_text(scorer.task.decide(scorer.classify(list(texts), BATCH)))
    return np.array([sign[name] for name in names])
