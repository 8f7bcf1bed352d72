"""The rows of test on which methods are measured and overviews are made."""

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import REPORT
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.inference.scorer import Inputs
from sentiment_hf.runs.data_again import data_of_run
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import Kind, ModelRef

REMEDY = "name a file with such texts by --file, or measure by `sentiment-hf compare --explain`"


def some_rows(part: LabelledTexts, most: int) -> Inputs:
    """At most so many rows of a part, drawn at random, the same each time."""
    places = np.random.default_rng(0).permutation(len(part))[:most]
    return part.select(np.sort(places)).inputs


def some_test_rows(ref: ModelRef, columns: ColumnSchema | None, most: int) -> Inputs:
    """`some_rows` of the test part of a run, with the columns beside the text that its model reads.

    Raises InputError if the model is no run, or its data are not there any more or are others.
    """
    if ref.kind is Kind.ENSEMBLE:
        # All members are of the same data.
        ref = ModelRef.in_folder(load_ensemble(ref.folder).folders[0], flag=ref.flag)
    if not ref.is_local or not (ref.folder / REPORT).is_file():
        raise InputError(f"{ref.flag} {ref.name} is no run with test rows; {REMEDY}")
    try:
        report = Report.load(ref.folder)
        if report.members:
            # The export of an ensemble; the command of a member names the data.
            member = ref.folder / report.members[0]["folder"]
            if not (member / REPORT).is_file():
                raise InputError(f"its member {member} is not there")
            report = Report.load(member)
        return some_rows(data_of_run(ref, report, columns).test, most)
    except InputError as error:
        raise InputError(f"{ref.flag} {ref.name}: its test rows cannot be read again: {error}; {REMEDY}") from error
