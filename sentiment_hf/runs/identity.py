"""Whose the output folder is: nobody's, this run's (finished or not), or another's, which stays."""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path

from datasets import ClassLabel, Dataset
from transformers import TrainingArguments

from sentiment_hf.args import AUTO, DataArguments, ModelArguments, RunArguments
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import files_hash
from sentiment_hf.common.layout import MODEL_FILES
from sentiment_hf.data import Splits
from sentiment_hf.models.adapters import base_of
from sentiment_hf.models.load import at_its_commit, label_order
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.names import is_adapter, is_baseline, is_fresh
from sentiment_hf.runs.card import license_of
from sentiment_hf.runs.report import describe_run, recipe

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


logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a run before it begins.

    model_args: with the commit of a model of the Hub; source: also with its adapter as a folder. splits: with the
    classes in the order of the checkpoint. identity: what makes two runs the same.
    """

    model_args: ModelArguments
    source: ModelArguments
    splits: Splits
    identity: dict


def identify(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
) -> Known:
    """Look at the model, which has been asked for by `require_checkpoints`; `output_dir` is set if not named.

    Raises:
        InputError: the checkpoint cannot be fetched, or has other classes than the data.
    """
    source = at_its_commit(model_args)
    model_args = dataclasses.replace(model_args, model_revision=source.model_revision)
    splits = in_label_order(splits, label_order(source), training_args.do_train)
    if training_args.output_dir == AUTO:
        folder = default_folder(model_args, run_args, training_args, splits.name)
        if ".." in folder.parts:
            raise InputError(f"the run would go to {folder}, after the names of its files; name it by --output_dir")
        training_args.output_dir = str(folder)
    return Known(model_args, source, splits, identity(model_args, data_args, run_args, training_args, splits))


def facts_of(known: Known, run_args: RunArguments, training_args: TrainingArguments) -> dict:
    """What the report says of the run before it begins."""
    how = tuning(known.model_args, training_args)
    facts = describe_run(known.model_args, run_args, training_args.seed, known.splits, how)
    facts |= {"fingerprint": fingerprint_of(known.identity), "data_hash": known.identity["data"]}
    facts |= {"test_hash": known.splits.test_hash}
    return facts | origin(known.source, run_args)


def require_checkpoints(args: ModelArguments) -> None:
    """Those of --model and --embed_with can be had."""
    if not is_fresh(args.model_name_or_path):
        require_checkpoint(args.model_name_or_path)
    if args.embed_with:
        require_checkpoint(args.embed_with, "--embed_with")


def origin(source: ModelArguments, run_args: RunArguments) -> dict[str, str | None]:
    """`base_model`, the checkpoint that the result is made of, if there is one, and the `license` of the result."""
    name = source.embed_with or source.model_name_or_path
    if is_fresh(name):
        return {"base_model": None, "license": run_args.license}
    revision = "main" if source.embed_with else source.model_revision
    base = base_of(name)[0] if is_adapter(name) else name
    return {"base_model": base, "license": run_args.license or license_of(name, revision)}


def in_label_order(splits: Splits, order: list[str] | None, trains: bool) -> Splits:
    """Class ids as the head of a checkpoint numbers them, by name; other classes need training."""
    names = splits.train.features["label"].names
    if order is None or order == names:
        return splits
    if sorted(order) != sorted(names):
        if not trains:
            raise InputError(f"--model knows the classes {order}, the data has {names}; train it on them first")
        logger.warning("the checkpoint knows the classes %s; it is tuned to %s", order, names)
        return splits
    parts = {part: renumber(getattr(splits, part), order) for part in ("train", "validation", "test")}
    return dataclasses.replace(splits, **parts)


def renumber(dataset: Dataset, order: list[str]) -> Dataset:
    """The same labels by name, with ids by this order."""
    names = dataset.features["label"].names
    ids = [order.index(names[label]) for label in dataset["label"]]
    return dataset.remove_columns("label").add_column("label", ids, feature=ClassLabel(names=order))


def default_folder(
    model_args: ModelArguments, run_args: RunArguments, training_args: TrainingArguments, dataset: str
) -> Path:
    """out/<dataset>/<recipe of a fresh model, its name without one, or a checkpoint's and how it is tuned>."""
    how = tuning(model_args, training_args)
    if how == "baseline":
        return Path("out", dataset, recipe(run_args) or model_args.model_name_or_path)
    name = recipe(run_args) if how == "scratch" else f"{Path(model_args.model_name_or_path).name}-{how}"
    if model_args.embed_with:
        name += f"-on-{Path(model_args.embed_with).name}"
    return Path("out", dataset, name)


def tuning(model_args: ModelArguments, training_args: TrainingArguments) -> str:
    """scratch: all weights fresh; full, head, lora: what of a checkpoint is trained; none: a checkpoint as it is.

    A baseline is none of these: baseline.
    """
    if is_baseline(model_args.model_name_or_path):
        return "baseline"
    if is_fresh(model_args.model_name_or_path):
        return "scratch"
    return model_args.tuning if training_args.do_train else "none"
