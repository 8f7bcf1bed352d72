"""Folders of data, their parts, and data sets of the Hub: E201 and on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset, DatasetDict
from helpers import reviews, write_csv, write_data

from faults.everyday.trouble import Make, refuses, survives
from faults.fault import Fault
from faults.programs import plain_argv

ROWS = reviews(60, seed=0)
QUICK = ["--model", "custom-fc", "--max_steps", "2", "--disable_tqdm", "true", "--num_cpu_threads", "1"]


def ours(make: Callable[[Path], None], name: str = "data", flag: str = "--dataset") -> Make:
    """`make` fills the folder `name`, from which a quick run reads."""

    def command_line(home: Path) -> list[str]:
        make(home / name)
        return [*QUICK, flag, str(home / name), "--output_dir", str(home / "run")]

    return command_line


def is_read(rows: int, *said: str, classes: int = 2):
    """Whether the report has so many rows and classes, and all of these words were printed."""

    def right(home: Path) -> bool:
        report = json.loads((home / "run/report.json").read_text())
        printed = (home / "log").read_text()
        found = sum(report["data"]["rows"].values()), len(report["labels"])
        return found == (rows, classes) and all(word in printed for word in said)

    return right


def texts(folder: Path, suffixes: tuple[str, ...] = (".txt",)) -> None:
    """CLASS/NUMBER.txt, the suffixes by turns; a fourth of them one folder deeper."""
    for number, (text, label) in enumerate(ROWS):
        path = folder / label / ("more" if number % 8 < 2 else "") / f"{number}{suffixes[number % len(suffixes)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def with_checkpoints_of_jupyter(folder: Path) -> None:
    """A hidden folder of texts beside the classes."""
    texts(folder)
    shutil.copytree(folder / "negative", folder / ".ipynb_checkpoints")


def with_output(folder: Path) -> None:
    """Files of a finished run, named like parts of the data."""
    write_csv(folder / "train.csv", ROWS)
    for name in ("run.json", "train_results.json", "test_results.json"):
        (folder / "out/first").mkdir(parents=True, exist_ok=True)
        (folder / "out/first" / name).write_text('{"text": "a", "label": "b"}')


def with_copy(folder: Path) -> None:
    """What a browser makes of a second download."""
    for name in ("train.csv", "train (1).csv"):
        write_csv(folder / name, ROWS)


def without_labels(folder: Path) -> None:
    """As in GLUE: -1 in every row of test."""
    write_csv(folder / "train.csv", ROWS)
    write_csv(folder / "test.csv", [(text, -1) for text, _ in ROWS])


def with_empty_part(folder: Path) -> None:
    """Two files of one table, of which one has the names of the columns alone."""
    write_csv(folder / "part-0.csv", ROWS)
    write_csv(folder / "part-1.csv", [])


def of_other_names(folder: Path) -> None:
    """Parts that no usual name has."""
    rows = Dataset.from_list([{"text": text, "label": label} for text, label in ROWS])
    DatasetDict(train_sft=rows, test_sft=rows, train_gen=rows).save_to_disk(folder)


def in_the_cache_of_the_hub(folder: Path) -> None:
    """A snapshot that links to its blobs."""
    blobs = folder.parent.parent / "blobs"
    write_csv(blobs / "0a1b", ROWS)
    folder.mkdir(parents=True)
    (folder / "train.csv").symlink_to(Path("../../blobs/0a1b"))


def plain_of_brackets(home: Path) -> list[str]:
    """The plain program on files in a folder whose name is a pattern."""
    return plain_argv(write_data(home / "[v2] final"), home / "run")


LEFT_OUT = "left out"

FAULTS: list[Fault] = [
    survives(
        "E201",
        "a folder of texts in .txt, .TXT and .md, some one folder deeper",
        ours(lambda folder: texts(folder, (".txt", ".TXT", ".md")), flag="--train_file"),
        is_read(60, "texts in folders below"),
    ),
    survives(
        "E202",
        "Jupyter's hidden folder beside the folders of the classes",
        ours(with_checkpoints_of_jupyter, flag="--train_file"),
        is_read(60, LEFT_OUT, ".ipynb_checkpoints"),
    ),
    survives("E203", "the output of a run in the data folder", ours(with_output), is_read(60, LEFT_OUT, "out/first")),
    survives("E204", "a second copy, train (1).csv", ours(with_copy), is_read(60, LEFT_OUT, "train (1)")),
    survives("E205", "a test without labels", ours(without_labels), is_read(60, "test is taken from train")),
    survives(
        "E206",
        "a data folder named [v2] final",
        ours(lambda folder: write_csv(folder / "train.csv", ROWS), "[v2] final"),
        is_read(60),
        plain=(plain_of_brackets, lambda home: (home / "run/test.json").is_file()),
    ),
    survives("E207", "a folder of the Hub's cache", ours(in_the_cache_of_the_hub, "me/snapshots/abc"), is_read(60)),
    survives("E209", "an empty part of Spark", ours(with_empty_part, flag="--train_file"), is_read(60, LEFT_OUT)),
    refuses("E208", "parts named train_sft and train_gen", ours(of_other_names), "--train_split"),
]
