"""What the programs of the peers share: how they read and write tables, and the clock of their process."""

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def elapsed() -> float:
    """Seconds since this process was started, before Python was there.

    Read from /proc, because psutil adds the ticks since the boot to a time of the boot in whole seconds.
    """
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def read_part(folder: Path, part: str) -> tuple[list[str], list]:
    """Texts and labels of the parquet files in `folder`, at any depth, whose names begin with `part`."""
    files = sorted(folder.rglob(f"{part}*.parquet"))
    if not files:
        raise FileNotFoundError(f"{folder} has no {part}*.parquet")
    table = pa.concat_tables([pq.read_table(file, columns=["text", "label"]) for file in files])
    return table["text"].to_pylist(), table["label"].to_pylist()


def read_texts(file: Path) -> list[str]:
    """The column text of a csv file."""
    with file.open(newline="", encoding="utf-8") as source:
        return [row["text"] for row in csv.DictReader(source)]


def write_predictions(file: Path, texts: Sequence[str], predictions: Sequence, **columns: Sequence) -> None:
    """A csv file with a row for each text: text, prediction, and further `columns`."""
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["text", "prediction", *columns])
        writer.writerows(zip(texts, predictions, *columns.values(), strict=True))


@dataclass(frozen=True)
class Library:
    """What a library does: train on texts and labels, predict the labels of texts, write a model and read it."""

    train: Callable[[list[str], list], Any]
    predict: Callable[[Any, list[str]], list]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Any]


def main(library: Library, description: str) -> None:
    """`train FOLDER [--save FILE]`, or `predict MODEL FILE OUTPUT`; prints one line of JSON.

    `seconds` are those since the process was started, `stations` the seconds at which each station was over.
    """
    stations = {"imports": elapsed()}
    parser = argparse.ArgumentParser(description=description)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("folder", type=Path, help="with train*.parquet and test*.parquet")
    train.add_argument("--save", type=Path)
    predict = commands.add_parser("predict")
    for name in ("model", "file", "output"):
        predict.add_argument(name, type=Path)
    flags = parser.parse_args()
    found = train_and_test(library, flags, stations) if flags.command == "train" else {}
    if flags.command == "predict":
        predict_file(library, flags, stations)
    print(json.dumps(found | {"seconds": elapsed(), "stations": stations}))


def train_and_test(library: Library, flags: argparse.Namespace, stations: dict[str, float]) -> dict[str, float]:
    """Train on train, score test."""
    texts, labels = read_part(flags.folder, "train")
    test_texts, test_labels = read_part(flags.folder, "test")
    stations["data"] = elapsed()
    model = library.train(texts, labels)
    stations["training"] = elapsed()
    predictions = library.predict(model, test_texts)
    # fastText has names for classes, whatever they are in the data.
    right = sum(str(a) == str(b) for a, b in zip(predictions, test_labels, strict=True))
    stations["test"] = elapsed()
    if flags.save:
        library.save(model, flags.save)
    return {"accuracy": right / len(test_labels)}


def predict_file(library: Library, flags: argparse.Namespace, stations: dict[str, float]) -> None:
    """Classify the column text of a csv file and write the predictions as csv."""
    model, texts = library.load(flags.model), read_texts(flags.file)
    stations["loading"] = elapsed()
    predictions = library.predict(model, texts)
    stations["classifying"] = elapsed()
    write_predictions(flags.output, texts, predictions)
