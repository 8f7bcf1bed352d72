"""Two processes train the model that one trains; a launch that came down to one is refused."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from helpers import flags, read_report, run_flags, weights, write_data
from transformers import TrainingArguments

from sentiment_hf.checkpoints import newest_whole
from sentiment_hf.launch import use_all_cores

ROOT = Path(__file__).parents[1]
EXACT = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0")


ACCELERATE = [str(Path(sys.executable).with_name("accelerate")), "launch"]
MODULE = [sys.executable, "-m", "accelerate.commands.launch"]


def environment() -> dict[str, str]:
    """Without what a launcher around the tests has set."""
    foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_", "ACCELERATE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def call(launch: list[str], argv: list[str]) -> subprocess.CompletedProcess:
    """`accelerate launch` as a user would, in a process of its own."""
    command = [*launch, str(ROOT / "scripts" / "run.py"), *argv]
    return subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Whole steps in training; what is scored divides by neither two processes nor their batches."""
    return write_data(tmp_path_factory.mktemp("data"), train=40, validation=15, test=23)


def test_two_processes_train_and_score_as_one_does(data, tmp_path):
    more = ["--learning_rate", 0.02, "--logging_steps", 1]
    launch = [*ACCELERATE, "--config_file", str(ROOT / "configs" / "accelerate" / "cpu-2.yaml")]
    argv = flags(data, tmp_path / "two", *more, "--per_device_train_batch_size", 4, settings=EXACT)
    done = call(launch, argv)
    assert done.returncode == 0, done.stdout + done.stderr
    one = run_flags(data, tmp_path / "one", *more, "--per_device_train_batch_size", 8, settings=EXACT)
    two = read_report(tmp_path / "two")
    assert (one["processes"], two["processes"]) == (1, 2)
    for name in ("steps", "best_step", "train_tokens", "vocabulary"):
        assert two[name] == one[name], name
    found, expected = weights(tmp_path / "two"), weights(tmp_path / "one")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5)
    for split in ("validation", "test"):
        assert two[split]["rows"] == one[split]["rows"]
        assert two[split]["confusion"] == one[split]["confusion"]
        assert two[split]["loss"] == pytest.approx(one[split]["loss"], abs=1e-5)
    assert done.stdout.count("macro F1") == 2


def test_a_launch_that_came_down_to_one_process_is_refused(data, tmp_path):
    done = call([*MODULE, "--cpu", "--num_processes", "2"], flags(data, tmp_path / "run"))
    assert done.returncode != 0
    assert "error: 2 processes were asked for" in done.stderr
    assert "cpu-2.yaml" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_end_of_the_launcher_ends_the_run_with_a_checkpoint(data, tmp_path):
    endless = [
        "--max_steps",
        10**6,
        "--eval_strategy",
        "no",
        "--load_best_model_at_end",
        "false",
        "--logging_steps",
        1,
    ]
    argv = flags(data, tmp_path / "run", *endless, "--save_strategy", "no")
    command = [*ACCELERATE, "--cpu", "--num_processes", "1", str(ROOT / "scripts" / "run.py"), *argv]
    launcher = subprocess.Popen(command, env=environment(), cwd=ROOT, stderr=subprocess.DEVNULL)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not (metrics.is_file() and metrics.read_text()):
        assert launcher.poll() is None
        time.sleep(0.2)
    (trains,) = psutil.Process(launcher.pid).children()
    launcher.terminate()
    launcher.wait(60)
    trains.wait(60)
    assert newest_whole(tmp_path / "run")
    assert not (tmp_path / "run" / "report.json").exists()


def test_the_cores_are_shared_by_the_processes_of_this_machine_only(tmp_path, monkeypatch):
    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0))
    for here, threads in ((1, cores), (2, max(1, cores // 2)), (cores + 1, 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
        use_all_cores(TrainingArguments(tmp_path, use_cpu=True), None)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
