"""A recipe makes as many steps as the rows need: on IMDB those of the committed results, on fewer rows fewer."""

import json
import logging
from pathlib import Path

import pytest
from helpers import run_flags, write_data

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.identity import with_metric
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.schedule import bound_steps, epochs_per_validation
from sentiment_hf.training.train import say_odd_choice

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "results/imdb/runs.jsonl").read_text(encoding="utf-8").splitlines()
MADE = {run["recipe"]: run["steps"] for run in map(json.loads, LINES) if run["recipe"] == run["model"]}


def steps(name: str, rows: int, *more: str) -> int:
    """The steps of a run by the recipe of a model on so many rows of train, as `Trainer` counts them."""
    spec = parse_run(["--model", name, *more, "--output_dir", "out"])
    args = training_arguments(spec)
    bound_steps(args, spec.run, rows)
    if args.max_steps > 0:
        return args.max_steps
    per_epoch = -(-rows // args.train_batch_size)
    return -int(-args.num_train_epochs * per_epoch // 1)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_recipe_makes_the_committed_steps_on_imdb_and_scales_with_the_rows(name):
    assert steps(name, 22_500) == MADE[name]
    assert steps(name, 7_800) == pytest.approx(max(500, MADE[name] * 7_800 / 22_500), rel=0.01)
    assert steps(name, 300) == 500
    assert steps(name, 10**9) == 100_000


def test_the_flags_of_a_user_are_the_steps(caplog):
    assert steps("custom-fc", 1280, "--max_steps", "30") == 30
    assert steps("custom-fc", 1280, "--num_train_epochs", "2") == 20
    assert steps("custom-fc", 1280, "--num_train_epochs", "2", "--least_steps", "25") == 25
    assert not caplog.records


@pytest.mark.parametrize(("epochs", "said"), [("0.5", "0.5 epochs"), ("101", "101 epochs"), ("1", ""), ("100", "")])
def test_less_than_an_epoch_and_more_than_a_hundred_are_said(epochs, said, caplog):
    with caplog.at_level(logging.WARNING):
        steps("custom-fc", 1280, "--num_train_epochs", epochs)
    assert (said in caplog.text) if said else not caplog.records


@pytest.mark.parametrize(
    ("epochs", "train", "validation", "every"),
    [
        (3.4, 22_500, 2_500, 1),
        (8.5, 22_500, 2_500, 1),
        (106, 600, 75, 10),
        (106, 3_388, 300, 2),
        (30, 600, 600, 3),
        (3, 600, 6_000, 1),
        (500, 40_000, 2_000, 1),
    ],
)
def test_about_a_tenth_of_the_rows_is_scored_and_ten_times_at_least(epochs, train, validation, every):
    assert epochs_per_validation(epochs, train, validation) == every
    assert epochs / every >= min(10, epochs)


def test_a_run_on_few_rows_is_validated_seldom_and_at_its_end(tmp_path, caplog):
    data = write_data(tmp_path / "data")
    more = ["--num_train_epochs", "23", "--save_total_limit", "99", "--max_steps", "-1"]
    report = run_flags(data, tmp_path / "run", *more)
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert [line["epoch"] for line in lines if "eval_loss" in line] == [*range(2, 23, 2), 23]
    assert len(list((tmp_path / "run").glob("checkpoint-*"))) == 12
    assert report["epochs"] == 23
    assert "validation is scored every 2 epochs" in caplog.text


def test_fewest_steps_above_most_steps_are_refused():
    with pytest.raises(InputError, match="--least_steps 30 is more than --most_steps 20"):
        steps("custom-fc", 1280, "--least_steps", "30", "--most_steps", "20")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), ""),
        (("--eval_strategy", "no"), ""),
        (("--save_strategy", "no"), "--save_strategy no: the weights of the last step are kept"),
        (("--load_best_model_at_end", "no"), "--load_best_model_at_end false: the weights of the last step"),
        (
            ("--metric_for_best_model", "loss", "--greater_is_better", "yes"),
            "the checkpoint with the worst loss is kept",
        ),
        (("--greater_is_better", "no"), "the checkpoint with the worst accuracy is kept"),
    ],
)
def test_a_choice_of_weights_that_few_want_is_said(more, said, caplog):
    spec, task = (
        parse_run(["--model", "custom-fc", "--do_train", *more, "--output_dir", "out"]),
        SingleLabel(("a", "b")),
    )
    say_odd_choice(with_metric(spec, training_arguments(spec), task)[1], task)
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)
