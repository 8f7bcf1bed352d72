"""tune tries settings within a space, the recipe first, chooses by validation, and goes on where it was stopped."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import yaml
from helpers import read_report, write_data

import sentiment_hf
from sentiment_hf.cli import run_command, tune_command
from sentiment_hf.cli.tune import parse_tune
from sentiment_hf.searching.page import expected_best
from sentiment_hf.searching.search import JOURNAL, Watch
from sentiment_hf.searching.space import as_flags, built_in, read_space
from sentiment_hf.settings.recipes import CONFIGS
from sentiment_hf.settings.run_flags import parse_run

pytestmark = pytest.mark.usefixtures("forked")

SPACE = """
learning_rate: {low: 1e-3, high: 5e-2, log: true}
model_config:
  hidden_size: {choices: [4, 8]}
  dropout: {low: 0.0, high: 0.6}
"""
MODEL = ["--model", "custom-fc", "--model_config", "embedding_size=8", "--min_frequency", "1", "--max_steps", "20"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("data"), train=60, validation=30, test=40)
    (folder / "space.yaml").write_text(SPACE)
    return folder


def words(data: Path, output: Path, *more: str) -> list[str]:
    """The flags of a small search."""
    files = [f"--{part}_file={data / f'{part}.csv'}" for part in ("train", "validation", "test")]
    return [*MODEL, *files, "--space", str(data / "space.yaml"), "--output_dir", str(output), *more]


@pytest.fixture(scope="module")
def found(data, tmp_path_factory) -> tuple[list[str], Path]:
    """The flags and the folder of a search with three trials."""
    output = tmp_path_factory.mktemp("found") / "out"
    argv = words(data, output, "--trials", "3")
    assert tune_command(argv) == 0
    return argv, output


def results(folder: Path) -> dict:
    return json.loads((folder / "tune.json").read_text())


def trial_folders(folder: Path) -> list[Path]:
    return list(folder.glob("trial-*"))


def test_the_recipe_is_the_first_trial(found):
    recipe = parse_run(MODEL)
    first = results(found[1])["trials"][0]["settings"]
    assert first["learning_rate"] == recipe.training["learning_rate"]
    assert "dropout=0.5" in recipe.new_model.model_config
    assert first["model_config.dropout"] == 0.5


def test_every_trial_lies_within_the_space(found):
    trials = results(found[1])["trials"]
    assert len(trials) == 3
    for trial in trials[1:]:
        values = trial["settings"]
        assert 1e-3 <= values["learning_rate"] <= 5e-2
        assert values["model_config.hidden_size"] in (4, 8)
        assert 0 <= values["model_config.dropout"] <= 0.6


def test_the_best_by_validation_alone_is_kept_and_scored_on_test(found):
    folder, saved = found[1], results(found[1])
    scores = [trial["validation"] for trial in saved["trials"] if trial["validation"] is not None]
    (kept,) = trial_folders(folder)
    report = read_report(kept)
    assert report["validation"]["accuracy"] == max(scores) == saved["trials"][saved["best"] - 1]["validation"]
    assert report["test"] == saved["test"]
    assert (kept / "model.safetensors").is_file()


def test_the_best_settings_are_a_recipe_that_makes_the_same_run(found, data, tmp_path):
    (kept,) = trial_folders(found[1])
    files = [word for word in found[0] if word.startswith(("--train_file", "--validation_file", "--test_file"))]
    again = ["--config", str(found[1] / "best.yaml"), *files, "--output_dir", str(tmp_path / "run")]
    assert run_command(again) == 0
    assert read_report(tmp_path / "run")["validation"] == read_report(kept)["validation"]


def test_a_finished_search_does_nothing_and_more_trials_go_on(found, tmp_path, capsys):
    argv, folder = found
    shutil.copytree(folder, tmp_path / "out")
    argv = [*argv[: argv.index("--output_dir")], "--output_dir", str(tmp_path / "out")]
    journal = (tmp_path / "out" / JOURNAL).read_bytes()
    assert tune_command([*argv, "--trials", "3"]) == 0
    assert (tmp_path / "out" / JOURNAL).read_bytes() == journal
    assert "[" not in capsys.readouterr().out.split("Trial")[0]
    assert tune_command([*argv, "--trials", "4"]) == 0
    assert capsys.readouterr().out.startswith("[4/4]")
    before, after = results(folder)["trials"], results(tmp_path / "out")["trials"]
    assert after[:3] == before


def test_a_program_gets_the_best_trial_with_its_page(found, data):
    files = {f"{part}_file": data / f"{part}.csv" for part in ("train", "validation", "test")}
    flags = {"model": "custom-fc", "model_config": {"embedding_size": 8}, "min_frequency": 1, "max_steps": 20}
    best = sentiment_hf.tune(**flags, **files, space=data / "space.yaml", output_dir=found[1], trials=3)
    assert [best.folder] == trial_folders(found[1])
    assert best.page == found[1] / "tune.html"
    assert "custom-fc: 3 trials" in best._repr_html_()


def test_another_search_in_the_folder_is_refused(found, capsys):
    argv, _ = found
    assert tune_command([*argv, "--min_frequency", "2"]) == 2
    assert "holds another search (flags:" in capsys.readouterr().err
    assert tune_command([*argv, "--tune_seed", "5"]) == 2
    assert "holds another search (tune_seed: 0 there, 5 here)" in capsys.readouterr().err


def test_a_search_that_another_process_makes_is_left_alone(found, tmp_path, capsys):
    argv, folder = found
    shutil.copytree(folder, tmp_path / "out")
    lock = "import sys, time; from pathlib import Path; from sentiment_hf.runs.lock import folder_lock\n"
    lock += "with folder_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", lock, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    try:
        assert held.stdout.readline() == "held\n"
        argv = [*argv[: argv.index("--output_dir")], "--output_dir", str(tmp_path / "out"), "--trials", "4"]
        assert tune_command(argv) == 2
        assert "is in use" in capsys.readouterr().err
    finally:
        held.kill()
        held.wait()


def test_whole_numbers_of_a_recipe_name_the_same_folder_as_those_of_the_study(data, tmp_path):
    """The recipe of custom-ngram has a dropout of 0, of which the study makes 0.0; it is the only trial."""
    argv = words(data, tmp_path / "out", "--trials", "1")
    (tmp_path / "space.yaml").write_text("model_config: {dropout: {low: 0.0, high: 0.5}}")
    argv = ["--model", "custom-ngram", *argv[argv.index("20") + 1 :], "--max_steps", "5"]
    assert tune_command([*argv, "--space", str(tmp_path / "space.yaml")]) == 0
    assert len(trial_folders(tmp_path / "out")) == 1


def test_a_setting_that_the_model_does_not_have_is_refused(data, tmp_path, capsys):
    (tmp_path / "space.yaml").write_text("model_config: {hiden_size: {choices: [4, 8]}}")
    assert tune_command([*words(data, tmp_path / "out"), "--space", str(tmp_path / "space.yaml")]) == 2
    assert "custom-fc has no setting 'hiden_size', did you mean 'hidden_size'?" in capsys.readouterr().err


def test_the_layers_of_a_trained_model_are_not_varied(found, data, tmp_path, capsys):
    (kept,) = trial_folders(found[1])
    argv = ["--model", str(kept), f"--train_file={data / 'train.csv'}", "--space", str(data / "space.yaml")]
    assert tune_command([*argv, "--output_dir", str(tmp_path / "out")]) == 2
    assert "is trained, and its layers stay as they are" in capsys.readouterr().err
    _, _, _, space = parse_tune(argv[:3])
    assert list(space) == ["learning_rate", "per_device_train_batch_size"]


def test_trials_with_equal_scores_have_a_page(data, tmp_path):
    (tmp_path / "space.yaml").write_text("learning_rate: {low: 1e-9, high: 1e-8}\nweight_decay: {low: 0, high: 0.1}")
    argv = [*words(data, tmp_path / "out", "--trials", "6"), "--space", str(tmp_path / "space.yaml")]
    argv[argv.index("--max_steps") + 1] = "1"
    assert tune_command(argv) == 0
    assert "Which settings matter" not in (tmp_path / "out" / "tune.html").read_text()


def test_the_page_shows_the_trials_and_what_more_of_them_bring(found):
    page = (found[1] / "tune.html").read_text()
    assert "custom-fc: 3 trials" in page
    assert "The expected best of so many trials" in page
    assert all(
        f"learning_rate {trial['settings']['learning_rate']:.4g}" in page for trial in results(found[1])["trials"]
    )


def test_an_interrupted_trial_is_made_again_and_counted_once(data, tmp_path):
    argv = words(data, tmp_path / "out", "--trials", "2")
    argv[argv.index("--max_steps") + 1] = "400"
    process = subprocess.Popen(
        [sys.executable, "-m", "sentiment_hf", "tune", *argv], stdout=subprocess.PIPE, text=True
    )
    while not list(tmp_path.glob("out/trial-*/run.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert len(trial_folders(tmp_path / "out")) == 1
    assert tune_command(argv) == 0
    trials = results(tmp_path / "out")["trials"]
    assert [trial["outcome"] for trial in trials] == ["scored", "scored"]
    assert trials[0]["settings"]["model_config.dropout"] == 0.5


def test_a_journal_that_was_cut_off_goes_on_without_its_last_line(found, tmp_path):
    argv, folder = found
    shutil.copytree(folder, tmp_path / "out")
    argv = [*argv[: argv.index("--output_dir")], "--output_dir", str(tmp_path / "out"), "--trials", "3"]
    journal = tmp_path / "out" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    assert tune_command(argv) == 0
    assert len(results(tmp_path / "out")["trials"]) == 3


def test_a_damaged_journal_is_refused(found, tmp_path, capsys):
    argv, folder = found
    shutil.copytree(folder, tmp_path / "out")
    argv = [*argv[: argv.index("--output_dir")], "--output_dir", str(tmp_path / "out"), "--trials", "3"]
    journal = tmp_path / "out" / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b"no journal\n", *lines[1:]]))
    assert tune_command(argv) == 2
    assert "study.journal is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("space", "more", "said"),
    [
        ("learning_rat: {low: 1, high: 2}", [], "no flag is called 'learning_rat', did you mean 'learning_rate'?"),
        ("learning_rate: {low: 2, high: 1}", [], "expected two numbers, low below high, found 2 and 1"),
        ("learning_rate: {low: 0, high: 1, log: true}", [], "with log: true low is above 0"),
        ("learning_rate: 3", [], "learning_rate: expected {low: 1e-4"),
        ("learning_rate: {choices: [1]}", [], "expected two choices or more"),
        ("learning_rate: {low: 1, high: 2, step: 1}", [], "found step"),
        ("seed: {choices: [1, 2]}", [], "seed is the same in all trials"),
        ("train_file: {choices: [a, b]}", [], "train_file is the same in all trials"),
        ("[", [], "is not YAML"),
        ("", [], "expected lines of the form"),
        (SPACE, ["--learning_rate", "0.1"], "--learning_rate is varied by the space"),
        (SPACE, ["--do_predict"], "--do_predict is set by tune itself"),
        (SPACE, ["--objective", "words"], "--objective is set by tune itself"),
        (SPACE, ["--model_config", "dropout=0.1"], "--model_config.dropout is varied by the space"),
        (SPACE, ["--trials", "0"], "--trials 0"),
        ("learning_rate: {low: 1e-4, high: .inf}", [], "expected two numbers, low below high"),
        ("num_train_epochs: {low: 0.5, high: 3, whole: true}", [], "expected two whole numbers"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(space, more, said, data, tmp_path, capsys):
    (tmp_path / "space.yaml").write_text(space)
    argv = words(data, tmp_path / "out")
    argv[argv.index("--space") + 1] = str(tmp_path / "space.yaml")
    assert tune_command([*argv, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_baseline_is_refused(data, tmp_path, capsys):
    assert tune_command(["--model", "baseline-nb-svm", f"--train_file={data / 'train.csv'}"]) == 2
    assert "a baseline chooses its settings by itself" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((CONFIGS / "spaces").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_space_of_ours_holds_the_recipe_and_is_understood(path):
    from sentiment_hf.searching.search import recipe_values

    assert built_in(path.stem) == path
    space = read_space(path)
    model = ["--model", path.stem] if path.stem.startswith("custom") else ["--model", "me/bert", "--tuning", path.stem]
    recipe = recipe_values(parse_run([*model, "--dataset", "sample"]), space)
    assert recipe.keys() == space.keys()
    assert all(value in space[name] for name, value in recipe.items()), recipe
    parse_run([*model, "--dataset", "sample", *as_flags(recipe)])


def test_every_custom_model_has_a_space():
    recipes = {path.stem for path in CONFIGS.glob("custom-*.yaml")}
    assert recipes == {path.stem for path in (CONFIGS / "spaces").glob("custom-*.yaml")}


def test_the_expected_best_is_the_mean_over_all_draws():
    assert expected_best([0.5, 0.7], more_is_better=True) == pytest.approx([0.6, 0.65])
    assert expected_best([0.5, 0.7], more_is_better=False) == pytest.approx([0.6, 0.55])


def test_a_run_that_is_worse_than_most_is_stopped(tmp_path):
    """As many validations as the others had, and lower scores."""
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(4, 2))
    history = tmp_path / "metrics.jsonl"

    def told(*scores: float) -> Watch:
        trial = study.ask()
        watch = Watch(history, "eval_accuracy", trial)
        history.write_text("")
        for step, score in enumerate(scores):
            with history.open("a") as file:
                file.write(json.dumps({"step": step, "loss": 1.0}) + "\n")
                file.write(json.dumps({"step": step, "eval_accuracy": score}) + "\n" + '{"step": 9, "eval_acc')
            stopped = watch.should_stop()
            history.write_text(history.read_text().removesuffix('{"step": 9, "eval_acc'))
            if stopped:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return watch
        study.tell(trial, scores[-1])
        return watch

    for _ in range(4):
        assert not told(0.6, 0.8, 0.9).pruned
    worse = told(0.5, 0.6, 0.7)
    assert worse.pruned
    assert (worse.count, worse.last) == (2, 0.6)
    assert not told(0.7, 0.85, 0.95).pruned


def test_the_recipe_of_the_best_is_yaml_with_the_model(found):
    content = yaml.safe_load((found[1] / "best.yaml").read_text())
    assert content["model"] == "custom-fc"
    assert {"learning_rate", "model_config", "max_seq_length"} <= content.keys()
