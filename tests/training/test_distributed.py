"""Two processes train the model that one trains; a launch that came down to one is refused."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psutil
import pytest
import torch
from helpers import cores, flags, read_report, save_bert, weights, write_data
from launching import ACCELERATE, ROOT, call, environment
from transformers import TrainingArguments

from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.checkpoints import newest_whole_checkpoint
from sentiment_hf.training.processes import use_all_cores

EXACT = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0")


OTHER_TASKS = {
    "multi_label": (("food|price", "price"), ["--label_delimiter", "|"]),
    "regression": (("1200.5", "1350"), ["--task", "regression"]),
    "ordinal": (("1", "5"), ["--task", "ordinal"]),
}
WINDOWS = ("--long_texts", "windows", "--max_seq_length", 6, "--dataloader_drop_last", "true", "--adam_epsilon", 1e-4)

MODULE = [sys.executable, "-m", "accelerate.commands.launch"]


# AdamW would make steps of the rounding errors of weights that have almost no gradient.
WORDS = ("--objective", "words", "--adam_epsilon", 1e-4)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Whole steps in training; what is scored divides by neither two processes nor their batches."""
    return write_data(tmp_path_factory.mktemp("data"), train=40, validation=15, test=23)


# One launch for all: what it costs is the start of its processes. They part at the end of a run, here of the last.
ALL = """
import json, sys
from sentiment_hf.cli import exit_code_of
from sentiment_hf.cli.run import run_main
from sentiment_hf.training.safe_trainer import SafeTrainer
end, SafeTrainer.end = SafeTrainer.end, lambda trainer: None
*first, last = json.loads(sys.argv[1])
for argv in first:
    assert exit_code_of(lambda: run_main(argv)) == 0
SafeTrainer.end = end
run_main(last)
"""


def runs(data: Path, folder: Path, base: Path, batch: int) -> dict[str, list[str]]:
    """Command lines by name: custom models, a stock one, an adapter of it, merged at the end, and the other tasks."""
    more = ["--learning_rate", 0.02, "--logging_steps", 1, "--per_device_train_batch_size", batch]
    columns, names = with_columns(data, folder.parent / "columns"), ["--extra_column_names", "price,land"]
    sentences = replaced(data, folder.parent / "sentences", {" was": " ."})
    # Attention over a single sentence has almost no gradient, and AdamW would make steps of its rounding errors.
    hierarchical = ["--long_texts", "hierarchical", "--adam_epsilon", 1e-4]
    return {
        "custom": flags(data, folder / "custom", *more, settings=EXACT),
        # With the windows there are no whole steps: the last one is left out, for it cannot be shared evenly.
        "windows": flags(data, folder / "windows", *more, *WINDOWS, settings=EXACT),
        "stock": flags(data, folder / "stock", *more, model=base, settings=()),
        "lora": flags(data, folder / "lora", *more, "--tuning", "lora", "--merge_adapter", model=base, settings=()),
        "columns": flags(columns, folder / "columns", *more, *names, settings=EXACT),
        "beside": flags(columns, folder / "beside", *more, *names, "--tuning", "head", model=base, settings=()),
        "hierarchical": flags(sentences, folder / "hierarchical", *more, *hierarchical, settings=EXACT),
        "averaged": flags(data, folder / "averaged", *more, "--ema", 0.9, "--layer_lr_decay", 0.5, settings=EXACT),
        "next words": flags(data, folder / "next words", *more, *WORDS, settings=EXACT),
        "masked words": flags(data, folder / "masked words", *more, *WORDS, model=base, settings=()),
    } | {
        name: flags(
            replaced(data, folder.parent / name, dict(zip(("negative", "positive"), labels, strict=True))),
            *(folder / name, *more, *task),
            settings=EXACT,
        )
        for name, (labels, task) in OTHER_TASKS.items()
    }


def replaced(data: Path, folder: Path, words: dict[str, str]) -> Path:
    """The same data with other words or labels."""
    folder.mkdir(exist_ok=True)
    for file in data.glob("*.csv"):
        text = file.read_text()
        for word, other in words.items():
            text = text.replace(word, other)
        (folder / file.name).write_text(text)
    return folder


def with_columns(data: Path, folder: Path) -> Path:
    """The same data with a column of numbers and one of categories."""
    folder.mkdir(exist_ok=True)
    for file in data.glob("*.csv"):
        head, *lines = file.read_text().splitlines()
        lines = [f"{line},{index % 7},{('de', 'fr', '')[index % 3]}" for index, line in enumerate(lines)]
        (folder / file.name).write_text("\n".join([f"{head},price,land", *lines]))
    return folder


@pytest.fixture(scope="module")
def two_and_one(data, tmp_path_factory) -> tuple[Path, Path, str, str]:
    """Folders of the runs by two processes and by one, what the two printed, and their notes."""
    folder = tmp_path_factory.mktemp("runs")
    base = save_bert(folder / "bert", data, hidden_dropout_prob=0.0)
    (folder / "all.py").write_text(ALL)
    config = str(ROOT / "configs" / "accelerate" / "cpu-2.yaml")
    command = [*ACCELERATE, "--config_file", config, str(folder / "all.py")]
    argv = [*runs(data, folder / "two", base, 4).values()]
    command.append(json.dumps([[str(word) for word in words] for words in argv]))
    where = environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=where, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in runs(data, folder / "one", base, 8).values():
        run(parse_run([str(word) for word in words]))
    return folder / "two", folder / "one", done.stdout, done.stderr


NAMES = ["custom", "windows", "stock", "lora", "columns", "beside", "hierarchical", "averaged", *OTHER_TASKS]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_and_score_as_one_does(two_and_one, name):
    two, one = (read_report(folder / name) for folder in two_and_one[:2])
    assert (one["processes"], two["processes"]) == (1, 2)
    for field in ("steps", "best_step", "train_tokens", "vocabulary", "trainable_parameters"):
        assert two[field] == one[field], field
    found, expected = (weights(folder / name) for folder in two_and_one[:2])
    for weight, tensor in expected.items():
        torch.testing.assert_close(found[weight], tensor, rtol=0, atol=2e-5, msg=weight)
    for split in ("validation", "test"):
        assert two[split]["rows"] == one[split]["rows"]
        assert two[split].get("confusion") == one[split].get("confusion")
        assert two[split]["loss"] == pytest.approx(one[split]["loss"], abs=1e-4)
    # Two lines a run, by the first process only.
    assert two_and_one[2].count("macro F1") == 2 * (len(NAMES) - len(OTHER_TASKS))


@pytest.mark.parametrize("name", ["next words", "masked words"])
def test_two_processes_learn_words_as_one_does(two_and_one, name):
    two, one = (read_report(folder / name) for folder in two_and_one[:2])
    assert two["validation"]["loss"] == pytest.approx(one["validation"]["loss"], abs=1e-5)
    found, expected = (weights(folder / name) for folder in two_and_one[:2])
    for weight, tensor in expected.items():
        torch.testing.assert_close(found[weight], tensor, rtol=0, atol=2e-5, msg=weight)


def test_of_several_processes_one_says_the_notes(two_and_one):
    # One of a custom model, one of a checkpoint.
    assert two_and_one[3].count("'price' is read as numbers") == 2


@pytest.mark.slow
def test_a_launch_that_came_down_to_one_process_is_refused(data, tmp_path):
    done = call([*MODULE, "--cpu", "--num_processes", "2"], flags(data, tmp_path / "run"))
    assert done.returncode != 0
    assert "error: 2 processes were asked for" in done.stderr
    assert "cpu-2.yaml" in done.stderr
    assert not (tmp_path / "run").exists()


ENDLESS = ["--max_steps", 10**6, "--eval_strategy", "no", "--load_best_model_at_end", "false", "--logging_steps", 1]


def begun(command: list[str], folder: Path, stderr: int | IO = subprocess.DEVNULL) -> subprocess.Popen:
    """The launcher of a run that has made its first steps."""
    launcher = subprocess.Popen(command, env=environment(), cwd=ROOT, stderr=stderr)
    metrics = folder / "metrics.jsonl"
    while not (metrics.is_file() and metrics.read_text()):
        assert launcher.poll() is None
        time.sleep(0.2)
    return launcher


def test_the_end_of_the_launcher_ends_the_run_with_a_checkpoint(data, tmp_path):
    argv = flags(data, tmp_path / "run", *ENDLESS, "--save_strategy", "no")
    command = [*ACCELERATE, "--cpu", "--num_processes", "1", str(ROOT / "scripts" / "run.py"), *argv]
    launcher = begun(command, tmp_path / "run")
    (trains,) = psutil.Process(launcher.pid).children()
    launcher.terminate()
    launcher.wait(60)
    trains.wait(60)
    assert newest_whole_checkpoint(tmp_path / "run")
    assert not (tmp_path / "run" / "report.json").exists()


@pytest.mark.slow
def test_a_second_process_that_is_killed_ends_the_run_and_is_named(data, tmp_path):
    argv = flags(data, tmp_path / "run", *ENDLESS, "--save_strategy", "steps", "--save_steps", 1)
    config = str(ROOT / "configs" / "accelerate" / "cpu-2.yaml")
    command = [*ACCELERATE, "--config_file", config, str(ROOT / "scripts" / "run.py"), *argv]
    with (tmp_path / "stderr").open("w") as stderr:
        launcher = begun(command, tmp_path / "run", stderr)
        ranks = {child.environ()["RANK"]: child for child in psutil.Process(launcher.pid).children()}
        while newest_whole_checkpoint(tmp_path / "run") is None:
            time.sleep(0.2)
        ranks["1"].kill()
        assert launcher.wait(120) != 0
    ranks["0"].wait(60)
    assert "training failed: another process of this run is gone" in (tmp_path / "stderr").read_text()
    assert newest_whole_checkpoint(tmp_path / "run")


def test_the_cores_are_shared_by_the_processes_of_this_machine_only(tmp_path, monkeypatch):
    before = torch.get_num_threads()
    all_cores = cores()
    for here, threads in ((1, all_cores), (2, max(1, all_cores // 2)), (all_cores + 1, 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
        use_all_cores(TrainingArguments(tmp_path, use_cpu=True), None)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
