"""An error of writing blames the file that could not be written; batches that have no room are refused before."""

import errno
import shutil
from pathlib import Path

import pytest
from helpers import flags, write_data

from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training import disk
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.disk import require_shared_memory, shared_bytes_needed, unwritable_explained
from sentiment_hf.training.train import build_trainer

RUN = Path("out/run")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ["out/run could not", "make room"]),
        (PermissionError(errno.EACCES, "Permission denied", "out/run/config.json"), ["out/run could not", "writable"]),
        (PermissionError(errno.EACCES, "Permission denied", "/cache/hub"), ["/cache/hub could not", "HF_HOME"]),
        (OSError(errno.EROFS, "Read-only file system", b"/cache/hub"), ["/cache/hub could not", "HF_HOME"]),
    ],
)
def test_the_place_that_could_not_be_written_to_is_blamed(error, said):
    with pytest.raises(TrainingError) as failed, unwritable_explained(RUN):
        raise error
    assert all(words in str(failed.value) for words in said)


def test_batches_that_do_not_fit_into_shared_memory_are_refused_before_training(tmp_path, monkeypatch):
    spec = parse_run([*flags(write_data(tmp_path / "data"), tmp_path / "run"), "--dataloader_num_workers", "2"])
    trainer = build_trainer(spec, training_arguments(spec), load_splits(spec.data))
    batches = [*trainer.get_train_dataloader(), *trainer.get_eval_dataloader()]
    largest = max(sum(tensor.nbytes for tensor in batch.values()) for batch in batches)
    needed = shared_bytes_needed(trainer)
    assert needed >= 2 * 2 * largest
    room = shutil.disk_usage("/")
    # A folder that is there on every platform.
    assert str(disk.SHARED_MEMORY) == "/dev/shm"
    monkeypatch.setattr(disk, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=needed))
    require_shared_memory(trainer)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=needed - 1))
    with pytest.raises(InputError, match=r"share memory, has .* MB are needed: give --dataloader_num_workers 0"):
        require_shared_memory(trainer)
