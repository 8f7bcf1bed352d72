"""The test rows of a finished run, read again for what is measured on some of them."""

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import REPORT
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.runs.data_again import data_of_run
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.tasks.task import Task


def some_places(part: LabelledTexts, most: int) -> np.ndarray:
    """At most so many places of a part, ascending, drawn at random, the same each time."""
    return np.sort(np.random.default_rng(0).permutation(len(part))[:most])


def read_test_part(ref: ModelRef, columns: ColumnSchema | None, remedy: str) -> tuple[Task, LabelledTexts]:
    """The task and the test part of a run, with the columns beside the text that its model reads.

    Raises InputError, with the `remedy`, if the model is no run, or its data are not there any more or are others.
    """
    ref = run_with_rows(ref, remedy)
    try:
        report = Report.load(ref.folder)
        if report.members:
            # The export of an ensemble; the command of a member names the data.
            member = ref.folder / report.members[0]["folder"]
            if not (member / REPORT).is_file():
                raise InputError(f"its member {member} is not there")
            report = Report.load(member)
        splits = data_of_run(ref, report, columns)
    except InputError as error:
        raise InputError(f"{ref.flag} {ref.name}: its test rows cannot be read again: {error}; {remedy}") from error
    return splits.task, splits.test


def run_with_rows(ref: ModelRef, remedy: str) -> ModelRef:
    """The run whose report names the data: that of the model itself or, of an ensemble, that of its first member.

    Raises InputError, with the `remedy`, if the model is no run.
    """
    if ref.kind is Kind.ENSEMBLE:
        # All members are of the same data.
        ref = ModelRef.in_folder(load_ensemble(ref.folder).folders[0], flag=ref.flag)
    if not ref.is_local or not (ref.folder / REPORT).is_file():
        raise InputError(f"{ref.flag} {ref.name} is no run with test rows; {remedy}")
    return ref
