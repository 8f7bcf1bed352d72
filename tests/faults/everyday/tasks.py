"""Labels of the other tasks: E901 and on."""

import csv
import json
from pathlib import Path

from faults.everyday.trouble import refuses, survives
from faults.fault import Fault
from faults.programs import our_argv

WORDS = ("fine", "dull", "so-so")


def table(path: Path, cells: list[str], spoilt: str | None = None, count: int = 60) -> Path:
    """Rows whose text says the label; the label of row 21 is `spoilt`, if it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(f"the {WORDS[row % 3]} film number {row}", cells[row % len(cells)]) for row in range(count)]
    if spoilt is not None:
        rows[20] = (rows[20][0], spoilt)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def ours(cells: list[str], *more: str, spoilt: str | None = None):
    """The command line of a run on such files; train has the spoilt label."""

    def make(home: Path) -> list[str]:
        for part in ("train", "validation", "test"):
            table(home / f"{part}.csv", cells, spoilt if part == "train" else None)
        return [*our_argv(home, home / "run"), *more]

    return make


def report(home: Path) -> dict:
    """What the run has said."""
    return json.loads((home / "run/report.json").read_text())


def has_empty(home: Path) -> bool:
    """Whether the texts without a label were read, and the labels are two."""
    found = report(home)
    return (
        found["labels"] == ["food", "price"]
        and found["data"]["rows"]["train"] == 60
        and found["task"] == "multi_label"
    )


SEVERAL = ("--label_delimiter", "|")
NUMBERS = ("--task", "regression")
ORDERED = ("--task", "ordinal")

FAULTS: list[Fault] = [
    survives("E901", "several labels, texts without any", ours(["food|price", "", "food"], *SEVERAL), has_empty),
    refuses(
        "E902",
        "a label of which train has no row",
        lambda home: [
            *ours(["food|price", "food"], *SEVERAL)(home),
            *("--test_file", str(table(home / "test.csv", ["food|service"]))),
        ],
        "'service' stands in test but in no row of train",
    ),
    refuses(
        "E903", "a word among numbers", ours(["1.5", "2.5", "4"], *NUMBERS, spoilt="n/a"), "line 22: 'label' is 'n/a'"
    ),
    survives(
        "E904",
        "prices of millions, one of them an outlier",
        ours(["1500000", "2500000", "1750000"], *NUMBERS, "--regression_loss", "huber", spoilt="9e9"),
        lambda home: 1e6 < report(home)["test"]["rmse"] < 1e10,
    ),
    refuses("E905", "names of classes without an order", ours(["low", "high", "mid"], *ORDERED), "--label_order"),
    survives(
        "E906",
        "stars with a gap, 10 sorted behind 9",
        ours(["1", "10", "9"], *ORDERED),
        lambda home: report(home)["labels"] == ["1", "9", "10"],
    ),
]
