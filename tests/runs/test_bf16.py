"""What --bf16 auto chose is stored as if it had been given, kept by the run, and said with its reason."""

import json

import pytest
import torch
from helpers import Stop, flags, read_report, run_flags, run_until, save_bert, write_data

from sentiment_hf.cli import run_command
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.bf16_gains import auto_bf16, device_sets

KEPT = {True: "true, by auto: as the run was begun", False: "false, by auto: as the run was begun"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def here(model_type: str) -> tuple[bool, str]:
    """What auto chooses on this machine for a new run, and the words for it."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    bf16, reason = auto_bf16(model_type, device_sets(device))
    return bf16, f"{str(bf16).lower()}, by auto: {reason}"


def stored(folder) -> dict:
    """run.json"""
    return json.loads((folder / "run.json").read_text())


@pytest.mark.parametrize("model", ["custom-textcnn", "bert"])
def test_a_new_run_stores_what_was_chosen_and_says_it(data, tmp_path, capsys, model):
    ref = save_bert(tmp_path / "bert", data) if model == "bert" else model
    argv = flags(data, tmp_path / "run", "--bf16", "auto", "--max_steps", 2, model=ref, settings=())
    assert run_command([*argv, "--dry_run"]) == 0
    bf16, chosen = here(model)
    assert f"{chosen}\n" in capsys.readouterr().out
    assert run_command(argv) == 0
    assert f"{chosen}\n" in capsys.readouterr().out
    assert stored(tmp_path / "run")["bf16"] is bf16
    report = read_report(tmp_path / "run")
    assert report["bf16_chosen"] == chosen
    assert report["mixed_precision"] == ("bf16" if bf16 else "no")
    assert report["flags"].get("bf16", False) is bf16
    assert chosen.replace("_", r"\_") in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("begun", [True, False])
def test_a_run_goes_on_in_the_format_that_it_began_with(data, tmp_path, begun):
    """One of the two is what auto would not choose here: so a run goes on that another processor began."""
    run_until(Stop(3), flags(data, tmp_path / "run", "--bf16", begun))
    report = run_flags(data, tmp_path / "run", "--bf16", "auto")
    assert (report["steps"], report["bf16_chosen"]) == (10, KEPT[begun])
    assert report["mixed_precision"] == ("bf16" if begun else "no")
    assert stored(tmp_path / "run")["bf16"] is begun


def test_the_same_command_continues_and_finds_its_run_finished(data, tmp_path, monkeypatch):
    """In the default folder, whose name is known only when the data is read."""
    monkeypatch.chdir(tmp_path)
    argv = flags(data, "auto", "--bf16", "auto")
    run_until(Stop(3), argv)
    report = run(parse_run(argv))
    assert (report.steps, report.bf16_chosen) == (10, KEPT[here("custom-gru")[0]])
    file = report.folder / "report.json"
    written = file.stat().st_mtime_ns
    assert run(parse_run(argv)) == report
    assert file.stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_finished_run_is_found_by_auto_whatever_it_was_made_with(data, tmp_path):
    for value in ("true", "false"):
        argv = flags(data, tmp_path / value, "--max_steps", 2)
        report = run(parse_run([*argv, "--bf16", value]))
        assert run(parse_run([*argv, "--bf16", "auto"])) == report
        assert report.bf16_chosen is None


def test_a_run_that_is_replaced_or_never_came_to_a_checkpoint_is_chosen_anew(data, tmp_path):
    bf16, chosen = here("custom-gru")
    argv = flags(data, tmp_path / "run", "--max_steps", 2)
    run(parse_run([*argv, "--bf16", str(not bf16)]))
    assert run(parse_run([*argv, "--bf16", "auto", "--overwrite"])).bf16_chosen == chosen
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "run.json").write_text(json.dumps(stored(tmp_path / "run") | {"bf16": not bf16}))
    assert run_flags(data, begun, "--max_steps", 2, "--bf16", "auto")["bf16_chosen"] == chosen
