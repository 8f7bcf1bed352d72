"""The words and n-grams that had the most weight in the answers to many texts, output by output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from sentiment_hf.explaining.explain import Explainer, Explanation
from sentiment_hf.inference.scorer import Inputs
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task

# Words, and n-grams, that are shown for each output.
MOST = 20
# Characters before and after a word in its example.
AROUND = 40
# What stands for the beginning of a text in an n-gram.
START = "(start)"


@dataclass(frozen=True)
class Weight:
    """A word or an n-gram with its weight for an output.

    weight: the sum of its scores over all texts. texts: the number of texts that have it.
    example: the text around the place where its score was largest: before, itself, behind; None with --no_texts.
    """

    words: str
    weight: float
    texts: int
    example: tuple[str, str, str] | None


@dataclass(frozen=True)
class Side:
    """What speaks for an output, or for higher or lower numbers: the largest weights first."""

    name: str
    words: list[Weight]
    ngrams: list[Weight]


@dataclass(frozen=True)
class Overview:
    """The `sides` of a model, as `method` explained `texts` texts, and did not explain `refused` more.

    has_ngrams: whether the model adds up n-grams, so that their weights are known.
    """

    model: str
    method: str
    texts: int
    refused: int
    sides: list[Side]
    has_ngrams: bool

    def without_texts(self) -> Self:
        """The same without the places in texts where words weigh most."""
        bare = [
            replace(side, words=without_examples(side.words), ngrams=without_examples(side.ngrams))
            for side in self.sides
        ]
        return replace(self, sides=bare)


def without_examples(weights: Iterable[Weight]) -> list[Weight]:
    """The weights without the texts around them."""
    return [replace(one, example=None) for one in weights]


@dataclass
class Tally:
    """What is known of a word so far: (outputs,) sums and largest scores, and where each of these was."""

    total: np.ndarray
    largest: np.ndarray
    places: list[tuple[int, int, int]]
    texts: set[int] = field(default_factory=set)

    def add(self, score: np.ndarray, place: tuple[int, int, int]) -> None:
        """Add a (outputs,) score; `place` is the number of the text and the characters in it."""
        self.total += score
        self.texts.add(place[0])
        for output in np.flatnonzero(score > self.largest):
            self.largest[output], self.places[output] = score[output], place


def overview(explainer: Explainer, inputs: Inputs) -> Overview:
    """What had the most weight in these texts; raises InputError as `Explainer.explain`."""
    explanations = [found for _, found in explainer.explain_most(inputs) if found is not None]
    task, texts = explainer.scorer.task, [one.text for one in explanations]
    words = tallied(of_words(explanations), task)
    ngrams = tallied(of_ngrams(explainer, explanations), task) if explainer.phrases else {}
    sides = [
        Side(name, heaviest(words, output, texts), heaviest(ngrams, output, texts))
        for output, name in enumerate(names_of_sides(task))
    ]
    refused = len(inputs) - len(texts)
    return Overview(explainer.name, explainer.method, len(texts), refused, sides, explainer.phrases is not None)


def names_of_sides(task: Task) -> list[str]:
    """The classes; each label, and its absence; higher and lower for a number."""
    if task.name == Regression.name:
        return [f"higher {task.labels[0]}", f"lower {task.labels[0]}"]
    return [name for label in task.labels for name in (label, f"not {label}")] if both_ways(task) else [*task.labels]


def both_ways(task: Task) -> bool:
    """Whether what speaks against an output speaks for no other one."""
    return task.name in (Regression.name, MultiLabel.name)


def scores_of_sides(scores: np.ndarray, task: Task) -> np.ndarray:
    """(outputs,) scores -> (sides,) in the order of `names_of_sides`."""
    return np.stack([scores, -scores], -1).ravel() if both_ways(task) else scores


Scored = Iterator[tuple[str, np.ndarray, tuple[int, int, int]]]


def of_words(explanations: Iterable[Explanation]) -> Scored:
    """Yield each word in lower case, its scores and its place."""
    for number, one in enumerate(explanations):
        for (start, end), scores in zip(one.words, one.scores, strict=True):
            yield one.text[start:end].lower(), scores, (number, start, end)


def of_ngrams(explainer: Explainer, explanations: Iterable[Explanation]) -> Scored:
    """Yield each n-gram of two words or more, what it adds and its place."""
    for number, one in enumerate(explanations):
        for phrase in explainer.phrases(one.text, one.words):
            spans = [one.words[place] for place in phrase.words]
            words = [START] * phrase.at_start + [one.text[start:end].lower() for start, end in spans]
            yield " ".join(words), phrase.weights, (number, spans[0][0], spans[-1][1])


def tallied(scored: Scored, task: Task) -> dict[str, Tally]:
    """The sum of the scores of each word or n-gram."""
    found: dict[str, Tally] = {}
    sides = len(names_of_sides(task))
    for words, scores, place in scored:
        if words not in found:
            found[words] = Tally(np.zeros(sides), np.full(sides, -np.inf), [place] * sides)
        found[words].add(scores_of_sides(scores, task), place)
    return found


def heaviest(found: dict[str, Tally], side: int, texts: list[str]) -> list[Weight]:
    """The words with the largest positive weight, at most `MOST`."""
    order = sorted(found, key=lambda words: -found[words].total[side])[:MOST]
    return [
        Weight(words, float(tally.total[side]), len(tally.texts), around(texts, tally.places[side]))
        for words in order
        if (tally := found[words]).total[side] > 0
    ]


def around(texts: list[str], place: tuple[int, int, int]) -> tuple[str, str, str]:
    """What stands before a place, there, and behind it."""
    number, start, end = place
    text = texts[number]
    before, behind = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
    return ("…" * (start > AROUND) + before, text[start:end], behind + "…" * (len(text) - end > AROUND))
