"""--min_class_rows: rare classes leave every part or become one class, and it is said which and how many rows."""

import csv
import json
from collections import Counter

import datasets
import pytest

from sentiment_hf.cli import predict_command, run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

# Rows of train by class; test has half of them, rounded up.
ROWS = {"apple": 40, "berry": 30, "cherry": 3, "date": 1}
MERGE = {"min_class_rows": 10, "rare_classes": "merge"}


def written(folder, rows=ROWS, **more):
    """train.csv and test.csv; arguments that name them."""
    folder.mkdir(exist_ok=True)
    for split in ("train", "test"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("text", "label"))
            for name, count in rows.items():
                for row in range(count if split == "train" else (count + 1) // 2):
                    lines.writerow((f"{split} {name} number {row}", name))
    files = {f"{split}_file": str(folder / f"{split}.csv") for split in ("train", "test")}
    return DataArguments(**files, validation_size=0.2, **more)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


def classes(part, task):
    """{class: rows}; a text is that of its class, or of a rare one in `other`."""
    names = task.as_text(part.labels)
    assert all(name == "other" or text.split()[1] == name for name, text in zip(names, part, strict=True))
    return Counter(names)


def test_rare_classes_leave_every_part_and_are_said(tmp_path, caplog):
    splits = load_splits(written(tmp_path / "data", min_class_rows=10))
    assert splits.task.labels == ("apple", "berry")
    train, validation, test = (classes(getattr(splits, part), splits.task) for part in ("train", "validation", "test"))
    assert train + validation == {"apple": 40, "berry": 30}
    assert test == {"apple": 20, "berry": 15}
    said = "2 classes have fewer than 10 rows of train; 4 rows of train, 3 rows of test are left out: cherry, date."
    assert said in caplog.text
    rows = {"train": 4, "test": 3}
    expected = {"min_class_rows": 10, "classes": ["cherry", "date"], "rows": rows, "became": None}
    assert splits.notes["rare_classes"] == expected


@pytest.mark.parametrize("name", ["date", "other"])
def test_merged_they_are_one_class_and_no_row_is_lost(name, tmp_path, caplog):
    """A class that is called other takes them in, be it rare itself or not."""
    rows = {"apple": 40, "berry": 30, "cherry": 9, name: 6}
    plain, splits = (load_splits(written(tmp_path / "data", rows, **flags)) for flags in ({}, MERGE))
    assert splits.task.labels == ("apple", "berry", "other")
    assert Counter(splits.task.as_text(splits.test.labels)) == {"apple": 20, "berry": 15, "other": 8}
    assert sum(map(len, (splits.train, splits.validation))) == sum(map(len, (plain.train, plain.validation)))
    assert "are the class 'other' now: cherry" in caplog.text


def test_a_frequent_class_called_other_takes_the_rare_ones_in(tmp_path):
    splits = load_splits(written(tmp_path / "data", {"apple": 40, "other": 30, "rare": 4}, **MERGE))
    assert splits.task.labels == ("apple", "other")
    assert Counter(splits.task.as_text(splits.test.labels)) == {"apple": 20, "other": 17}


@pytest.mark.parametrize("rare_classes", ["drop", "merge"])
def test_where_no_class_is_rare_nothing_changes(rare_classes, tmp_path):
    more = {"min_class_rows": 10, "rare_classes": rare_classes}
    rows = {"apple": 40, "berry": 10}
    plain, splits = (load_splits(written(tmp_path / "data", rows, **flags)) for flags in ({}, more))
    assert splits.data_hash == plain.data_hash
    assert "rare_classes" not in splits.notes


def test_groups_stay_whole_when_rows_have_left(tmp_path):
    splits = load_splits(written(tmp_path / "data", min_class_rows=10, validation_split="group"))
    assert classes(splits.train, splits.task) + classes(splits.validation, splits.task) == {"apple": 40, "berry": 30}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"min_class_rows": 35},
            "--min_class_rows 35 leaves fewer than two classes; the largest class, 'apple', has 40",
        ),
        ({"min_class_rows": 10, "label_delimiter": "|"}, "--min_class_rows is for one class per text"),
    ],
)
def test_what_cannot_be_left_out_is_refused(flags, said, tmp_path):
    with pytest.raises(InputError, match=said.replace("|", r"\|")):
        load_splits(written(tmp_path / "data", **flags))


def test_the_report_and_the_card_of_a_run_name_the_rare_classes(tmp_path):
    data = written(tmp_path / "data")
    argv = ["--model", "custom-fc", "--max_steps", "2", "--train_file", data.train_file, "--test_file", data.test_file]
    argv += ["--output_dir", str(tmp_path / "run"), "--min_class_rows", "10", "--rare_classes", "merge"]
    assert run_command(argv) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["labels"] == ["apple", "berry", "other"]
    assert report["data"]["rare_classes"]["rows"] == {"train": 4, "test": 3}
    assert "2 classes have fewer than 10 rows of train" in (tmp_path / "run" / "README.md").read_text()
    assert predict_command([str(tmp_path / "run"), "train cherry number 1"]) == 0


def test_to_merge_without_a_number_is_refused(tmp_path, capsys):
    data = written(tmp_path / "data")
    argv = ["--model", "baseline-nb-svm", "--train_file", data.train_file, "--rare_classes", "merge"]
    assert run_command([*argv, "--output_dir", str(tmp_path / "run")]) == 2
    assert "add --min_class_rows N" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
