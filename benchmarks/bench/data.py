"""The data of a measurement as a folder of parquet parts, which this program and its peers read alike."""

from pathlib import Path

import pandas as pd

from benchmarks.bench.settings import Settings
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

SEED = 0


def data_folder(settings: Settings, train: int | None, test: int | None) -> Path:
    """A folder with train.parquet and test.parquet, columns text and label (names of classes), in random order.

    `train` and `test` are their rows, None for all. Train has what this program would take from it for validation.
    """
    folder = settings.work / f"data-{train}-{test}"
    if folder.is_dir():
        return folder
    splits = load_splits(DataArguments(dataset_name=settings.dataset, no_cache=True))
    parts = {"train": [splits.train, splits.validation], "test": [splits.test]}
    folder.mkdir()
    for (name, sources), rows in zip(parts.items(), (train, test), strict=True):
        texts = [text for source in sources for text in source]
        labels = [label for source in sources for label in splits.task.as_text(source.labels)]
        frame = pd.DataFrame({"text": texts, "label": labels})
        kept = len(frame) if rows is None else min(rows, len(frame))
        frame.sample(kept, random_state=SEED).to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def text_file(folder: Path, rows: int | None = None) -> Path:
    """The texts of test, or its first `rows`, as a csv file with the column text."""
    file = folder / f"texts-{rows}.csv"
    if not file.is_file():
        pd.read_parquet(folder / "test.parquet")[["text"]][:rows].to_csv(file, index=False)
    return file
