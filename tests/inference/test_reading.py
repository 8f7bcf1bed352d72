"""A model reads the columns that it was trained on, wherever it is used; a file without them is refused."""

import csv
import json
import shutil

import pytest
from helpers import baseline_flags, flags, read_report, run_flags, save_bert, write_csv, write_data

from sentiment_hf.cli import ensemble_command, predict_command, run_command
from sentiment_hf.hub.pushed_files import pushed_files
from sentiment_hf.settings.model_ref import ModelRef

COLUMNS = ("--text_column_names", "subject,body", "--text_column_delimiter", " | ")
HEADER = ("subject", "body", "label")
ROWS = [("good fine", "the film was here", "positive"), ("bad dull", "the film was here", "negative")] * 12
NEW = [("good", "the film"), ("dull", "the film")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of tables with two columns, whose class stands in the one without a usual name."""
    folder = write_data(tmp_path_factory.mktemp("data"))
    for part in ("train", "validation", "test"):
        write_csv(folder / f"{part}.csv", ROWS, HEADER)
    return folder


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Kind of model -> folder of a run on both columns."""
    home = tmp_path_factory.mktemp("runs")
    more = ["--learning_rate", 0.05, "--warmup_steps", 0, *COLUMNS]
    bert = save_bert(home / "bert", data, initializer_range=0.3)
    assert run_command(flags(data, home / "network", *more)) == 0
    run_flags(data, home / "adapter", *more, "--tuning", "lora", model=bert, settings=())
    assert run_command(baseline_flags(data, home / "baseline", "baseline-nb-svm", *COLUMNS)) == 0
    members = [str(home / "network"), str(home / "baseline")]
    assert ensemble_command([*members, "--method", "mean", "--output_dir", str(home / "ensemble")]) == 0
    checkpoint = next((home / "network").glob("checkpoint-*"))
    return {name: home / name for name in ("network", "adapter", "baseline", "ensemble")} | {"checkpoint": checkpoint}


def predicted(model, file, output, *more) -> list[list[str]]:
    """The predictions and probabilities of the rows of a file."""
    assert predict_command([str(model), "--file", str(file), "--output", str(output), *more]) == 0
    with output.open(newline="") as written:
        return [row[-3:] for row in csv.reader(written)]


@pytest.mark.parametrize("kind", ["network", "adapter", "baseline", "ensemble", "checkpoint"])
def test_predict_reads_the_columns_of_training_and_refuses_a_file_without_them(runs, tmp_path, capsys, kind):
    file = write_csv(tmp_path / "new.csv", NEW, HEADER[:2])
    by_itself = predicted(runs[kind], file, tmp_path / "own.csv")
    assert by_itself == predicted(runs[kind], file, tmp_path / "named.csv", *COLUMNS)
    joined = write_csv(tmp_path / "joined.csv", [(f"{subject} | {body}",) for subject, body in NEW], ("body",))
    assert predict_command([str(runs[kind]), "--file", str(joined)]) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert "trained on the text in subject, body" in error
    assert "no column 'subject'" in error
    assert "--text_column_names" in error
    assert by_itself == predicted(runs[kind], joined, tmp_path / "joined_out.csv", "--text_column_names", "body")


def test_the_columns_go_to_the_hub_with_the_model(runs):
    assert all("reading.json" in pushed_files(ModelRef.in_folder(runs[name])) for name in ("network", "adapter"))


def test_a_damaged_file_of_columns_is_refused(runs, tmp_path, capsys):
    model = shutil.copytree(runs["baseline"], tmp_path / "model")
    file = write_csv(tmp_path / "new.csv", NEW, HEADER[:2])
    for content in ("[", json.dumps({"text_column_names": "body"})):
        (model / "reading.json").write_text(content)
        assert predict_command([str(model), "--file", str(file)]) == 2
        assert "reading.json is damaged" in capsys.readouterr().err


def test_scoring_reads_the_columns_of_training(runs, data, tmp_path):
    scored = flags(data, tmp_path / "scored", "--do_predict", model=runs["network"], settings=())
    assert run_command(scored) == 0
    assert read_report(tmp_path / "scored")["test"] == read_report(runs["network"])["test"]
    assert read_report(tmp_path / "scored")["data"]["columns"]["text"] == ["subject", "body"]
    # As in runs of older versions, which are the same runs.
    assert json.loads((tmp_path / "scored" / "run.json").read_text())["text_column_names"] is None


def test_csv_files_are_read_as_those_of_training(tmp_path):
    rows = [(f"'{text}, said", label) for text, label in (("good film", "pos"), ("dull film", "neg"))] * 20
    lines = "".join(f"{text}~{label}\n" for text, label in rows)
    (tmp_path / "train.csv").write_text(f"text~label\n{lines}")
    given = ("--csv_delimiter", "~", "--csv_quote", "none")
    argv = ["--model", "baseline-nb-svm", "--train_file", str(tmp_path / "train.csv"), *given]
    assert run_command([*argv, "--output_dir", str(tmp_path / "run")]) == 0
    own = predicted(tmp_path / "run", tmp_path / "train.csv", tmp_path / "own.csv")
    assert len(own) == len(rows) + 1
    assert own == predicted(tmp_path / "run", tmp_path / "train.csv", tmp_path / "named.csv", *given)
    write_csv(tmp_path / "other.csv", rows[:2])
    flag = ("--csv_delimiter", "comma", "--csv_quote", "double")
    assert len(predicted(tmp_path / "run", tmp_path / "other.csv", tmp_path / "out.csv", *flag)) == 3
