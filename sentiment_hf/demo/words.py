"""The words that decided, below the answers of the models."""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.demo.app import ONE_AT_A_TIME
from sentiment_hf.explaining.explain import Explainer, Explanation, load_explainer
from sentiment_hf.inference.scorer import Scorer, load_scorer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.regression import Regression

# Blue and orange are told apart by the colour-blind, and the signs by everybody.
FOR, AGAINST = ("#5b9bd5", "#2171b5", "#08306b"), ("#d98634", "#b85c0b", "#7a3300")
NOT_READ = "not read"
COLOURS = {"+" * (place + 1): colour for place, colour in enumerate(FOR)}
COLOURS |= {"−" * (place + 1): colour for place, colour in enumerate(AGAINST)} | {NOT_READ: "#999999"}


@dataclass(frozen=True)
class Shown:
    """A model of the page: what classifies, what explains, and why nothing does if it is None."""

    name: str
    scorer: Scorer
    explainer: Explainer | None
    why_not: str = ""


def load_shown(name: str, ref: ModelRef) -> Shown:
    """Load a model, with what explains it if there is something; raises InputError if it cannot be loaded."""
    try:
        explainer = load_explainer(ref)
    except InputError as error:
        # If it is the model that cannot be loaded, this says so.
        return Shown(name, load_scorer(ref), None, str(error))
    return Shown(name, explainer.scorer, explainer)


def words_row(text: gr.Textbox, asked: gr.events.Dependency, models: Sequence[Shown]) -> None:
    """Add a row in which the words of the text are marked, once the models have answered."""
    outputs = []
    with gr.Row():
        for model in models:
            with gr.Column(min_width=280):
                outputs.append(gr.HighlightedText(label=f"{model.name}: words", color_map=COLOURS))

    def words(text: str) -> list | gr.HighlightedText:
        shown = [marked(model, text) for model in models]
        return shown if len(shown) > 1 else shown[0]

    asked.success(words, text, outputs, api_name="words", **ONE_AT_A_TIME)


def marked(model: Shown, text: str) -> gr.HighlightedText:
    """The text with its words marked, or why they are not."""
    label = f"{model.name}: words"
    if not text.strip():
        return gr.HighlightedText(None, label=label)
    if model.explainer is None:
        return gr.HighlightedText([(model.why_not, None)], label=label)
    try:
        (explanation,) = model.explainer.explain([text])
    except InputError as error:
        # In its own place, for the words of other models are marked.
        return gr.HighlightedText([(str(error), None)], label=label)
    output = model.scorer.task.leading(explanation.probabilities)
    what = "that raise (+) and lower (−)" if explanation.task == Regression.name else "for (+) and against (−)"
    label = f"{label} {what} {explanation.labels[output]}, by {explanation.method}"
    return gr.HighlightedText(pieces(explanation, output), label=label)


def pieces(explanation: Explanation, output: int) -> list[tuple[str, str | None]]:
    """The text in pieces, each word with its mark."""
    text, end, found = explanation.text, 0, []
    scores = explanation.scores[:, output]
    strongest = np.abs(scores).max(initial=0.0)
    for (first, last), score, read in zip(explanation.words, scores, explanation.read, strict=True):
        found += [(text[end:first], None), (text[first:last], mark(score, strongest) if read else NOT_READ)]
        end = last
    return [(piece, sign) for piece, sign in [*found, (text[end:], None)] if piece]


def mark(score: float, strongest: float) -> str | None:
    """One to three signs, by thirds of the strongest score; None for what is next to nothing."""
    signs = round(3 * abs(score) / strongest) if strongest else 0
    return ("+" if score > 0 else "−") * signs or None
