"""The hub of the tests, asked by the real client: in a process of its own, here, and by bare HTTP."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from loopback_hub import LFS_SIZE, LoopbackHub

# Only the environment says where the hub is.
SESSION = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from datasets import load_dataset
api = HfApi()
repo = api.create_repo("owner/model", private=True).repo_id
first = api.upload_folder(repo_id=repo, folder_path=sys.argv[1]).oid
again = api.upload_folder(repo_id=repo, folder_path=sys.argv[1]).oid
last = api.upload_file(repo_id=repo, path_in_repo="config.json", path_or_fileobj=b"{}").oid
print(json.dumps({
    "user": api.whoami()["name"], "private": api.model_info(repo).private, "shas": [first, again, last],
    "files": api.list_repo_files(repo), "now": Path(hf_hub_download(repo, "config.json")).read_text(),
    "then": Path(hf_hub_download(repo, "config.json", revision=first)).read_text(),
    "sizes": {path.name: path.stat().st_size for path in Path(snapshot_download(repo)).rglob("*.*")},
    "parquet": {split: list(part["text"]) for split, part in load_dataset("owner/reviews").items()},
    "csv": {split: list(part["text"]) for split, part in load_dataset("owner/table").items()},
}))
"""


@pytest.fixture
def hub():
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def api(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    """The client in this process; what has no `endpoint` of its own (transformers, datasets) cannot be turned so."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    return HfApi(endpoint=hub.url, token=hub.token)


def parquet(*texts: str) -> bytes:
    """A table of one column."""
    file = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), file)
    return file.getvalue()


def test_upload_and_download_in_a_process_of_its_own(hub: LoopbackHub, tmp_path: Path):
    """Small and large files, at `main` and at a commit; data sets in a folder and at the top."""
    files = {"config.json": b'{"a": 1}', "weights/model.safetensors": b"w" * 9, "large.txt": b"l" * LFS_SIZE}
    for path, content in files.items():
        tmp_path.joinpath("model", path).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath("model", path).write_bytes(content)
    hub.add("owner/reviews", {f"data/{split}.parquet": parquet(split) for split in ("train", "test")}, "dataset")
    hub.add("owner/table", {"train.csv": b"text\ngood\n", "test.csv": b"text\nbad\n"}, "dataset", private=True)

    command = [sys.executable, "-c", SESSION, str(tmp_path / "model")]
    environment = {**os.environ, **hub.environment(tmp_path / "home")}
    told = json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)

    assert told["user"] == "tester"
    assert told["private"]
    assert told["files"] == sorted([".gitattributes", *files])
    assert (told["then"], told["now"]) == ('{"a": 1}', "{}")
    assert told["sizes"].items() >= {"model.safetensors": 9, "large.txt": LFS_SIZE, "config.json": 2}.items()
    assert told["parquet"] == {"train": ["train"], "test": ["test"]}
    assert told["csv"] == {"train": ["good"], "test": ["bad"]}
    first, again, last = told["shas"]
    assert first == again, "unchanged files make no commit"
    assert [sha for sha, _, _ in hub.commits("owner/model")][1:] == [first, last]
    assert hub.commits("owner/model")[1][2] == sorted(files)
    assert hub.files("owner/model", first).items() >= files.items()
    assert sum(method == "PUT" for method, _ in hub.requests) == 2


def test_revisions_and_deletions(hub: LoopbackHub, api: HfApi, tmp_path: Path):
    sha = hub.add("owner/model", {"a/1.txt": b"1", "a/2.txt": b"2", "b.txt": b""})
    api.create_tag("owner/model", tag="v1")
    operations = [CommitOperationDelete("a/"), CommitOperationDelete("b.txt")]
    api.create_commit("owner/model", operations, commit_message="Less", parent_commit=sha)
    assert api.list_repo_files("owner/model") == [".gitattributes"]
    assert api.repo_info("owner/model", revision="v1").sha == sha
    assert {entry.path for entry in api.list_repo_tree("owner/model", revision=sha)} == {
        "a",
        "b.txt",
        ".gitattributes",
    }
    assert Path(api.hf_hub_download("owner/model", "a/2.txt", revision="v1", cache_dir=tmp_path)).read_text() == "2"
    assert api.file_exists("owner/model", "b.txt", revision=sha)
    with pytest.raises(RevisionNotFoundError):
        api.repo_info("owner/model", revision="v2")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("owner/model", "b.txt", cache_dir=tmp_path)
    with pytest.raises(HfHubHTTPError, match="412"):
        api.create_commit("owner/model", operations, commit_message="Late", parent_commit=sha)


def test_who_may_do_what(hub: LoopbackHub, api: HfApi):
    hub.add("owner/open", {})
    hub.add("owner/closed", {}, private=True)
    assert api.repo_info("owner/closed").private
    assert not api.repo_info("owner/open", token=False).private
    with pytest.raises(RepositoryNotFoundError, match="401"):
        api.repo_info("owner/closed", token=False)
    with pytest.raises(RepositoryNotFoundError, match="404"):
        api.repo_info("owner/none")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api.whoami(token="hf_wrong")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        api.create_repo("owner/new", token="hf_wrong")
    with pytest.raises(HfHubHTTPError, match="401"):
        api.upload_file(repo_id="owner/open", path_in_repo="a.txt", path_or_fileobj=b"a", token=False)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("owner/open")
    assert api.create_repo("owner/open", exist_ok=True).repo_id == "owner/open"
    assert len(hub.commits("owner/open")) == 2


def test_failures(hub: LoopbackHub, api: HfApi):
    hub.add("owner/model", {})
    hub.fail("GET", "/api/models/", 503, times=1, headers={"Retry-After": "1"})
    hub.fail("POST", "/commit/", 403, delay=0.2)
    with pytest.raises(HfHubHTTPError, match="Service Unavailable") as error:
        api.repo_info("owner/model")
    assert error.value.response.headers["Retry-After"] == "1"
    assert api.repo_info("owner/model")
    start = time.monotonic()
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        api.upload_file(repo_id="owner/model", path_in_repo="a.txt", path_or_fileobj=b"a")
    assert time.monotonic() - start > 0.2
    assert hub.requests[-1] == ("POST", "/api/models/owner/model/commit/main")
    hub.recover()
    hub.fail("*", "/owner/model", None)
    with pytest.raises(httpx2.RemoteProtocolError):
        api.repo_info("owner/model")
    hub.recover()
    assert api.list_repo_files("owner/model") == [".gitattributes"]


def test_bare_http(hub: LoopbackHub):
    """What the client asks only when a download broke off, and our own probe."""
    sha = hub.add("owner/model", {"a.bin": b"0123456789"})
    url = f"{hub.url}/owner/model/resolve/main/a.bin"
    with urlopen(Request(hub.url, method="HEAD")) as reply:
        assert reply.status == 200
    with urlopen(Request(url, method="HEAD")) as reply:
        assert (reply.read(), reply.headers["Content-Length"], reply.headers["X-Repo-Commit"]) == (b"", "10", sha)
        assert (reply.headers["X-Linked-Size"], reply.headers["X-Linked-Etag"]) == ("10", reply.headers["ETag"])
    for asked, part in {"bytes=7-": b"789", "bytes=2-4": b"234", "bytes=-2": b"89", "bytes=8-99": b"89"}.items():
        with urlopen(Request(url, headers={"Range": asked})) as reply:
            assert (reply.status, reply.read()) == (206, part)
