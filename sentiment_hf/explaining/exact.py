"""custom-ngram is a sum over words and n-grams: what each of them adds is known exactly."""

from collections.abc import Iterator

import numpy as np
import torch

from custom_models.ngram import NGramConfig, NGramForSequenceClassification
from sentiment_hf.explaining.ngrams import Terms, occurrences, sum_over_tokens
from sentiment_hf.explaining.tokens import TokenRow


def is_sum(model: torch.nn.Module) -> bool:
    """Whether the logits are a sum over n-grams: no hidden layer joins columns, no sigmoids make ordered classes.

    A model that brings the code of an older version has not the methods that are needed.
    """
    return (
        model.config.model_type == NGramConfig.model_type
        and hasattr(model, "in_order")
        and not model.config.reads_columns
        and not model.config.ordinal
        and model.config.encoder is None
    )


@torch.no_grad()
def ngram_terms(model: NGramForSequenceClassification, row: TokenRow) -> Iterator[Terms]:
    """Yield what words, pairs and longer n-grams add to the logits. Each distinct one counts once."""
    ids = row.inputs["input_ids"].to(model.device)
    for before, codes in enumerate(model.in_order(ids)):
        vectors, scale = (model.ngrams, model.ngram_scale) if before else (model.embedding, model.word_scale)
        rows, known = model.rows_of(codes) if before else (codes, True)
        weights = model.classifier.weight @ (vectors(rows) * (scale[rows] * known).unsqueeze(-1))[0].T
        found = weights.T.double().cpu().numpy() / occurrences(codes[0].cpu().numpy())[:, None]
        yield Terms(before + 1, np.arange(len(found)), found)


def exact_sum(model: NGramForSequenceClassification, row: TokenRow) -> np.ndarray:
    """(tokens, outputs) what the tokens add to the logits. Their sum is the difference from an empty text.

    An n-gram counts in equal parts for its tokens; with a special token, for the others alone.
    """
    return sum_over_tokens(ngram_terms(model, row), row.special, model.config.num_labels)[0]
