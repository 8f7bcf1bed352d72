"""Which run it is: its model, its data, its folder, and what makes two runs the same; known before it begins."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import files_hash
from sentiment_hf.data.splits import Splits
from sentiment_hf.models.checkpoint import resolve_on_hub
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.settings.arguments import AUTO, RunSpec, TuningArguments
from sentiment_hf.settings.checks import NEW_ADAPTER_FLAGS
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class KnownRun:
    """A run before it begins.

    spec: with a model of the Hub at its commit. args: with the output folder. splits: with the class ids in the order
    of the checkpoint's head. identity: all settings that shape the result, and hashes of data and weights.
    """

    spec: RunSpec
    args: TrainingArguments
    splits: Splits
    identity: dict

    @property
    def folder(self) -> Path:
        """Where it is written."""
        return Path(self.args.output_dir)

    @property
    def writes(self) -> bool:
        """One process of all writes."""
        return self.args.process_index == 0


def require_checkpoints(spec: RunSpec) -> None:
    """Raises InputError where those of --model and --embed_with cannot be had."""
    for ref in (spec.model, spec.embed_with):
        if ref and not ref.is_new:
            require_checkpoint(ref)


def identify(spec: RunSpec, args: TrainingArguments, splits: Splits) -> KnownRun:
    """Look at the model, which has been asked for by `require_checkpoints`; `args.output_dir` is set if not named.

    Raises:
        InputError: the checkpoint cannot be fetched, or has other classes than the data.
    """
    spec = replace(spec, model=resolve_on_hub(spec.model))
    refuse_another_shape(spec)
    splits = in_label_order(splits, spec.model, args.do_train)
    if args.output_dir == AUTO:
        args.output_dir = str(default_folder(spec, splits.name))
    return KnownRun(spec, args, splits, identity(spec, args, splits))


def refuse_another_shape(spec: RunSpec) -> None:
    """Raises InputError for flags that shape an adapter where a Hub id turned out to be one."""
    shaped = [name for name in NEW_ADAPTER_FLAGS if getattr(spec.tuning, name) != getattr(TuningArguments, name)]
    if spec.model.kind is Kind.ADAPTER and not spec.model.is_local and shaped:
        flags = ", ".join(f"--{name}" for name in shaped)
        raise InputError(f"{flags}: --model {spec.model.name} is an adapter, which goes on in its own shape")


def identity(spec: RunSpec, args: TrainingArguments, splits: Splits) -> dict:
    """All settings that shape the result, and hashes: of texts and labels, and of files that weights come from."""
    kept = {name: value for name, value in (spec.values() | args.to_dict()).items() if name not in NEUTRAL}
    # `accelerate config` sets the precision without a flag.
    kept |= {"processes": args.world_size, "mixed_precision": args.mixed_precision}
    kept["data"] = splits.data_hash
    ref = spec.embed_with or spec.model
    if not ref.is_new:
        kept["model_files"] = files_hash(ref.files)
    if vectors := spec.new_model.word_vectors:
        kept["word_vectors_file"] = files_hash([Path(vectors)] if Path(vectors).is_file() else [])
    return json.loads(json.dumps(kept, default=str))


def fingerprint_of(identity: dict) -> str:
    """SHA-256 over an identity: two runs with the same one are the same run."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def in_label_order(splits: Splits, ref: ModelRef, trains: bool) -> Splits:
    """Class ids as the head of a checkpoint numbers them, by name; other classes need training."""
    names = list(splits.task.labels)
    if ref.labels is None or list(ref.labels) == names:
        return splits
    order = list(ref.labels)
    if sorted(order) != sorted(names):
        if not trains:
            raise InputError(f"--model knows the classes {order}, the data has {names}; train it on them first")
        logger.warning("the checkpoint knows the classes %s; it is tuned to %s", order, names)
        return splits
    task, places = replace(splits.task, labels=tuple(order)), splits.task.places_in(order)
    parts = {part: renumber(getattr(splits, part), places, task) for part in ("train", "validation", "test")}
    return replace(splits, task=task, **parts)


def renumber(dataset: Dataset, ids: np.ndarray, task: Task) -> Dataset:
    """The same with ids[i] in place of the class id i, which are ids of `task`."""
    labels = ids[np.asarray(dataset["label"][:])]
    return dataset.remove_columns("label").add_column("label", labels.tolist(), feature=task.feature)


def default_folder(spec: RunSpec, dataset: str) -> Path:
    """out/<dataset>/<recipe of a new model, its name without one, or a checkpoint's and how it is tuned>.

    Raises:
        InputError: the names lead to outside of the current folder.
    """
    made_anew = spec.recipe or spec.model.name
    name = made_anew if spec.model.is_new else f"{spec.model.short_name}-{spec.how}"
    if spec.embed_with:
        name += f"-on-{spec.embed_with.short_name}"
    folder = Path("out", dataset, name)
    if ".." in folder.parts:
        raise InputError(f"the run would go to {folder}, after the names of its files; name it by --output_dir")
    return folder
