"""Data sets in folders need no cache."""

from pathlib import Path

import datasets
import pandas as pd
import pytest

from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

ROWS = pd.DataFrame({"text": [f"text number {i}" for i in range(40)], "label": ["bad", "good"] * 20})


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_folder_of_data_needs_no_cache_and_is_left_alone(kind, tmp_path, monkeypatch):
    # Nobody, not even root, can make a folder inside of a file.
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", Path("/dev/null/datasets"))
    file = tmp_path / f"train.{kind}"
    write = {"csv": ROWS.to_csv, "parquet": ROWS.to_parquet, "jsonl": ROWS.to_json}[kind]
    write(file, orient="records", lines=True) if kind == "jsonl" else write(file, index=False)
    splits = load_splits(DataArguments(dataset_name=str(tmp_path)))
    assert sum(len(part) for part in (splits.train, splits.validation, splits.test)) == 40
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
