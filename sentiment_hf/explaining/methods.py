"""The methods by which words get their scores, as functions of a row, its text and its words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sentiment_hf.common.extra_columns import ColumnValues, Rows
from sentiment_hf.explaining.deletion import deletion
from sentiment_hf.explaining.exact import exact_sum, ngram_terms
from sentiment_hf.explaining.integrated_gradients import integrated_gradients
from sentiment_hf.explaining.ngrams import Phrase, phrases_of
from sentiment_hf.explaining.scale import centred, directions_of, logits_of, of_outputs
from sentiment_hf.explaining.tokens import TokenRow, places_tokens, read_tokens, require_as_predicted
from sentiment_hf.explaining.words import Spans
from sentiment_hf.inference.scorer import Inputs, Scorer
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.windows import Windows

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

EXACT, GRADIENTS, COEFFICIENTS, DELETION = METHODS = ("exact", "integrated-gradients", "coefficients", "deletion")

# Texts that a model classifies at a time.
BATCH = 64

# One row of inputs, its text and its words -> (words, outputs) scores.
Method = Callable[[Inputs, str, Spans], np.ndarray]
Phrases = Callable[[str, Spans], Iterator[Phrase]]


def with_texts(row: Inputs, texts: Sequence[str]) -> Inputs:
    """A single row once for each of these texts, with its columns beside them."""
    if not isinstance(row, Rows):
        return texts
    columns = [np.repeat(cells, len(texts), axis=0) for cells in (row.columns.numbers, row.columns.categories)]
    return Rows(texts, ColumnValues(*columns))


def read_all(text: str, words: Spans) -> np.ndarray:
    """(words,) true."""
    return np.ones(len(words), bool)


def read_by(tokenizer: PreTrainedTokenizerBase, text: str, words: Spans) -> np.ndarray:
    """(words,) bool, whether a token of the word is left of a long text; true if the tokenizer does not tell."""
    if not places_tokens(tokenizer):
        return read_all(text, words)
    return np.any([row.share.sum(1) > 0 for row in read_tokens(text, words, tokenizer)], axis=0)


def by_deletion(
    scorer: Scorer, reads: Callable[[str, Spans], np.ndarray], row: Inputs, text: str, words: Spans
) -> np.ndarray:
    """(words, outputs) scores by deletion of each word."""

    def answer(texts: Sequence[str]) -> np.ndarray:
        return logits_of(scorer.score(with_texts(row, texts), BATCH), scorer.task)

    return deletion(answer, text, words, reads(text, words))


def by_estimator(estimator: "Pipeline", task: Task, row: Inputs, text: str, words: Spans) -> np.ndarray:
    """(words, outputs) scores by the coefficients of a linear baseline."""
    from sentiment_hf.explaining.coefficients import by_coefficients

    return of_outputs(by_coefficients(estimator, text, words), task)


def by_exact_sum(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, row: Inputs, text: str, words: Spans
) -> np.ndarray:
    """(words, outputs) scores of custom-ngram."""
    return of_outputs(over_windows(partial(exact_sum, model), model, tokenizer, {}, text, words), task)


def phrases_by_exact_sum(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, text: str, words: Spans
) -> Iterator[Phrase]:
    """Yield the n-grams of custom-ngram; those of windows count as much as a window does in the mean of logits."""
    windows = read_tokens(text, words, tokenizer)
    for window in windows:
        for phrase in phrases_of(ngram_terms(model, window), window.special, window.share):
            yield replace(phrase, weights=centred(phrase.weights, task) / len(windows))


def phrases_by_estimator(estimator: "Pipeline", task: Task, text: str, words: Spans) -> Iterator[Phrase]:
    """Yield the n-grams of a linear baseline."""
    from sentiment_hf.explaining.coefficients import phrases_by_coefficients

    for phrase in phrases_by_coefficients(estimator, text, words):
        yield replace(phrase, weights=of_outputs(phrase.weights[None], task)[0])


def by_gradients(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, row: Inputs, text: str, words: Spans
) -> np.ndarray:
    """(words, outputs) scores by integrated gradients."""
    given = row.columns.inputs if isinstance(row, Rows) else {}
    more = {name: torch.from_numpy(cells) for name, cells in given.items()}
    directions = directions_of(task, takes_largest(tokenizer))

    def of_window(window: TokenRow) -> np.ndarray:
        return integrated_gradients(model, window, more, directions, tokenizer.pad_token_id)

    return of_outputs(over_windows(of_window, model, tokenizer, more, text, words), task)


def takes_largest(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether each logit of a long text is the largest of its windows, and not their mean."""
    windows = Windows.of(tokenizer)
    return windows is not None and windows.pooling == "max"


def over_windows(
    of_window: Callable[[TokenRow], np.ndarray],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    more: Mapping[str, Tensor],
    text: str,
    words: Spans,
) -> np.ndarray:
    """(words, directions) scores, from a function of a window to those of its tokens.

    As the logits are: the mean over the windows of a text or, where each logit is the largest of them, those of the
    window that has it. `more` are inputs besides the tokens.
    """
    windows = read_tokens(text, words, tokenizer)
    require_as_predicted(text, windows, tokenizer)
    scores = np.stack([window.share @ of_window(window) for window in windows])
    if not takes_largest(tokenizer):
        return scores.mean(0)
    logits = np.concatenate([logits_in(model, window, more) for window in windows])
    chosen = logits.argmax(0)
    return np.stack([scores[window, :, output] for output, window in enumerate(chosen)], axis=1)


@torch.inference_mode()
def logits_in(model: PreTrainedModel, window: TokenRow, more: Mapping[str, Tensor]) -> np.ndarray:
    """(1, outputs) logits of a window."""
    inputs = {name: tensor.to(model.device) for name, tensor in (*window.inputs.items(), *more.items())}
    return model(**inputs).logits.float().cpu().numpy()
