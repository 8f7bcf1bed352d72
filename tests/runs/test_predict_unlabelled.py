"""--predict_unlabelled: the part without labels is classified by the finished model, every row of it."""

import csv

import pytest
from datasets import ClassLabel, Dataset, Features, Value
from helpers import TINY, reviews, save_bert, write_csv, write_data

from sentiment_hf.cli import compare_command, predict_command, run_command

FLAG = ("--predict_unlabelled",)


def without_labels(path, count=19):
    """A file of texts and numbers."""
    return write_csv(path, [(text, f"n{index}") for index, (text, _) in enumerate(reviews(count, 9))], ("text", "id"))


@pytest.fixture
def data(tmp_path):
    folder = write_data(tmp_path / "data")
    without_labels(folder / "test.csv")
    return folder


def flags(data, model, out, *more):
    settings = ["--model_config", *TINY] if str(model).startswith("custom") else []
    steps = [] if str(model).startswith("baseline") else ["--max_steps", "2", "--eval_strategy", "no"]
    files = [f"--{part}_file={data / part}.csv" for part in ("train", "validation", "test")]
    return ["--model", str(model), *settings, *steps, *files, "--output_dir", str(out), "--disable_tqdm=true", *more]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["custom-fc", "baseline-naive-bayes-bow", "full", "lora"])
def test_the_file_is_what_predict_says_of_it(kind, data, tmp_path, capsys):
    pretrained = kind in ("full", "lora")
    # `save_bert` makes its vocabulary of labelled data.
    model = save_bert(tmp_path, write_data(tmp_path / "labelled")) if pretrained else kind
    tuning = ["--tuning", kind] if pretrained else []
    assert run_command(flags(data, model, tmp_path / "out", *tuning, *FLAG)) == 0
    assert "19 rows of test without labels, with predictions, written to" in capsys.readouterr().err
    written = tmp_path / "out" / "unlabelled_test.csv"
    again = tmp_path / "again.csv"
    argv = [str(tmp_path / "out"), "--file", str(data / "test.csv"), "--output", str(again)]
    assert predict_command(argv) == 0
    assert rows_of(written) == rows_of(again)
    assert [row["id"] for row in rows_of(written)] == [f"n{index}" for index in range(19)]
    assert {row["prediction"] for row in rows_of(written)} <= {"positive", "negative"}


def test_a_finished_run_and_one_that_is_only_scored_classify_too(data, tmp_path):
    out = tmp_path / "out"
    assert run_command(flags(data, "custom-fc", out)) == 0
    assert not (out / "unlabelled_test.csv").exists()
    assert run_command(flags(data, "custom-fc", out, *FLAG)) == 0
    scored = tmp_path / "scored"
    assert run_command([*flags(data, out, scored, *FLAG, "--do_predict")]) == 0
    assert rows_of(scored / "unlabelled_test.csv") == rows_of(out / "unlabelled_test.csv")
    # What another run leaves in the folder is not that of this one.
    assert run_command(flags(data, "custom-fc", out, "--seed", "3", "--overwrite")) == 0
    assert not (out / "unlabelled_test.csv").exists()


def test_class_ids_of_minus_one_and_a_part_in_several_files(tmp_path):
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    texts = [text for text, _ in reviews(40, 0)]
    folder = tmp_path / "data"
    folder.mkdir()
    Dataset.from_dict({"text": texts, "label": [0, 1] * 20}, features=kinds).to_parquet(folder / "train.parquet")
    for part, name in ((texts[:7], "test-00000-of-00002"), (texts[7:12], "test-00001-of-00002")):
        table = Dataset.from_dict({"text": part, "label": [-1] * len(part)}, features=kinds)
        table.to_parquet(folder / f"{name}.parquet")
    argv = ["--model", "baseline-majority", "--dataset", str(folder), "--output_dir", str(tmp_path / "out"), *FLAG]
    assert run_command(argv) == 0
    rows = rows_of(tmp_path / "out" / "unlabelled_test.csv")
    assert [row["text"] for row in rows] == texts[:12]
    assert {row["label"] for row in rows} == {"-1"}


@pytest.mark.slow
def test_each_run_of_a_comparison_classifies(data, tmp_path):
    files = [word for word in flags(data, "", "") if "_file=" in word]
    argv = ["--models", "baseline-majority", "baseline-naive-bayes-bow", "--seeds", "1", *files, *FLAG]
    assert compare_command([*argv, "--output_dir", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*/unlabelled_test.csv"))) == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("text", "label"), "there is none in this data"),
        (("text", "prediction"), "test.csv has a column 'prediction' already, which --predict_unlabelled adds"),
        (("text", "price"), "test.csv has no column 'id'"),
    ],
)
def test_what_cannot_be_classified_is_refused_before_training(header, message, data, tmp_path, capsys):
    write_csv(data / "test.csv", [(text, label) for text, label in reviews(22, 2)], header)
    more = []
    if header[1] == "price":
        rows = [(*row, index % 5) for index, row in enumerate(reviews(40, 0))]
        for part in ("train", "validation"):
            write_csv(data / f"{part}.csv", rows, ("text", "label", "id"))
        more = ["--extra_column_names", "id"]
    assert run_command(flags(data, "custom-fc", tmp_path / "out", *more, *FLAG)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
