"""The straight line from flags to report: data, tokenizer, model, training, validation, test once."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import datasets
import huggingface_hub
import transformers
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from transformers import TrainingArguments

from sentiment_hf.args import DataArguments, ModelArguments, RunArguments
from sentiment_hf.baselines.fitting import prepare_baseline
from sentiment_hf.common.errors import InputError, NotPushedError
from sentiment_hf.data import Splits, load_splits
from sentiment_hf.hub.push import push, require_pushable
from sentiment_hf.names import is_baseline
from sentiment_hf.runs.identity import Known, facts_of, identify, require_checkpoints
from sentiment_hf.runs.lock import locked
from sentiment_hf.runs.report import table
from sentiment_hf.runs.run_folder import as_before_if_refused, claim, finished_report
from sentiment_hf.runs.score import evaluate
from sentiment_hf.training.checkpoints import newest_whole
from sentiment_hf.training.disk import require_space, unwritable_explained
from sentiment_hf.training.out_of_memory import BatchTooLargeError, halve_batches
from sentiment_hf.training.processes import lost_processes_explained, refuse_fewer_processes, use_all_cores
from sentiment_hf.training.train import build_trainer, refusals_explained, save, train
from sentiment_hf.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)


def run(
    model_args: ModelArguments, data_args: DataArguments, run_args: RunArguments, training_args: TrainingArguments
) -> dict:
    """Train, validate and test one model, or go on where an interrupted run stopped; a finished run only reports.

    Returns:
        The report, as written to report.json in the output folder.

    Raises:
        InputError: something that the user gave cannot be used.
        TrainingError: training began and could not go on.
        Interrupted: a signal came; a checkpoint is written.
        NotPushedError: all is done and saved, but the Hub did not take it.
    """
    require_pushable(model_args, training_args)
    # `Trainer` would make the repository before anything is trained, and push what is half done.
    pushes, training_args.push_to_hub = training_args.push_to_hub, False
    # `Trainer` would make smaller batches and larger steps of them, or rather more and smaller steps.
    finds, training_args.auto_find_batch_size = training_args.auto_find_batch_size, False
    show_progress(not training_args.disable_tqdm)
    use_all_cores(training_args, run_args.num_cpu_threads)
    refuse_fewer_processes(training_args)
    require_checkpoints(model_args)
    known = identify(model_args, data_args, run_args, training_args, load_splits(data_args))
    folder = Path(training_args.output_dir)
    with training_args.main_process_first(local=False, desc="looking at the output folder"):
        report = finished_report(folder, known.identity, run_args)
    # None of them may find the lock of the first, which goes on.
    PartialState().wait_for_everyone()
    if report:
        logger.warning("%s holds this run already, finished; its result:", folder)
    else:
        report = train_and_test_in(folder, known, data_args, run_args, training_args, finds)
    if training_args.process_index == 0:
        print(table(report), flush=True)
        if pushes:
            publish(folder, training_args, run_args.license)
    return report


def train_and_test_in(
    folder: Path,
    known: "Known",
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    finds_batch_size: bool,
) -> dict:
    """The report of a run that is not finished; the folder is its own from when nothing can be refused any more."""
    # Asked now: after hours of training the network may be gone.
    facts = facts_of(known, run_args, training_args)
    ready = partial(prepare, known.source, data_args, run_args, training_args, known.splits, facts)
    begin = ready()
    writes = training_args.process_index == 0
    claimed = locked(folder) if writes else nullcontext()
    undone = as_before_if_refused(folder) if writes and run_args.force_resume else nullcontext()
    with unwritable_explained(folder), lost_processes_explained(), claimed, undone:
        with training_args.main_process_first(local=False, desc="claiming the output folder"):
            checkpoint = claim(folder, known.identity, run_args, writes)
        while True:
            try:
                return begin(checkpoint)
            except BatchTooLargeError as error:
                if not finds_batch_size:
                    raise
                halve_batches(training_args, error)
            # All that trains is made anew, once nothing holds on to what failed: outside of `except`, without a name.
            del begin
            clear_device_cache(garbage_collection=True)
            begin, checkpoint = ready(), newest_whole(folder, run_args.checkpoint_verify)


def prepare(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
    facts: dict,
) -> Callable[[Path | None], dict]:
    """What trains, from a checkpoint if there is one, and returns the report, into which `facts` go.

    Whatever can be refused is refused before it is returned.
    """
    if is_baseline(model_args.model_name_or_path):
        return prepare_baseline(model_args, training_args, splits, facts)
    trainer = build_trainer(model_args, data_args, run_args, training_args, splits)
    with refusals_explained():
        require_space(trainer)
    return partial(train_and_test, trainer, splits, model_args.merge_adapter, facts)


def train_and_test(
    trainer: ClassificationTrainer, splits: Splits, merge: bool, facts: dict, checkpoint: Path | None
) -> dict:
    """The report of all that was asked for; `merge` saves an adapter as one checkpoint with its base."""
    if trainer.args.do_train:
        train(trainer, checkpoint, merge)
    elif merge:
        save(trainer, merge=True)
    report = evaluate(trainer, splits, merge, facts)
    trainer.keep_best_alone()
    trainer.end()
    return report


def publish(folder: Path, args: TrainingArguments, license_name: str | None) -> None:
    """--push_to_hub"""
    try:
        url = push(folder, args.hub_model_id, args.hub_private_repo, license_name)
    except InputError as error:
        raise NotPushedError(f"trained, but not pushed: {error}") from error
    print(f"pushed to {url}")


def show_progress(shown: bool) -> None:
    """Bars for data and training, or none at all; never one for writing a file that is there at once."""
    transformers.utils.logging.disable_progress_bar()
    if not shown:
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()
