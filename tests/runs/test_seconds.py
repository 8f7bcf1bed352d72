"""The seconds of a run count the same stations for every model; an interruption adds none that were spent twice."""

import json

import pytest
from helpers import TINY, Stop, flags, read_report, run_baseline, run_flags, run_until, save_bert, write_data

from sentiment_hf.baselines import FOR_NUMBERS
from sentiment_hf.common.files import write_json
from sentiment_hf.common.stopwatch import STATIONS
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.report import Report, result_table
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import BASELINE_NAMES, MODEL_NAMES
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.checkpoints import write_manifest

NEW_KEYS = ("seconds", "total_seconds", "run_memory_bytes")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"), train=60)


@pytest.mark.parametrize("name", [*MODEL_NAMES, *(name for name in BASELINE_NAMES if name not in FOR_NUMBERS)])
def test_every_model_counts_from_the_data_files_to_the_saved_model(name, data, tmp_path):
    if name in BASELINE_NAMES:
        report = run_baseline(data, tmp_path / "run", name)
    else:
        report = run_flags(data, tmp_path / "run", "--max_steps", 2, model=name, settings=())
    assert tuple(report["seconds"]) == STATIONS
    assert all(seconds > 0 for seconds in report["seconds"].values())
    assert report["total_seconds"] == sum(report["seconds"].values()) > report["train_seconds"]
    if name in BASELINE_NAMES:
        assert report["seconds"]["training"] == pytest.approx(sum(one["fit_seconds"] for one in report["search"]))
    else:
        assert report["seconds"]["training"] == report["train_seconds"]


@pytest.fixture(scope="module")
def bert(data, tmp_path_factory):
    """A finished run of a checkpoint."""
    folder = tmp_path_factory.mktemp("bert")
    run_flags(data, folder / "run", model=save_bert(folder / "start", data), settings=())
    return folder / "run"


def test_a_checkpoint_counts_alike_and_its_card_and_table_show_the_stations(bert):
    report = read_report(bert)
    assert tuple(report["seconds"]) == STATIONS
    card = (bert / "README.md").read_text(encoding="utf-8")
    shown = result_table(Report.load(bert))
    for text in (card, shown):
        assert all(f"{station} {seconds:.1f} s" in text for station, seconds in report["seconds"].items())
        assert "above the imports" in text
    assert f"{report['total_seconds'] / 60:.1f} min (" in card


def test_a_checkpoint_that_is_only_scored_costs_no_training(bert, data, tmp_path):
    report = run_flags(data, tmp_path / "scored", "--do_eval", model=bert, settings=())
    assert (report["seconds"], report["total_seconds"], report["train_seconds"]) == ({}, 0, 0)


def test_a_resumed_run_adds_up_and_counts_what_it_makes_twice_once(data, tmp_path):
    argv = flags(data, tmp_path / "run", settings=TINY)
    run_until(Stop(5), argv)
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    clock = checkpoint / "clock.json"
    before = json.loads(clock.read_text())
    first = before | {"seconds": 100.0, "stations": dict.fromkeys(("preprocessing", "evaluation", "saving"), 1000.0)}
    write_json(clock, first)
    write_manifest(checkpoint)
    seconds = run(parse_run(argv)).seconds
    assert seconds["preprocessing"] == 1000
    assert seconds["evaluation"] > 1000 < seconds["saving"]
    assert 100 < seconds["training"] < 200


def test_a_run_that_was_once_made_beside_others_says_so_and_its_command_does_not(data, tmp_path):
    argv = flags(data, tmp_path / "run", "--refit", settings=TINY)
    run_until(Stop(5), [*argv, "--side_by_side", "3"])
    report = run(parse_run(argv))
    assert report.side_by_side == 3
    assert "3 runs side by side" in result_table(report)
    # Neither threads nor neighbours make another run of it.
    again = run(parse_run([*argv, "--num_cpu_threads", "2", "--side_by_side", "2"]))
    assert again.as_json() == report.as_json()
    words = data, tmp_path / "baseline", "baseline-majority"
    beside = run_baseline(*words, "--side-by-side=2")
    assert (beside["side_by_side"], "side" in beside["command"]) == (2, False)
    assert run_baseline(*words, "--overwrite")["side_by_side"] == 1


def test_minutes_of_older_runs_stand_beside_new_ones_as_what_they_are(bert, data, tmp_path):
    for name in ("baseline-naive-bayes-bow", "baseline-nb-svm"):
        run_baseline(data, tmp_path / name, name)
    old = tmp_path / "baseline-nb-svm"
    content = {key: value for key, value in read_report(old).items() if key not in NEW_KEYS}
    write_json(old / "report.json", content | {"train_seconds": 0.001})
    result = compare(load_runs([bert, old, tmp_path / "baseline-naive-bayes-bow"]), None)
    models = {model["name"]: model for model in result["models"]}
    assert models["run"]["train_minutes"] == read_report(bert)["total_seconds"] / 60
    assert models["run"]["peak_memory_bytes"] == read_report(bert)["run_memory_bytes"]
    assert models["run"]["seconds_by_station"] == read_report(bert)["seconds"]
    assert models["baseline-nb-svm"]["train_minutes"] == 0.001 / 60
    assert models["baseline-nb-svm"]["peak_memory_bytes"] == content["peak_memory_bytes"]
    # The least minutes of all are no reason for it: they are not minutes of the same.
    assert "baseline-nb-svm" not in result["pareto"]["train_minutes"]
    assert "baseline-nb-svm are of an older version: their minutes are those of training steps" in result["advice"][-1]
    alike = compare(load_runs([bert, tmp_path / "baseline-naive-bayes-bow"]), None)
    assert not any("older version" in sentence for sentence in alike["advice"])


def test_the_memory_of_a_run_is_that_above_its_imports(bert):
    report = read_report(bert)
    assert 0 <= report["run_memory_bytes"] < report["peak_memory_bytes"] - 100 * 2**20
