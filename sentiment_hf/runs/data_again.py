"""The data of a finished run, read again as the command in its report names them."""

import shlex

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.runs.identity import in_label_order
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.run import data_flags
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run


def data_of_run(ref: ModelRef, report: Report, columns: ColumnSchema | None) -> Splits:
    """The data of the run in the folder of `ref`, with the columns beside the text that its model reads.

    Raises InputError if the data are not there any more, or are others.
    """
    words = shlex.split(report.command or "")
    start = next((place for place, word in enumerate(words) if word == "run" or word.endswith("run.py")), None)
    if start is None:
        raise InputError("its report has no command")
    splits = in_label_order(load_splits(data_flags(parse_run(words[start + 1 :])), columns), ref, trains=False)
    if splits.test_hash != report.test_hash:
        raise InputError("its test rows are not those that the run was scored on")
    return splits
