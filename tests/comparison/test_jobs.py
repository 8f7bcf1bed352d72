"""compare --jobs: runs side by side are the runs that they are alone, and only their times are not to be compared."""

import contextlib
import csv
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import read_report, write_data
from test_compare import SMALL, files, results

from sentiment_hf.cli import compare_command
from sentiment_hf.comparison.plan import side_by_side
from sentiment_hf.comparison.plan.execute import execute
from sentiment_hf.comparison.plan.flags import parse_compare
from sentiment_hf.comparison.plan.plan import plan
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

pytestmark = pytest.mark.usefixtures("forked")
GRU = SMALL.replace("custom-fc", "custom-gru")
BROKEN = f"{SMALL} --learning_rate 1e30 --max_grad_norm 0 --optim sgd".replace("custom-fc", "custom-attention")
MADE = ("custom-fc-seed0", "custom-gru-seed0")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=60)


def command(data: Path, output: Path, *models: str) -> list[str]:
    words = ["--models", *models, "--seeds", "1", "--jobs", "2", "--output_dir", str(output)]
    return [*words, "--num_cpu_threads", "1", *files(data)]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> tuple[Path, str]:
    """The folder of two finished runs and one that failed, two at a time, and what was printed."""
    output, printed = tmp_path_factory.mktemp("jobs") / "out", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert compare_command(command(data, output, BROKEN, SMALL, GRU)) == 3
    return output, printed.getvalue()


def test_runs_side_by_side_give_what_they_give_alone_by_the_command_in_their_report(made, tmp_path):
    for name in MADE:
        report = read_report(made[0] / name)
        _, _, *argv = shlex.split(report["command"])
        alone = run(parse_run([*argv, "--output_dir", str(tmp_path / name)]))
        parts = [pq.read_table(folder / "predictions.parquet") for folder in (made[0] / name, alone.folder)]
        assert parts[0] == parts[1]
        assert alone.validation == report["validation"]
        assert (alone.side_by_side, report["side_by_side"]) == (1, 2)


def test_a_line_says_of_each_run_how_it_ended_and_a_failed_one_stops_no_other(made):
    first, *lines = made[1].splitlines()[:4]
    assert first == "3 runs, 0 of them finished already, 2 at a time"
    assert [line[:5] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    ended = {line.split()[1]: line.split(" ... ")[1] for line in lines}
    assert ended.keys() == {*MADE, "custom-attention-seed0"}
    assert ended["custom-attention-seed0"].startswith("failed: ")
    assert all(re.match(r"validation [\d.]+% in \d+ s; ", ended[name]) for name in MADE)
    assert [failure["name"] for failure in results(made[0])["failed"]] == ["custom-attention-seed0"]


def test_their_times_are_marked_and_compared_with_none(made):
    found, page = results(made[0]), made[0] / "comparison"
    assert [model["side_by_side"] for model in found["models"]] == [2, 2]
    assert all(model["train_minutes"] > 0 and model["inference"] for model in found["models"])
    assert found["pareto"]["train_minutes"] == []
    assert not any("trains" in sentence for sentence in found["advice"])
    for name in ("report.html", "report.md"):
        text = (page / name).read_text(encoding="utf-8")
        assert text.count("were made side by side, which slows each of them down") == 1
        assert len(re.findall(r"[\d.]+ ‡", text)) == 4
        assert "Accuracy against training time" not in text
    with (page / "results.csv").open(newline="", encoding="utf-8") as file:
        assert [line["side_by_side"] for line in csv.DictReader(file)] == ["2", "2"]
    assert len(re.findall(r"min ‡", made[1])) == 2


def test_a_last_run_is_made_alone_and_so_it_is_not_marked(made, data, tmp_path):
    output = shutil.copytree(made[0], tmp_path / "out")
    shutil.rmtree(output / MADE[0])
    planned, *_ = plan(parse_compare(command(data, output, SMALL, GRU)))
    assert execute(planned, jobs=2) == []
    assert [read_report(output / name)["side_by_side"] for name in MADE] == [1, 2]


def test_each_gets_its_share_of_the_cores_unless_its_flags_name_threads(data, monkeypatch):
    monkeypatch.setattr(side_by_side, "available_cores", lambda: 8)
    own = "custom-fc --num_cpu_threads 3"
    planned, *_ = plan(parse_compare(["--models", "custom-gru", own, "--seeds", "1", *files(data)]))
    told = [[side_by_side.flags_beside_others(run, jobs) for run in planned] for jobs in (1, 3, 9)]
    assert told == [
        [[], []],
        [["--num_cpu_threads", "2", "--side_by_side", "3"], ["--side_by_side", "3"]],
        [["--num_cpu_threads", "1", "--side_by_side", "9"], ["--side_by_side", "9"]],
    ]


@pytest.mark.slow
def test_a_signal_reaches_both_and_the_same_command_goes_on(data, tmp_path):
    output, names = tmp_path / "out", ("custom-gru-seed0", "custom-lstm-seed0")
    # So long that they can be met in the middle.
    long = [SMALL.replace("fc", cell).replace("max_steps 20", "max_steps 400") for cell in ("gru", "lstm")]
    argv = command(data, output, *long, "baseline-majority")
    words = [sys.executable, "-m", "sentiment_hf", "compare", *argv]
    process = subprocess.Popen(words, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    logged = [output / name / "metrics.jsonl" for name in names]
    deadline = time.monotonic() + 120
    while not all(log.is_file() and "loss" in log.read_text() for log in logged) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"stopped in {names[0]}, {names[1]}; the same command goes on from there" in said
    assert {path.parent.name for path in output.glob("*/checkpoint-*")} == {*names}
    assert not list(output.glob("*/report.json"))
    assert {path.stem for path in (output / "logs").iterdir()} == {*names}, "no other run is begun"
    planned, *_ = plan(parse_compare(argv))
    assert execute(planned, jobs=2) == []
    assert all("going on from" in (output / "logs" / f"{name}.log").read_text() for name in names)
