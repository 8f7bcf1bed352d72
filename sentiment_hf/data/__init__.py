"""Labelled texts: from the Hub, a folder or files to train, validation and test."""

from sentiment_hf.data.splits import Splits, load_splits, load_test_columns

__all__ = ["Splits", "load_splits", "load_test_columns"]
