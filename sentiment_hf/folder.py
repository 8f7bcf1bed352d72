"""Whose the output folder is: nobody's, this run's (finished or not), or another's, which stays."""

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from transformers import TrainingArguments

import custom_models
from sentiment_hf.args import DataArguments, ModelArguments, RunArguments
from sentiment_hf.baselines import BASELINE_FILE
from sentiment_hf.card import CARD, EVAL_RESULTS
from sentiment_hf.checkpoints import fingerprint, newest_first, newest_whole, set_aside, write_json, write_text
from sentiment_hf.data import Splits
from sentiment_hf.errors import InputError
from sentiment_hf.names import is_adapter, is_fresh
from sentiment_hf.report import PREDICTIONS
from sentiment_hf.space import require_writable
from sentiment_hf.tuning import base_of

logger = logging.getLogger(__name__)

IDENTITY, REPORT, INFERENCE, LOCK = "run.json", "report.json", "inference.json", ".lock"

# The rows of the step at which training stopped because it could not go on.
BROKEN_BATCH = "broken_batch.json"

# The way on from a folder that cannot be read.
REPLACE = "choose another folder, or give --overwrite"

# What a run leaves that is killed before it has said whose the folder is.
BEGUN = {LOCK, f"{IDENTITY}.tmp"}

# What changes neither weights nor scores: where things are written, how much is shown, how batches are fetched.
NEUTRAL = {"config", "output_dir", "overwrite", "resume_from_checkpoint", "run_name", "num_cpu_threads", "local_rank"}
NEUTRAL |= {"force_resume", "checkpoint_verify", "auto_find_batch_size", "max_data_bytes"}
NEUTRAL |= {"save_total_limit", "per_device_eval_batch_size", "disable_tqdm", "report_to", "project"}
NEUTRAL |= {"log_level", "log_level_replica", "log_on_each_node"}
NEUTRAL |= {"logging_first_step", "logging_nan_inf_filter", "logging_steps", "logging_strategy"}
NEUTRAL |= {"trackio_bucket_id", "trackio_space_id", "trackio_static_space_id"}
NEUTRAL |= {"hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision", "hub_strategy", "hub_token"}
NEUTRAL |= {"push_to_hub", "license"}
NEUTRAL |= {"dataloader_in_order", "dataloader_multiprocessing_context"}
NEUTRAL |= {"dataloader_num_workers", "dataloader_persistent_workers", "dataloader_pin_memory"}
NEUTRAL |= {"dataloader_prefetch_factor"}

# What `from_pretrained` reads of a checkpoint and `save_pretrained` writes, its code aside.
MODEL_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin*", "*.model")
MODEL_FILES += ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
MODEL_FILES += ("vocab.txt", "vocab.json", "merges.txt", "adapter_config.json", "labels.json")
MODEL_FILES += (BASELINE_FILE,)

RESULTS = (
    REPORT,
    INFERENCE,
    BROKEN_BATCH,
    *PREDICTIONS.values(),
    "metrics.jsonl",
    "trainer_state.json",
    "training_args.bin",
)
RESULTS += (
    CARD,
    f"{EVAL_RESULTS}/*.yaml",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
    "test_results.json",
)


def identity(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
) -> dict:
    """All settings that shape the result, and hashes: of texts and labels, and of files that weights come from."""
    settings = dataclasses.asdict(model_args) | dataclasses.asdict(data_args) | dataclasses.asdict(run_args)
    settings |= training_args.to_dict()
    kept = {name: value for name, value in settings.items() if name not in NEUTRAL}
    # `accelerate config` sets the precision without a flag.
    kept |= {"processes": training_args.world_size, "mixed_precision": training_args.mixed_precision}
    kept["data"] = splits.data_hash
    name = model_args.embed_with or model_args.model_name_or_path
    if not is_fresh(name):
        folders = [Path(name), Path(base_of(name)[0])] if is_adapter(name) else [Path(name)]
        files = (path for folder in folders for pattern in (*MODEL_FILES, "*.py") for path in folder.glob(pattern))
        kept["model_files"] = files_hash(files)
    if model_args.word_vectors:
        file = Path(model_args.word_vectors)
        kept["word_vectors_file"] = files_hash([file] if file.is_file() else [])
    return json.loads(json.dumps(kept, default=str))


def fingerprint_of(run: dict) -> str:
    """SHA-256 over an identity: two runs with the same one are the same run."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def files_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents. A model of the Hub has no files here: its revision says which it is."""
    files = sorted((path.name, fingerprint(path)["sha256"]) for path in paths)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def finished_report(folder: Path, this_run: dict, args: RunArguments) -> dict | None:
    """The report, which is written last, where this run is finished and not to be replaced; nothing is changed.

    Raises:
        InputError: the folder holds something that is no run, or another run without --overwrite or --force_resume,
            or a run that is going on right now.
    """
    require_writable(folder)
    if not folder.exists() or {path.name for path in folder.iterdir()} <= BEGUN:
        return None
    if not (folder / IDENTITY).is_file():
        raise InputError(f"--output_dir {folder} is not empty and holds no run of this program; choose another folder")
    if args.overwrite or not has_results(folder):
        refuse_own_model(folder, this_run["embed_with"] or this_run["model_name_or_path"])
    elif changed := changes(folder, this_run):
        refuse_other_run(folder, changed, args.force_resume)
    elif (folder / REPORT).is_file():
        return read_json(folder / REPORT, REPLACE)
    refuse_locked(folder)
    return None


def read_json(file: Path, way_on: str = "run that run again, or leave it out") -> dict:
    """The object in a file; raises InputError, which ends in the way on, where it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); {way_on}") from error


def has_results(folder: Path) -> bool:
    """A run that failed before its first checkpoint has none: there is nothing to keep and nothing to go on from."""
    return (folder / REPORT).is_file() or any(folder.glob("checkpoint-*"))


def refuse_own_model(folder: Path, model: str) -> None:
    """What is replaced must not hold what the new run starts from."""
    for source in [model, base_of(model)[0]] if is_adapter(model) else [model]:
        if not is_fresh(source) and Path(source).resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"--model {source} lies in --output_dir and would be deleted; choose another --output_dir"
            )


def changes(folder: Path, this_run: dict) -> list[str]:
    """How the run in the folder differs from this one; an older version may have written down what is neutral now."""
    there = read_json(folder / IDENTITY, REPLACE)
    names = [name for name in {**there, **this_run} if there.get(name) != this_run.get(name) and name not in NEUTRAL]
    return [f"{name}: {there.get(name)!r} there, {this_run.get(name)!r} here" for name in names]


def refuse_other_run(folder: Path, changed: list[str], force_resume: bool) -> None:
    """What has changed is said, and is the end of it unless --force_resume."""
    shown = ", ".join(changed[:4])
    if not force_resume:
        raise InputError(
            f"--output_dir {folder} holds another run ({shown}); choose another folder, give --overwrite to "
            "replace it, or --force_resume to go on from its last checkpoint nevertheless"
        )
    logger.warning("--force_resume: %s goes on with other settings (%s)", folder, shown)


def claim(folder: Path, this_run: dict, args: RunArguments, writes: bool) -> Path | None:
    """Make the folder this run's, and return the checkpoint to go on from, if there is one.

    `writes` is true in one process only, which has `locked` the folder; the others look on after it is done.
    """
    if writes:
        if args.overwrite or not has_results(folder):
            clear(folder)
        for name in (REPORT, BROKEN_BATCH):
            (folder / name).unlink(missing_ok=True)
        write_json(folder / IDENTITY, this_run)
        set_aside(folder, args.checkpoint_verify)
    return newest_whole(folder, args.checkpoint_verify)


@contextmanager
def as_before_if_refused(folder: Path) -> Iterator[None]:
    """What a folder says of its run stays where --force_resume is refused by the checkpoint that it goes on from."""
    checkpoints = newest_first(folder)
    kept = {path: path.read_text(encoding="utf-8") for name in (IDENTITY, REPORT) if (path := folder / name).is_file()}
    try:
        yield
    except InputError:
        if newest_first(folder) == checkpoints:
            for path, content in kept.items():
                write_text(path, content)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One run per folder. A process that ends, in whatever way, is unlocked by the operating system.

    Raises:
        InputError: another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        take(file, fcntl.LOCK_EX)
        # Processes that fetch batches live on for seconds after a run is killed, and would keep its lock.
        os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def refuse_locked(folder: Path) -> None:
    """Raises InputError where another process has the lock now."""
    if (folder / LOCK).is_file():
        with (folder / LOCK).open(encoding="utf-8") as file:
            # Shared: the processes of one run may all look at once.
            take(file, fcntl.LOCK_SH)


def take(file: TextIO, kind: int) -> None:
    """The lock on an open lock file, until it is closed."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise InputError(
            f"--output_dir {Path(file.name).parent} is in use by {file.read()}; wait for it or stop it, or choose "
            "another folder"
        ) from error


def clear(folder: Path) -> None:
    """Remove all that a run of ours writes; files of anyone else stay."""
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    code = [path.name for path in Path(custom_models.__file__).parent.glob("*.py")]
    for path in [path for name in (*RESULTS, *MODEL_FILES, *code) for path in folder.glob(name)]:
        path.unlink()
