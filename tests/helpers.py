"""Small real data, the flags of a small real run, and what is read back from its folder."""

import csv
import json
import math
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers.trainer
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, TrainerCallback

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import Interrupted
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.run import run
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.run_flags import parse_run

GOOD = ("good", "fine", "lovely", "warm", "bright")
BAD = ("bad", "dull", "awful", "cold", "grim")
OTHER = ("the", "film", "soup", "was", "and", "so", "we", "saw", "it", "here", "again", "plot")
TINY = ("embedding_size=8", "hidden_size=8")


def cores() -> int:
    """The cores that this process may use; macOS does not tell, and gives all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """(text, label) of 2 to 14 words, one or two of which tell the class; both classes by turns."""
    chance = random.Random(seed)
    rows = []
    for index in range(count):
        label, telling = ("positive", GOOD) if index % 2 else ("negative", BAD)
        words = chance.choices(OTHER, k=chance.randint(1, 12)) + chance.choices(telling, k=chance.randint(1, 2))
        chance.shuffle(words)
        rows.append((" ".join(words), label))
    return rows


def write_csv(path: Path, rows: list[tuple], header: tuple[str, ...] = ("text", "label")) -> Path:
    """A csv file with these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_data(folder: Path, train: int = 40, validation: int = 14, test: int = 22) -> Path:
    """train.csv, validation.csv and test.csv in `folder`."""
    for seed, (split, rows) in enumerate({"train": train, "validation": validation, "test": test}.items()):
        write_csv(folder / f"{split}.csv", reviews(rows, seed))
    return folder


# The labels of other tasks in place of negative and positive, and the flags by which they are learned.
OTHER_TASKS = {
    "multi_label": (("food|price", "price"), ["--label_delimiter", "|"]),
    "regression": (("1200.5", "1350"), ["--task", "regression"]),
    "ordinal": (("1", "5"), ["--task", "ordinal"]),
}


def relabelled(data: Path, folder: Path, labels: tuple[str, str]) -> Path:
    """The files of `data` in `folder`, with these labels in place of negative and positive."""
    folder.mkdir(parents=True)
    for file in data.glob("*.csv"):
        text = file.read_text().replace("negative", labels[0]).replace("positive", labels[1])
        (folder / file.name).write_text(text)
    return folder


def flags(
    data: Path, output: Path, *more: str, model: str = "custom-gru", settings: tuple[str, ...] = TINY
) -> list[str]:
    """The command line of a run of two epochs on the files in `data`; a later flag overrides an earlier one."""
    files = [
        word for split in ("train", "validation", "test") for word in (f"--{split}_file", str(data / f"{split}.csv"))
    ]
    words = ["--model", str(model), *files, "--output_dir", str(output), "--num_train_epochs", "2"]
    words += [
        "--per_device_train_batch_size",
        "8",
        "--num_cpu_threads",
        "1",
        "--disable_tqdm",
        "true",
    ]
    words += ["--min_frequency", "1"] if str(model) in MODEL_NAMES else []
    return [*words, *(["--model_config", *settings] if settings else []), *map(str, more)]


def run_flags(*args, **kwargs) -> dict:
    """The report of the run with these `flags`."""
    return run(parse_run(flags(*args, **kwargs))).as_json()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Name to tensor, as saved."""
    return load_file(Path(folder, "model.safetensors"))


def read_report(folder: Path) -> dict:
    """report.json"""
    return json.loads(Path(folder, "report.json").read_text(encoding="utf-8"))


class Stop(TrainerCallback):
    """Sends this process a signal in the middle of a step, as a user or a cluster would."""

    def __init__(self, step: int, signum: int = signal.SIGTERM):
        self.step, self.signum = step, signum

    def on_step_begin(self, args, state, control, **kwargs):
        """Steps count from 1, and `state` knows those that are done."""
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), self.signum)


def run_until(stop: Stop, argv: list[str], make: Callable[[RunSpec], Report] = run) -> Interrupted:
    """Run, by `make`, and be interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [*transformers.trainer.DEFAULT_CALLBACKS, stop])
        with pytest.raises(Interrupted) as interrupted:
            make(parse_run(argv))
    return interrupted.value


def save_bert(folder: Path, data: Path, rows: int | None = None, **settings) -> Path:
    """A stock checkpoint without a trained head: a tiny BERT and a tokenizer that knows the words of `data`."""
    words = sorted({word for path in data.glob("*.csv") for word in re.findall("[a-z]+", path.read_text())})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = BertTokenizer(vocab={token: index for index, token in enumerate(vocabulary)}, model_max_length=32)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=rows or len(vocabulary), max_position_embeddings=32, **sizes, **settings)
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def published_rows(folder: Path, part: str = "test") -> Iterator[tuple[dict, np.ndarray, np.ndarray]]:
    """What the files of a published comparison say of each run that has the part, read by nothing of the package.

    Its line in runs.jsonl, (rows,) class ids in the order of its labels, and (rows, classes) log-probabilities.
    """
    file = folder / {"test": "predictions.parquet", "validation": "validation.parquet"}[part]
    if not file.is_file():
        return
    table = pq.read_table(file)
    names = np.array(table["label"].to_pylist())
    for line in (folder / "runs.jsonl").open(encoding="utf-8"):
        run = json.loads(line)
        columns = [f"{run['run']}/{label}" for label in run["labels"]]
        if columns[0] in table.column_names:
            logs = np.stack([table[column].to_numpy() for column in columns], axis=1)
            own = ~np.isnan(logs[:, 0])
            yield run, (names[own][:, None] == run["labels"]).argmax(1), logs[own]


def wilson(right: np.ndarray) -> list[float]:
    """The share of right rows and the bounds of its 95 % score interval."""
    share, rows, z = right.mean(), len(right), 1.959964
    centre, half = share + z**2 / (2 * rows), z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return [share, *((centre + sign * half) / (1 + z**2 / rows) for sign in (-1, 1))]


def is_printed(cell: str, *values: float) -> bool:
    """The numbers of a cell of a table are these values, rounded to the digits that they have."""
    numbers = [(float(number.replace(",", "")), number) for number in re.findall(r"[\d,]*\d(?:\.\d+)?", cell)]
    if cell.startswith("<"):
        return len(values) == 1 and values[0] < numbers[0][0]
    return len(numbers) == len(values) and all(
        abs(number - value) <= 0.50001 * 10.0 ** -len(text.partition(".")[2])
        for (number, text), value in zip(numbers, values, strict=True)
    )


def baseline_flags(data: Path, output: Path, name: str, *more) -> list[str]:
    """The command line of a baseline on the files in `data`."""
    files = [word for split in ("train", "validation", "test") for word in (f"--{split}_file", data / f"{split}.csv")]
    return list(map(str, ["--model", name, *files, "--output_dir", output, "--num_cpu_threads", 1, *more]))


def run_baseline(*args) -> dict:
    """The report of the run with these `baseline_flags`."""
    return run(parse_run(baseline_flags(*args))).as_json()


def is_json(value: object) -> bool:
    """Of types that come back as they were from a JSON file: no tuple, no number of NumPy, nothing infinite."""
    if type(value) is dict:
        return all(type(key) is str and is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    return value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.iterdir())}
