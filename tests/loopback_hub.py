"""A small Hugging Face Hub on 127.0.0.1, so that tests can upload and download with the real libraries."""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

USER = "tester"
LFS_SUFFIXES = (".bin", ".parquet", ".pt", ".safetensors")
LFS_SIZE = 2**20  # 10 MB on the real Hub; less here, so that a test of it is quick
SPACE_README = b"""---
title: New
sdk: gradio
sdk_version: 6.0.0
app_file: app.py
---

Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference
"""
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


def is_lfs(path: str, size: int) -> bool:
    """Whether the file is uploaded by itself rather than inside the commit; an empty one never is."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size >= LFS_SIZE)


def git_oid(content: bytes) -> str:
    """The name that git gives this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(path: str, content: bytes | None) -> dict:
    """A file, or a folder if it has no content, as the Hub lists it."""
    if content is None:
        return {"type": "directory", "path": path, "size": 0, "oid": git_oid(path.encode())}
    told = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if not is_lfs(path, len(content)):
        return told
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
    lfs = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return told | {"oid": git_oid(pointer), "lfs": lfs}


def etag(path: str, content: bytes) -> str:
    """By this the libraries tell whether two files are the same."""
    told = describe(path, content)
    return told.get("lfs", told)["oid"]


class Reply(NamedTuple):
    """What a client gets."""

    status: int
    body: bytes
    headers: dict[str, str]


class Refused(Exception):  # noqa: N818, the hub is not at fault
    """Ends a request with an error; `code` names the exception that huggingface_hub raises."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None, **more: str):
        # In the body and again in a header, since the answer to HEAD has no body.
        told = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self.reply = Reply(status, json.dumps({"error": message, **more}).encode(), told)


class Commit(NamedTuple):
    """The whole tree after the changes of `paths`."""

    sha: str
    title: str
    paths: list[str]
    tree: dict[str, bytes]


class Repo:
    """One branch, `main`, and tags; begins, as on the Hub, with .gitattributes, and a Space with a README.md too."""

    def __init__(self, kind: str, name: str, private: bool):
        tree = {".gitattributes": GIT_ATTRIBUTES} | ({"README.md": SPACE_README} if kind == "spaces" else {})
        self.commits = [Commit(git_oid(f"{kind}/{name}".encode()), "initial commit", list(tree), tree)]
        self.tags: dict[str, Commit] = {}
        self.private = private

    def commit(self, title: str, changes: dict[str, bytes | None]) -> Commit:
        """`changes` maps a path to its new content, or None to delete it."""
        parent = self.commits[-1]
        tree = {path: content for path, content in sorted((parent.tree | changes).items()) if content is not None}
        state = [parent.sha, title, [(path, etag(path, content)) for path, content in tree.items()]]
        self.commits.append(Commit(git_oid(json.dumps(state).encode()), title, sorted(changes), tree))
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """The commit of `main`, a tag or a sha."""
        known = {commit.sha: commit for commit in self.commits} | self.tags | {"main": self.commits[-1]}
        if revision not in known:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return known[revision]


@dataclass
class Failure:
    """The requests that fail, how, and how many of them still (None: all)."""

    method: str
    path_part: str
    reply: Reply | None
    times: int | None
    delay: float


class LoopbackHub:
    """`with LoopbackHub() as hub:` serves at `hub.url`; the libraries find it by `hub.environment(home)`.

    `hub.token` is the only valid token. `hub.requests` lists (method, path as sent, without the query).
    """

    def __init__(self):
        self.token = "hf_" + "t" * 34
        self.requests: list[tuple[str, str]] = []
        self._repos: dict[tuple[str, str], Repo] = {}
        self._uploads: dict[str, bytes] = {}
        self._failures: list[Failure] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "LoopbackHub":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path) -> dict[str, str]:
        """For a process that is to use this hub, since the libraries read it when imported; `home` is its cache."""
        # Xet, the default for large files, has a protocol of its own; without it the client takes LFS.
        turned_off = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK")
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_TOKEN": self.token, "NO_PROXY": "127.0.0.1"}
        return own | dict.fromkeys(turned_off, "1") | {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_OFFLINE": "0"}

    def add(self, repo_id: str, files: dict[str, bytes], repo_type: str = "model", private: bool = False) -> str:
        """Commit `files` without HTTP, to a new repository if there is none; the sha of the commit."""
        key = (f"{repo_type}s", repo_id)
        with self._lock:
            repo = self._repos.get(key) or self._repos.setdefault(key, Repo(*key, private))
            return repo.commit("Add files", files).sha

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> dict[str, bytes]:
        """Path to content, .gitattributes included."""
        return dict(self._repos[f"{repo_type}s", repo_id].at(revision).tree)

    def commits(self, repo_id: str, repo_type: str = "model") -> list[tuple[str, str, list[str]]]:
        """(sha, title, changed paths), oldest first; the first is the one that created the repository."""
        return [commit[:3] for commit in self._repos[f"{repo_type}s", repo_id].commits]

    def fail(
        self,
        method: str,
        path_part: str,
        status: int | None,
        times: int | None = None,
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
    ) -> None:
        """Answer requests of `method` ("*": every one) with `path_part` in their path by `status`, `delay` s later.

        None instead of a status closes the connection. The first `times` of them, or all until `recover`. The client
        tries uploads, listings and downloads again on a closed connection, 408, 429 and 5xx, for up to half a minute.
        """
        reply = None if status is None else Refused(status, HTTPStatus(status).phrase, headers=headers).reply
        with self._lock:
            self._failures.append(Failure(method, path_part, reply, times, delay))

    def recover(self) -> None:
        """End all failures."""
        with self._lock:
            self._failures.clear()

    def answer(self, request: "_Handler", path: str) -> Reply | None:
        """The reply, or None where the connection is to close without one."""
        with self._lock:
            self.requests.append((request.command, path))
            failure = self._failure(request.command, path)
            if failure is None:
                try:
                    return self._route(request, path)
                except Refused as refused:
                    return refused.reply
        time.sleep(failure.delay)
        return failure.reply

    def _failure(self, method: str, path: str) -> Failure | None:
        for failure in self._failures:
            if failure.times != 0 and failure.method in ("*", method) and failure.path_part in path:
                if failure.times is not None:
                    failure.times -= 1
                return failure
        return None

    def _route(self, request: "_Handler", path: str) -> Reply:
        if request.headers.get("Authorization", f"Bearer {self.token}") != f"Bearer {self.token}":
            raise Refused(401, "Invalid credentials in Authorization header")
        for route, handler in _ROUTES.items():
            match = re.fullmatch(route, f"{request.command.replace('HEAD', 'GET')} {path}")
            if match:
                parts = {name: unquote(part) for name, part in match.groupdict().items() if part}
                reply = handler(self, request, **parts)
                return reply if isinstance(reply, Reply) else Reply(200, json.dumps(reply).encode(), {})
        raise Refused(404, "Sorry, we can't find the page you are looking for.")

    def _require_token(self, request: "_Handler") -> None:
        if "Authorization" not in request.headers:
            # With the code because the client takes a bare 401 for a missing repository only on https.
            raise Refused(401, "Invalid username or password.", "RepoNotFound")

    def _repo(self, request: "_Handler", kind: str, name: str, write: bool = False) -> Repo:
        repo = self._repos.get((kind, name))
        if write or repo is None or repo.private:
            self._require_token(request)
        if repo is None:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return repo

    def _page(self, kind: str, name: str) -> str:
        return f"{self.url}/{'' if kind == 'models' else kind + '/'}{name}"

    # The routes: each takes the request and the named parts of its path, and returns a Reply or what is sent as JSON.

    def _accept(self, request, oid=""):
        return {"errors": [], "warnings": []}

    def _whoami(self, request):
        self._require_token(request)
        access = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
        return {"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": access}

    def _create(self, request):
        self._require_token(request)
        asked = json.loads(request.body)
        key = (f"{asked.get('type', 'model')}s", f"{asked['organization'] or USER}/{asked['name']}")
        if key in self._repos:
            raise Refused(409, f"You already created this {key[0][:-1]} repo", url=self._page(*key))
        self._repos[key] = Repo(*key, private=asked.get("visibility") == "private")
        return {"url": self._page(*key), "name": key[1]}

    def _info(self, request, kind, name, revision="main"):
        repo = self._repo(request, kind, name)
        commit = repo.at(revision)
        answer = {"id": name, "author": name.rpartition("/")[0], "sha": commit.sha, "private": repo.private}
        answer |= {"disabled": False, "gated": False, "downloads": 0, "likes": 0, "tags": []}
        return answer | {"siblings": [{"rfilename": path} for path in commit.tree]}

    def _tree(self, request, kind, name, revision, path=""):
        start = f"{path}/" if path else ""
        entries = {}
        for file, content in self._repo(request, kind, name).at(revision).tree.items():
            if file.startswith(start):
                names = [file[: slash.start()] for slash in re.finditer("/", file) if slash.start() >= len(start)]
                shown = [*names, file] if request.query.get("recursive") == ["true"] else [*names, file][:1]
                entries |= {name: describe(name, content if name == file else None) for name in shown}
        if path and not entries:
            raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound")
        return list(entries.values())

    def _tag(self, request, kind, name, revision):
        repo = self._repo(request, kind, name, write=True)
        tag = json.loads(request.body)["tag"]
        if tag in repo.tags:
            raise Refused(409, f"Tag reference exists already: {tag}")
        repo.tags[tag] = repo.at(revision)
        return {}

    def _preupload(self, request, kind, name, revision):
        tree = self._repo(request, kind, name, write=True).at(revision).tree
        files = []
        for path, size in [(file["path"], file["size"]) for file in json.loads(request.body)["files"]]:
            modes = {"path": path, "uploadMode": "lfs" if is_lfs(path, size) else "regular", "shouldIgnore": False}
            # From the etag the client sees what it need not commit.
            files.append(modes | {"oid": etag(path, tree[path]) if path in tree else None})
        return {"files": files}

    def _lfs_batch(self, request, name, kind="models"):
        self._repo(request, kind, name, write=True)
        objects = json.loads(request.body)["objects"]
        for wanted in objects:
            if wanted["oid"] not in self._uploads:
                href = f"{self.url}/lfs/{wanted['oid']}"
                wanted["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
        return {"transfer": "basic", "objects": objects}

    def _lfs_upload(self, request, oid):
        # Without a token: as on the real Hub, the address that was handed out is what permits it.
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refused(400, "The content is not the one announced")
        self._uploads[oid] = request.body
        return {}

    def _commit(self, request, kind, name, revision):
        repo = self._repo(request, kind, name, write=True)
        if revision != "main":
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        header, *operations = [json.loads(line) for line in request.body.splitlines()]
        if not repo.commits[-1].sha.startswith(header["value"].get("parentCommit", "")):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        changes = {}
        for operation in operations:
            changes |= self._changes(repo.commits[-1].tree, operation["key"], operation["value"])
        commit = repo.commit(header["value"]["summary"], changes)
        url = f"{self._page(kind, name)}/commit/{commit.sha}"
        return {"success": True, "commitOid": commit.sha, "commitUrl": url}

    def _changes(self, tree: dict[str, bytes], key: str, value: dict) -> dict[str, bytes | None]:
        path = value["path"]
        if key == "file":
            return {path: base64.b64decode(value["content"])}
        if key == "lfsFile":
            if value["oid"] not in self._uploads:
                raise Refused(400, f"The LFS pointer {path} points to a file that does not exist")
            return {path: self._uploads[value["oid"]]}
        # The path of a folder ends in a slash.
        deleted = [file for file in tree if file == path or (key == "deletedFolder" and file.startswith(path))]
        if not deleted:
            raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
        return dict.fromkeys(deleted)

    def _resolve(self, request, name, revision, path, kind="models"):
        commit = self._repo(request, kind, name).at(revision)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        if path not in commit.tree:
            raise Refused(404, "Entry not found", "EntryNotFound", headers)
        content = commit.tree[path]
        size = len(content)
        headers |= {"Content-Type": "application/octet-stream", "ETag": f'"{etag(path, content)}"'}
        if is_lfs(path, size):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(size)}
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
        if not part:
            return Reply(200, content, headers)
        start = int(part[1]) if part[1] else max(0, size - int(part[2]))
        stop = min(size, int(part[2]) + 1) if part[1] and part[2] else size
        return Reply(206, content[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or the body of a reply would wait until its headers are acknowledged

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.hub.answer(self, url.path)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def log_message(self, *args) -> None:
        """`hub.requests` has it."""


# A name may lack its owner, as the oldest ones of the Hub do.
_NAME = r"(?P<name>[^/]+(?:/[^/]+)??)"
_API = rf"/api/(?P<kind>models|datasets|spaces)/{_NAME}"
_FILES = rf"/(?:(?P<kind>datasets|spaces)/)?{_NAME}"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES = {
    "GET /": LoopbackHub._accept,
    "GET /api/whoami-v2": LoopbackHub._whoami,
    "POST /api/validate-yaml": LoopbackHub._accept,
    "POST /api/repos/create": LoopbackHub._create,
    f"GET {_API}/tree/{_REVISION}(?:/(?P<path>.+))?": LoopbackHub._tree,
    f"POST {_API}/tag/{_REVISION}": LoopbackHub._tag,
    f"POST {_API}/preupload/{_REVISION}": LoopbackHub._preupload,
    f"POST {_API}/commit/{_REVISION}": LoopbackHub._commit,
    f"GET {_API}(?:/revision/{_REVISION})?": LoopbackHub._info,
    rf"POST {_FILES}\.git/info/lfs/objects/batch": LoopbackHub._lfs_batch,
    r"PUT /lfs/(?P<oid>\w{64})": LoopbackHub._lfs_upload,
    r"POST /lfs/(?P<oid>\w{64})/verify": LoopbackHub._accept,
    f"GET {_FILES}/resolve/{_REVISION}/(?P<path>.+)": LoopbackHub._resolve,
}
