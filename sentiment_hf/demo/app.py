"""The page on which a text is classified.

This file travels: with some lines behind it, it is the app.py of a Space. It imports nothing of sentiment_hf.
"""

import html
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# Gradio would report each start to its makers.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr

# Of a text, in characters; a model cuts longer ones anyway.
LONGEST_TEXT = 100_000
MOST_SCORES = 10

# All that computes waits in one line, so that two texts do not share the cores.
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "model"}

# In seconds: how often files are looked through, and how old one is that is deleted then.
DELETE_FILES = (60, 600)


@dataclass(frozen=True)
class Model:
    """A model on the page.

    name: what stands above its answers.
    answer: text -> what the model says, as `sentiment_hf.predict` does: "label", "labels" or "value", for ordered
        classes that are numbers "expected_value", and "scores" by label.
    scores: the caption of the scores; None if the model gives none.
    note: a sentence on how it reads texts; "" if there is nothing to say.
    """

    name: str
    answer: Callable[[str], dict[str, Any]]
    scores: str | None
    note: str = ""


def blank_page(title: str) -> gr.Blocks:
    """A page with a title, to be filled in a `with` block."""
    page = gr.Blocks(title=title, analytics_enabled=False, delete_cache=DELETE_FILES)
    with page:
        gr.HTML(f"<h1>{html.escape(title)}</h1>")
    return page


def text_tab(models: Sequence[Model], examples: Iterable[str]) -> tuple[gr.Textbox, gr.events.Dependency]:
    """Fill a tab: a text in, the answers of the models side by side; returns the text and the event of its answers."""
    text = gr.Textbox(label="Text", lines=4, max_length=LONGEST_TEXT)
    button = gr.Button("Classify", variant="primary")
    gr.Examples([[example] for example in examples], text, cache_examples=False)
    outputs = []
    with gr.Row():
        for model in models:
            with gr.Column(min_width=280):
                outputs.append(gr.Label(label=model.name))
                if model.scores is not None:
                    outputs.append(gr.Label(label=model.scores, num_top_classes=MOST_SCORES, show_heading=False))
                if model.note:
                    gr.Markdown(model.note)

    def classify(text: str) -> list | Any:
        shown = [cell for model in models for cell in cells_of(model, text)]
        return shown if len(shown) > 1 else shown[0]

    asked = gr.on([button.click, text.submit], classify, text, outputs, api_name="classify", **ONE_AT_A_TIME)
    return text, asked


def cells_of(model: Model, text: str) -> list[str | dict[str, float] | None]:
    """The decision in words and, of a model that gives scores, these; nothing of an empty text."""
    answer = model.answer(text) if text.strip() else None
    cells = [answer and decision(answer)]
    return cells if model.scores is None else [*cells, answer and answer["scores"]]


def decision(answer: dict[str, Any]) -> str:
    """What a model decided, in words."""
    if "value" in answer:
        return f"{answer['value']:.4g}"
    if "labels" in answer:
        return ", ".join(answer["labels"]) or "none of the labels"
    expected = f" (expected {answer['expected_value']:.2f})" if "expected_value" in answer else ""
    return answer["label"] + expected


def launch(page: gr.Blocks, **where: Any) -> None:
    """Serve the page; what is typed into it is kept nowhere, neither here nor in the browser."""
    # Of the reader's machine; the fonts of the default theme come from another server.
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    kept = {"run_history": False, "enable_monitoring": False, "share": False, "ssr_mode": False}
    theme = gr.themes.Default(primary_hue="blue", **fonts)
    page.queue(max_size=32).launch(theme=theme, footer_links=[], **kept, **where)
