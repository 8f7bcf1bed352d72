"""Labels and class names: E301 and on."""

import csv
import json
from pathlib import Path

from faults.everyday.trouble import refuses, survives
from faults.fault import Fault
from faults.programs import our_argv

WORDS = ("fine", "dull")
Labels = tuple


def table(path: Path, labels: Labels, header: str = "label") -> str:
    """A csv file of 20 rows for each label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(f"the {WORDS[i % 2]} film number {i}", label) for i, label in enumerate(labels * 20)]
        csv.writer(file).writerows([("text", header), *rows])
    return str(path)


def ours(train: Labels, *more: str, other: Labels | None = None):
    """The command line of a run on a file with the labels `train`; validation and test have `other`."""

    def make(home: Path) -> list[str]:
        return [*our_argv(written(home, train, other or train), home / "run"), *more]

    return make


def written(home: Path, train: Labels, other: Labels) -> Path:
    """The folder, with the three files in it."""
    for part in ("train", "validation", "test"):
        table(home / f"{part}.csv", train if part == "train" else other)
    return home


def classes(*names: str):
    """Whether these are the classes in the report."""
    return lambda home: json.loads((home / "run/report.json").read_text())["labels"] == list(names)


def said(*words: str):
    """Whether all of these were printed."""
    return lambda home: all(word in (home / "log").read_text() for word in words)


FORMS = ("tr\u00e8s", "tre\u0300s", "peu")
UPPER = ("TRUE", "FALSE")
MANY = tuple(f"{number}.5" for number in range(25))

FAULTS: list[Fault] = [
    survives("E301", "half stars as classes", ours(("0.5", "1.0", "1.5")), classes("0.5", "1", "1.5")),
    survives(
        "E302",
        "TRUE in train, true in test",
        ours(("TRUE", "FALSE"), other=("true", "false")),
        classes("False", "True"),
    ),
    refuses("E303", "25 decimals, a regression", ours(MANY), "a regression"),
    survives("E304", "one class in two Unicode forms", ours(FORMS), classes("peu", "tr\u00e8s")),
    survives("E305", "classes Neg and neg", ours(("neg", "Neg", "pos")), said("look alike")),
    survives(
        "E306",
        "other names of the classes in test",
        ours(("NEGATIVE", "POSITIVE"), "--label_map", "NEGATIVE=neg,POSITIVE=pos", other=("neg", "pos")),
        classes("neg", "pos"),
    ),
    refuses("E307", "a label in --label_map that is none", ours(("a", "b"), "--label_map", "c=d"), "--label_map"),
]
