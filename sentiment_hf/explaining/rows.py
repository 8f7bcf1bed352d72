"""The rows of test on which methods are measured and overviews are made."""

from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.inference.scorer import Inputs
from sentiment_hf.inference.test_part import read_test_part, some_places
from sentiment_hf.settings.model_ref import ModelRef

REMEDY = "name a file with such texts by --file, or measure by `sentiment-hf compare --explain`"


def some_test_rows(ref: ModelRef, columns: ColumnSchema | None, most: int) -> Inputs:
    """At most so many rows of the test part of a run, the same each time, as its model reads them.

    Raises InputError as `read_test_part`.
    """
    _, part = read_test_part(ref, columns, REMEDY)
    return part.select(some_places(part, most)).inputs
