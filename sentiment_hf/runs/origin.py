"""What a model has learned from beside labels: a language model that it was, a teacher, texts without labels."""

from pathlib import Path
from typing import Any

from sentiment_hf.common.layout import REPORT
from sentiment_hf.runs.report import WORDS, Report
from sentiment_hf.settings.model_ref import ModelRef


def report_of(ref: ModelRef) -> Report | None:
    """The report of the run whose folder, or a checkpoint in it, is this model; None if there is none."""
    folders = [ref.folder, ref.folder.parent] if ref.folder else []
    found = next((folder for folder in folders if (folder / REPORT).is_file()), None)
    return Report.load(found) if found else None


def learned_from_validation(ref: ModelRef, test_hash: str) -> bool:
    """Whether a run on data with this test part, or a member of an ensemble, was fitted on validation (`--refit`)."""
    report = report_of(ref)
    if report is None or report.test_hash != test_hash:
        return False
    members = [Report.load(report.folder / member["folder"]) for member in report.members or []]
    return any(one.refit for one in (report, *members))


def language_origin(ref: ModelRef, test_hash: str) -> dict[str, Any] | None:
    """Of a language model by `pretrain`, what it has read and how long; None for other models.

    `without_test` is True if copies of these rows of test were left out of its texts, and False if nobody knows.
    """
    if not ref.is_language_model or (before := report_of(ref)) is None or before.task != WORDS:
        return None
    unlabelled = before.data.get("unlabelled")
    return {
        "name": ref.name,
        "dataset": before.dataset,
        "train_texts": before.data["rows"]["train"],
        "file": unlabelled["file"] if unlabelled else None,
        "texts": unlabelled["rows"] if unlabelled else 0,
        "perplexity": before.validation["perplexity"] if before.validation else None,
        "seconds": before.total_seconds,
        "without_test": before.test_hash == test_hash,
    }


def privacy_of(ref: ModelRef) -> dict[str, Any] | None:
    """What the report of a model by --dp_epsilon says of its privacy; None without it."""
    before = report_of(ref)
    return before.privacy if before else None


def beside_labels(report: Report) -> str | None:
    """What the model of a run learned from beside its labels, in a few words; None for labels alone.

    Word vectors and pretrained models of others are not named: what they have read is not in a report.
    """
    unlabelled, teacher, found = report.data.get("unlabelled"), report.data.get("teacher"), []
    if began := report.began_with:
        found.append(f"begun as a language model of {began['train_texts'] + began['texts']:,} texts")
        if not began["without_test"]:
            found.append("which may have read test")
    if teacher:
        found.append(f"taught by {Path(teacher['name']).name}")
        if teacher.get("learned_from_validation"):
            found.append("which had learned from validation")
    if unlabelled:
        found.append(f"with {unlabelled['rows']:,} texts without labels")
    return ", ".join(found) or None
