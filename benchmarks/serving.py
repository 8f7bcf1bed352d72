"""The service under load, on this machine, clients and all: python -m benchmarks.serving load FOLDER [EXPORTED ...]

load FOLDER ...: requests/s and latency with 1, 16 and 64 clients, of each folder, and of the first one behind FastAPI
    with `pipeline()`. soak FOLDER: 16 clients for --minutes, and the memory meanwhile. kill FOLDER: one of two workers
    is killed while 64 clients ask.

A client sends the next text when its last one is answered. The texts are sentences of the sample, --words long.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import psutil

from benchmarks.bench.processes import PROGRAM, ROOT, peer
from sentiment_hf.common.markdown import markdown_table
from sentiment_hf.common.processor import processor_name

CLIENTS = (1, 16, 64)

# In seconds, until a service must answer.
LONGEST_START = 120

HEADER = ("service", "clients", "requests/s", "p50 (ms)", "p95 (ms)", "not 200", "memory (MiB)")


@dataclass(frozen=True)
class Load:
    """What clients saw: the status and milliseconds of each request, when it was answered, and the seconds of all."""

    statuses: list[int]
    milliseconds: list[float]
    answered: list[float]
    seconds: float

    @property
    def failed(self) -> int:
        """Requests with another status than 200."""
        return sum(status != 200 for status in self.statuses)

    def cells(self) -> tuple[str, ...]:
        """Requests/s, p50, p95 and failures as text."""
        p50, p95 = np.quantile(self.milliseconds, [0.5, 0.95])
        return f"{len(self.statuses) / self.seconds:.0f}", f"{p50:.1f}", f"{p95:.1f}", str(self.failed)


def bodies(words: int) -> list[bytes]:
    """Requests, each with a text of at least so many words."""
    sentences = pd.read_csv(ROOT / "sentiment_hf/data/sample/train.csv")["text"]
    made, text = [], []
    for sentence in sentences:
        text.append(sentence)
        if len(" ".join(text).split()) >= words:
            made.append(json.dumps({"text": " ".join(text)}).encode())
            text = []
    return made


@contextmanager
def started(command: list[str], port: int) -> Iterator[psutil.Process]:
    """A service that answers at `port`; it is ended by SIGTERM."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as service:
        try:
            end = time.monotonic() + LONGEST_START
            while not answers(port):
                if service.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(command)} does not answer; its exit code is {service.returncode}")
                time.sleep(0.2)
            yield psutil.Process(service.pid)
        finally:
            service.send_signal(signal.SIGTERM)


def answers(port: int) -> bool:
    """Whether a text is answered."""
    try:
        return asyncio.run(load(port, [b'{"text": "A fine film."}'], 1, 0)).failed == 0
    except OSError:
        return False


async def load(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    """Let so many clients send requests for so many seconds, each at least one."""
    found = Load([], [], [], time.perf_counter())
    await asyncio.gather(*(client(port, requests[number::clients], seconds, found) for number in range(clients)))
    return Load(found.statuses, found.milliseconds, found.answered, time.perf_counter() - found.seconds)


async def client(port: int, requests: list[bytes], seconds: float, found: Load) -> None:
    """Send one request after the other on one connection; `found.seconds` is the time at the start."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    while not sent or time.perf_counter() - found.seconds < seconds:
        body = requests[sent % len(requests)]
        begin = time.perf_counter()
        writer.write(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
        found.statuses.append(int(head.split()[1]))
        found.answered.append(time.perf_counter())
        found.milliseconds.append(1000 * (found.answered[-1] - begin))
        sent += 1
    writer.close()
    await writer.wait_closed()


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def ours(folder: str, port: int, *flags: str) -> list[str]:
    """The command that serves a folder."""
    return [*PROGRAM, "serve", folder, "--port", str(port), *flags]


def memory_of(service: psutil.Process) -> float:
    """Resident MiB of a service with all its processes; pages that they share count once for each."""
    return sum(one.memory_info().rss for one in (service, *service.children(recursive=True))) / 2**20


def under_load(args: argparse.Namespace) -> None:
    """Print a table with a line for each service and number of clients."""
    rows, requests = [], bodies(args.words)
    services = [
        ("FastAPI with pipeline()", args.folders[0], None),
        *((f"serve {one}", one, ours) for one in args.folders),
    ]
    for name, folder, command in services:
        port = free_port()
        words = command(folder, port) if command else peer("served_by_fastapi", folder, port)
        with started(words, port) as service:
            asyncio.run(load(port, requests, 16, 2))
            for clients in CLIENTS:
                found = asyncio.run(load(port, requests, clients, args.seconds))
                rows.append((name, str(clients), *found.cells(), f"{memory_of(service):.0f}"))
    print("\n".join(markdown_table(HEADER, rows)))


def soaked(args: argparse.Namespace) -> None:
    """Print requests, failures, and the memory every minute."""
    port, requests = free_port(), bodies(args.words)
    with started(ours(args.folders[0], port), port) as service:
        for minute in range(args.minutes):
            found = asyncio.run(load(port, requests, 16, 60))
            print(f"minute {minute + 1}: {', '.join(found.cells())}; {memory_of(service):.1f} MiB", flush=True)


def killed(args: argparse.Namespace) -> None:
    """Print what 64 clients saw while one of two workers was killed, and when it was back.

    They are more than a worker classifies together: those of the batch that is lost wait for the end of their time.
    """
    port, requests = free_port(), bodies(args.words)
    with started(ours(args.folders[0], port, "--workers", "2", "--timeout_ms", "3000"), port) as service:
        largest = sorted(service.children(recursive=True), key=lambda one: -one.memory_info().rss)[:2]
        found, back = asyncio.run(kill_under_load(port, requests, service, largest[0], args.seconds))
        gaps = np.diff(sorted(found.answered))
        print(f"statuses {dict(Counter(found.statuses))}, {', '.join(found.cells())}")
        print(f"longest time without an answer {gaps.max():.2f} s; another worker after {back:.1f} s")


async def kill_under_load(
    port: int, requests: list[bytes], service: psutil.Process, victim: psutil.Process, seconds: float
) -> tuple[Load, float]:
    """(what the clients saw, seconds until there were as many processes with a model again)."""
    size, running = victim.memory_info().rss / 2, asyncio.create_task(load(port, requests, 64, seconds))
    await asyncio.sleep(seconds / 4)
    victim.kill()
    begin = time.perf_counter()
    while sum(one.memory_info().rss > size for one in service.children(recursive=True) if one != victim) < 2:
        await asyncio.sleep(0.1)
    back = time.perf_counter() - begin
    return await running, back


def main(argv: list[str]) -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = {"load": under_load, "soak": soaked, "kill": killed}
    parser.add_argument("way", choices=ways)
    parser.add_argument("folders", nargs="+", help="a finished run; for load also its exports")
    parser.add_argument("--words", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=int, default=30)
    args = parser.parse_args(argv)
    print(f"{processor_name()}, {len(os.sched_getaffinity(0))} cores, texts of {args.words} words")
    ways[args.way](args)


if __name__ == "__main__":
    main(sys.argv[1:])
