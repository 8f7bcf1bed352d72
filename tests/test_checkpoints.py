"""A checkpoint that is not whole is never gone on from."""

import json
import shutil
from pathlib import Path

import pytest
from helpers import Stop, flags, run_until, weights, write_data

from sentiment_hf.args import parse_args
from sentiment_hf.checkpoints import MANIFEST, is_whole, newest_whole, write_manifest
from sentiment_hf.run import run

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
        named = json.loads((checkpoint / MANIFEST).read_text())
        assert {str(path.relative_to(checkpoint)) for path in others} == set(named)
        assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= set(
            named
        )
        assert (checkpoint / MANIFEST).stat().st_mtime_ns >= max(path.stat().st_mtime_ns for path in others)
        assert is_whole(checkpoint)


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
    assert newest_whole(folder) == folder / "checkpoint-7"
    copies = damaged_copies(folder, tmp_path)
    assert len(copies) >= 3 * 10
    assert [copy.name for copy in copies if newest_whole(copy) != copy / "checkpoint-5"] == []


def test_no_whole_checkpoint_is_none(tmp_path):
    assert newest_whole(tmp_path) is None
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-best").mkdir()
    assert newest_whole(tmp_path) is None
    (tmp_path / "checkpoint-3" / "weights").write_text("x")
    write_manifest(tmp_path / "checkpoint-3")
    assert newest_whole(tmp_path) == tmp_path / "checkpoint-3"


def test_the_newest_is_by_number_and_not_by_name(tmp_path):
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        write_manifest(tmp_path / f"checkpoint-{step}")
    assert newest_whole(tmp_path).name == "checkpoint-10"


def test_a_run_goes_on_from_the_older_checkpoint_to_the_same_weights(stopped, tmp_path, caplog):
    argv, folder = stopped
    (folder / "checkpoint-7" / "optimizer.pt").unlink()
    run(*parse_args(argv))
    assert "checkpoint-7 is not whole" in caplog.text
    assert "going on from" in caplog.text
    undisturbed = list(argv)
    undisturbed[undisturbed.index("--output_dir") + 1] = str(tmp_path)
    run(*parse_args(undisturbed))
    found, expected = weights(folder), weights(tmp_path)
    assert all(found[name].equal(expected[name]) for name in expected)
