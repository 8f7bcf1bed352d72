"""Block V: a service of a finished run, and what clients, machines and people do to it."""

import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from served import Service

from faults.fault import REFUSED, SURVIVED, Fault, copy_of
from faults.ground import Ground
from faults.shot import shoot
from sentiment_hf.cli import serve_command
from sentiment_hf.serving.messages import LONGEST_TEXT, MOST_BYTES, MOST_TEXTS

GOOD = {"text": "a good film"}
MANY = 1000


@contextmanager
def served(ground: Ground, home: Path, *flags: str) -> Iterator[tuple[Service, Any]]:
    """(the service, its answer to a good request), of a run whose folder is home/run."""
    service = Service(copy_of(ground.killed.with_name("whole"), home), home, *flags)
    try:
        yield service, service.send("/predict", GOOD)
    finally:
        service.process.kill()


def afterwards(service: Service, answer: Any, expected: str) -> list[str]:
    """The expected verdict if it still answers as before, has printed no traceback, and ends well."""
    if service.send("/predict", GOOD) != answer:
        return ["WRONG: another answer afterwards"]
    if (code := service.end()) != 0:
        return [f"exit code {code}"]
    return ["traceback" if "Traceback" in service.log.read_text() else expected]


def refused(body: bytes, status: int, ground: Ground, home: Path, path: str = "/predict", method: str = "POST") -> Any:
    """A request that is refused, alone, by this status and without the words of its text."""
    with served(ground, home) as (service, answer):
        found, said = service.send(path, body, method)
        if found != status:
            return [f"WRONG: status {found}"]
        if "aubergine" in f"{said}{service.log.read_text()}":
            return ["WRONG: the text is repeated"]
        return afterwards(service, answer, REFUSED)


def survived(injure: Callable[[Service, Any], str], ground: Ground, home: Path, *flags: str) -> list[str]:
    """Something is done to it, and `injure` says what it saw amiss."""
    with served(ground, home, *flags) as (service, answer):
        amiss = injure(service, answer)
        return [amiss] if amiss else afterwards(service, answer, SURVIVED)


def raw(service: Service) -> socket.socket:
    """A connection of one's own."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def slow_client(service: Service, answer: Any) -> str:
    """Twenty clients send half of a request and no more; others are answered meanwhile."""
    with ExitStack() as opened:
        for _ in range(20):
            client = opened.enter_context(raw(service))
            client.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"text": ')
        return "" if service.send("/predict", GOOD) == answer else "WRONG: the others wait"


def client_that_leaves(service: Service, answer: Any) -> str:
    """Clients that send a request and are gone before its answer."""
    body = json.dumps({"texts": ["a good film " * 50] * 100}).encode()
    for _ in range(20):
        with raw(service) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return ""


def connections(service: Service, answer: Any) -> str:
    """So many open connections that say nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as opened:
            for _ in range(MANY):
                opened.enter_context(raw(service))
            return "" if service.send("/predict", GOOD) == answer else "WRONG: another answer"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def no_http(service: Service, answer: Any) -> str:
    """Bytes that are no HTTP."""
    with raw(service) as client:
        client.sendall(os.urandom(5000) + b"\r\n\r\n")
        client.recv(1000)
    return ""


def crowd(service: Service, answer: Any) -> str:
    """More requests at once than may wait: each is answered, or told to come again."""
    with ThreadPoolExecutor(100) as clients:
        found = [*clients.map(lambda _: service.send("/predict", GOOD), range(400))]
    statuses = {status for status, _ in found}
    if not {200} < statuses <= {200, 429, 503}:
        return f"WRONG: statuses {sorted(statuses)}"
    return "" if all(one == answer for one in found if one[0] == 200) else "WRONG: another answer"


def in_bad_company(service: Service, answer: Any) -> str:
    """Good requests beside wrong ones, which would be in the same batch."""
    bodies = [GOOD, {"text": 1}] * 40
    with ThreadPoolExecutor(16) as clients:
        found = [*clients.map(lambda body: service.send("/predict", body), bodies)]
    right = all(one == answer for one in found[::2]) and {status for status, _ in found[1::2]} == {422}
    return "" if right else "WRONG: refused with others"


def kill(place: int, service: Service, answer: Any) -> str:
    """SIGKILL for one of its processes, by the order of their memory: it comes back, and others answer meanwhile."""
    before = {child.pid for child in service.children()}
    victim = service.children()[place].pid
    os.kill(victim, signal.SIGKILL)
    with ThreadPoolExecutor(4) as clients:
        statuses = [one[0] for one in clients.map(lambda _: service.send("/predict", GOOD), range(40))]
    if statuses.count(200) < 36:
        return f"WRONG: {statuses.count(200)} of 40 answered"
    service.wait(lambda: len({child.pid for child in service.children()} - {victim}) == len(before))
    return ""


def folder_removed(service: Service, answer: Any) -> str:
    """The folder of the model goes while it serves."""
    folder = service.log.with_name("run")
    folder.rename(folder.with_name("elsewhere"))
    return "" if service.send("/predict", GOOD) == answer else "WRONG: another answer"


def end_under_load(ground: Ground, home: Path) -> list[str]:
    """SIGTERM while clients wait: what was begun is answered, what comes then is refused, exit code 0."""
    with served(ground, home) as (service, _), ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(service.send, "/predict", {"texts": ["good soup " * 2000] * 20}) for _ in range(8)]
        time.sleep(0.3)
        if (code := service.end()) != 0:
            return [f"exit code {code}"]
        statuses = {one.result()[0] for one in asked}
        return [SURVIVED if statuses <= {200, 503} else f"WRONG: statuses {sorted(statuses)}"]


def not_begun(argv: Callable[[Path], list[str]], ground: Ground, home: Path) -> list[str]:
    """A command that ends before it listens, with exit code 2 and a line."""
    ended = shoot(serve_command, argv(copy_of(ground.killed.with_name("whole"), home)), home / "log")
    return [REFUSED if ended.code == 2 and "Traceback" not in ended.stderr else f"exit code {ended.code}"]


def port_taken(ground: Ground, home: Path) -> list[str]:
    """Somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        return not_begun(lambda folder: [str(folder), "--port", port], ground, home)


def gone(folder: Path) -> list[str]:
    """Without the folder."""
    folder.rename(folder.with_name("elsewhere"))
    return [str(folder)]


def damaged(folder: Path) -> list[str]:
    """With half of the weights."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return [str(folder)]


def request(**fields: Any) -> bytes:
    """A body."""
    return json.dumps(fields).encode()


CHECKS = {
    "malformed JSON": (REFUSED, partial(refused, b'{"text": "aubergine', 422)),
    "10 000 nested lists": (REFUSED, partial(refused, b'{"text": ' + b"[" * 10_000, 422)),
    "a number in place of a text": (REFUSED, partial(refused, b'{"text": 1}', 422)),
    "an unknown field": (REFUSED, partial(refused, request(text="aubergine", model="other"), 422)),
    "a lone surrogate": (REFUSED, partial(refused, b'{"text": "aubergine \\ud800"}', 422)),
    "bytes that are no UTF-8": (REFUSED, partial(refused, b'{"text": "aubergine \xff"}', 422)),
    "no text, and no list of texts": (REFUSED, partial(refused, b"{}", 422)),
    "a text that is too long": (REFUSED, partial(refused, request(text="aubergine " * LONGEST_TEXT), 422)),
    "more texts than may be": (REFUSED, partial(refused, request(texts=["aubergine"] * (MOST_TEXTS + 1)), 422)),
    "a body that is too large": (REFUSED, partial(refused, request(text="x" * (MOST_BYTES + 1)), 413)),
    "another path": (REFUSED, partial(refused, request(text="aubergine"), 404, path="/predict/../etc/passwd")),
    "another method": (REFUSED, partial(refused, request(text="aubergine"), 405, method="PUT")),
    "bytes that are no HTTP": (SURVIVED, partial(survived, no_http)),
    "slow clients": (SURVIVED, partial(survived, slow_client)),
    "clients that leave before their answer": (SURVIVED, partial(survived, client_that_leaves)),
    f"{MANY:,} open connections": (SURVIVED, partial(survived, connections)),
    "more requests at once than may wait": (SURVIVED, lambda *a: survived(crowd, *a, "--capacity", "20")),
    "wrong requests beside good ones": (SURVIVED, partial(survived, in_bad_company)),
    "one of two workers killed": (SURVIVED, lambda *a: survived(partial(kill, 0), *a, "--workers", "2")),
    "folder of the model removed meanwhile": (SURVIVED, partial(survived, folder_removed)),
    "SIGTERM while clients wait": (SURVIVED, end_under_load),
    "port taken": (REFUSED, port_taken),
    "folder of the model gone": (REFUSED, partial(not_begun, gone)),
    "weights cut in half": (REFUSED, partial(not_begun, damaged)),
}

FAULTS = [
    Fault(f"V{number:02}", what, expected, check, plain=False)
    for number, (what, (expected, check)) in enumerate(CHECKS.items(), 1)
]
