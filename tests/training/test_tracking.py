"""A run is tracked where users look at it: by trackio on this machine, under the name that they gave it."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import flags, write_data
from launching import python


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def test_a_run_is_in_the_local_trackio_with_its_scores(data, tmp_path, monkeypatch):
    tracking = ["--report_to", "trackio", "--project", "sentiment", "--run_name", "gru-1", "--logging_steps", "1"]
    words = ["-m", "sentiment_hf", "run", *flags(data, tmp_path / "run", *tracking)]
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "tracked"))
    done = subprocess.run([python(), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command = [
        Path(sys.executable).with_name("trackio"),
        "list",
        "metrics",
        "--project",
        "sentiment",
        "--run",
        "gru-1",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"train/loss", "eval/loss", "eval/accuracy", "test/accuracy"} <= set(shown)


def test_a_tracker_that_is_not_there_is_refused_in_a_line(data, tmp_path):
    words = ["-m", "sentiment_hf", "run", *flags(data, tmp_path / "run", "--report_to", "trakio")]
    done = subprocess.run([python(), *words], capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert "trakio is not supported, only" in line
