"""The command compare: what it makes, what it leaves, how it goes on, and what it refuses before the first run."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import read_report, write_data

from sentiment_hf.cli import compare_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.plan import plan
from sentiment_hf.runs.run_folder import remove_run
from sentiment_hf.settings.run_flags import parse_run

PYTHON = sys.executable
pytestmark = pytest.mark.usefixtures("forked")
SMALL = "custom-fc --model_config embedding_size=8 hidden_size=8 --min_frequency 1 --max_steps 20 --learning_rate 0.01"


def files(data: Path) -> list[str]:
    """The data flags."""
    return [word for part in ("train", "validation", "test") for word in (f"--{part}_file", str(data / f"{part}.csv"))]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=60)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Path:
    """The folder of a finished comparison: two seeds of one model, one of a baseline, and half of the rows."""
    output = tmp_path_factory.mktemp("compare") / "out"
    assert compare_command(command(data, output)) == 0
    return output


def command(data: Path, output: Path, *more: str) -> list[str]:
    words = ["--models", SMALL, "baseline-majority --seeds 1", *more, "--seeds", "2", "--learning_curve", "0.5"]
    return [*words, "--output_dir", str(output), "--num_cpu_threads", "1", *files(data)]


def results(output: Path) -> dict:
    return json.loads((output / "comparison" / "results.json").read_text())


def test_every_model_is_there_with_every_seed_and_on_every_share_of_train(made):
    runs = {path.parent.name for path in made.glob("*/report.json")}
    sizes = {"custom-fc-seed0", "custom-fc-seed1", "custom-fc-30rows-seed0", "custom-fc-30rows-seed1"}
    assert runs == sizes | {"baseline-majority-seed0", "baseline-majority-30rows-seed0"}
    assert {read_report(made / run)["data_hash"] for run in runs if "rows" not in run} == {results(made)["data_hash"]}
    models = {model["name"]: model for model in results(made)["models"]}
    assert {name: model["seeds"] for name, model in models.items()} == {"custom-fc": [0, 1], "baseline-majority": [0]}
    curves = {
        curve["name"]: [point["train_rows"] for point in curve["points"]] for curve in results(made)["learning_curve"]
    }
    assert curves == {"custom-fc": [30, 60], "baseline-majority": [30, 60]}
    for model in models.values():
        assert model["inference"]["texts_per_second_one_core"] > 0
        assert model["bytes_on_disk"] > 100


def test_a_report_says_how_to_make_its_run_alone(made):
    assert read_report(made / "custom-fc-seed1")["command"].startswith("sentiment-hf run --model custom-fc ")


def test_the_page_is_there_with_lengths_and_texts(made):
    page = (made / "comparison" / "report.html").read_text()
    assert "custom-fc" in page
    assert results(made)["models"][0]["by_length"]
    assert all(row["text"] for row in results(made)["disagreements"])


def test_what_is_there_stays_what_fails_is_said_and_the_rest_is_made(made, data, tmp_path, capfd):
    output = shutil.copytree(made, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/report.json")}
    (output / "custom-fc-seed1" / "report.json").unlink()
    broken = f"{SMALL} --learning_rate 1e30 --max_grad_norm 0 --optim sgd --logging_steps 1 --seeds 1"
    broken = broken.replace("custom-fc", "custom-transformer").replace("hidden_size=8", "hidden_size=8 num_heads=2")
    argv = command(data, output, broken)
    # Whatever is wrong with one size of a model, the others are made.
    argv[argv.index("0.5")] = "1.0"
    assert compare_command(argv) == 3
    said = capfd.readouterr()
    assert "4 runs, 2 of them finished already" in said.out
    assert "1 failed: custom-transformer-seed0" in said.err
    (failure,) = results(output)["failed"]
    assert failure["name"] == "custom-transformer-seed0"
    assert "learning_rate" in failure["reason"]
    assert "the loss became" in (output / "logs" / "custom-transformer-seed0.log").read_text()
    for path, moment in before.items():
        assert (path.stat().st_mtime_ns == moment) == (path.parent.name != "custom-fc-seed1")
    assert [model["name"] for model in results(output)["models"]] == [
        model["name"] for model in results(made)["models"]
    ]


@pytest.mark.slow
def test_the_data_is_read_once_so_what_is_odd_about_it_is_said_once(data, tmp_path, caplog):
    odd = Path(shutil.copytree(data, tmp_path / "data"))
    with (odd / "test.csv").open("a") as file:
        file.write(" ,positive\n")
    words = ["--models", "baseline-majority", SMALL, "--seeds", "1", "--output_dir", str(tmp_path / "out")]
    assert compare_command([*words, *files(odd)]) == 0
    assert results(tmp_path / "out")["models"][0]["by_length"]
    assert caplog.text.count("Some texts are empty (0 in train, 0 in validation, 1 in test)") == 1


def test_finished_folders_are_compared_without_training(made, data, tmp_path, capsys):
    folders = [str(made / name) for name in ("custom-fc-seed0", "custom-fc-seed1", "baseline-majority-seed0")]
    assert compare_command([*folders, "--output_dir", str(tmp_path), "--no_texts", *files(data)]) == 0
    result = results(tmp_path)
    assert result["models"] == results(made)["models"]
    assert all(row["text"] is None for row in result["disagreements"])
    assert compare_command([*folders, "--output_dir", str(tmp_path / "bare")]) == 0
    assert not results(tmp_path / "bare")["models"][0]["by_length"]
    assert "report.html" in capsys.readouterr().out


def test_a_stopped_comparison_goes_on_by_the_same_command(made, data, tmp_path):
    output = shutil.copytree(made, tmp_path / "out")
    # So long that it can be met in the middle.
    argv = command(data, output, SMALL.replace("custom-fc", "custom-lstm").replace("20", "400") + " --seeds 1")
    argv[argv.index("0.5")] = "1.0"
    words = [sys.executable, "-m", "sentiment_hf", "compare", *argv]
    process = subprocess.Popen(words, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    metrics = output / "custom-lstm-seed0" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.is_file() and "loss" in metrics.read_text()) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "stopped in custom-lstm-seed0; the same command goes on from there" in said
    assert list((output / "custom-lstm-seed0").glob("checkpoint-*"))
    assert not (output / "custom-lstm-seed0" / "report.json").exists()
    assert compare_command(argv) == 0
    assert "going on from" in (output / "logs" / "custom-lstm-seed0.log").read_text()


def test_a_comparison_stopped_before_its_run_has_begun_starts_no_other(data, tmp_path):
    argv = command(data, tmp_path / "out", "custom-gru")
    # A run that is not forked, for it is met before it has imported anything.
    process = subprocess.Popen(
        [PYTHON, "-m", "sentiment_hf", "compare", *argv], env=os.environ, stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "out" / "logs" / "custom-fc-seed0.log"
    deadline = time.monotonic() + 120
    while not log.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    # Long enough for the process of the run to be there, and far too short for what it imports.
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "stopped in custom-fc-seed0" in said
    assert [path.name for path in log.parent.iterdir()] == [log.name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "custom-fc"], "on which data"),
        (["--models", "custom-lstn", "--dataset", "sample"], "custom-lstm"),
        (["--models", "custom-fc", "custom-fc", "--dataset", "sample"], "two are called custom-fc"),
        (["--models", "custom-fc --seed 3", "--dataset", "sample"], "--seed is set by compare"),
        (["--models", "custom-fc --seeds 0", "--dataset", "sample"], "--seeds 0"),
        (["--models", "custom-fc", "--dataset", "sample", "--lerning_rate", "1"], "learning_rate"),
        (["--models", "custom-fc", "baseline-svm-bow", "--dataset", "sample", "--learning_rate", "1"], "baseline"),
        (["--models", "custom-fc", "--dataset", "sample", "--learning_curve", "2"], "--learning_curve"),
        (
            ["--models", "custom-fc --streaming --max_train_samples 9", "--dataset", "x/y", "--learning_curve", "0.5"],
            "--learning_curve takes parts of the same rows",
        ),
        (["--models", "no/such/folder/here:lora", "--dataset", "sample"], "no such folder"),
        (["--models", "custom-fc", "--dataset", "sample", "--ensembles", "a=custom-fc,b"], "NAME=MODEL,MODEL"),
        (["--models", "custom-fc", "--dataset", "sample", "--model", "custom-rnn"], "--model is set by compare"),
        (["--models", "custom-fc", "--dataset", "sample", "--seed", "5"], "--seed is set by compare"),
        (["--models", "custom-fc", "--dataset", "sample", "--overwrite"], "give it to one model"),
        (["--models", "custom-fc", "baseline-svm-bow", "--dataset", "sample", "--max_steps", "5"], "goes into quotes"),
        (["--models", "custom-fc", "--dataset", "sample", "--do_train", "true"], "compared on test"),
        (["--models", "out/o'brien", "--dataset", "sample"], "quote"),
        (["--models", "", "--dataset", "sample"], "expected NAME or FOLDER"),
        (["--models", "out/my run", "--dataset", "sample"], "quotes inside the quotes"),
        (["--models", "custom-fc", "--dataset", "sample", "--side_by_side", "2"], "--side_by_side is set by compare"),
        (
            ["--models", "custom-fc", "--dataset", "sample", "--jobs", "0"],
            "--jobs 0 is out of range: expected at least 1",
        ),
        (["--models", "custom-fc", "--dataset", "sample", "--jobs", "-2"], "--jobs -2 is out of range"),
        (["--models", "custom-fc", "--dataset", "sample", "--jobs", "two"], "--jobs: expected a whole number"),
        (["custom-fc-seed0", "--seeds", "2"], "for runs to be made"),
        (["custom-fc-seed0", "--jobs", "1"], "for runs to be made"),
        (["somewhere", "--models", "custom-fc"], "one of the two"),
        ([], "one of the two"),
        (["no-such-run"], "no finished run in no-such-run"),
        (["--config", "no.yaml"], "no such file"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert compare_command(words) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_ensemble_is_one_more_row_for_each_seed_that_all_members_have(made, data, tmp_path):
    output = shutil.copytree(made, tmp_path / "out")
    assert compare_command(command(data, output, "--ensembles", "both=custom-fc,baseline-majority")) == 0
    models = {model["name"]: model for model in results(output)["models"]}
    assert models.keys() == {"custom-fc", "baseline-majority", "both"}
    assert (models["both"]["kind"], models["both"]["seeds"]) == ("ensemble", [0])


def test_a_folder_with_a_run_on_other_data_is_refused(made, data, tmp_path, capsys):
    output = shutil.copytree(made, tmp_path / "out")
    other = write_data(tmp_path / "other", train=58)
    assert compare_command(command(other, output)) == 2
    assert "holds another run" in capsys.readouterr().err


def test_a_recipe_names_models_and_the_command_line_overrides_it(data, tmp_path):
    recipe = tmp_path / "mine.yaml"
    lines = [
        "models:",
        "  short: custom-lstm --max_seq_length 8",
        "  long: custom-lstm",
        "seeds: 2",
        "deduplicate: true",
    ]
    recipe.write_text("\n".join(lines))
    args = parse_compare(["--config", str(recipe), "--seeds", "1", *files(data)])
    assert {name: candidate.flags for name, candidate in args.models.items()} == {
        "short": ["--model", "custom-lstm", "--max_seq_length", "8"],
        "long": ["--model", "custom-lstm"],
    }
    assert all(candidate.seeds == 1 for candidate in args.models.values())
    assert args.common[:2] == ["--deduplicate", "true"]
    planned, *_ = plan(args)
    assert [run.folder for run in planned] == [Path(f"out/compare/mine/{name}-seed0") for name in ("short", "long")]


def test_of_two_flags_the_one_of_the_model_counts_and_a_command_line_before_a_recipe(data, tmp_path):
    def rows(words):
        planned, *_ = plan(parse_compare([*words, *files(data)]))
        return {run.model: parse_run(run.argv).tokenizer.max_seq_length for run in planned}

    one = ["--models", "custom-lstm --max_seq_length 8", "custom-gru", "--seeds", "1"]
    assert rows([*one, "--max_seq_length", "9"]) == {"custom-lstm": 8, "custom-gru": 9}
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "models: {short: custom-lstm --max_seq_length 8, long: custom-lstm}\nseeds: 1\nmax_seq_length: 9\n"
    )
    assert rows(["--config", str(recipe)]) == {"short": 8, "long": 9}
    assert rows(["--config", str(recipe), "--max_seq_length", "7"]) == {"short": 7, "long": 7}


def test_a_recipe_may_name_single_values(tmp_path):
    recipe = tmp_path / "one.yaml"
    recipe.write_text("models: custom-fc\nlearning_curve: 0.25\nno_texts: true\ndataset: sample\n")
    args = parse_compare(["--config", str(recipe)])
    assert (list(args.models), args.learning_curve, args.texts) == (["custom-fc"], [0.25], False)
    recipe.write_text("models: custom-fc\nno_texts: false\ndataset: sample\n")
    assert parse_compare(["--config", str(recipe)]).texts


def test_models_on_other_rows_are_refused_before_any_is_trained(data, tmp_path, capsys):
    other = f"custom-rnn --test_file {data / 'validation.csv'}"
    words = ["--models", "custom-fc", other, *files(data), "--output_dir", str(tmp_path / "out")]
    assert compare_command(words) == 2
    assert "its test rows are not those of the first model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_made_again_is_measured_again(tmp_path):
    (tmp_path / "inference.json").write_text("{}")
    remove_run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_first_seed_of_all_models_comes_before_the_second_of_any(data):
    planned, *_ = plan(parse_compare(["--models", "custom-fc", "custom-rnn --seeds 1", "--seeds", "2", *files(data)]))
    assert [run.name for run in planned] == ["custom-fc-seed0", "custom-rnn-seed0", "custom-fc-seed1"]


def test_a_recipe_that_is_none_is_refused(tmp_path):
    recipe = tmp_path / "bad.yaml"
    refused = [
        ("- a", "flag: value"),
        ("a: [", "is not YAML"),
        ("seeds:", "seeds: expected a value"),
        ("seeds: 2.5", "2.5"),
    ]
    refused += [
        ("model_config: {a: 1}", "model_config: expected"),
        ("models: {..: custom-fc}\ndataset: sample", "a name"),
    ]
    for text, said in refused:
        recipe.write_text(text)
        with pytest.raises(InputError, match=said):
            parse_compare(["--config", str(recipe)])


DATA_SETS = ("--dataset", "imdb", "sample", "out/data/newsgroups", "out/data/audience")
RECIPES = sorted((Path(__file__).parents[2] / "configs" / "compare").glob("*.yaml"))
assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_of_the_project_opens_with_its_command_and_is_understood(path, data, tmp_path):
    opening = path.read_text(encoding="utf-8").splitlines()[0]
    assert opening.startswith(f"# python scripts/compare.py --config configs/compare/{path.name}")
    args = parse_compare(["--config", str(path), "--output_dir", str(tmp_path / "out")])
    without_data = [word for word in args.common if word not in DATA_SETS]
    # A checkpoint or a teacher that this machine need not have is left out; its flags are looked at all the same.
    here = {
        name: one
        for name, one in args.models.items()
        if one.flags[1].startswith(("custom-", "baseline-")) and "--teacher" not in one.flags
    }
    for candidate in args.models.values():
        parse_run(args.words(without_teacher(candidate.flags)))
    # Shares of a few dozen rows would be no row at all.
    args = dataclasses.replace(args, models=here, learning_curve=[], common=without_data)
    args = dataclasses.replace(args, last=files(with_columns_of(path, data, tmp_path / "data")))
    planned, *_ = plan(args)
    assert len({run.model for run in planned}) == len(here) >= 2


def without_teacher(words: list[str]) -> list[str]:
    """The flags of a run without --teacher and --unlabelled_file."""
    left_out = [place for place, word in enumerate(words) if word in ("--teacher", "--unlabelled_file")]
    return [word for place, word in enumerate(words) if place not in left_out and place - 1 not in left_out]


def with_columns_of(recipe: Path, data: Path, folder: Path) -> Path:
    """The same texts, with stars or with columns beside them if the recipe names such."""
    folder.mkdir()
    for file in data.glob("*.csv"):
        text = file.read_text()
        if "stars" in recipe.stem:
            text = text.replace("text,label", "text,stars").replace("negative", "1").replace("positive", "5")
        elif recipe.stem == "columns":
            head, *lines = text.splitlines()
            lines = [f"{line},{('lenient', 'strict', '')[row % 3]},{row % 5}" for row, line in enumerate(lines)]
            text = "\n".join([f"{head},audience,price", *lines])
        (folder / file.name).write_text(text)
    return folder


def test_what_is_kept_of_the_runs_makes_the_same_page_without_weights(made, tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "keep_results.py"
    done = subprocess.run([sys.executable, script, tmp_path / "kept", *made.iterdir()], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("no finished run")) == (0, 2)
    files = {"runs.jsonl", "predictions.parquet", "validation.parquet", "history.parquet"}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == files
    assert compare_command([str(tmp_path / "kept"), "--output_dir", str(tmp_path)]) == 0
    without_rows = [{**model, "by_length": []} for model in results(made)["models"]]
    assert [{**model, "folders": None} for model in results(tmp_path)["models"]] == [
        {**model, "folders": None} for model in without_rows
    ]
