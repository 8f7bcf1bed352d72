"""--dry_run says what a run would read, make and cost, and leaves nothing behind."""

import re

import pytest
from helpers import baseline_flags, flags, read_report, run_flags, save_bert, write_data

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data", train=44)


def table(argv, capsys) -> dict[str, str]:
    """What is printed, by the first word of each line."""
    assert run_command([*argv, "--dry_run"]) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_every_model_is_rehearsed_and_nothing_is_written(data, tmp_path, capsys, model):
    found = table(flags(data, tmp_path / "run", model=model, settings=()), capsys)
    assert found["train"] == "44 rows (negative 22, positive 22)"
    assert found["training"].startswith("12 steps of 8 texts, 2.0 epochs")
    assert re.match(r"about \d+\.\d min \(training .*, 2 validations .* guessed from 10 steps\)", found["time"])
    assert re.match(r"about [\d,]+ MiB", found["memory"])
    assert found["output"] == f"{tmp_path / 'run'}; nothing was written"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.parametrize("more", [(), ("--max_steps", "3"), ("--gradient_accumulation_steps", "2")])
def test_it_promises_the_steps_that_a_run_makes(data, tmp_path, capsys, more):
    promised = table(flags(data, tmp_path / "run", *more), capsys)["training"]
    report = run_flags(data, tmp_path / "run", *more)
    assert promised.startswith(f"{report['steps']} steps of ")
    assert f"{report['epochs']:.1f} epochs" in promised


def test_a_finished_run_and_an_adapter_stay_as_they_are(data, tmp_path, capsys):
    bert = save_bert(tmp_path / "bert", data)
    argv = flags(data, tmp_path / "run", "--tuning", "lora", "--max_steps", "2", model=bert, settings=())
    assert run_command(argv) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    capsys.readouterr()
    found = table([*argv, "--learning_rate", "1"], capsys)
    assert f"trained {read_report(tmp_path / 'run')['trainable_parameters']:,};" in found["model"]
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_of_a_baseline_the_data_are_shown(data, tmp_path, capsys):
    found = table(baseline_flags(data, tmp_path / "run", "baseline-nb-svm"), capsys)
    assert found["test"] == "22 rows (negative 11, positive 11)"
    assert "not tried" in found["model"]


def test_what_a_run_refuses_a_rehearsal_refuses_too(data, tmp_path, capsys):
    assert run_command([*flags(data, tmp_path / "run"), "--dry_run", "--text_column_names", "none"]) == 2
    assert run_command(["--model", "custom-gru", "--dataset", "sample", "--dry_run", "--do_eval"]) == 2
