"""Scores validation and test with the chosen weights, for models and for baselines."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import TrainingArguments

from sentiment_hf.baselines.fitting import FittedBaseline
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.common.layout import LANGUAGE, PREDICTIONS
from sentiment_hf.common.profile import station
from sentiment_hf.data.splits import Splits
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import kept_part
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.text.unknown import unknown_in
from sentiment_hf.text.windows import Windows
from sentiment_hf.training.batches import longest_first
from sentiment_hf.training.out_of_memory import memory_explained
from sentiment_hf.training.sharding import asked_sharding
from sentiment_hf.training.trainer import ClassificationTrainer

# Name of a part -> (rows, outputs) logits and (rows,) labels, in the order of the rows.
Scored = dict[str, tuple[np.ndarray, np.ndarray]]

# Name of a part -> (rows,) language of each row; a part without has no entry.
Languages = Mapping[str, np.ndarray]

# The prefix of the metrics of a part in `Trainer`.
METRIC_PREFIXES = {"validation": "eval", "test": "test"}


@station("scoring")
def score_model(trainer: ClassificationTrainer, splits: Splits, parts: Iterable[str], cache: Cache) -> Scored:
    """Logits and labels of the named parts."""
    tokenizer, scored = trainer.processing_class, {}
    for part in parts:
        rows = (
            trainer.validation
            if part == "validation"
            else tokenize(getattr(splits, part), tokenizer, tokenizer.model_max_length, cache)
        )
        scored[part] = predict_logits(trainer, rows, METRIC_PREFIXES[part])
    return scored


def parts_to_score(args: TrainingArguments) -> list[str]:
    """The names of the parts that --do_eval (validation) and --do_predict (test) ask for."""
    return [part for part, wanted in (("validation", args.do_eval), ("test", args.do_predict)) if wanted]


@station("scoring")
def score_baseline(fitted: FittedBaseline, rows: LabelledTexts) -> tuple[np.ndarray, np.ndarray]:
    """(rows, outputs) logits and (rows,) labels."""
    return fitted.logits(rows.inputs), rows.labels


def predict_logits(trainer: ClassificationTrainer, texts: EncodedTexts, split: str) -> tuple[np.ndarray, np.ndarray]:
    """(texts, num_labels) logits and (texts,) labels, in the order of the data set; writes SPLIT_results.json.

    Raises TrainingError if a logit is not finite.
    """
    by_length, order = longest_first(texts)
    with memory_explained():
        output = trainer.predict(by_length, metric_key_prefix=split)
    if texts.text_of is not None:
        # The pooled logits of windows are in the order of the texts already.
        order = np.arange(len(output.predictions))
    broken = order[~np.isfinite(output.predictions).all(-1)]
    if len(broken):
        raise TrainingError(
            f"{split}: the logits of {len(broken):,} of {len(order):,} rows are not finite, the first is row "
            f"{broken.min()}; the weights of the model are damaged, or its numbers overflow on these texts"
        )
    trainer.save_metrics(split, output.metrics)
    logits, labels = np.empty_like(output.predictions), np.empty_like(output.label_ids)
    logits[order], labels[order] = output.predictions, output.label_ids
    return logits, labels


def scores_of_parts(scored: Scored, task: Task, languages: Languages) -> dict[str, dict[str, Any]]:
    """The scores of each part, as `Task.scores` returns them, with languages also those of each in `by_language`."""
    found = {part: task.scores(logits, labels) for part, (logits, labels) in scored.items()}
    for part in found.keys() & languages.keys():
        found[part]["by_language"] = scores_by_language(*scored[part], languages[part], task)
    return found


def scores_by_language(logits: np.ndarray, labels: np.ndarray, languages: np.ndarray, task: Task) -> dict[str, dict]:
    """{language: its scores, without tables of labels and classes}, the one with most rows first."""
    names, rows = np.unique(languages, return_counts=True)
    found = {}
    for name in names[np.argsort(-rows, kind="stable")].tolist():
        scores = task.scores(logits[languages == name], labels[languages == name])
        found[name] = {key: value for key, value in scores.items() if not is_table(value)}
    return found


def is_table(value: object) -> bool:
    """Whether a score is an object or a matrix, not a number or an interval."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, list | dict) for one in value))


def write_predictions(folder: Path, scored: Scored, task: Task, languages: Languages) -> None:
    """Write one parquet file per part: `row`, the index in the part, the columns of the task, and `language`."""
    for part, (logits, labels) in scored.items():
        columns = {"row": np.arange(len(labels), dtype=np.int32)} | task.columns(logits, labels)
        if part in languages:
            columns[LANGUAGE] = pa.array(languages[part].tolist()).dictionary_encode()
        # A file opened by Python may lie in a folder whose name is not UTF-8.
        with atomic_write(folder / PREDICTIONS[part]) as temporary, temporary.open("wb") as file:
            pq.write_table(pa.table(columns), file)


def training_cost(trainer: ClassificationTrainer) -> dict[str, Any]:
    """The fields of a report about size and training. `train_` seconds, tokens and texts count training steps only."""
    args, clock = trainer.args, trainer.clock.totals()
    tokenizer, limit = trainer.processing_class, trainer.processing_class.model_max_length
    windows = Windows.of(tokenizer)
    return {
        "model_type": trainer.model.config.model_type,
        "parameters": trainer.num_parameters,
        "trainable_parameters": trainer.num_trained,
        "seconds": clock["stations"] | {"training": clock["seconds"]} if args.do_train else {},
        "side_by_side": clock["side_by_side"],
        "train_seconds": clock["seconds"],
        "train_tokens": clock["tokens"],
        "train_tokens_per_second": clock["tokens"] / clock["seconds"] if clock["seconds"] else None,
        "train_texts_per_second": clock["texts"] / clock["seconds"] if clock["seconds"] else None,
        "epochs": trainer.state.epoch,
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step if args.load_best_model_at_end else None,
        "processes": args.world_size,
        "mixed_precision": args.mixed_precision,
        "sharding": asked_sharding(vars(args)),
        "max_seq_length": limit,
        "truncation": None if windows else kept_part(tokenizer),
        "windows": windows and windows.as_used(trainer.train_dataset, limit),
        "train_texts_at_max_seq_length": trainer.train_dataset.share_longer_than(limit),
        "vocabulary": len(tokenizer),
        "validation_unknown_tokens": unknown_in(trainer.eval_dataset, tokenizer),
    }
