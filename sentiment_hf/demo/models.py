"""Loaded models as they stand on the page."""

import html
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from sentiment_hf.common.characters import SURROGATE
from sentiment_hf.common.errors import InputError
from sentiment_hf.demo.app import Model
from sentiment_hf.inference.scorer import Scorer


def shown_model(name: str, scorer: Scorer) -> Model:
    """The model as it stands on the page."""

    def answer(text: str) -> dict:
        with error_shown():
            if SURROGATE.search(text):
                raise InputError("The text has half of a surrogate pair, which is no character.")
            (said,) = scorer.task.as_objects(scorer.classify([text], 1))
        return said

    note = "The columns beside the text that it was trained with count as missing." * bool(scorer.extra_column_names)
    caption = scorer.task.scores_caption
    return Model(name if caption else f"{name}: {scorer.task.labels[0]}", answer, caption, note)


@contextmanager
def error_shown() -> Iterator[None]:
    """Show the sentence of an InputError on the page until the reader closes it."""
    try:
        yield
    except InputError as error:
        raise shown_error(str(error)) from error


def shown_error(sentence: str) -> gr.Error:
    """An error that the page shows, word for word."""
    return gr.Error(html.escape(sentence, quote=False), duration=None, print_exception=False)
