"""Data sets of the Hub: their files at one commit, and the download of those that are read."""

import glob
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    hf_hub_download,
    is_offline_mode,
    snapshot_download,
)
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import WeakFileLock

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.hub_access import require_hub
from sentiment_hf.data.folders import files_in


def hub_files(hub_id: str, revision: str) -> tuple[str, list[str]]:
    """(commit, paths of all visible files) of a data set at a branch, tag or commit. Offline: as the cache knows them.

    Raises:
        InputError: the Hub cannot be reached, or has no such data set or revision.
    """
    require_hub(f"the data set {hub_id!r}")
    with _explained(hub_id, revision):
        if is_offline_mode():
            commit, names = _cached_files(hub_id, revision)
        else:
            info = HfApi().dataset_info(hub_id, revision=revision)
            commit, names = info.sha, [file.rfilename for file in info.siblings]
    return commit, [name for name in sorted(names) if not any(part.startswith(".") for part in name.split("/"))]


def _cached_files(hub_id: str, revision: str) -> tuple[str, list[str]]:
    """As `hub_files`, of the cache: all files of the commit if it has a list of them, else those that are there."""
    # Without files, because this function refuses a folder that lacks some of those that are asked for.
    folder = snapshot_download(
        hub_id, repo_type="dataset", revision=revision, allow_patterns=[], local_files_only=True
    )
    commit = Path(folder).name
    try:
        return commit, [file.path for file in get_cached_repo_tree(hub_id, repo_type="dataset", revision=commit)]
    except CachedRepoTreeNotFoundError:
        return commit, files_in(Path(folder))


def download(hub_id: str, revision: str, commit: str, names: Sequence[str]) -> Path:
    """The folder in the cache that has these files of a data set, at `commit`, to which `revision` leads.

    Raises:
        InputError: they cannot be downloaded, or `revision` leads to another commit by now.
    """
    only = [glob.escape(name) for name in names]
    with _explained(hub_id, revision):
        # By its name and not by the commit: then the cache knows where the name led, and it can be used offline.
        folder = snapshot_download(
            hub_id, repo_type="dataset", revision=revision, allow_patterns=only, local_files_only=is_offline_mode()
        )
    if Path(folder).name != commit:
        raise InputError(f"--dataset {hub_id}: the data set has just been changed on the Hub; try again.")
    return Path(folder)


def file_sizes(hub_id: str, commit: str) -> dict[str, int]:
    """{path: bytes} of all files of a data set, from the list of them that `download` leaves in the cache."""
    with _explained(hub_id, commit):
        return {file.path: file.size for file in get_cached_repo_tree(hub_id, repo_type="dataset", revision=commit)}


def download_into(folder: Path, hub_id: str, commit: str, name: str) -> Path:
    """The file `name` of a data set, below `folder`. The cache of the Hub does not get it. Raises InputError."""
    with _explained(hub_id, commit):
        return Path(hf_hub_download(hub_id, name, repo_type="dataset", revision=commit, local_dir=folder / hub_id))


@contextmanager
def taking_turns(hub_id: str, commit: str) -> Iterator[Path]:
    """Yield an empty folder for files that are not to stay, to one process at a time. Raises InputError.

    The other processes then find in the cache what it has made of them. Offline nobody has to wait.
    """
    if is_offline_mode():
        yield Path(tempfile.gettempdir())
        return
    home = Path(constants.HF_HUB_CACHE, ".locks", f"datasets--{hub_id.replace('/', '--')}")
    with _explained(hub_id, commit):
        home.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(home / "streaming.lock"):
            # A killed process has left its files.
            shutil.rmtree(home / "streaming", ignore_errors=True)
            (home / "streaming").mkdir()
            try:
                yield home / "streaming"
            finally:
                shutil.rmtree(home / "streaming")


@contextmanager
def _explained(hub_id: str, revision: str) -> Iterator[None]:
    """Turn the errors of the Hub into an InputError that says what to do."""
    try:
        yield
    except RevisionNotFoundError as error:
        raise InputError(
            f"--dataset_revision {revision}: {hub_id} has no such branch, tag or commit on the Hub."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"--dataset {hub_id}: neither a folder here nor a data set on the Hub that may be read without permission "
            f"({reason}). One's own or a gated one needs `hf auth login`."
        ) from error
    except (LocalEntryNotFoundError, CachedRepoTreeNotFoundError, OfflineModeIsEnabled) as error:
        raise InputError(
            f"--dataset {hub_id}: no copy of it is in the cache, or not all of it, and the Hub was not asked or did "
            "not answer. Unset "
            "HF_HUB_OFFLINE, or go on with `--dataset sample` or `--dataset FOLDER`."
        ) from error
    # Errors of HTTP, of the network and of the disk.
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--dataset {hub_id} cannot be downloaded: {reason}") from error
