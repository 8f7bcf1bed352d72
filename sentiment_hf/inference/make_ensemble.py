"""Makes an ensemble of finished runs: by vote, by mean, or by weights learned on validation."""

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sentiment_hf.common.command import command_line
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, size_and_hash, write_json
from sentiment_hf.common.layout import ENSEMBLE_FILE, INFERENCE, PREDICTIONS, REPORT
from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.runs.finished import Run, load_runs, model_bytes
from sentiment_hf.runs.method import method_of
from sentiment_hf.runs.report import REPLACE_REMEDY, Report
from sentiment_hf.tasks.task import Predicted

logger = logging.getLogger(__name__)

# Keys of a report that are summed over the members.
SUMMED_KEYS = ("parameters", "trainable_parameters", "train_seconds", "train_tokens", "total_seconds")

# Keys of a report that the ensemble takes from its first member; `load_runs` checks that the data is the same.
SHARED_KEYS = ("dataset", "dataset_id", "task", "labels", "duplicates", "data", "data_hash", "test_hash")


def make_ensemble(folders: Sequence[str | Path], output_dir: str | None, method: str, overwrite: bool) -> Report:
    """Combine the saved predictions of the finished runs in `folders`.

    `output_dir` is out/DATASET/ensemble if None; `method` is "weights", "mean" or "vote". If the output folder holds
    the same ensemble, its report is returned, unless `overwrite` is true.

    Raises:
        InputError: the runs cannot be combined, or the output folder holds something else.
    """
    members = load_runs(folders)
    folder = Path(output_dir or Path("out", members[0].report.dataset, "ensemble"))
    refuse_members(members, folder)
    # Paths are resolved, because .. after a link leads to the parent of the target of the link.
    paths = [os.path.relpath(member.folder.resolve(), folder.resolve()) for member in members]
    reports = [size_and_hash(member.folder / REPORT)["sha256"] for member in members]
    identity = {"method": method, "members": dict(zip(paths, reports, strict=True))}
    if report := report_of_finished_ensemble(folder, identity, overwrite):
        logger.warning("%s holds this ensemble already; its result:", folder)
        return report
    validation, task = validation_predictions(members), members[0].task
    if method == "vote" and not task.votes:
        raise InputError(f"--method vote counts classes, and the task is {task.name}; give --method mean or weights")
    # Imported late: both import torch, which the checks and the existing report above do not need.
    from sentiment_hf.inference.evaluate_ensemble import learned_weights, score_ensemble, tuned
    from sentiment_hf.runs.identity import fingerprint_of

    weights = learned_weights(validation, task) if method == "weights" else np.full(len(members), 1 / len(members))
    ensemble = tuned(Ensemble(method, task.as_saved({}), [member.folder for member in members], weights), validation)
    listed = [
        {"folder": path, "name": member.name, "weight": weight}
        for path, member, weight in zip(paths, members, weights.tolist(), strict=True)
    ]
    report = replace(report_of_members(members, method), fingerprint=fingerprint_of(identity), members=listed)
    remove_ensemble(folder)
    settings = {"task_settings": ensemble.task.settings} if ensemble.task.settings else {}
    saved = {"labels": list(ensemble.task.labels), **settings, **identity, "weights": weights.tolist()}
    write_json(folder / ENSEMBLE_FILE, saved | ({"weighted": "logits"} if method == "weights" else {}))
    return score_ensemble(ensemble, members, folder, replace(report, **settings))


def refuse_members(members: list[Run], folder: Path) -> None:
    """Raise InputError unless there are two members or more, with models, on equally many training rows.

    None of them may be the output folder of the ensemble, `folder`.
    """
    if len(members) < 2:
        raise InputError(f"an ensemble is made of two finished runs or more, and only {members[0].folder} is named")
    for member in members:
        if not (member.folder / REPORT).is_file():
            raise InputError(
                f"{member.folder} is published without its weights, so it cannot classify; name the folders of runs"
            )
        if member.folder.resolve() == folder.resolve():
            raise InputError(f"--output_dir {folder} is one of the members; leave it out, or choose another folder")
        if member.tuning == "none":
            raise InputError(f"{member.folder} only scored a checkpoint and holds no model; train it, or leave it out")
        if member.train_rows != members[0].train_rows:
            raise InputError(
                f"{members[0].folder} was trained on {members[0].train_rows:,} rows, {member.folder} on "
                f"{member.train_rows:,}; combine runs on the same rows"
            )


def report_of_finished_ensemble(folder: Path, identity: dict, overwrite: bool) -> Report | None:
    """The report of this ensemble if `folder` holds it finished and `overwrite` is false, else None.

    The folder is not changed.

    Raises:
        InputError: the folder holds files of something else, or another ensemble without --overwrite.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / ENSEMBLE_FILE).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no ensemble; choose another folder")
    if overwrite or not (folder / REPORT).is_file():
        return None
    saved = read_json(folder / ENSEMBLE_FILE, REPLACE_REMEDY)
    if any(saved[name] != identity[name] for name in identity):
        if saved["members"].keys() == identity["members"].keys() and saved["method"] == identity["method"]:
            reason = "of these members, before one of them was run again"
        else:
            reason = f"by {saved['method']}, of {', '.join(saved['members'])}"
        raise InputError(
            f"--output_dir {folder} holds another ensemble ({reason}); choose another folder, or give --overwrite"
        )
    return Report.load(folder, REPLACE_REMEDY)


def validation_predictions(members: list[Run]) -> list[Predicted]:
    """The predictions of the members for the validation rows.

    Raises:
        InputError: a member has no validation predictions, or other validation rows.
    """
    for member in members:
        if member.validation is None:
            name = PREDICTIONS["validation"]
            raise InputError(f"{member.folder} has no {name}, which an ensemble needs; run it again with --overwrite")
        if not np.array_equal(member.validation.labels, members[0].validation.labels):
            raise InputError(
                f"{members[0].folder} and {member.folder} have other validation rows; combine runs on the same split"
            )
    return [member.validation for member in members]


def report_of_members(members: list[Run], method: str) -> Report:
    """The report of an ensemble, without scores. The costs of training are summed over the members.

    `seed` is the common seed of all members, or None. Keys that only a single model has are None.
    """
    reports, seeds = [member.report for member in members], {member.seed for member in members}
    added = {name: known_sum(getattr(report, name) for report in reports) for name in SUMMED_KEYS}
    sizes = [member.report.bytes_on_disk or model_bytes(member.folder) for member in members]
    seconds = added["train_seconds"]
    return Report(
        model="ensemble",
        model_type="ensemble",
        tuning="ensemble",
        recipe=method,
        seed=seeds.pop() if len(seeds) == 1 else None,
        command=command_line("ensemble", sys.argv[1:]),
        flags={"members": [method_of(member.report, member.folder) for member in members]},
        train_tokens_per_second=added["train_tokens"] / seconds if seconds else None,
        # The size of a member is 0 if only its report is kept.
        bytes_on_disk=sum(sizes) if all(sizes) else None,
        side_by_side=max(report.side_by_side for report in reports),
        processes=1,
        no_texts=any(report.no_texts for report in reports) or None,
        **{name: getattr(reports[0], name) for name in SHARED_KEYS},
        **added,
    )


def known_sum(values: Iterable[float | None]) -> float | None:
    """The sum; None if a value is not known, as in the report of an older version."""
    values = list(values)
    return None if None in values else sum(values)


def remove_ensemble(folder: Path) -> None:
    """Delete the files of an ensemble; the report first, because an ensemble without report is not finished."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REPORT, ENSEMBLE_FILE, INFERENCE, *PREDICTIONS.values()):
        (folder / name).unlink(missing_ok=True)
