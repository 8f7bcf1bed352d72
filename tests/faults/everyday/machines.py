"""Caches, proxies, notebooks, names and the Hub: E801 and on."""

import fcntl
import io
import os
import sys
import threading
from pathlib import Path

import datasets
import evaluate
import psutil
from huggingface_hub import close_session, constants
from loopback_hub import LoopbackHub

from faults.everyday.columns import table
from faults.everyday.trouble import refuses, survives
from faults.fault import Fault
from faults.hub_faults import REPO, online
from faults.programs import our_argv
from sentiment_hf.cli import predict_command, run_command

LABELS = ("neg", "pos")
ODD = os.fsdecode(b"donn\xe9es")


def files(home: Path) -> Path:
    """The folder, with the three files in it."""
    for part in ("train", "validation", "test"):
        table(home / f"{part}.csv", LABELS)
    return home


def ours(*more: str):
    """The command line of a run in the folder `run`."""
    return lambda home: [*our_argv(files(home), home / "run"), *(word.format(home=home) for word in more)]


def from_the_hub(home: Path) -> list[str]:
    """A checkpoint that has to be downloaded."""
    return ["--model", "me/x", "--train_file", str(files(home) / "train.csv"), "--output_dir", str(home / "run")]


def odd_name(home: Path) -> list[str]:
    """Train has a name that is not UTF-8."""
    argv = ours()(home)
    return [*argv, "--train_file", str((home / "train.csv").rename(home / f"{ODD}.csv"))]


def finished(home: Path) -> bool:
    """Whether the run has a report."""
    return (home / "run/report.json").is_file()


def without_cache(argv: list[str]) -> int:
    """The caches are inside of a file, where nobody can make a folder."""
    evaluate.config.HF_METRICS_CACHE = datasets.config.HF_DATASETS_CACHE = Path("/dev/null/cache")
    return run_command(argv)


def by_proxy(value: str, command=run_command):
    """The Hub is asked through this proxy."""

    def call(argv: list[str]) -> int:
        os.environ |= {"ALL_PROXY": value, "HTTPS_PROXY": value, "NO_PROXY": ""}
        constants.HF_HUB_OFFLINE, constants.ENDPOINT = False, "https://hub.invalid"
        close_session()
        return command(argv)

    return call


def in_a_notebook(argv: list[str]) -> int:
    """With streams that are no files, and in a thread."""
    sys.stdout, codes = io.StringIO(), []
    thread = threading.Thread(target=lambda: codes.append(run_command(argv)))
    thread.start()
    thread.join()
    return codes[0]


def without_locks(argv: list[str]) -> int:
    """On a file system that has none, among processes that may not be looked at."""

    def refuse(*given):
        raise OSError(37, "No locks available")

    def hide(process):
        raise psutil.AccessDenied(process.pid)

    fcntl.flock, psutil.Process.cmdline = refuse, hide
    return run_command(argv)


def over_an_edited_card(argv: list[str]) -> int:
    """The run is pushed to a repository whose card has words of a user; the card that is there then is kept."""
    home = Path(argv[argv.index("--output_dir") + 1]).parent
    with LoopbackHub() as hub:
        hub.add(REPO, {"README.md": b"# My words"})
        online(hub, home)
        code = run_command([*argv, "--push_to_hub", "--hub_model_id", REPO])
        (home / "card").write_bytes(hub.files(REPO)["README.md"])
    return code


def card_stays(home: Path) -> bool:
    """The words of the user are there, and the flag that replaces them was named."""
    return (home / "card").read_text() == "# My words" and "--overwrite_card" in (home / "log").read_text()


FAULTS: list[Fault] = [
    survives("E801", "caches that cannot be written", ours(), finished, command=without_cache),
    refuses("E802", "a SOCKS proxy", from_the_hub, "socksio", command=by_proxy("socks5://127.0.0.1:9")),
    refuses(
        "E803",
        "predict through a proxy of no known kind",
        lambda home: ["me/x", "a text"],
        "ALL_PROXY=ftp://",
        command=by_proxy("ftp://127.0.0.1:9", predict_command),
    ),
    survives("E804", "a thread of a notebook", ours(), finished, command=in_a_notebook),
    survives("E805", "a data file whose name is not UTF-8", odd_name, finished),
    refuses("E806", "an output folder whose name is not UTF-8", ours("--output_dir", f"{{home}}/{ODD}"), "not UTF-8"),
    survives("E808", "a card that was edited on the Hub", ours(), card_stays, command=over_an_edited_card),
    survives("E807", "no locks, hidden processes", ours(), finished, command=without_locks),
]
