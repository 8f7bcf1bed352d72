"""The lock of an output folder, where the file system has locks and where it has none."""

import errno
import fcntl

import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.lock import folder_lock, refuse_locked


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_warned_of_and_used(number, tmp_path, monkeypatch, caplog):
    def flock(*given):
        raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with folder_lock(tmp_path):
        refuse_locked(tmp_path)
    assert f"{tmp_path}: its file system has no locks" in caplog.text


def test_a_folder_in_use_is_refused_with_its_user(tmp_path):
    with folder_lock(tmp_path), pytest.raises(InputError, match="in use by process"):
        refuse_locked(tmp_path)
