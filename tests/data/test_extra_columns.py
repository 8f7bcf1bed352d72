"""Cells of the columns beside the text: which kind a column is, and what a cell is read as."""

import json
import logging

import datasets
import numpy as np
import pandas as pd
import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.settings.arguments import DataArguments

TEXTS = [f"text {number}" for number in range(12)]
LABELS = ["good", "bad", "bad"] * 4


def splits_of(file, **settings) -> Splits:
    given = {"validation_file": str(file), "test_file": str(file), "no_cache": True} | settings
    return load_splits(DataArguments(train_file=str(file), extra_column_names="x", **given))


def csv_of(folder, cells):
    path = folder / "data.csv"
    pd.DataFrame({"text": TEXTS, "x": cells, "label": LABELS}).to_csv(path, index=False)
    return path


def test_numbers_in_csv_json_and_parquet_are_the_same_numbers(tmp_path):
    cells = [1, 2.5, None, -3, 4e3, 0, 1, 2, 3, 4, 5, 6]
    frame = pd.DataFrame({"text": TEXTS, "x": cells, "label": LABELS})
    frame.to_parquet(tmp_path / "data.parquet")
    lines = [{"text": text, "x": cell, "label": label} for text, cell, label in zip(TEXTS, cells, LABELS, strict=True)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = [splits_of(path) for path in (csv_of(tmp_path, cells), tmp_path / "data.parquet", tmp_path / "data.jsonl")]
    for splits in found:
        expected = np.array([np.nan if cell is None else cell for cell in cells], np.float32)
        assert np.array_equal(splits.train.extra.numbers[:, 0], expected, equal_nan=True)
        assert splits.columns.numbers == {
            "x": [pytest.approx(np.nanmean(expected)), pytest.approx(np.nanstd(expected))]
        }
        assert splits.data_hash == found[0].data_hash


def test_words_booleans_and_class_names_are_categories(tmp_path):
    words = splits_of(csv_of(tmp_path, ["b", "a", "", "b", "a", "1", "1.0", "a", "b", "a", "b", "a"]))
    assert words.columns.categories == {"x": ["1", "a", "b"]}
    assert words.train.extra.categories[:7, 0].tolist() == [3, 2, 0, 3, 2, 1, 1]
    pd.DataFrame({"text": TEXTS, "x": [True, False] * 6, "label": LABELS}).to_parquet(tmp_path / "b.parquet")
    assert splits_of(tmp_path / "b.parquet").columns.categories == {"x": ["False", "True"]}
    features = datasets.Features(
        text=datasets.Value("string"), x=datasets.ClassLabel(names=["red", "blue"]), label=datasets.Value("string")
    )
    named = datasets.Dataset.from_dict({"text": TEXTS, "x": [0, 1] * 6, "label": LABELS}, features)
    named.to_parquet(tmp_path / "named.parquet")
    assert splits_of(tmp_path / "named.parquet").columns.categories == {"x": ["blue", "red"]}


def test_a_value_that_train_lacks_is_unknown(tmp_path):
    train = csv_of(tmp_path, ["a", "b"] * 6)
    (tmp_path / "other").mkdir()
    splits = splits_of(train, test_file=str(csv_of(tmp_path / "other", ["a", "c"] * 6)))
    assert splits.columns.categories == {"x": ["a", "b"]}
    assert splits.test.extra.categories[:2, 0].tolist() == [1, 0]


def test_a_word_among_numbers_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        splits = splits_of(csv_of(tmp_path, [1, 2, 3, 4, 1, 2, 3, "n/a", 1, 2, 3, 4]))
    assert splits.columns.categories == {"x": ["1", "2", "3", "4", "n/a"]}
    assert "line 9: 'x' is 'n/a', so the column is read as categories" in caplog.text


@pytest.mark.parametrize("cell", ["inf", "1e60", "some"])
def test_a_cell_of_another_part_that_is_no_number_is_refused_with_its_line(cell, tmp_path):
    train = csv_of(tmp_path, [1, 2] * 6)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=rf"line 2: 'x' is '{cell}'"):
        splits_of(train, test_file=str(csv_of(tmp_path / "other", [cell, 2] + [1, 2] * 5)))


def test_a_part_without_the_column_is_refused(tmp_path):
    train = csv_of(tmp_path, [1, 2] * 6)
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "less.csv", index=False)
    with pytest.raises(InputError, match=r"less.csv has no column 'x'.*--extra_column_names"):
        splits_of(train, test_file=str(tmp_path / "less.csv"))


def test_columns_as_text_change_neither_parts_nor_the_hash_of_test(tmp_path):
    path = csv_of(tmp_path, [1, "", "b c", 4, "d", 6, 7, 8, 9, 1, 2, 3])
    bare = load_splits(DataArguments(train_file=str(path), validation_file=str(path), test_file=str(path)))
    splits = splits_of(path, columns_as_text=True)
    assert list(splits.train)[:3] == ["x: 1 . text 0", "text 1", "x: b c . text 2"]
    assert splits.train[2] == "x: b c . text 2"
    assert list(splits.with_validation_in_train().train) == [*splits.train, *splits.validation]
    assert splits.test_hash == bare.test_hash
    assert splits.data_hash != bare.data_hash
    assert splits.train.texts_hash != bare.train.texts_hash
    assert splits.train.has_rows_of(bare.train)
