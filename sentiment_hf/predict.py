"""Classify texts with a saved model: label and probabilities, on the screen or as columns of a file."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

import custom_models  # noqa: F401  registers the custom models
from sentiment_hf.args import DataArguments, ModelArguments
from sentiment_hf.baselines import is_saved_baseline, load_baseline
from sentiment_hf.cells import cell
from sentiment_hf.checkpoints import whole
from sentiment_hf.data.columns import SURROGATE, find_text_columns, read_texts
from sentiment_hf.data.files import read_file
from sentiment_hf.data.limits import require_size
from sentiment_hf.data.sources import parts_of
from sentiment_hf.ensemble import is_saved_ensemble, load_ensemble
from sentiment_hf.errors import FlagParser, InputError
from sentiment_hf.models import at_its_commit, checkpoint_tokenizer, load_checkpoint, require_checkpoint
from sentiment_hf.tokenization import encode

# Texts to label -> probability, a dictionary per text.
Scorer = Callable[[list[str]], list[dict[str, float]]]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags of predict."""
    parser = FlagParser(prog="sentiment-hf predict", description=__doc__, allow_abbrev=False)
    parser.add_argument("model", help="folder with a trained model, or a Hub id")
    parser.add_argument("texts", nargs="*", help="texts to classify; without any, lines from standard input")
    parser.add_argument("--file", help="csv, tsv, json, jsonl or parquet with a text column")
    parser.add_argument("--output", help="csv file for the rows of --file with label and probabilities")
    parser.add_argument(
        "--csv_raw",
        action="store_true",
        help="no apostrophe before what a spreadsheet takes for a formula",
    )
    parser.add_argument(
        "--max_data_bytes",
        type=int,
        default=DataArguments.max_data_bytes,
        help="what --file may hold, unpacked",
    )
    parser.add_argument("--text_column_names", help="comma-separated text columns of --file")
    parser.add_argument("--text_column_delimiter", default=" ", help="put between several text columns")
    parser.add_argument(
        "--batch_size",
        type=int,
        default=64,
        help="texts at a time; 1 answers each line of a pipe as it comes",
    )
    parser.add_argument("--model_revision", default="main")
    parser.add_argument("--trust_remote_code", action="store_true", help="run the code that comes with the model")
    args = parser.parse_intermixed_args(argv)
    if args.file and args.texts:
        parser.error("give texts or --file, not both")
    if any(SURROGATE.search(text) for text in args.texts):
        parser.error("a text of the command line is not UTF-8")
    if args.output and not args.file:
        parser.error("--output writes the rows of --file, and there is none")
    if args.output and (Path(args.output).suffix.lower() != ".csv" or Path(args.output).is_dir()):
        parser.error(f"--output {args.output}: expected the name of a .csv file, for that is what is written")
    if args.output and not Path(args.output).absolute().parent.is_dir():
        parser.error(f"--output {args.output}: there is no such folder")
    if args.batch_size < 1:
        parser.error(f"--batch_size {args.batch_size} must be at least 1")
    return args


def predict_main(argv: Sequence[str]) -> None:
    """Texts from the command line, a file or standard input to labels and probabilities."""
    args = parse(argv)
    logging.disable_progress_bar()
    labels, score = load_scorer(args)
    if args.file:
        predict_file(args, labels, score)
        return
    for texts in [args.texts] if args.texts else standard_input(args.batch_size):
        for text, probabilities in zip(texts, classify(score, texts, args.batch_size), strict=True):
            shown = "  ".join(f"{label} {p:.4f}" for label, p in probabilities.items())
            # One line a text.
            text = text.replace("\r", "\\r").replace("\n", "\\n")
            print(f"{max(probabilities, key=probabilities.get)}\t{shown}\t{text}", flush=True)


def standard_input(batch_size: int) -> Iterator[list[str]]:
    """Its lines, `batch_size` at a time; at a terminal each as soon as it is typed."""
    lines = decoded(sys.stdin.buffer)
    while texts := list(islice(lines, 1 if sys.stdin.isatty() else batch_size)):
        yield texts


def decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 whatever the locale, without line ends."""
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input, line {number}: not UTF-8 ({error.reason}); convert it, for example by "
                "`iconv -f LATIN1 -t UTF-8`"
            ) from error


def load_scorer(args: argparse.Namespace) -> tuple[list[str], Scorer]:
    """The labels of a checkpoint, a saved baseline or an ensemble, and what scores texts."""
    if is_saved_ensemble(args.model):
        return ensemble_scorer(args)
    if is_saved_baseline(args.model):
        estimator, labels = load_baseline(args.model)
        return labels, lambda texts: named(estimator.predict_proba(texts).tolist(), labels)
    model, tokenizer = load(args)
    return list(model.config.id2label.values()), partial(predict_batch, model, tokenizer)


def ensemble_scorer(args: argparse.Namespace) -> tuple[list[str], Scorer]:
    """The labels of an ensemble, and all its members as one."""
    ensemble = load_ensemble(args.model)
    wanted = [argparse.Namespace(**vars(args) | {"model": str(folder)}) for folder in ensemble.folders]
    members = [load_scorer(member)[1] for member in wanted]

    def score(texts: list[str]) -> list[dict[str, float]]:
        probabilities = np.array(
            [[[row[label] for label in ensemble.labels] for row in member(texts)] for member in members]
        )
        return named(ensemble.combine(probabilities, probabilities.argmax(-1)).tolist(), ensemble.labels)

    return ensemble.labels, score


def named(rows: list[list[float]], labels: list[str]) -> list[dict[str, float]]:
    """Label -> probability for each row of probabilities."""
    return [dict(zip(labels, row, strict=True)) for row in rows]


def load(args: argparse.Namespace) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer of a checkpoint."""
    wanted = ModelArguments(
        model_name_or_path=args.model, model_revision=args.model_revision, trust_remote_code=args.trust_remote_code
    )
    require_checkpoint(args.model)
    wanted = at_its_commit(wanted)
    tokenizer = checkpoint_tokenizer(wanted)
    model = load_checkpoint(wanted, tokenizer, trains=False).eval()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    return model.to(device), tokenizer


def classify(score: Scorer, texts: list[str], batch_size: int) -> list[dict[str, float]]:
    """The probability of each label for each text, in the order given; batches are of similar length."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    results: list[dict[str, float]] = [{} for _ in texts]
    starts = range(0, len(texts), batch_size)
    for start in tqdm(starts, desc="Classifying", disable=len(starts) < 2):
        rows = order[start : start + batch_size]
        for row, probabilities in zip(rows, score([texts[i] for i in rows]), strict=True):
            results[row] = probabilities
    return results


@torch.inference_mode()
def predict_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> list[dict[str, float]]:
    """Cut to the length that the model was trained with, as saved in its tokenizer."""
    inputs = DataCollatorWithPadding(tokenizer)(encode(texts, tokenizer)).to(model.device)
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    return named(model(**inputs).logits.float().softmax(-1).tolist(), names)


def predict_file(args: argparse.Namespace, labels: list[str], score: Scorer) -> None:
    """The rows of --file as csv, with the columns prediction and probability_<label> behind their own."""
    require_size(parts_of(Path(args.file)), args.max_data_bytes)
    table = read_file(Path(args.file), "--file")
    added = ["prediction", *(f"probability_{label}" for label in labels)]
    if taken := [name for name in added if name in table.columns]:
        raise InputError(f"--file {args.file} has a column {taken[0]!r} already, which predict adds; rename it")
    texts = read_texts(table, find_text_columns(table, args.text_column_names), args.text_column_delimiter)
    results = classify(score, texts, args.batch_size)
    header = [*table.columns, *added]
    rows = (
        [*row, max(p, key=p.get), *(round(float(p[label]), 6) for label in labels)]
        for *row, p in zip(*table.columns.values(), results, strict=True)
    )
    shown = ([value if args.csv_raw else cell(value) for value in row] for row in [header, *rows])
    # Texts in quotes, so that no spreadsheet splits one at a separator of its own and finds a formula behind it.
    quoting = csv.QUOTE_MINIMAL if args.csv_raw else csv.QUOTE_NONNUMERIC
    if args.output:
        # Columns of --file that are no text for the model can hold what is none for a file either.
        written = {"newline": "", "encoding": "utf-8", "errors": "backslashreplace"}
        with whole(Path(args.output)) as temporary, temporary.open("w", **written) as file:
            csv.writer(file, quoting=quoting).writerows(shown)
        print(f"{len(texts)} rows written to {args.output}", file=sys.stderr)
    else:
        csv.writer(sys.stdout, quoting=quoting).writerows(shown)
