"""A small Hugging Face Hub on 127.0.0.1, so that tests can upload and download with the real libraries."""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

USER = "tester"
DATE = "2026-01-01T00:00:00.000Z"
LFS_SUFFIXES = (".bin", ".parquet", ".pt", ".safetensors")
LFS_SIZE = 2**20  # 10 MB on the real Hub; less here, so that a test of it is quick
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


def is_lfs(path: str, size: int) -> bool:
    """Whether the file is uploaded by itself rather than inside the commit; an empty one never is."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size >= LFS_SIZE)


def git_oid(content: bytes) -> str:
    """The name that git gives this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(path: str, content: bytes) -> dict:
    """A file as the Hub lists it."""
    if not is_lfs(path, len(content)):
        return {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    sha256 = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(content)}\n".encode()
    lfs = {"oid": sha256, "size": len(content), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(content), "oid": git_oid(pointer), "lfs": lfs}


def describe_folder(path: str) -> dict:
    """A folder as the Hub lists it."""
    return {"type": "directory", "path": path, "size": 0, "oid": git_oid(path.encode())}


def etag(path: str, content: bytes) -> str:
    """By this the libraries tell whether two files are the same."""
    told = describe(path, content)
    return told.get("lfs", told)["oid"]


@dataclass
class Request:
    """What a client sent; `path` as sent, without the query."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    range: str
    body: bytes


@dataclass
class Reply:
    """What it gets."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(content: dict | list, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A reply of the API."""
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


def error_reply(status: int, message: str, headers: dict[str, str] | None = None, **more: str) -> Reply:
    """An error as the Hub tells it: in the body, and again in a header for HEAD."""
    return json_reply({"error": message, **more}, status, {"X-Error-Message": message, **(headers or {})})


def range_reply(content: bytes, asked: str, headers: dict[str, str]) -> Reply:
    """The content, or the part of it that the header Range asks for."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if not match:
        return Reply(200, content, headers)
    first, last = match.groups()
    start = int(first) if first else max(0, len(content) - int(last))
    stop = min(len(content), int(last) + 1) if first and last else len(content)
    if start >= len(content):
        return Reply(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
    return Reply(206, content[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})


class Refused(Exception):  # noqa: N818, not a fault of the hub
    """Ends a request with an error; `code` names the exception that huggingface_hub raises."""

    def __init__(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None, **more: str):
        super().__init__(message)
        codes = {"X-Error-Code": code} if code else {}
        self.reply = error_reply(status, message, codes | (headers or {}), **more)


@dataclass
class Commit:
    """The whole tree after the changes of `paths`."""

    sha: str
    title: str
    paths: list[str]
    tree: dict[str, bytes]


class Repo:
    """One branch, `main`, and tags; begins, like every repository of the Hub, with .gitattributes."""

    def __init__(self, kind: str, name: str, private: bool):
        self.kind, self.name, self.private = kind, name, private
        self.commits: list[Commit] = []
        self.tags: dict[str, Commit] = {}
        self.commit("initial commit", {".gitattributes": GIT_ATTRIBUTES})

    def commit(self, title: str, changes: dict[str, bytes | None]) -> Commit:
        """`changes` maps a path to its new content, or None to delete it."""
        tree = (self.commits[-1].tree if self.commits else {}) | changes
        tree = {path: content for path, content in sorted(tree.items()) if content is not None}
        parent = self.commits[-1].sha if self.commits else self.name
        state = [parent, title, [(path, etag(path, content)) for path, content in tree.items()]]
        sha = hashlib.sha1(json.dumps(state).encode()).hexdigest()
        self.commits.append(Commit(sha, title, sorted(changes), tree))
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """The commit of a branch, a tag or a sha."""
        commits = {commit.sha: commit for commit in self.commits} | self.tags | {"main": self.commits[-1]}
        if revision not in commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commits[revision]


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
        self._server = _Server(("127.0.0.1", 0), _Handler)
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
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": self.token,
            "HF_HUB_OFFLINE": "0",
            # Xet, the default for large files, has a protocol of its own; without it the client takes LFS.
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def add(self, repo_id: str, files: dict[str, bytes], repo_type: str = "model", private: bool = False) -> str:
        """Commit `files` without HTTP, to a new repository if there is none; the sha of the commit."""
        with self._lock:
            key = (f"{repo_type}s", repo_id)
            repo = self._repos.get(key) or self._repos.setdefault(key, Repo(*key, private))
            return repo.commit("Add files", files).sha

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> dict[str, bytes]:
        """Path to content, .gitattributes included."""
        return dict(self._repos[f"{repo_type}s", repo_id].at(revision).tree)

    def commits(self, repo_id: str, repo_type: str = "model") -> list[tuple[str, str, list[str]]]:
        """(sha, title, changed paths), oldest first; the first is the one that created the repository."""
        repo = self._repos[f"{repo_type}s", repo_id]
        return [(commit.sha, commit.title, commit.paths) for commit in repo.commits]

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
        reply = None if status is None else error_reply(status, HTTPStatus(status).phrase, headers)
        with self._lock:
            self._failures.append(Failure(method, path_part, reply, times, delay))

    def recover(self) -> None:
        """End all failures."""
        with self._lock:
            self._failures.clear()

    def answer(self, request: Request) -> Reply | None:
        """The reply, or None where the connection is to close without one."""
        with self._lock:
            self.requests.append((request.method, request.path))
            failure = self._failure(request)
            if not failure:
                return self._route(request)
        time.sleep(failure.delay)
        return failure.reply

    def _failure(self, request: Request) -> Failure | None:
        for failure in self._failures:
            if failure.times != 0 and failure.method in ("*", request.method) and failure.path_part in request.path:
                failure.times = failure.times and failure.times - 1
                return failure
        return None

    def _route(self, request: Request) -> Reply:
        if request.authorization not in ("", f"Bearer {self.token}"):
            return error_reply(401, "Invalid credentials in Authorization header")
        for method, pattern, handler in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match and method == request.method.replace("HEAD", "GET"):
                parts = {name: unquote(part) for name, part in match.groupdict().items() if part}
                try:
                    return handler(self, request, **parts)
                except Refused as refused:
                    return refused.reply
        return error_reply(404, "Sorry, we can't find the page you are looking for.")

    def _require_token(self, request: Request) -> None:
        if not request.authorization:
            # With the code because the client takes a bare 401 for a missing repository only on https.
            raise Refused(401, "Invalid username or password.", "RepoNotFound")

    def _repo(self, request: Request, kind: str, name: str, write: bool = False) -> Repo:
        repo = self._repos.get((kind, name))
        if write or repo is None or repo.private:
            self._require_token(request)
        if repo is None:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return repo

    def _page(self, kind: str, name: str) -> str:
        return f"{self.url}/{'' if kind == 'models' else kind + '/'}{name}"

    def _root(self, request: Request) -> Reply:
        return Reply(200)

    def _whoami(self, request: Request) -> Reply:
        self._require_token(request)
        access = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
        return json_reply({"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": access})

    def _validate_yaml(self, request: Request) -> Reply:
        return json_reply({"errors": [], "warnings": []})

    def _create(self, request: Request) -> Reply:
        self._require_token(request)
        asked = json.loads(request.body)
        key = (f"{asked.get('type', 'model')}s", f"{asked['organization'] or USER}/{asked['name']}")
        if key in self._repos:
            raise Refused(409, f"You already created this {key[0][:-1]} repo", url=self._page(*key))
        self._repos[key] = Repo(*key, private=asked.get("visibility") == "private")
        return json_reply({"url": self._page(*key), "name": key[1]})

    def _info(self, request: Request, kind: str, name: str, revision: str = "main") -> Reply:
        repo = self._repo(request, kind, name)
        commit = repo.at(revision)
        siblings = []
        for path, content in commit.tree.items():
            told = describe(path, content)
            lfs = {**told["lfs"], "sha256": told["lfs"]["oid"]} if "lfs" in told else None
            sizes = {"size": told["size"], "blobId": told["oid"], "lfs": lfs} if "blobs" in request.query else {}
            siblings.append({"rfilename": path, **sizes})
        answer = {"_id": git_oid(name.encode())[:24], "id": name, "author": name.rpartition("/")[0], "sha": commit.sha}
        answer |= {"private": repo.private, "disabled": False, "gated": False, "downloads": 0, "likes": 0, "tags": []}
        return json_reply({**answer, "createdAt": DATE, "lastModified": DATE, "siblings": siblings})

    def _refs(self, request: Request, kind: str, name: str) -> Reply:
        repo = self._repo(request, kind, name)
        branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.at("main").sha}]
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": repo.at(tag).sha} for tag in repo.tags]
        return json_reply({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})

    def _history(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo = self._repo(request, kind, name)
        commits = repo.commits[: repo.commits.index(repo.at(revision)) + 1]
        more = {"message": "", "date": DATE, "authors": [{"user": USER}]}
        return json_reply([{"id": commit.sha, "title": commit.title, **more} for commit in reversed(commits)])

    def _tree(self, request: Request, kind: str, name: str, revision: str, path: str = "") -> Reply:
        start = f"{path}/" if path else ""
        recursive = request.query.get("recursive") == ["true"]
        entries = {}
        for file, content in self._repo(request, kind, name).at(revision).tree.items():
            if file.startswith(start):
                cuts = [match.start() for match in re.finditer("/", file) if match.start() >= len(start)]
                for cut in cuts if recursive else cuts[:1]:
                    entries[file[:cut]] = describe_folder(file[:cut])
                if recursive or not cuts:
                    entries[file] = describe(file, content)
        if path and not entries:
            raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound")
        return json_reply(list(entries.values()))

    def _paths_info(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        tree = self._repo(request, kind, name).at(revision).tree
        paths = parse_qs(request.body.decode())["paths"]
        folders = [path for path in paths if any(file.startswith(f"{path}/") for file in tree)]
        return json_reply(
            [describe(path, tree[path]) for path in paths if path in tree] + list(map(describe_folder, folders))
        )

    def _tag(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo = self._repo(request, kind, name, write=True)
        tag = json.loads(request.body)["tag"]
        if tag in repo.tags:
            raise Refused(409, f"Tag reference exists already: {tag}")
        repo.tags[tag] = repo.at(revision)
        return json_reply({})

    def _preupload(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        tree = self._repo(request, kind, name, write=True).at(revision).tree
        files = []
        for file in json.loads(request.body)["files"]:
            path, mode = file["path"], "lfs" if is_lfs(file["path"], file["size"]) else "regular"
            oid = etag(path, tree[path]) if path in tree else None
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return json_reply({"files": files})

    def _lfs_batch(self, request: Request, name: str, kind: str = "models") -> Reply:
        self._repo(request, kind, name, write=True)
        objects = json.loads(request.body)["objects"]
        for wanted in objects:
            if wanted["oid"] not in self._uploads:
                href = f"{self.url}/lfs/{wanted['oid']}"
                wanted["actions"] = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
        return json_reply({"transfer": "basic", "objects": objects})

    def _lfs_upload(self, request: Request, oid: str) -> Reply:
        # Without a token: as on the real Hub, the address that was handed out is what permits it.
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refused(400, "The content is not the one announced")
        self._uploads[oid] = request.body
        return Reply(200)

    def _lfs_verify(self, request: Request, oid: str) -> Reply:
        self._require_token(request)
        if oid not in self._uploads:
            raise Refused(404, "Object does not exist")
        return json_reply({})

    def _commit(self, request: Request, kind: str, name: str, revision: str) -> Reply:
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
        return json_reply({"success": True, "commitOid": commit.sha, "commitUrl": url})

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

    def _resolve(self, request: Request, name: str, revision: str, path: str, kind: str = "models") -> Reply:
        commit = self._repo(request, kind, name).at(revision)
        headers = {"X-Repo-Commit": commit.sha}
        if path not in commit.tree:
            raise Refused(404, "Entry not found", "EntryNotFound", headers)
        content = commit.tree[path]
        tag = f'"{etag(path, content)}"'
        headers |= {"ETag": tag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if is_lfs(path, len(content)):
            headers |= {"X-Linked-Etag": tag, "X-Linked-Size": str(len(content))}
        return range_reply(content, request.range, headers)


class _Server(ThreadingHTTPServer):
    hub: LoopbackHub
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a reply's body would wait for the acknowledgment of its headers

    def _serve(self) -> None:
        url = urlsplit(self.path)
        sent = [self.headers.get(name, "") for name in ("Authorization", "Range")]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.hub.answer(Request(self.command, url.path, parse_qs(url.query), *sent, body))
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, *args) -> None:
        """Nothing: `hub.requests` has it."""


# A name may lack its owner, as the oldest ones of the Hub do.
_NAME = r"(?P<name>[^/]+(?:/[^/]+)??)"
_API = rf"/api/(?P<kind>models|datasets)/{_NAME}"
_FILES = rf"/(?:(?P<kind>datasets)/)?{_NAME}"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES = [
    (method, re.compile(pattern), handler)
    for method, pattern, handler in (
        ("GET", "/", LoopbackHub._root),
        ("GET", "/api/whoami-v2", LoopbackHub._whoami),
        ("POST", "/api/validate-yaml", LoopbackHub._validate_yaml),
        ("POST", "/api/repos/create", LoopbackHub._create),
        ("GET", f"{_API}/refs", LoopbackHub._refs),
        ("GET", f"{_API}/commits/{_REVISION}", LoopbackHub._history),
        ("GET", f"{_API}/tree/{_REVISION}(?:/(?P<path>.+))?", LoopbackHub._tree),
        ("POST", f"{_API}/paths-info/{_REVISION}", LoopbackHub._paths_info),
        ("POST", f"{_API}/tag/{_REVISION}", LoopbackHub._tag),
        ("POST", f"{_API}/preupload/{_REVISION}", LoopbackHub._preupload),
        ("POST", f"{_API}/commit/{_REVISION}", LoopbackHub._commit),
        ("GET", f"{_API}(?:/revision/{_REVISION})?", LoopbackHub._info),
        ("POST", rf"{_FILES}\.git/info/lfs/objects/batch", LoopbackHub._lfs_batch),
        ("PUT", r"/lfs/(?P<oid>\w{64})", LoopbackHub._lfs_upload),
        ("POST", r"/lfs/(?P<oid>\w{64})/verify", LoopbackHub._lfs_verify),
        ("GET", f"{_FILES}/resolve/{_REVISION}/(?P<path>.+)", LoopbackHub._resolve),
    )
]
