"""Which run it is: its data, its model, its folder, and what makes two runs the same; known before it begins."""

import dataclasses
import logging
from pathlib import Path

from datasets import ClassLabel, Dataset
from transformers import TrainingArguments

from sentiment_hf.args import AUTO, DataArguments, ModelArguments, RunArguments
from sentiment_hf.card import license_of
from sentiment_hf.data import Splits
from sentiment_hf.errors import InputError
from sentiment_hf.folder import fingerprint_of, identity
from sentiment_hf.models import at_its_commit, is_fresh, label_order, require_checkpoint
from sentiment_hf.names import is_adapter, is_baseline
from sentiment_hf.report import describe_run, recipe
from sentiment_hf.tuning import base_of

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
