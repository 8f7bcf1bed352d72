"""Classical estimators by the flags, on the splits and in the report of the models; `BASELINES` is their only list."""

from sentiment_hf.baselines.estimators import BASELINES

__all__ = ["BASELINES"]
