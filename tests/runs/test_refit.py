"""--refit trains again on train and validation, for the steps that validation chose; validation is not scored anew."""

import json

import pyarrow.parquet as pq
import pytest
from helpers import Stop, flags, read_report, reviews, run_until, save_bert, weights, write_csv, write_data
from transformers import AutoTokenizer

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

EVERY = ("--eval_strategy", "steps", "--eval_steps", "2", "--save_steps", "2", "--save_total_limit", "5")


class StopInRefit(Stop):
    """A signal in a step of the second fit."""

    def on_step_begin(self, args, state, control, **kwargs):
        """The second fit has a folder of its own."""
        if args.output_dir.endswith("refit"):
            super().on_step_begin(args, state, control, **kwargs)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The word `tasty` stands in validation alone."""
    folder = write_data(tmp_path_factory.mktemp("data"))
    write_csv(folder / "validation.csv", [(f"{text} tasty", label) for text, label in reviews(20, 1)])
    return folder


def predictions(folder, part):
    """The saved predictions of a part."""
    return pq.read_table(
        folder / {"validation": "validation_predictions.parquet", "test": "predictions.parquet"}[part]
    )


@pytest.fixture(scope="module")
def both(data, tmp_path_factory):
    """A folder with the run `once` and the same with --refit, `twice`."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("once", ()), ("twice", ("--refit",))):
        run(parse_run(flags(data, folder / name, *EVERY, *more)))
    return folder


def test_validation_keeps_the_score_of_the_first_fit_and_test_gets_the_second(both):
    once, twice = (read_report(both / name) for name in ("once", "twice"))
    assert predictions(both / "once", "validation") == predictions(both / "twice", "validation")
    assert predictions(both / "once", "test") != predictions(both / "twice", "test")
    for key in ("steps", "best_step", "epochs", "validation_unknown_tokens"):
        assert once[key] == twice[key], key
    assert "refit" not in once
    assert twice["train_tokens"] > once["train_tokens"]


def test_the_second_fit_makes_the_chosen_steps_times_the_rows(both):
    report = read_report(both / "twice")
    assert report["refit"] == {"rows": 60, "steps": round(report["best_step"] * 60 / 40)}
    logged = [json.loads(line) for line in (both / "twice" / "refit" / "metrics.jsonl").read_text().splitlines()]
    assert not any("eval_loss" in entry for entry in logged)


def test_the_vocabulary_of_the_second_fit_is_of_both_parts(both):
    once, twice = (AutoTokenizer.from_pretrained(both / name).get_vocab() for name in ("once", "twice"))
    assert "tasty" in twice
    assert "tasty" not in once


def test_the_card_says_of_which_fit_the_scores_are(both):
    steps = read_report(both / "twice")["refit"]["steps"]
    assert f"a second fit of {steps} steps on the 60 rows" in (both / "twice" / "README.md").read_text()


@pytest.mark.parametrize("last", [False, True])
def test_an_interrupted_second_fit_goes_on_and_ends_as_if_undisturbed(data, both, tmp_path, last):
    argv = flags(data, tmp_path / "run", *EVERY, "--refit")
    step = read_report(both / "twice")["refit"]["steps"] if last else 3
    run_until(StopInRefit(step), argv)
    assert (tmp_path / f"run/refit/checkpoint-{step}").is_dir()
    assert not (tmp_path / "run/report.json").exists()
    run(parse_run(argv))
    expected, found = weights(both / "twice"), weights(tmp_path / "run")
    assert all((expected[name] == found[name]).all() for name in expected)
    assert read_report(tmp_path / "run")["test"] == read_report(both / "twice")["test"]
    assert read_report(tmp_path / "run")["train_tokens"] == read_report(both / "twice")["train_tokens"]
    assert not list((tmp_path / "run/refit").glob("checkpoint-*"))


@pytest.mark.slow
def test_the_second_fit_of_another_run_is_not_gone_on_with(data, tmp_path):
    argv = flags(data, tmp_path / "run", *EVERY, "--refit")
    run_until(StopInRefit(3), argv)
    other = [*argv, "--per_device_train_batch_size", "4", "--max_steps", "12", "--force_resume"]
    run(parse_run(other))
    state = json.loads((tmp_path / "run/refit/trainer_state.json").read_text())
    assert state["train_batch_size"] == 4
    assert state["global_step"] == read_report(tmp_path / "run")["refit"]["steps"]


def test_an_adapter_is_fitted_twice(data, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    run(parse_run(flags(data, tmp_path / "run", "--refit", "--tuning", "lora", model=bert, settings=())))
    assert read_report(tmp_path / "run")["refit"]["rows"] == 60
    argv = ["--model", str(tmp_path / "run"), "--do_predict", *flags(data, tmp_path / "again", model="")[2:]]
    again = [word for word in argv if word not in ("--num_train_epochs", "2")]
    run(parse_run([*again[: again.index("--model_config")]]))
    assert read_report(tmp_path / "again")["test"] == read_report(tmp_path / "run")["test"]


@pytest.mark.parametrize("model", ["baseline-svm-bow", "baseline-nb-svm", "baseline-majority"])
def test_a_baseline_is_fitted_again_with_what_was_chosen(data, tmp_path, model):
    common = ["--model", model, *flags(data, tmp_path, model="")[2:8]]
    for name, more in (("once", []), ("twice", ["--refit"])):
        run(parse_run([*common, "--output_dir", str(tmp_path / name), *more]))
    once, twice = (read_report(tmp_path / name) for name in ("once", "twice"))
    assert predictions(tmp_path / "once", "validation") == predictions(tmp_path / "twice", "validation")
    assert once["chosen"] == twice["chosen"]
    assert twice["refit"] == {"rows": 60, "steps": None}
    assert twice["vocabulary"] == once["vocabulary"] + 1


def test_without_training_there_is_nothing_to_repeat(both):
    with pytest.raises(InputError, match="--refit trains a second time"):
        parse_run(["--model", str(both / "once"), "--dataset", "sample", "--do_predict", "--refit"])
