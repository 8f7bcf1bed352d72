"""A part without any label is left out with a word; one with some is refused by row."""

import logging

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from helpers import write_csv

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits, load_test_columns
from sentiment_hf.settings.arguments import DataArguments

ROWS = [(f"text number {row}", "pos" if row % 2 else "neg") for row in range(60)]
CLASSES = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})


def dataset(labels):
    return Dataset.from_dict(
        {"text": [f"text {row}" for row in range(len(labels))], "label": labels}, features=CLASSES
    )


def files(tmp_path, test, header=("text", "label"), train=ROWS):
    paths = {"train": write_csv(tmp_path / "train.csv", train), "test": write_csv(tmp_path / "test.csv", test, header)}
    return DataArguments(**{f"{split}_file": str(path) for split, path in paths.items()})


@pytest.mark.parametrize("label", [-1, None])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_part_of_class_ids_without_labels_is_carved_anew(tmp_path, caplog, label, part):
    DatasetDict({"train": dataset([0, 1] * 30), part: dataset([label] * 8)}).save_to_disk(tmp_path / "saved")
    with caplog.at_level(logging.WARNING):
        splits = load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))
    assert splits.notes["rows"] == {"train": 48, "validation": 6, "test": 6}
    assert splits.notes[part] == "10 % of all rows, stratified, seed 42"
    assert f"no row has a label in 'label', so this part is left out, and {part} is taken from train" in caplog.text


@pytest.mark.parametrize("label", ["-1", "", "  "])
def test_a_csv_without_labels_is_carved_anew(tmp_path, label):
    args = files(tmp_path, [(text, label) for text, _ in ROWS[:7]])
    splits, columns = load_test_columns(args, None)
    assert (len(splits.test), columns) == (6, {})


def test_a_test_without_a_label_column_is_carved_anew(tmp_path):
    args = files(tmp_path, [(0, "a"), (1, "b")], header=("index", "text"))
    assert load_splits(args).notes["rows"]["test"] == 6


def test_a_test_with_another_label_column_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"test.csv has no column 'label'"):
        load_splits(files(tmp_path, [("a", "pos")], header=("text", "sentiment")))


def test_some_missing_labels_are_refused_by_row(tmp_path):
    with pytest.raises(InputError, match=r"test.csv, line 3"):
        load_splits(files(tmp_path, [("a", "pos"), ("b", "-1")]))
    DatasetDict(train=dataset([0, 1] * 30), test=dataset([0, -1])).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"saved, test, row 2: 'label' is -1"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))


def test_minus_one_is_a_class_where_train_has_it(tmp_path):
    train = [(text, "-1" if label == "neg" else "1") for text, label in ROWS]
    assert len(load_splits(files(tmp_path, train[::2], train=train)).test) == 30


def test_train_without_labels_is_refused(tmp_path):
    DatasetDict(train=dataset([-1] * 30)).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"saved, train, row 1: 'label' is -1"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))


def test_lists_of_labels_are_no_missing_labels(tmp_path):
    lists = Features({"text": Value("string"), "label": [Value("int64")]})
    test = Dataset.from_dict({"text": ["a"], "label": [[1]]}, features=lists)
    DatasetDict(train=dataset([0, 1] * 30), test=test).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"saved, test, row 1"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))
