"""Runs other than the usual one, to be killed as well: adapters, data workers, two processes, tasks."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from helpers import save_bert

from faults.everyday.tasks import table
from faults.ground import Ground, result
from faults.programs import Program
from faults.shot import shoot
from sentiment_hf.cli import run_command


def lora(ground: Ground, home: Path) -> Program:
    """Adapters on a tiny BERT, which is written by a process of its own, for it computes."""
    base = home / "base"

    def main(argv: list[str]) -> int:
        return 0 if save_bert(base, ground.data) else 1

    assert shoot(main, [], home / "base.log").code == 0
    tuned = ["--model", str(base), "--tuning", "lora", "--lora_dropout", "0.2"]

    def argv(data: Path, output: Path) -> list[str]:
        words = ground.program.argv(data, output)
        return [*words[: words.index("--model")], *tuned, "--num_cpu_threads", "1"]

    return Program("LoRA", run_command, argv)


def workers(ground: Ground, home: Path) -> Program:
    """Two processes fetch the batches."""
    more = ["--dataloader_num_workers", "2"]
    return Program("workers", run_command, lambda data, output: [*ground.program.argv(data, output), *more])


def two_processes(ground: Ground, home: Path) -> Program:
    """Two that train together, as `accelerate launch` starts them; this one is the first of them."""

    def main(argv: list[str]) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        second = os.fork()
        rank = 0 if second else 1
        together = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in together.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"}
        code = run_command(argv)
        if rank == 1:
            os._exit(code)
        os.waitpid(second, 0)
        return code

    return Program("two processes", main, ground.program.argv)


def task(name: str) -> Callable[[Ground, Path], Program]:
    """A run of another task, on data of its own."""
    cells, flags = {
        "several labels": (["food|price", "", "food"], ["--label_delimiter", "|"]),
        "numbers": (["1.5", "2.5", "4"], ["--task", "regression"]),
        "stars": (["1", "5", "3"], ["--task", "ordinal"]),
    }[name]

    def make(ground: Ground, home: Path) -> Program:
        for part in ("train", "validation", "test"):
            table(home / "data" / f"{part}.csv", cells, count=40)
        return Program(name, run_command, lambda _, output: [*ground.program.argv(home / "data", output), *flags])

    return make


def variant(make: Callable[[Ground, Path], Program], ground: Ground, home: Path) -> Ground:
    """The ground of another program: what comes of it undisturbed, and in what time."""
    program = make(ground, home)
    begin = os.times().elapsed
    done = shoot(program.main, program.argv(ground.data, home / "whole"), home / "whole.log")
    assert done.code == 0, done.stderr
    return replace(ground, program=program, expected=result(home / "whole"), seconds=os.times().elapsed - begin)
