"""Classical estimators by the flags, on the splits and in the report of the models; `BASELINES` is their only list."""

from sentiment_hf.baselines.estimators import BASELINES
from sentiment_hf.baselines.storage import is_saved_baseline, load_baseline

__all__ = ["BASELINES", "is_saved_baseline", "load_baseline"]
