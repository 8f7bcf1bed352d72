"""Block T: a search and a choice are killed, and what they and their models keep for later is damaged."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from helpers import write_data

from faults.fault import REFUSED, SURVIVED, Fault
from faults.ground import Ground
from faults.programs import SETTINGS, files
from faults.shot import Ended, kill_after, shoot
from sentiment_hf.cli import choose_command, predict_command, run_command, tune_command

SHOTS = 3

SPACE = "learning_rate: {low: 1e-3, high: 5e-2, log: true}\n"
MODEL = ["--model", "custom-fc", "--model_config", *SETTINGS, "--min_frequency", "1", "--max_steps", "10"]
MODEL += ["--num_cpu_threads", "1"]


@dataclass(frozen=True)
class Command:
    """A command that makes several runs: `argv` from data and output, `outcome` of a folder."""

    main: Callable[[list[str]], int]
    argv: Callable[[Path, Path], list[str]]
    outcome: Callable[[Path], dict]

    def shoot(self, data: Path, output: Path, **how) -> Ended:
        """Run it in a process of its own."""
        return shoot(self.main, self.argv(data, output), output.with_name(f"{output.name}.log"), hang=300, **how)


def tune_argv(data: Path, output: Path) -> list[str]:
    """Two trials of a tiny model."""
    space = output.with_name("space.yaml")
    space.write_text(SPACE)
    return [*MODEL, *files(data), "--space", str(space), "--trials", "2", "--output_dir", str(output)]


def tune_outcome(folder: Path) -> dict:
    """Settings and validation of all trials, and which folders have scored test."""
    trials = json.loads((folder / "tune.json").read_text())["trials"]
    tested = sorted(path.parent.name for path in folder.glob("*/predictions.parquet"))
    return {"trials": [(one["settings"], one["validation"]) for one in trials], "tested": tested}


def choose_argv(data: Path, output: Path) -> list[str]:
    """The ladder on a few rows."""
    return [*files(data), "--output_dir", str(output), "--minutes", "5"]


def choose_outcome(folder: Path) -> dict:
    """Validation of all models, and of how many test was scored."""
    decisions = json.loads((folder / "choice.json").read_text())["decisions"]
    found = {name: (one["outcome"], one["numbers"].get("validation")) for name, one in decisions.items()}
    return {"decisions": found, "tested": len([*folder.glob("*/predictions.parquet")])}


TUNE = Command(tune_command, tune_argv, tune_outcome)
CHOOSE = Command(choose_command, choose_argv, choose_outcome)


def verdict(command: Command, ended: Ended, folder: Path, expected: dict) -> str:
    """Survived: it ended well, and as it does undisturbed. Refused: exit code 2 and one line."""
    if ended.code is None:
        return "hangs"
    if "Traceback (most recent call last)" in ended.stderr:
        return f"stuck: {ended.stderr.strip().splitlines()[-1].split(':')[0]}"
    if ended.code == 0:
        return SURVIVED if command.outcome(folder) == expected else "WRONG: another outcome, exit code 0"
    return REFUSED if ended.code == 2 else f"exit code {ended.code}: {ended.stderr.strip().splitlines()[-1]}"


def rows(home: Path) -> Path:
    """Data that words tell without an error, so that choose trains the models that count words alone."""
    return write_data(home / "data", train=80, validation=60, test=40)


def killed(command: Command, ground: Ground, home: Path) -> Iterator[str]:
    """SIGKILL at a moment of the whole command, and once more of the one that goes on."""
    data, begin = rows(home), time.monotonic()
    assert command.shoot(data, home / "whole").code == 0
    seconds, expected = time.monotonic() - begin, command.outcome(home / "whole")
    chance = random.Random(0)
    for shot in range(SHOTS):
        folder = home / str(shot)
        for _ in range(2):
            command.shoot(data, folder, meanwhile=kill_after(chance.uniform(0, seconds), signal.SIGKILL))
        yield verdict(command, command.shoot(data, folder), folder, expected)


def damaged(command: Command, name: str, damage: Callable[[bytes], bytes], ground: Ground, home: Path) -> list[str]:
    """A file of a finished one."""
    data, folder = rows(home), home / "whole"
    assert command.shoot(data, folder).code == 0
    expected = command.outcome(folder)
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    return [verdict(command, command.shoot(data, folder), folder, expected)]


def beside_model(name: str, flags: list[str], ground: Ground, home: Path) -> list[str]:
    """A file beside the weights, cut in half, that `predict` reads with these flags."""
    folder = home / "run"
    argv = [*MODEL, *files(ground.data), "--output_dir", str(folder)]
    assert shoot(run_command, argv, home / "run.log").code == 0
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    ended = shoot(predict_command, [str(folder), "a fine film", *flags], home / "predict.log")
    return [REFUSED if ended.code == 2 and "Traceback" not in ended.stderr else f"exit code {ended.code}"]


def cut(content: bytes) -> bytes:
    """Without its last bytes, as a disk that was full leaves it."""
    return content[:-20]


def halved(content: bytes) -> bytes:
    """Its first half."""
    return content[: len(content) // 2]


def with_another_line(content: bytes) -> bytes:
    """A line in the middle that is no JSON."""
    first, *others = content.splitlines(keepends=True)
    return b"".join([first, b"no journal\n", *others])


CHECKS = [
    ("SIGKILL of tune twice at random moments", SURVIVED, partial(killed, TUNE)),
    ("SIGKILL of choose twice at random moments", SURVIVED, partial(killed, CHOOSE)),
    ("journal of tune cut off at its end", SURVIVED, partial(damaged, TUNE, "study.journal", cut)),
    ("journal of tune with a line that is none", REFUSED, partial(damaged, TUNE, "study.journal", with_another_line)),
    ("choice.json cut in half", REFUSED, partial(damaged, CHOOSE, "choice.json", halved)),
    (
        "conformal.json cut in half, predict --abstain",
        REFUSED,
        partial(beside_model, "conformal.json", ["--abstain", "0.5"]),
    ),
    ("usual.json cut in half, predict --flag_unlike", REFUSED, partial(beside_model, "usual.json", ["--flag_unlike"])),
]

FAULTS = [
    Fault(f"T{number:02}", what, expected, check, plain=False)
    for number, (what, expected, check) in enumerate(CHECKS, 1)
]
