"""Whether the words with the highest scores are those that a model goes by: more so than words taken at random.

Comprehensiveness and sufficiency (DeYoung et al. 2020, section 4.1), for every kind of model by its answers alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from sentiment_hf.common.errors import InputError
from sentiment_hf.explaining.explain import Explainer, Explanation, load_all, require_applies
from sentiment_hf.explaining.measured import Faithfulness, save_measured
from sentiment_hf.explaining.methods import BATCH, with_texts
from sentiment_hf.explaining.words import without
from sentiment_hf.inference.scorer import Inputs, Scorer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.numeric_terms import with_interval
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task

# The shares of the words that are taken away or left, as in the paper.
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
# Random orders of the words of a text.
DRAWS = 3


@dataclass(frozen=True)
class Side:
    """What a model says of a text, and the scores that are for it.

    scores: (words,). certainty: (texts, outputs) answers -> (texts,) how certain what it says is in each.
    """

    scores: np.ndarray
    certainty: Callable[[np.ndarray], np.ndarray]


def measure_model(ref: ModelRef, method: str | None, rows_of: Callable[[Scorer], Inputs]) -> dict[str, Faithfulness]:
    """Measure a method for a finished model and keep what was found in its folder; returns it by method.

    method: None is the best that applies and, as long as one is not better than random words, the next one.
    rows_of: the rows that the model of a scorer reads.

    Raises InputError as `load_all` and `measure`, or if the method does not apply.
    """
    explainer = load_all(ref)
    if method is not None:
        require_applies(explainer, method)
    rows, found = rows_of(explainer.scorer), {}
    for name in [method] if method else explainer.methods:
        found[name] = measure(explainer.by(name), rows)
        if found[name].is_better_than_random:
            break
    save_measured(ref.folder, found)
    return found


def measure(explainer: Explainer, inputs: Inputs) -> Faithfulness:
    """The faithfulness of the method of an explainer on these rows; those with fewer than two words are left out.

    Raises InputError as `Explainer.explain`, or if no row is left. Rows that the method does not explain are counted.
    """
    random, found, refused = np.random.default_rng(0), [], 0
    rows = explainer.explain_most(inputs)
    for row, explanation in tqdm(rows, f"Measuring {explainer.method}", len(inputs), disable=len(inputs) < BATCH):
        if explanation is None:
            refused += 1
        elif explanation.read.sum() > 1:
            found.append(drops(explainer, row, explanation, random))
    if not found:
        raise InputError(
            f"{explainer.name}: of {len(inputs)} test rows none has two words and is explained by --method "
            f"{explainer.method}, so there is nothing to measure"
        )
    of_rows = np.array(found)
    means = of_rows.mean(0).tolist()
    gain, interval = with_interval(of_rows[:, 0] - of_rows[:, 2] + of_rows[:, 3] - of_rows[:, 1])
    unit = "standard deviations" if explainer.scorer.task.name == Regression.name else "probability"
    return Faithfulness(len(found), *means, gain, tuple(interval), unit, refused)


def drops(
    explainer: Explainer, row: Inputs, explanation: Explanation, random: np.random.Generator
) -> tuple[float, float, float, float]:
    """Comprehensiveness and sufficiency of a single row: by the scores, and of random words.

    Words that the model does not read are gone everywhere, or they would move up into the place of others.
    """
    text, words, places = explanation.text, explanation.words, np.flatnonzero(explanation.read)

    def answers(gone: np.ndarray) -> np.ndarray:
        """(..., words) bool -> (..., outputs) answers to the text without these words."""
        texts = [without(text, words, one) for one in gone.reshape(-1, len(words))]
        different = list(dict.fromkeys(texts))
        scored = explainer.scorer.score(with_texts(row, different), BATCH)
        found = scored[[different.index(one) for one in texts]]
        return found.reshape(*gone.shape[:-1], -1)

    whole, nothing = answers(np.stack([~explanation.read, np.ones(len(words), bool)]))
    sides = sides_of(explainer.scorer.task, explanation, whole, nothing)
    orders = [places[np.argsort(-side.scores[places], kind="stable")] for side in sides]
    orders += [random.permutation(places) for _ in range(DRAWS)]
    # (orders, 2, shares, outputs): without the first words of each order, and with these alone.
    changed = answers(np.stack([taken_away(order, len(words)) for order in orders]))
    found = []
    for index, side in enumerate(sides):
        fall = (side.certainty(whole[None]) - side.certainty(changed)).mean(-1)
        found.append((*fall[index], *fall[len(sides) :].mean(0)))
    return tuple(np.mean(found, axis=0))


def taken_away(order: np.ndarray, count: int) -> np.ndarray:
    """(2, shares, words) bool, the words that are gone: the first of `order`, and all but the first of `order`."""
    rank = np.full(count, -1)
    rank[order] = np.arange(len(order))
    most = np.array([max(1, round(share * len(order))) for share in SHARES])[:, None]
    unread = rank < 0
    return np.stack([unread | (rank < most), unread | (rank >= most)])


def sides_of(task: Task, explanation: Explanation, whole: np.ndarray, nothing: np.ndarray) -> list[Side]:
    """What is said of a text whose answer is `whole`, and is `nothing` without words, both (outputs,).

    The class; for each label that it has, or that it has not; the number as higher or lower than that without words.
    """
    scores = explanation.scores
    if task.name == Regression.name:
        sign = 1 if whole[0] >= nothing[0] else -1
        return [Side(sign * scores[:, 0], lambda found: sign * found[..., 0] / task.scale)]
    if task.name == MultiLabel.name:
        has = task.decide(whole[None])[0]
        return [Side(scores[:, i] if yes else -scores[:, i], certainty_of(i, yes)) for i, yes in enumerate(has)]
    chosen = task.leading(whole)
    return [Side(scores[:, chosen], certainty_of(chosen, True))]


def certainty_of(output: int, is_true: bool) -> Callable[[np.ndarray], np.ndarray]:
    """The probability of an output, or that of its contrary."""
    return lambda found: found[..., output] if is_true else 1 - found[..., output]
