"""Explanations as a page: one file without scripts and links, which is read on a screen, in print and in grey."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import extra_explained
from sentiment_hf.explaining.explain import Explainer, Explanation
from sentiment_hf.explaining.shown import Explained, answer_of, number, ranked, unread_said, views_of

TEMPLATES = Path(__file__).parent / "templates"
# A word is marked from this share of the largest score on, more strongly from the others on.
LEVELS = (0.1, 0.35, 0.7)
# Words of a list below a text.
LISTED = 10
# Control characters are shown by their pictures; a line break stays.
PICTURES = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | {127: "\u2421"}


@dataclass(frozen=True)
class Piece:
    """A part of a text: a word, or what is between two words, whose level is 0; `score` is shown by a word."""

    text: str
    level: int
    is_for: bool
    score: str
    read: bool


@dataclass(frozen=True)
class Marked:
    """A text as it is marked for an output, with the words of the largest scores for it and against it."""

    towards: str
    away: str
    pieces: list[Piece]
    for_it: list[tuple[str, str]]
    against: list[tuple[str, str]]


def minus(score: float) -> str:
    """A score with a minus sign in place of a hyphen."""
    return number(score).replace("-", "−")


def pieces_of(explanation: Explanation, output: int) -> Iterator[Piece]:
    """Yield the parts of a text, marked by their scores for an output."""
    scores = explanation.scores[:, output]
    largest, end = np.abs(scores).max(initial=0) or 1, 0
    for (start, last), score, read in zip(explanation.words, scores.tolist(), explanation.read, strict=True):
        yield Piece(explanation.text[end:start], 0, False, "", True)
        level = int(np.searchsorted(LEVELS, abs(score) / largest, side="right"))
        yield Piece(explanation.text[start:last], level, score > 0, minus(score), bool(read))
        end = last
    yield Piece(explanation.text[end:], 0, False, "", True)


def marked(explainer: Explainer, explanation: Explanation) -> list[Marked]:
    """The text marked for each output that is shown."""
    found = []
    for view in views_of(explainer.scorer.task, explanation):
        words = ranked(explanation, view.output)
        for_it = [(word, minus(score)) for word, score in words if score > 0][:LISTED]
        against = [(word, minus(score)) for word, score in words[::-1] if score < 0][:LISTED]
        pieces = list(pieces_of(explanation, view.output))
        found.append(Marked(view.towards, view.away, pieces, for_it, against))
    return found


def check_installed() -> None:
    """Raise InputError if a package of the extra `report` is missing."""
    with extra_explained("report"):
        import jinja2  # noqa: F401


def page_of(found: Explained) -> str:
    """The page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    spacing = {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, **spacing
    )
    environment.filters |= {"number": minus, "visible": lambda text: text.translate(PICTURES)}
    texts = [
        [
            {"name": one.name, "answer": answer_of(one.scorer.task, explanation), "method": explanation.method}
            | {"unread": unread_said(explanation), "marked": marked(one, explanation)}
            for one, explanation in zip(found.explainers, of_text, strict=True)
        ]
        for of_text in found.by_text
    ]
    return environment.get_template("explain.html.j2").render(
        texts=texts,
        overviews=found.overviews,
        models=list(zip(found.explainers, found.measured, strict=True)),
        any_unread=any(one["unread"] for of_text in texts for one in of_text),
    )
