"""Classify texts with a saved model: label and probabilities, on the screen or as columns of a file."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

import custom_models  # noqa: F401  registers the custom models
from sentiment_hf.args import ModelArguments
from sentiment_hf.data.columns import find_text_columns, read_texts
from sentiment_hf.data.files import read_file
from sentiment_hf.errors import InputError
from sentiment_hf.models import from_checkpoint, require_checkpoint


class Parser(argparse.ArgumentParser):
    """Raises `InputError` where argparse would exit by itself."""

    def error(self, message: str):
        """Called by argparse on a wrong value."""
        raise InputError(f"{message}; --help lists the flags")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of predict."""
    parser = Parser(prog="sentiment-hf predict", description=__doc__, allow_abbrev=False)
    parser.add_argument("model", help="folder with a trained model, or a Hub id")
    parser.add_argument("texts", nargs="*", help="texts to classify; without any, lines from standard input")
    parser.add_argument("--file", help="csv, tsv, json, jsonl or parquet with a text column")
    parser.add_argument("--output", help="csv file for the rows of --file with label and probabilities")
    parser.add_argument("--text_column_names", help="comma-separated text columns of --file")
    parser.add_argument("--text_column_delimiter", default=" ", help="put between several text columns")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--model_revision", default="main")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    args = parser.parse_args(argv)
    if args.file and args.texts:
        parser.error("give texts or --file, not both")
    if args.output and not args.file:
        parser.error("--output writes the rows of --file, and there is none")
    if args.output and not Path(args.output).absolute().parent.is_dir():
        parser.error(f"--output {args.output}: there is no such folder")
    if args.batch_size < 1:
        parser.error(f"--batch_size {args.batch_size} must be at least 1")
    return args


def predict_main(argv: Sequence[str]) -> None:
    """Texts from the command line, a file or standard input to labels and probabilities."""
    args = parse(argv)
    logging.disable_progress_bar()
    model, tokenizer = load(args)
    if args.file:
        predict_file(args, model, tokenizer)
        return
    texts = args.texts or (line.rstrip("\n") for line in sys.stdin)
    for text, probabilities in classify(model, tokenizer, texts, args.batch_size):
        shown = "  ".join(f"{label} {p:.4f}" for label, p in probabilities.items())
        print(f"{max(probabilities, key=probabilities.get)}\t{shown}\t{text}", flush=True)


def load(args: argparse.Namespace) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a checkpoint."""
    wanted = ModelArguments(
        model_name_or_path=args.model, model_revision=args.model_revision, trust_remote_code=args.trust_remote_code
    )
    require_checkpoint(args.model)
    model = from_checkpoint(AutoModelForSequenceClassification, wanted).eval()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    return model.to(device), from_checkpoint(AutoTokenizer, wanted)


def classify(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterator[str] | list[str], batch_size: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Each text with the probability of each label, in the order given.

    A list is worked off in batches of similar length; anything else text by text, as it comes.
    """
    if not isinstance(texts, list):
        for text in texts:
            yield from classify(model, tokenizer, [text], batch_size)
        return
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    results: list[dict[str, float]] = [{} for _ in texts]
    starts = range(0, len(texts), batch_size)
    for start in tqdm(starts, desc="Classifying", disable=len(starts) < 2):
        rows = order[start : start + batch_size]
        for row, probabilities in zip(rows, predict_batch(model, tokenizer, [texts[i] for i in rows]), strict=True):
            results[row] = probabilities
    yield from zip(texts, results, strict=True)


@torch.inference_mode()
def predict_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> list[dict[str, float]]:
    """Cut to the length that the model was trained with, as saved in its tokenizer."""
    inputs = tokenizer(texts, truncation=True, padding=True, return_tensors="pt").to(model.device)
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    probabilities = model(**inputs).logits.float().softmax(-1).tolist()
    return [dict(zip(names, row, strict=True)) for row in probabilities]


def predict_file(args: argparse.Namespace, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """The rows of --file as csv, with the columns prediction and probability_<label> behind their own."""
    table = read_file(Path(args.file), "--file")
    texts = read_texts(table, find_text_columns(table, args.text_column_names), args.text_column_delimiter)
    results = [probabilities for _, probabilities in classify(model, tokenizer, texts, args.batch_size)]
    labels = list(model.config.id2label.values())
    header = [*table.columns, "prediction", *(f"probability_{label}" for label in labels)]
    rows = (
        [*row, max(p, key=p.get), *(f"{p[label]:.6f}" for label in labels)]
        for *row, p in zip(*table.columns.values(), results, strict=True)
    )
    if args.output:
        with open(args.output, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        print(f"{len(texts)} rows written to {args.output}", file=sys.stderr)
    else:
        csv.writer(sys.stdout).writerows([header, *rows])
