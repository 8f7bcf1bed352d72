"""Baselines of scikit-learn, with the flags, splits and reports of the models; `BASELINES` maps names to functions."""

from sentiment_hf.baselines.estimators import BASELINES, FOR_NUMBERS

__all__ = ["BASELINES", "FOR_NUMBERS"]
