"""Where the `datasets` library puts the data sets that it prepares: its cache, or a temporary folder."""

import atexit
import logging
import shutil
import tempfile
from functools import cache
from pathlib import Path

import datasets

logger = logging.getLogger(__name__)


def prepared_data_folder() -> str:
    """The cache of `datasets`; a temporary folder, which the process deletes at its end, if that is not writable."""
    folder = Path(datasets.config.HF_DATASETS_CACHE).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return _temporary_folder(folder, error.strerror)
    return str(folder)


@cache
def _temporary_folder(instead_of: Path, reason: str) -> str:
    folder = tempfile.mkdtemp(prefix="sentiment-hf-datasets-")
    # The data are mapped into memory until then.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "%s cannot be written to (%s); the data are prepared in %s. HF_DATASETS_CACHE or HF_HOME names another cache.",
        instead_of,
        reason,
        folder,
    )
    return folder
