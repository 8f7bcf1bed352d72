"""A checkpoint that is not whole is never gone on from."""

import builtins
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import transformers.trainer
from helpers import Stop, flags, run_until, weights, write_data
from launching import python
from transformers import TrainerCallback

from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.common.files import write_text
from sentiment_hf.common.layout import LOCK, MANIFEST, TRAINER_STATE
from sentiment_hf.runs.lock import folder_lock, refuse_locked
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training import disk
from sentiment_hf.training.checkpoints import (
    delete_old_checkpoints,
    newest_whole_checkpoint,
    set_aside_damaged,
    why_not_whole,
    write_manifest,
)
from sentiment_hf.training.trainer import ClassificationTrainer

DROPOUT = ("embedding_size=8", "hidden_size=8", "dropout=0.3")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> tuple[list[str], Path]:
    """The flags and the folder of a run that was stopped in its second epoch, after step 7 of 10."""
    folder = tmp_path_factory.mktemp("stopped")
    argv = flags(write_data(folder / "data"), folder / "run", "--save_total_limit", "3", settings=DROPOUT)
    run_until(Stop(7), argv)
    assert sorted(path.name for path in (folder / "run").glob("checkpoint-*")) == ["checkpoint-5", "checkpoint-7"]
    return argv, folder / "run"


def files(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def test_the_manifest_is_written_last_and_names_every_other_file(stopped):
    _, folder = stopped
    for checkpoint in folder.glob("checkpoint-*"):
        others = [path for path in files(checkpoint) if path.name != MANIFEST]
        named = json.loads((checkpoint / MANIFEST).read_text())["files"]
        assert {str(path.relative_to(checkpoint)) for path in others} == set(named)
        assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= set(
            named
        )
        assert (checkpoint / MANIFEST).stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in others)
        assert why_not_whole(checkpoint, "sha256") is None


def checkpoint(folder: Path, step: int, best: int | None = None, verify: str = "sha256") -> Path:
    """The least that is one."""
    made = folder / f"checkpoint-{step}"
    made.mkdir(exist_ok=True)
    (made / "weights").write_text("x")
    named = f"/elsewhere/checkpoint-{best}" if best else None
    (made / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": named}))
    write_manifest(made, verify)
    return made


def damaged_copies(folder: Path, target: Path) -> list[Path]:
    """A copy of the folder for each file of its newest checkpoint, missing, cut in half, and with a changed byte."""
    copies = []
    for path in files(folder / "checkpoint-7"):
        for kind in ("missing", "cut", "changed"):
            copy = target / f"{path.name}-{kind}"
            shutil.copytree(folder, copy)
            victim = copy / "checkpoint-7" / path.name
            content = victim.read_bytes()
            if kind == "missing":
                victim.unlink()
            elif kind == "cut":
                victim.write_bytes(content[: len(content) // 2])
            else:
                victim.write_bytes(b"?" + content[1:])
            copies.append(copy)
    return copies


def test_with_any_file_missing_cut_or_changed_the_older_checkpoint_is_taken(stopped, tmp_path):
    _, folder = stopped
    assert newest_whole_checkpoint(folder) == folder / "checkpoint-7"
    copies = damaged_copies(folder, tmp_path)
    assert len(copies) >= 3 * 10
    assert [copy.name for copy in copies if newest_whole_checkpoint(copy) != copy / "checkpoint-5"] == []


def test_no_whole_checkpoint_is_none(tmp_path):
    assert newest_whole_checkpoint(tmp_path) is None
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-best").mkdir()
    assert newest_whole_checkpoint(tmp_path) is None
    checkpoint(tmp_path, 3)
    assert newest_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-3"


def test_the_newest_is_by_number_and_not_by_name(tmp_path):
    for step in (9, 10):
        checkpoint(tmp_path, step)
    assert newest_whole_checkpoint(tmp_path).name == "checkpoint-10"


def test_a_run_goes_on_from_the_older_checkpoint_to_the_same_weights(stopped, tmp_path, caplog):
    argv, folder = stopped_copy(stopped, tmp_path)
    (folder / "checkpoint-7" / "optimizer.pt").unlink()
    run(parse_run(argv))
    assert "checkpoint-7 is not whole (optimizer.pt is missing) and is now checkpoint-7.invalid" in caplog.text
    assert "going on from" in caplog.text
    undisturbed = list(argv)
    undisturbed[undisturbed.index("--output_dir") + 1] = str(tmp_path / "undisturbed")
    run(parse_run(undisturbed))
    found, expected = weights(folder), weights(tmp_path / "undisturbed")
    assert all(found[name].equal(expected[name]) for name in expected)


def test_a_checkpoint_whose_best_one_is_damaged_does_not_count_and_both_are_set_aside(tmp_path, caplog):
    for step, best in ((2, 2), (4, 4), (6, 4)):
        checkpoint(tmp_path, step, best)
    assert newest_whole_checkpoint(tmp_path).name == "checkpoint-6"
    (tmp_path / "checkpoint-4" / "weights").write_text("y")
    assert newest_whole_checkpoint(tmp_path).name == "checkpoint-2"
    set_aside_damaged(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-2",
        "checkpoint-4.invalid",
        "checkpoint-6.invalid",
    ]
    assert "the best checkpoint until then, checkpoint-4, is not: weights has other bytes" in caplog.text


def test_with_size_alone_nothing_is_hashed_and_sha256_is_not_pretended(tmp_path):
    made = checkpoint(tmp_path, 2, verify="size")
    assert "sha256" not in (made / MANIFEST).read_text()
    (made / "weights").write_text("y")
    assert newest_whole_checkpoint(tmp_path, "size") == made
    with pytest.raises(InputError, match="--checkpoint_verify size; give it again"):
        newest_whole_checkpoint(tmp_path, "sha256")
    (made / "weights").write_text("longer")
    assert newest_whole_checkpoint(tmp_path, "size") is None
    state = checkpoint(tmp_path, 4, verify="size") / TRAINER_STATE
    state.write_text("x" * len(state.read_text()))
    assert newest_whole_checkpoint(tmp_path, "size") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": []}', '{"files": {}}', '{"files": {"weights": 3}}'])
def test_a_manifest_that_is_none_makes_no_checkpoint(tmp_path, content):
    (checkpoint(tmp_path, 2) / MANIFEST).write_text(content)
    assert newest_whole_checkpoint(tmp_path) is None


def test_the_newest_and_the_best_stay_within_the_limit_and_what_was_set_aside_does_not_count(tmp_path):
    for step in (2, 4, 6, 8):
        checkpoint(tmp_path, step)
    others = {"checkpoint-10.invalid", "checkpoint-2-kept"}
    for name in others:
        (tmp_path / name).mkdir()
    delete_old_checkpoints(tmp_path, None, None)
    assert len(list(tmp_path.iterdir())) == 6
    delete_old_checkpoints(tmp_path, 3, tmp_path / "checkpoint-2")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-6", "checkpoint-8"} | others
    delete_old_checkpoints(tmp_path, 1, tmp_path / "checkpoint-2")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-8"} | others


def test_other_versions_are_named_and_go_on(stopped, tmp_path, caplog):
    argv, folder = stopped_copy(stopped, tmp_path)
    manifest = folder / "checkpoint-7" / MANIFEST
    content = json.loads(manifest.read_text())
    content["versions"]["torch"] = "1.0"
    manifest.write_text(json.dumps(content))
    run(parse_run(argv))
    assert "written by other versions: torch 1.0 is now" in caplog.text


def test_what_an_older_version_wrote_down_and_is_neutral_now_is_no_change(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    identity = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(identity | {"auto_find_batch_size": False}))
    assert run(parse_run(argv)).steps == 10


def test_a_results_file_that_was_cut_off_is_written_anew(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    (folder / "all_results.json").write_bytes(b"")
    report = run(parse_run(argv)).as_json()
    results = json.loads((folder / "all_results.json").read_text())
    assert results["test_accuracy"] == report["test"]["accuracy"]
    assert {"train_loss", "eval_loss"} <= results.keys()


def test_force_resume_goes_on_with_changed_flags_and_says_which(stopped, tmp_path, caplog):
    argv, folder = stopped_copy(stopped, tmp_path)
    changed = [*argv, "--weight_decay", "0.1"]
    with pytest.raises(InputError, match=r"weight_decay: 0.0 there, 0.1 here.*--force_resume"):
        run(parse_run(changed))
    run(parse_run([*changed, "--force_resume"]))
    assert "goes on with other settings (weight_decay: 0.0 there, 0.1 here)" in caplog.text
    assert f"going on from {folder / 'checkpoint-7'}" in caplog.text
    report = (folder / "report.json").read_bytes()
    run(parse_run(changed))
    assert (folder / "report.json").read_bytes() == report


def test_a_refused_force_resume_leaves_the_run_as_it_was(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    run(parse_run(argv))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    larger = [*argv, "--model_config", "embedding_size=8", "hidden_size=12", "--force_resume"]
    with pytest.raises(InputError, match="size mismatch"):
        run(parse_run(larger))
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_force_resume_trains_a_finished_run_for_longer(stopped, tmp_path):
    argv, _ = stopped_copy(stopped, tmp_path)
    assert run(parse_run(argv)).steps == 10
    assert run(parse_run([*argv, "--num_train_epochs", "3", "--force_resume"])).steps == 15


def test_force_resume_takes_the_patience_of_the_flags(stopped, tmp_path):
    argv, _ = stopped_copy(stopped, tmp_path)
    argv += ["--learning_rate", "0", "--num_train_epochs", "9", "--overwrite", "--early_stopping_patience"]
    assert run(parse_run([*argv, "1"])).epochs == 2
    argv.remove("--overwrite")
    assert run(parse_run([*argv, "3", "--force_resume"])).epochs == 4


def test_force_resume_gives_a_patience_to_a_run_that_had_none(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    without = tmp_path / "recipe.yaml"
    without.write_text("num_train_epochs: 9\nlearning_rate: 0\nper_device_train_batch_size: 8\n")
    argv += ["--config", str(without), "--num_train_epochs", "9", "--learning_rate", "0"]
    shutil.rmtree(folder)
    run_until(Stop(7), argv)
    assert "EarlyStoppingCallback" not in (folder / "checkpoint-7" / TRAINER_STATE).read_text()
    assert run(parse_run([*argv, "--early_stopping_patience", "1", "--force_resume"])).epochs == 2


def test_what_is_set_aside_while_a_run_trains_comes_back(stopped, tmp_path, monkeypatch):
    def check(trainer, *args, **kwargs):
        seen.append((trainer.args.save_total_limit, trainer.args.dataloader_drop_last))
        return predict(trainer, *args, **kwargs)

    argv, _ = stopped_copy(stopped, tmp_path)
    seen, predict = [], ClassificationTrainer.predict
    monkeypatch.setattr(ClassificationTrainer, "predict", check)
    run(parse_run([*argv, "--dataloader_drop_last", "true", "--force_resume"]))
    assert seen == [(3, True)] * 2


def test_the_best_checkpoint_is_verified_before_it_is_the_result(stopped, tmp_path, monkeypatch):
    argv, folder = stopped_copy(stopped, tmp_path)

    def spoil(trainer, *args, **kwargs):
        best = Path(trainer.state.best_model_checkpoint) / "model.safetensors"
        best.write_bytes(best.read_bytes()[:-1] + b"?")
        return load(trainer, *args, **kwargs)

    load = ClassificationTrainer._load_best_model
    monkeypatch.setattr(ClassificationTrainer, "_load_best_model", spoil)
    with pytest.raises(TrainingError, match=r"the best checkpoint, was damaged.*model.safetensors has other bytes"):
        run(parse_run(argv))
    monkeypatch.undo()
    assert run(parse_run(argv)).steps == 10
    assert not (folder / "model.safetensors").read_bytes().endswith(b"?")


def test_a_run_moved_between_training_and_test_ends_with_its_best_checkpoint(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    report, expected = run(parse_run(argv)).as_json(), weights(folder)
    assert report["best_step"] < report["steps"]
    for name in ("report.json", "model.safetensors"):
        (folder / name).unlink()
    argv[argv.index("--output_dir") + 1] = str(folder.rename(tmp_path / "moved"))
    assert run(parse_run(argv)).best_step == report["best_step"]
    found = weights(tmp_path / "moved")
    assert all(found[name].equal(expected[name]) for name in expected)


FULL = """
import resource, sys
from transformers import TrainerCallback
from sentiment_hf.cli import run_command
from sentiment_hf.training import train

event, step, size, *argv = sys.argv[1:]

class Full(TrainerCallback):
    pass

def fill(self, args, state, control, **kwargs):
    if state.global_step == int(step):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))

setattr(Full, event, fill)
before = train.run_callbacks
train.run_callbacks = lambda *given: [Full(), *before(*given)]
sys.exit(run_command(argv))
"""


@pytest.mark.parametrize("full", [("on_step_end", "9", "3000"), ("on_save", "10", "10")], ids=["weights", "manifest"])
def test_a_disk_that_is_full_costs_the_checkpoint_that_is_written_and_no_other(stopped, tmp_path, full):
    argv, folder = stopped_copy(stopped, tmp_path)
    done = subprocess.run([python(), "-c", FULL, *full, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "checkpoint-10 could not be written" in done.stderr.splitlines()[-1]
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-5", "checkpoint-7"]
    assert run(parse_run(argv)).steps == 10


def test_a_run_that_the_disk_cannot_hold_is_refused_before_it_begins(stopped, tmp_path, monkeypatch):
    argv, _ = stopped_copy(stopped, tmp_path)
    argv[argv.index("--output_dir") + 1] = str(tmp_path / "new" / "run")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=9 * 2**20))
    with pytest.raises(InputError, match=r"needs about 0.0 GB, and 0.0 GB are free; make room"):
        run(parse_run(argv))
    assert not any((tmp_path / "new" / "run").iterdir())


def test_the_room_that_a_run_has_taken_already_is_its_own(stopped, tmp_path, monkeypatch):
    argv, folder = stopped_copy(stopped, tmp_path)
    (folder / "checkpoint-5" / "large").write_bytes(bytes(2**20))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10 * 2**20))
    assert run(parse_run(argv)).steps == 10


@pytest.mark.parametrize(
    "more",
    [
        ["--save_strategy", "steps", "--save_steps", "0.5", "--eval_strategy", "steps", "--eval_steps", "0.5"],
        ["--gradient_accumulation_steps", "3", "--max_steps", "4"],
    ],
    ids=str,
)
def test_room_is_asked_for_as_many_checkpoints_as_are_written(stopped, tmp_path, monkeypatch, more):
    argv = [*stopped[0], "--output_dir", str(tmp_path), "--save_total_limit", "0", *more]
    asked, count = [], disk.checkpoints_at_once
    monkeypatch.setattr(disk, "checkpoints_at_once", lambda trainer: asked.append(count(trainer)) or asked[-1])
    run(parse_run(argv))
    assert asked == [len(list(tmp_path.glob("checkpoint-*")))]


NO_SPACE = OSError(28, "No space left on device")
LOST_WORKER = "DataLoader worker (pid 7) is killed by signal: Killed."


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("runs.run.save_model", NO_SPACE, "could not be written to ([Errno 28] No space left"),
        ("runs.run.write_card", NO_SPACE, "could not be written to ([Errno 28] No space left"),
        ("tasks.single_label.SingleLabel.scores", RuntimeError(LOST_WORKER), "a process that fetches batches is gone"),
    ],
)
def test_what_fails_after_training_is_one_line_and_the_same_command_goes_on(
    stopped, tmp_path, monkeypatch, capsys, where, error, said
):
    def fail(*args):
        raise error

    argv, _ = stopped_copy(stopped, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(f"sentiment_hf.{where}", fail)
        assert run_command(argv) == 3
    assert said in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setattr(ClassificationTrainer, "training_step", fail)
    assert run_command(argv) == 0


def test_a_link_stays_a_link_and_a_pipe_is_written_to(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write_text(tmp_path / "link", "here")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "here"
    reads, writes = os.pipe()
    write_text(Path(f"/dev/fd/{writes}"), "there")
    assert os.read(reads, 9) == b"there"


def test_no_small_file_is_ever_half_written_under_its_name(stopped, tmp_path, monkeypatch):
    argv, folder = stopped_copy(stopped, tmp_path)
    opened, before = set(), open

    def watch(file, mode="r", *args, **kwargs):
        if "w" in mode:
            opened.add(Path(file))
        return before(file, mode, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", watch)
    run(parse_run(argv))
    results = {folder / f"{name}_results.json" for name in ("all", "train", "eval", "test")}
    assert not opened & (results | {folder / "trainer_state.json"})
    assert json.loads((folder / "all_results.json").read_text()).keys() >= {"train_loss", "eval_loss", "test_loss"}


@pytest.mark.parametrize("name", ["run.json", "report.json"])
def test_a_damaged_file_of_a_finished_run_is_named(stopped, tmp_path, capsys, name):
    argv, folder = stopped_copy(stopped, tmp_path)
    (folder / "report.json").write_text("{}")
    (folder / name).write_text("{")
    assert run_command(argv) == 2
    assert f"{name} is damaged" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(stopped, tmp_path, capsys):
    argv, _ = stopped_copy(stopped, tmp_path)
    (tmp_path / "file").write_text("")
    for place, reason in (
        (tmp_path / "file" / "run", "file is a file"),
        *([(Path("/proc/run"), "No such file or directory")] if sys.platform == "linux" else []),
    ):
        argv[argv.index("--output_dir") + 1] = str(place)
        assert run_command(argv) == 2
        assert reason in capsys.readouterr().err


class KillWorker(TrainerCallback):
    """The process that fetches the batches, after the first step of the second epoch."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 6:
            for worker in multiprocessing.active_children():
                worker.kill()
            # Until the handler of its end is called.
            time.sleep(60)


def test_a_data_worker_that_is_killed_is_named_and_the_same_command_goes_on(stopped, tmp_path, monkeypatch, capsys):
    argv = [*stopped[0], "--dataloader_num_workers", "1"]
    argv[argv.index("--output_dir") + 1] = str(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [*transformers.trainer.DEFAULT_CALLBACKS, KillWorker])
        assert run_command(argv) == 3
    assert "a process that fetches batches is gone" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-5"]
    assert run(parse_run(argv)).steps == 10


def test_two_runs_do_not_share_a_folder(stopped, tmp_path, capsys):
    argv, folder = stopped_copy(stopped, tmp_path)
    with folder_lock(folder):
        assert run_command(argv) == 2
        said = capsys.readouterr().err
        assert f"is in use by process {os.getpid()} on {socket.gethostname()}" in said
        assert not (folder / "report.json").exists()
    assert run_command(argv) == 0


def test_what_a_killed_process_has_locked_is_free(stopped, tmp_path):
    argv, folder = stopped_copy(stopped, tmp_path)
    code = "import sys, time, pathlib; from sentiment_hf.runs.lock import folder_lock\n"
    code += "with folder_lock(pathlib.Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        assert f"process {holder.pid} on" in (folder / LOCK).read_text()
        assert run_command(argv) == 2
        holder.kill()
    assert run_command(argv) == 0


def test_what_a_killed_process_has_forked_does_not_keep_its_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    with folder_lock(tmp_path):
        worker = context.Process(target=lambda: begun.set() or time.sleep(60))
        worker.start()
        begun.wait()
    refuse_locked(tmp_path)
    worker.kill()


@pytest.mark.parametrize("left", [[], [LOCK], [LOCK, "run.json.tmp"], [LOCK, "run.json"]])
def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(stopped, tmp_path, left):
    argv, folder = stopped_copy(stopped, tmp_path)
    identity = (folder / "run.json").read_bytes()
    shutil.rmtree(folder)
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(identity if name == "run.json" else b"")
    assert run(parse_run(argv)).steps == 10


def stopped_copy(stopped: tuple[list[str], Path], target: Path) -> tuple[list[str], Path]:
    """The flags and the folder of a copy of the stopped run."""
    argv, folder = list(stopped[0]), target / "copy"
    shutil.copytree(stopped[1], folder)
    argv[argv.index("--output_dir") + 1] = str(folder)
    return argv, folder


@pytest.mark.slow
def test_nothing_that_a_run_imports_later_draws_random_numbers(tmp_path):
    """As a library does at its import: a resumed run, which imports it anew, would have drawn one more."""
    data = write_data(tmp_path / "data")
    argv = list(map(str, flags(data, tmp_path / "run")))
    program = (
        "import random, sys, sentiment_hf.runs.run; from sentiment_hf.cli import run_command\n"
        "import importlib._bootstrap as b; load, state, bad = b._load_unlocked, random.getstate, []\n"
        "def watched(spec):\n"
        "    before = state(); module = load(spec)\n"
        "    if state() != before: bad.append(spec.name)\n"
        "    return module\n"
        "b._load_unlocked = watched\n"
        f"code = run_command({argv!r}); print(bad, file=sys.stderr); sys.exit(code or bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-500:]
