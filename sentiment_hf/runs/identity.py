"""Identifies a run before it starts: model at a fixed commit, data, output folder, and the settings that shape it."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from transformers import TrainingArguments

from sentiment_hf.common.class_names import look
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.files import files_hash, read_json
from sentiment_hf.common.layout import ENSEMBLE_FILE, IDENTITY, REPORT, TOKENIZER
from sentiment_hf.data.splits import Splits
from sentiment_hf.models.resolve import resolve_on_hub
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.runs.method import INPUT_FLAGS
from sentiment_hf.runs.report import REPLACE_REMEDY
from sentiment_hf.settings.arguments import AUTO, RunSpec, TuningArguments
from sentiment_hf.settings.checks import NEW_ADAPTER_FLAGS
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.parser import DEFAULTS, run_flags
from sentiment_hf.tasks.task import Task
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.bf16_gains import auto_bf16, device_sets
from sentiment_hf.training.sharding import asked_sharding

logger = logging.getLogger(__name__)

# Settings that change neither weights nor scores: output paths, logging, publishing, loading of batches.
NEUTRAL_SETTINGS = {"config", "output_dir", "overwrite", "resume_from_checkpoint", "run_name"}
NEUTRAL_SETTINGS |= {"num_cpu_threads", "side_by_side", "local_rank", "dry_run", "cache_dir", "no_cache", "profile"}
# Where the data are. Their content is in the identity: the same rows under another name are the same data.
NEUTRAL_SETTINGS |= {"dataset_name", "dataset_config_name", "dataset_revision", "query"}
NEUTRAL_SETTINGS |= {"train_file", "validation_file", "test_file", "unlabelled_file", "reviewed"}
NEUTRAL_SETTINGS |= {"train_split_name", "validation_split_name", "test_split_name"}
NEUTRAL_SETTINGS |= {"force_resume", "checkpoint_verify", "auto_find_batch_size", "max_data_bytes"}
NEUTRAL_SETTINGS |= {"save_total_limit", "per_device_eval_batch_size", "disable_tqdm", "report_to", "project"}
NEUTRAL_SETTINGS |= {"log_level", "log_level_replica", "log_on_each_node"}
NEUTRAL_SETTINGS |= {"logging_first_step", "logging_nan_inf_filter", "logging_steps", "logging_strategy"}
NEUTRAL_SETTINGS |= {"trackio_bucket_id", "trackio_space_id", "trackio_static_space_id"}
NEUTRAL_SETTINGS |= {"hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision", "hub_strategy"}
NEUTRAL_SETTINGS |= {"hub_token"}
NEUTRAL_SETTINGS |= {"push_to_hub", "license", "overwrite_card", "predict_unlabelled", "no_texts"}
NEUTRAL_SETTINGS |= {"dataloader_in_order", "dataloader_multiprocessing_context"}
NEUTRAL_SETTINGS |= {"dataloader_num_workers", "dataloader_persistent_workers", "dataloader_pin_memory"}
NEUTRAL_SETTINGS |= {"dataloader_prefetch_factor"}
# A finished run is finished on every machine. Its report says on which device it was made.
NEUTRAL_SETTINGS |= {"use_cpu", "ddp_backend", "ddp_timeout"}

# Settings that older versions did not have. At their default they are left out, and the fingerprint of a run stays.
LATER_SETTINGS = {"extra_column_names": None, "columns_as_text": False, "language_column_name": None}
LATER_SETTINGS |= dict.fromkeys(("task", "label_column_names", "label_delimiter", "label_order"))
LATER_SETTINGS |= dict.fromkeys(("pos_weight", "regression_loss", "ordinal_head"))
LATER_SETTINGS |= {"min_class_rows": None, "rare_classes": "drop"}
LATER_SETTINGS |= dict.fromkeys(("teacher", "max_unlabelled_samples", "adversarial", "ema", "layer_lr_decay"))
LATER_SETTINGS |= {"adversarial_epsilon": 5.0, "objective": "labels"}
LATER_SETTINGS |= {"redact": False}
LATER_SETTINGS |= {"dp_epsilon": None, "dp_delta": None, "dp_max_grad_norm": 1.0}
LATER_SETTINGS |= {"long_texts": None, "window_stride": None, "window_pooling": "mean"}
# No flag: `accelerate launch` sets it, or --fsdp or --deepspeed.
LATER_SETTINGS |= {"sharding": None}

# The parts of an identity that are no flags: hashes of the files of a run.
HASHES = {"data", "model_files", "word_vectors_file", "teacher_files", "unlabelled_texts", "tokenizer_files"}


@dataclass(frozen=True)
class IdentifiedRun:
    """A run before it starts.

    spec: the settings; a model of the Hub has its commit.
    args: `output_dir` is set.
    splits: the data, with class ids in the order of the checkpoint's head.
    identity: all settings that shape the result, and hashes of data and weights.
    data_seconds: the time in which the data was read and split.
    memory_at_start: the resident bytes of this process before the data was read: Python and what it has imported.
    bf16_chosen: what --bf16 auto chose, and why; None if it was not given. `spec` and `args` have what it chose.
    """

    spec: RunSpec
    args: TrainingArguments
    splits: Splits
    identity: dict
    data_seconds: float = 0.0
    memory_at_start: int = 0
    bf16_chosen: str | None = None

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.args.output_dir)

    def with_task(self, task: Task) -> Self:
        """The run with another form of its task."""
        return replace(self, splits=replace(self.splits, task=task))

    @property
    def writes(self) -> bool:
        """True in the only process that writes files."""
        return self.args.process_index == 0


def require_checkpoints(spec: RunSpec) -> None:
    """Raise InputError if a checkpoint or a tokenizer that a flag names is unsafe or cannot be reached."""
    for ref in (spec.model, spec.embed_with, spec.teacher, spec.tokenizer_ref):
        if ref and not ref.is_new:
            require_checkpoint(ref)


def identify_run(spec: RunSpec, args: TrainingArguments, splits: Splits) -> IdentifiedRun:
    """Pin the model to a commit, order the class ids, and compute the identity. Call `require_checkpoints` before.

    Sets `args.output_dir` to `default_folder` if it is "auto". With --bf16 auto the result has other `args`.

    Raises:
        InputError: the checkpoint cannot be downloaded, or is not trained and has other classes than the data or
            another task.
    """
    encoder = resolve_on_hub(spec.embed_with) if spec.embed_with else None
    teacher = resolve_on_hub(spec.teacher) if spec.teacher else None
    spec = replace(spec, model=resolve_on_hub(spec.model), embed_with=encoder, teacher=teacher)
    refuse_adapter_shape(spec)
    if not args.do_train:
        spec.model.require_task(splits.task.name)
    splits = replace(splits, task=splits.task.shaped_by(spec.run))
    if spec.run.objective == "labels":
        splits = in_label_order(splits, spec.model, args.do_train)
    if not args.do_train:
        splits = replace(splits, task=splits.task.as_saved(spec.model.task_settings or {}))
    spec, args = with_metric(spec, args, splits.task)
    if args.output_dir == AUTO:
        args.output_dir = str(default_folder(spec, splits.name))
    chosen = None
    if spec.training["bf16"] == AUTO:
        spec, args, chosen = with_bf16_chosen(spec, args)
    return IdentifiedRun(spec, args, splits, run_identity(spec, args, splits), bf16_chosen=chosen)


def with_metric(spec: RunSpec, args: TrainingArguments, task: Task) -> tuple[RunSpec, TrainingArguments]:
    """The settings with the score that chooses the checkpoint, and whether more of it is better.

    Raises InputError if --metric_for_best_model is no score of the task.
    """
    metric = task.chosen_by if spec.training["metric_for_best_model"] is None else spec.metric
    if metric not in task.metrics:
        raise InputError(
            f"--metric_for_best_model {metric} is not logged for the task {task.name}"
            f"{did_you_mean(metric, task.metrics)}"
        )
    greater = spec.training["greater_is_better"]
    chosen = {"metric_for_best_model": spec.training["metric_for_best_model"] or metric}
    chosen["greater_is_better"] = metric not in task.falling if greater is None else greater
    vars(args).update(chosen)
    return replace(spec, training=spec.training | chosen), args


def with_bf16_chosen(spec: RunSpec, args: TrainingArguments) -> tuple[RunSpec, TrainingArguments, str]:
    """The settings with what --bf16 auto chooses, and that in words: "true, by auto: ..."."""
    bf16, reason = bf16_of_run(spec, args)
    spec = replace(spec, training=spec.training | {"bf16": bf16})
    chosen = training_arguments(spec)
    chosen.output_dir = args.output_dir
    return spec, chosen, f"{str(bf16).lower()}, by auto: {reason}"


def bf16_of_run(spec: RunSpec, args: TrainingArguments) -> tuple[bool, str]:
    """What --bf16 auto chooses, and why. A run in the output folder keeps its value, on another processor too."""
    folder = Path(args.output_dir)
    if has_results(folder) and not spec.run.overwrite and (folder / IDENTITY).is_file():
        return read_json(folder / IDENTITY, REPLACE_REMEDY).get("bf16") is True, "as the run was begun"
    return auto_bf16(spec.model.model_type, device_sets(args.device))


def has_results(folder: Path) -> bool:
    """True if the folder has a report or a checkpoint. A run that failed before its first checkpoint has neither."""
    return (folder / REPORT).is_file() or any(folder.glob("checkpoint-*"))


def refuse_adapter_shape(spec: RunSpec) -> None:
    """Raise InputError if flags for a new adapter are given and the Hub id of --model turned out to be an adapter."""
    shaped = [name for name in NEW_ADAPTER_FLAGS if getattr(spec.tuning, name) != getattr(TuningArguments, name)]
    if spec.model.kind is Kind.ADAPTER and not spec.model.is_local and shaped:
        flags = ", ".join(f"--{name}" for name in shaped)
        raise InputError(f"{flags}: --model {spec.model.name} is an adapter, which goes on in its own shape")


def run_identity(spec: RunSpec, args: TrainingArguments, splits: Splits) -> dict:
    """All settings that shape the result, and hashes of the data, the checkpoint and the word vectors."""
    settings = {
        name: value for name, value in (spec.values() | args.to_dict()).items() if name not in NEUTRAL_SETTINGS
    }
    settings["sharding"] = asked_sharding(vars(args))
    for name, default in LATER_SETTINGS.items():
        if settings[name] == default:
            del settings[name]
    # `accelerate launch` sets both without a flag of this program.
    settings |= {"processes": args.world_size, "mixed_precision": args.mixed_precision}
    settings["data"] = splits.data_hash
    ref = spec.embed_with or spec.model
    if not ref.is_new:
        settings["model_files"] = files_hash(ref.files)
    if (tokens := spec.tokenizer_ref) and tokens.is_local:
        settings["tokenizer_files"] = files_hash([file for name in TOKENIZER for file in tokens.folder.glob(name)])
    if spec.embed_with and spec.embed_with.commit:
        settings["embed_with_revision"] = spec.embed_with.commit
    if spec.teacher:
        settings["teacher_files"] = weights_hash(spec.teacher)
    if splits.unlabelled:
        settings["unlabelled_texts"] = splits.unlabelled.texts_hash
    if vectors := spec.new_model.word_vectors:
        settings["word_vectors_file"] = files_hash([Path(vectors)] if Path(vectors).is_file() else [])
    return json.loads(json.dumps(settings, default=str))


def weights_hash(ref: ModelRef) -> str:
    """What identifies a trained model: its commit on the Hub, else a hash of its files; of an ensemble its list."""
    return ref.commit or files_hash([*ref.files, *ref.folder.glob(ENSEMBLE_FILE)])


def flags_of_method(spec: RunSpec, task: Task) -> dict:
    """The flags that differ from their defaults and shape the run, without the seed and those of the data.

    What a model reads of a row is a matter of the method.
    They are those that two seeds of a method share, on any machine and with any version.
    """
    defaults = {flag.name: flag.default for flag in run_flags()} | DEFAULTS
    defaults |= {"metric_for_best_model": task.chosen_by, "greater_is_better": spec.metric not in task.falling}
    silent = NEUTRAL_SETTINGS | {"seed"} | vars(spec.data).keys() - INPUT_FLAGS
    told = {name: value for name, value in spec.values().items() if name not in silent}
    return json.loads(
        json.dumps({name: value for name, value in told.items() if value != defaults.get(name)}, default=str)
    )


def fingerprint_of(identity: dict) -> str:
    """SHA-256 of an identity; two runs with the same fingerprint are the same run."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def in_label_order(splits: Splits, ref: ModelRef, trains: bool) -> Splits:
    """`splits` with class ids in the order of the checkpoint's head, matched by class name.

    Raises InputError if the checkpoint has other classes and is not trained.
    """
    names = list(splits.task.labels)
    of_other_task = trains and ref.task not in (None, splits.task.name)
    if ref.labels is None or list(ref.labels) == names or of_other_task:
        return splits
    order = list(ref.labels)
    if not splits.task.has_labels(order):
        if not trains:
            raise InputError(
                f"--model knows the classes {order}, the data has {names}; {same_look(names, order)}train it on them "
                "first"
            )
        logger.warning("the checkpoint knows the classes %s; it is tuned to %s", order, names)
        return splits
    parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    ordered = {name: replace(part, labels=splits.task.labels_in(order, part.labels)) for name, part in parts.items()}
    return replace(splits, task=splits.task.in_order(order), **ordered)


def same_look(names: list[str], order: list[str]) -> str:
    """The --label_map that gives the classes of the data the names of a checkpoint, if they look the same."""
    looks = {look(name): name for name in order}
    if sorted(looks) != sorted(map(look, names)):
        return ""
    return f'add --label_map "{",".join(f"{name}={looks[look(name)]}" for name in names)}", or '


def default_folder(spec: RunSpec, dataset: str) -> Path:
    """The default output folder.

    out/DATASET/RECIPE for a new model (out/DATASET/MODEL without a recipe), out/DATASET/MODEL-TUNING for a checkpoint;
    -on-ENCODER is added with --embed_with, -taught with --teacher, -reviewed with --reviewed, -redacted with --redact,
    -with-columns or -columns-as-text with --extra_column_names, -windows or -hierarchical with such --long_texts.

    Raises:
        InputError: the names lead out of the current folder.
    """
    name = (spec.recipe or spec.model.name) if spec.model.is_new else f"{spec.model.short_name}-{spec.how}"
    if spec.embed_with:
        name += f"-on-{spec.embed_with.short_name}"
    if spec.teacher:
        name += "-taught"
    if spec.data.reviewed:
        name += "-reviewed"
    if spec.data.redact:
        name += "-redacted"
    if spec.data.extra_column_names:
        name += "-columns-as-text" if spec.data.columns_as_text else "-with-columns"
    if spec.tokenizer.long_texts in ("windows", "hierarchical"):
        name += f"-{spec.tokenizer.long_texts}"
    folder = Path("out", dataset, name)
    if ".." in folder.parts:
        raise InputError(
            f"the default output folder {folder} is outside of the current folder; name it by --output_dir"
        )
    return folder
