"""--profile: each second of a run belongs to one station."""

import json
import time

import pytest
from helpers import flags, read_report, write_data

from sentiment_hf.cli import run_command
from sentiment_hf.common.profile import PROFILED, Profile, profile_table


def test_a_station_within_another_counts_for_itself_alone():
    profile = Profile()
    profile.begin()
    inner = profile.station("collating")(lambda: time.sleep(0.03))
    with profile.station("steps"):
        time.sleep(0.02)
        inner()
        with pytest.raises(ValueError), profile.station("checkpoints"):  # noqa: PT011
            raise ValueError
    time.sleep(0.01)
    seconds = profile.end()
    assert seconds["collating"] >= 0.03
    assert 0.02 <= seconds["steps"] < 0.045
    assert seconds["other"] >= 0.01
    profile.begin()
    assert max(profile.end().values()) < 0.01


@pytest.mark.parametrize("model", ["custom-fc", "baseline-nb-svm"])
def test_a_run_shows_its_stations_and_writes_them(model, tmp_path, capsys):
    data = write_data(tmp_path / "data")
    argv = flags(data, tmp_path / "run", model=model, settings=())
    if model.startswith("baseline"):
        argv = [*argv[: argv.index("--num_train_epochs")], "--disable_tqdm", "true"]
    started = time.perf_counter()
    assert run_command([*argv, "--profile"]) == 0
    whole = time.perf_counter() - started
    seconds = json.loads((tmp_path / "run" / "profile.json").read_text())["seconds"]
    assert list(seconds) == list(PROFILED)
    spent = {name for name, taken in seconds.items() if taken > 0}
    networks = {"tokenizer", "tokenizing", "collating", "evaluation", "checkpoints"}
    assert spent == set(PROFILED) - (networks if model.startswith("baseline") else set())
    assert sum(taken for name, taken in seconds.items() if name != "start-up") < whole
    assert profile_table(seconds) in capsys.readouterr().out
    # A finished run is the same with and without it.
    assert run_command([*map(str, argv)]) == 0
    assert "profile" not in read_report(tmp_path / "run")["flags"]
