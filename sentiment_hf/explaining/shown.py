"""Explanations as lines of a terminal and as JSON, and what both and the page have in common."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sentiment_hf.common.characters import printable
from sentiment_hf.explaining.explain import Explainer, Explanation
from sentiment_hf.explaining.measured import Faithfulness
from sentiment_hf.explaining.overview import Overview
from sentiment_hf.explaining.scale import is_one_of_several
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.task import Task

# Words on a line of the terminal, outputs of a text there, and the share of the largest score below which none is.
WORDS, OUTPUTS, LEAST = 8, 6, 0.02


@dataclass(frozen=True)
class Explained:
    """What is printed and written of one or several models.

    measured: the faithfulness of the method of each model, None where it is not known.
    explanations: for each model those of the texts, the same ones for all; or `overviews`, one for each model.
    """

    explainers: Sequence[Explainer]
    measured: Sequence[Faithfulness | None]
    explanations: Sequence[Sequence[Explanation]]
    overviews: Sequence[Overview]

    @property
    def by_text(self) -> list[tuple[Explanation, ...]]:
        """For each text its explanations by all models."""
        return list(zip(*self.explanations, strict=True))


@dataclass(frozen=True)
class View:
    """An output as it is shown, and what the words with positive and with negative scores do."""

    output: int
    towards: str
    away: str


def views_of(task: Task, explanation: Explanation) -> list[View]:
    """The outputs of a text, what the model says first. Of two classes only that one: the other is its mirror."""
    if task.name == Regression.name:
        return [View(0, "higher", "lower")]
    order = np.argsort(-explanation.probabilities, kind="stable").tolist()
    if is_one_of_several(task) and len(order) == 2:
        order = order[:1]
    return [View(place, f"for {task.labels[place]}", f"against {task.labels[place]}") for place in order]


def ranked(explanation: Explanation, output: int) -> list[tuple[str, float]]:
    """The words with the sums of their scores where they stand, the largest first; very small ones are left out."""
    sums: dict[str, float] = {}
    for (start, end), score in zip(explanation.words, explanation.scores[:, output].tolist(), strict=True):
        word = explanation.text[start:end]
        sums[word] = sums.get(word, 0.0) + score
    least = LEAST * max(map(abs, sums.values()), default=0)
    return sorted(((word, score) for word, score in sums.items() if abs(score) > least), key=lambda item: -item[1])


def number(score: float) -> str:
    """A score with its sign, always in the same number of digits."""
    return f"{score:+.2f}" if abs(score) < 100 else f"{score:+,.0f}"


def answer_of(task: Task, explanation: Explanation) -> tuple[str, ...]:
    """What the model says of the text, in the cells that `predict` prints."""
    return task.shown(explanation.probabilities[None])[0]


def unread_said(explanation: Explanation) -> str:
    """A sentence on the words that the model does not read; "" if it reads all."""
    if explanation.read.all():
        return ""
    return f"The model reads {int(explanation.read.sum()):,} of the {len(explanation.words):,} words of this text."


def text_lines(explainer: Explainer, explanation: Explanation) -> list[str]:
    """What a model says of a text, and which words speak for and against it."""
    task = explainer.scorer.task
    lines = [f"{explainer.name}  {'  '.join(answer_of(task, explanation))}  ({explanation.method})"]
    views = views_of(task, explanation)
    width = max(len(side) for view in views[:OUTPUTS] for side in (view.towards, view.away))
    for view in views[:OUTPUTS]:
        words = ranked(explanation, view.output)
        for_it = [item for item in words if item[1] > 0][:WORDS]
        against = [item for item in words[::-1] if item[1] < 0][:WORDS]
        for side, found in ((view.towards, for_it), (view.away, against)):
            said = "  ".join(f"{word} {number(score)}" for word, score in found) or "no word"
            lines.append(f"  {side:<{width}}  {said}")
    if len(views) > OUTPUTS:
        lines.append(f"  and {len(views) - OUTPUTS} more, which --output writes")
    if said := unread_said(explanation):
        lines.append(f"  {said}")
    return [printable(line) for line in lines]


def overview_lines(found: Overview) -> list[str]:
    """The words and n-grams with the most weight, output by output."""
    lines = [f"{found.model}  the words with the most weight in {found.texts:,} texts ({found.method})"]
    if found.refused:
        lines.append(f"  {found.refused:,} more texts were not explained, for their scores do not add up")
    for side in found.sides:
        for title, weights in ((side.name, side.words), ("  n-grams", side.ngrams)):
            if weights or title == side.name:
                said = "  ".join(f"{one.words} {number(one.weight)}" for one in weights[:WORDS]) or "no word"
                lines.append(f"  {title}: {said}")
    return [printable(line) for line in lines]


def as_json(explainer: Explainer, explanation: Explanation) -> dict[str, Any]:
    """An explanation as JSON types."""
    labels = explanation.labels
    return {
        "model": explainer.name,
        "method": explanation.method,
        "task": explanation.task,
        "prediction": explanation.prediction,
        "probabilities": dict(zip(labels, explanation.probabilities.tolist(), strict=True)),
        "words": [
            {
                "word": explanation.text[start:end],
                "start": start,
                "end": end,
                "read": bool(read),
                "scores": dict(zip(labels, scores.tolist(), strict=True)),
            }
            for (start, end), read, scores in zip(explanation.words, explanation.read, explanation.scores, strict=True)
        ],
    }


def content(found: Explained) -> dict[str, Any]:
    """What --output NAME.json has."""
    texts = [
        {"text": of_text[0].text, "models": [as_json(*pair) for pair in zip(found.explainers, of_text, strict=True)]}
        for of_text in found.by_text
    ]
    models = [
        {"model": one.name, "method": one.method, "faithfulness": measured and asdict(measured)}
        for one, measured in zip(found.explainers, found.measured, strict=True)
    ]
    return {"models": models, "texts": texts, "overviews": [asdict(one) for one in found.overviews]}
