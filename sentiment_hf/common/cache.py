"""Files that were made once and are read again by later runs, such as the token ids of a part."""

import errno
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sentiment_hf.common.files import flush_to_disk

logger = logging.getLogger(__name__)

# The cache is made smaller than this before something is added. The entries that were not used for longest go first.
MOST_BYTES = 20 * 10**9


@dataclass(frozen=True)
class Cache:
    """Folders of files in `home`, each under the key of all that its content depends on; None is no cache.

    Several processes may use it at once: an entry appears whole, by the renaming of a folder, and is not changed then.
    """

    home: Path | None = None

    @classmethod
    def of_flags(cls, cache_dir: str | None, no_cache: bool) -> Self:
        """The cache that the flags --cache_dir and --no_cache name; by default below the cache folder of the Hub."""
        if no_cache:
            return cls()
        # Imported late, because the flags are read without it.
        from huggingface_hub import constants

        return cls(Path(cache_dir) if cache_dir else Path(constants.HF_HOME, "sentiment_hf"))

    def folder(self, key: str, make: Callable[[Path], None], needs: int = 0) -> Path | None:
        """The folder of the entry `key`, which `make` fills if it is not there; None without a cache.

        It is None too, and said, if the entry cannot be written: the disk may be full. `needs`: the bytes that the
        entry takes at least, for which there has to be room before it is begun.
        """
        if self.home is None:
            return None
        entry = self.home / key
        try:
            if not entry.is_dir():
                self._add(entry, make, needs)
            # What was used last is kept.
            os.utime(entry)
        except OSError as error:
            logger.warning("no cache in %s: %s", self.home, error.strerror or error)
            return None
        return entry

    def _add(self, entry: Path, make: Callable[[Path], None], needs: int) -> None:
        """Fill a folder beside `entry`, then give it that name; raises OSError."""
        unfinished = entry.with_name(f"unfinished-{uuid.uuid4().hex}")
        try:
            unfinished.mkdir(parents=True)
            self._make_room()
            if shutil.disk_usage(unfinished).free < needs:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            make(unfinished)
            for file in unfinished.iterdir():
                flush_to_disk(file)
            unfinished.rename(entry)
        except OSError:
            # Another process may have made the same entry meanwhile.
            if not entry.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _make_room(self) -> None:
        """Delete the entries that were used longest ago until all take less than `MOST_BYTES`."""
        entries = sorted((used_at(folder), folder) for folder in self.home.iterdir() if folder.is_dir())
        sizes = {folder: sum(file.stat().st_size for file in folder.iterdir()) for _, folder in entries}
        total = sum(sizes.values())
        for _, folder in entries:
            if total < MOST_BYTES:
                return
            shutil.rmtree(folder, ignore_errors=True)
            total -= sizes[folder]


def used_at(folder: Path) -> float:
    """When the entry was used last, in seconds."""
    return folder.stat().st_mtime
