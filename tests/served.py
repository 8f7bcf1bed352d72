"""A running `sentiment-hf serve`."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from launching import ROOT, environment


class Service:
    """A running `sentiment-hf serve`, and what it prints."""

    def __init__(self, folder: Path, home: Path, *flags: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = home / f"{self.port}.log"
        command = [sys.executable, "-m", "sentiment_hf", "serve", str(folder), "--port", str(self.port), *flags]
        where = environment() | {"PYTHONPATH": str(ROOT)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=where, stdout=log, stderr=subprocess.STDOUT)
        self.wait(lambda: self.send("/predict", {"text": "good"})[0] == 200)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready` is true; what it raises meanwhile is a server that is not there yet."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError(self.log.read_text())

    def send(self, path: str, body: Any = None, method: str = "POST") -> tuple[int, Any]:
        """(status, the JSON or the text of the answer)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body))
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content.startswith(("{", "[")) else content

    def children(self) -> list[psutil.Process]:
        """Its processes, that with most memory first: those with a model are the largest."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return sorted(children, key=lambda child: -child.memory_info().rss)

    def end(self) -> int:
        """Ask it to end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)
