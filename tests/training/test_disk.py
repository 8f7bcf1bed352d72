"""An error of writing blames the file that could not be written."""

import errno
from pathlib import Path

import pytest

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.training.disk import unwritable_explained

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
