"""Validation and test with the chosen weights, and the report."""

from pathlib import Path

import numpy as np
from datasets import Dataset

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import PREDICTIONS, REPORT
from sentiment_hf.data import Splits
from sentiment_hf.runs.card import write_card
from sentiment_hf.runs.report import environment, write_predictions
from sentiment_hf.tasks.metrics import full_scores
from sentiment_hf.text.encode import tokenize, truncation
from sentiment_hf.training.batches import longest_first
from sentiment_hf.training.out_of_memory import memory_explained
from sentiment_hf.training.trainer import ClassificationTrainer


def evaluate(trainer: ClassificationTrainer, splits: Splits, merged: bool, facts: dict) -> dict:
    """Validation, then test once, with the chosen weights; writes the card and, last, report.json."""
    args, tokenizer = trainer.args, trainer.processing_class
    report = facts | describe(trainer)
    names = splits.train.features["label"].names
    for part, prefix, wanted in (("validation", "eval", args.do_eval), ("test", "test", args.do_predict)):
        if wanted:
            rows = tokenize(getattr(splits, part), tokenizer, tokenizer.model_max_length)
            logits, labels = predict_logits(trainer, rows, prefix)
            report[part] = full_scores(logits, labels, names)
            if trainer.is_world_process_zero():
                write_predictions(Path(args.output_dir, PREDICTIONS[part]), logits, labels, names)
    report |= environment()
    if trainer.is_world_process_zero():
        folder = Path(args.output_dir)
        if args.do_train or merged:
            write_card(folder, report)
        write_json(folder / REPORT, report)
    return report


def predict_logits(trainer: ClassificationTrainer, dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """(rows, num_labels) logits and (rows,) labels, in the order of the data set; writes <split>_results.json."""
    by_length, order = longest_first(dataset)
    with memory_explained():
        output = trainer.predict(by_length, metric_key_prefix=split)
    broken = order[~np.isfinite(output.predictions).all(-1)]
    if len(broken):
        raise TrainingError(
            f"{split}: what the model says of {len(broken):,} of {len(order):,} rows is not finite, the first of them "
            f"row {broken.min()}; its weights are broken, or take no such text"
        )
    trainer.save_metrics(split, output.metrics)
    logits, labels = np.empty_like(output.predictions), np.empty_like(output.label_ids)
    logits[order], labels[order] = output.predictions, output.label_ids
    return logits, labels


def describe(trainer: ClassificationTrainer) -> dict:
    """What was trained, and for how long; all counts and seconds are of training steps only."""
    args, clock = trainer.args, trainer.clock.totals()
    lengths = np.asarray(trainer.train_dataset["length"])
    limit = trainer.processing_class.model_max_length
    return {
        "model_type": trainer.model.config.model_type,
        "parameters": trainer.num_parameters,
        "trainable_parameters": trainer.num_trained,
        "train_seconds": clock["seconds"],
        "train_tokens": clock["tokens"],
        "train_tokens_per_second": clock["tokens"] / clock["seconds"] if clock["seconds"] else None,
        "train_texts_per_second": clock["texts"] / clock["seconds"] if clock["seconds"] else None,
        "epochs": trainer.state.epoch,
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step if args.load_best_model_at_end else None,
        "processes": args.world_size,
        "mixed_precision": args.mixed_precision,
        "max_seq_length": limit,
        "truncation": truncation(trainer.processing_class),
        "train_texts_at_max_seq_length": float((lengths >= limit).mean()),
        "vocabulary": len(trainer.processing_class),
    }
