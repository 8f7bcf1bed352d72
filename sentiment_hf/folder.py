"""Whose the output folder is: nobody's, this run's (finished or not), or another's, which stays."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

from transformers import TrainingArguments

from sentiment_hf.args import DataArguments, ModelArguments, RunArguments
from sentiment_hf.checkpoints import newest_whole, write_json
from sentiment_hf.data import Splits
from sentiment_hf.errors import InputError

IDENTITY, REPORT = "run.json", "report.json"

# What changes neither weights nor scores: where things are written, how much is shown, how batches are fetched.
NEUTRAL = (
    "output_dir",
    "logging",
    "log_",
    "disable_tqdm",
    "report_to",
    "run_name",
    "dataloader_",
    "hub_",
    "save_total",
)
NEUTRAL += (
    "resume_from",
    "per_device_eval",
    "project",
    "trackio",
    "overwrite",
    "num_cpu_threads",
    "local_rank",
    "config",
)


def identity(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
) -> dict:
    """All settings that shape the result, and a hash of the texts and labels of the three parts."""
    settings = dataclasses.asdict(model_args) | dataclasses.asdict(data_args) | dataclasses.asdict(run_args)
    settings |= training_args.to_dict()
    kept = {name: value for name, value in settings.items() if not name.startswith(NEUTRAL)}
    return json.loads(
        json.dumps(kept | {"processes": training_args.world_size, "data": data_hash(splits)}, default=str)
    )


def data_hash(splits: Splits) -> str:
    """SHA-256 over texts and labels in their order."""
    digest = hashlib.sha256()
    for part in (splits.train, splits.validation, splits.test):
        for text, label in zip(part["text"][:], part["label"][:], strict=True):
            digest.update(f"{label}\0{text}\1".encode("utf-8", "surrogatepass"))
        digest.update(b"\2")
    return digest.hexdigest()


def finished_report(folder: Path, this_run: dict, overwrite: bool) -> dict | None:
    """The report, which is written last, where this run is finished and not to be replaced; nothing is changed.

    Raises:
        InputError: the folder holds something that is no run, or another run without --overwrite.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / IDENTITY).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no run of this program; choose another folder")
    if overwrite:
        return None
    refuse_other_run(folder, this_run)
    report = folder / REPORT
    return json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None


def refuse_other_run(folder: Path, this_run: dict) -> None:
    """The run in the folder must have the same identity."""
    there = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    names = [name for name in {**there, **this_run} if there.get(name) != this_run.get(name)]
    if names:
        shown = ", ".join(f"{name}: {there.get(name)!r} there, {this_run.get(name)!r} here" for name in names[:4])
        raise InputError(
            f"--output_dir {folder} holds another run ({shown}); choose another folder, or give --overwrite"
        )


def claim(folder: Path, this_run: dict, overwrite: bool, writes: bool) -> Path | None:
    """Make the folder this run's, and return the checkpoint to go on from, if there is one.

    `writes` is true in one process only; the others look on after it is done.
    """
    if writes:
        if overwrite:
            clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / IDENTITY, this_run)
    return newest_whole(folder)


def clear(folder: Path) -> None:
    """Remove what a run of ours keeps its state in; files of anyone else stay."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    for name in (REPORT, "predictions.parquet", "metrics.jsonl", IDENTITY):
        (folder / name).unlink(missing_ok=True)
