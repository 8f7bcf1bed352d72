"""What every fault starts from: the data, the run as it comes out undisturbed, and one that was killed half-way."""

import hashlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import transformers.trainer
from helpers import write_data
from transformers import TrainerCallback

from faults.programs import Program
from faults.shot import count_writes, shoot

STEPS = 12
KILLED_AT = 9


@dataclass(frozen=True)
class Ground:
    """Of one program.

    expected: what `result` says of the undisturbed run.
    killed: the folder of a run with checkpoints of the steps 2, 6 and 8, of which the first is the best, killed
        after step 9.
    other: the folder of such a run on other data.
    seconds, writes: how long the undisturbed run takes, and how often it makes, renames or removes a file of its own.
    """

    program: Program
    data: Path
    expected: dict[str, str]
    killed: Path
    other: Path
    seconds: float
    writes: int


class Kill(TrainerCallback):
    """SIGKILL after a step."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)


def install_kill() -> None:
    """For every `Trainer` of this process."""
    transformers.trainer.DEFAULT_CALLBACKS = [*transformers.trainer.DEFAULT_CALLBACKS, Kill]


def result(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights, of the last state of optimizer, schedule and random numbers, and of what was scored."""
    last = folder / f"checkpoint-{STEPS}"
    names = [
        *(folder / name for name in ("model.safetensors", "adapter_model.safetensors")),
        *(last / name for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth")),
    ]
    found = {path.name: digest(path) for path in names}
    return found | {"scores": json.dumps(scores(folder), sort_keys=True)}


def scores(folder: Path) -> dict:
    """Of test; what a run measures of its own speed is left out."""
    report, plain = folder / "report.json", folder / "test.json"
    if report.is_file():
        return json.loads(report.read_text())["test"] | {"predictions": digest(folder / "predictions.parquet")}
    if not plain.is_file():
        return {"scores": "missing"}
    times = ("runtime", "per_second")
    return {name: value for name, value in json.loads(plain.read_text()).items() if not name.endswith(times)}


def digest(path: Path) -> str:
    """SHA-256, or that there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def contents(folder: Path) -> dict[str, str]:
    """Every file with its SHA-256; the lock, which names its last holder, is no content."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): digest(path) for path in files}


def prepare(program: Program, home: Path) -> Ground:
    """Make it all in `home`."""
    data, other = (write_data(home / name, train=48) for name in ("data", "other-data"))
    (other / "train.csv").write_text((other / "train.csv").read_text().replace("film", "book"))
    make_model(data)
    shutil.copytree(data / "model", other / "model")
    begin = os.times().elapsed
    count = count_writes(home / "whole", home / "writes")
    done = shoot(program.main, program.argv(data, home / "whole"), home / "whole.log", before=count)
    seconds = os.times().elapsed - begin
    assert done.code == 0, done.stderr
    for name, rows in (("killed", data), ("killed-other", other)):
        done = shoot(program.main, program.argv(rows, home / name), home / f"{name}.log", before=install_kill)
        assert done.code == -signal.SIGKILL, done.stderr
        kept = sorted(path.name for path in (home / name).glob("checkpoint-*"))
        assert kept == ["checkpoint-2", "checkpoint-6", "checkpoint-8"], kept
    return Ground(
        program,
        data,
        result(home / "whole"),
        home / "killed",
        home / "killed-other",
        seconds,
        (home / "writes").stat().st_size,
    )


def make_model(data: Path) -> None:
    """Tokenizer and config for the plain `Trainer`, in a process of its own, for it computes."""

    def main(argv: list[str]) -> int:
        from custom_models import GRUConfig
        from sentiment_hf.data.splits import load_splits
        from sentiment_hf.models.load import load_tokenizer
        from sentiment_hf.settings.run_flags import parse_run

        files = [word for part in ("train", "test") for word in (f"--{part}_file", str(data / f"{part}.csv"))]
        spec = parse_run(["--model", "custom-gru", "--min_frequency", "1", "--max_seq_length", "32", *files])
        tokenizer = load_tokenizer(spec, load_splits(spec.data).train)
        tokenizer.save_pretrained(data / "model")
        sizes = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.3, "embedding_dropout": 0.2}
        GRUConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes).save_pretrained(
            data / "model"
        )
        return 0

    done = shoot(main, [], data / "model.log")
    assert done.code == 0, done.stderr
