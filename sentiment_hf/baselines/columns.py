"""Columns beside the text as features of a baseline, next to those of the text.

The classifier is linear over all features: it adds what the text and each column say.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from sentiment_hf.baselines.outputs import outputs_of
from sentiment_hf.common.extra_columns import ColumnSchema, ColumnValues, Rows


class Picked(TransformerMixin, BaseEstimator):
    """`Rows` -> their texts, numbers or categories; `columns` is {name: as in `ColumnSchema`} of what is picked."""

    def __init__(self, what: str = "texts", columns: dict | None = None):
        self.what, self.columns = what, columns

    def fit(self, rows: Rows, labels=None) -> "Picked":
        """Learn nothing."""
        return self

    def transform(self, rows: Rows) -> Sequence[str] | np.ndarray:
        """The texts, (rows, columns) numbers with NaN for a missing one, or (rows, columns) codes."""
        return rows.texts if self.what == "texts" else getattr(rows.columns, self.what)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def beside(text: Pipeline, columns: ColumnSchema) -> Pipeline:
    """The features of `text`, and beside them those of the columns; none is negative, as naive Bayes needs.

    A number is its rank in train between 0 and 1, and whether it is missing. A category has a feature for each value.
    """
    parts = [("text", Pipeline([("picked", Picked()), *text.steps]))]
    if columns.numbers:
        ranks = QuantileTransformer(random_state=0)
        filled = SimpleImputer(strategy="constant", fill_value=0.5, add_indicator=True)
        parts.append(("numbers", make_pipeline(Picked("numbers", dict(columns.numbers)), ranks, filled)))
    if columns.categories:
        codes = [np.arange(1, len(values) + 1) for values in columns.categories.values()]
        one_hot = OneHotEncoder(categories=codes, handle_unknown="ignore")
        parts.append(("categories", make_pipeline(Picked("categories", dict(columns.categories)), one_hot)))
    return make_pipeline(FeatureUnion(parts))


def text_features(features: Pipeline) -> Any:
    """The first step of the features of the text, which has read the tokens."""
    first = features[0]
    return first.transformer_list[0][1][1] if isinstance(first, FeatureUnion) else first


def columns_of(estimator: Pipeline) -> ColumnSchema | None:
    """The columns beside the text that a fitted baseline reads; None without any."""
    if not isinstance(estimator[0], FeatureUnion):
        return None
    picked = {part[0].what: part[0].columns for _, part in estimator[0].transformer_list}
    return ColumnSchema(picked.get("numbers") or {}, picked.get("categories") or {})


def predict_rows(estimator: Pipeline, texts: Sequence[str] | Rows) -> np.ndarray:
    """(texts, outputs) probabilities or numbers; given texts alone, all columns that it reads are missing."""
    if isinstance(texts, Rows):
        return outputs_of(estimator, Rows(list(texts.texts), texts.columns))
    columns, texts = columns_of(estimator), list(texts)
    if columns is None:
        return outputs_of(estimator, texts)
    numbers = np.full((len(texts), len(columns.numbers)), np.nan, np.float32)
    return outputs_of(
        estimator, Rows(texts, ColumnValues(numbers, np.zeros((len(texts), len(columns.categories)), np.int32)))
    )
