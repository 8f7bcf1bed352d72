"""Validation, groups and duplicates: E401 and on."""

import csv
import json
from pathlib import Path

from faults.everyday.trouble import refuses, survives
from faults.fault import Fault
from faults.programs import our_argv

WORDS = ("fine", "dull")


def rows(first: int, last: int) -> list[dict]:
    """Texts of both classes, four of each film."""
    return [
        {
            "text": f"the {WORDS[row % 2]} film number {row}",
            "label": ("neg", "pos")[row % 2],
            "film": f"film {row // 4}",
        }
        for row in range(first, last)
    ]


def written(home: Path, train: list[dict], validation: list[dict], test: list[dict]) -> Path:
    """The folder, with a csv file for each part."""
    for part, content in (("train", train), ("validation", validation), ("test", test)):
        with (home / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(content[0]))
            writer.writeheader()
            writer.writerows(content)
    return home


def ours(train: list[dict], *more: str, validation: list[dict] | None = None):
    """The command line of a run; without `validation` this part is not given."""

    def make(home: Path) -> list[str]:
        argv = our_argv(written(home, train, validation or rows(200, 240), rows(240, 280)), home / "run")
        if validation is None:
            place = argv.index("--validation_file")
            argv = argv[:place] + argv[place + 2 :]
        return [*argv, "--text_column_names", "text", *more]

    return make


def report(home: Path) -> dict:
    return json.loads((home / "run/report.json").read_text())


def twice(home: Path) -> bool:
    """Whether the rows of train that stand in validation are in the report and on the screen."""
    return report(home)["duplicates"]["validation_in_train"] == 8 and "8 in train" in (home / "log").read_text()


def whole(home: Path) -> bool:
    """Whether validation was taken by whole groups, which the screen says."""
    found = report(home)["data"]
    return found["groups"]["count"] == 50 and "whole groups by 'film'" in (home / "log").read_text()


def tenths(home: Path) -> bool:
    return report(home)["data"]["rows"] == {"train": 160, "validation": 20, "test": 20}


def only_train(home: Path) -> list[str]:
    argv = ours(rows(0, 200))(home)
    place = argv.index("--test_file")
    return argv[:place] + argv[place + 2 :]


ODD = [*rows(0, 100), {"text": "so so", "label": "odd", "film": "odd"}]
GAP = [row | {"film": "" if number == 7 else row["film"]} for number, row in enumerate(rows(0, 200))]
ONE = [row | {"film": "one"} for row in rows(0, 200)]
BY_FILM = ("--group_column_name", "film")

FAULTS: list[Fault] = [
    survives("E401", "rows of train in validation", ours(rows(0, 80), validation=rows(72, 112)), twice),
    survives("E402", "four rows of each film", ours(rows(0, 200), *BY_FILM), whole),
    refuses("E403", "a group that is empty", ours(GAP, *BY_FILM), "'film' is missing"),
    refuses("E404", "one group only", ours(ONE, *BY_FILM), "groups are too large"),
    refuses("E405", "no column with groups", ours(rows(0, 200), "--group_column_name", "movie"), "movie"),
    survives("E406", "a tenth of all rows, twice", only_train, tenths),
    survives(
        "E407",
        "a class with one row",
        ours(ODD),
        lambda home: "No row of odd is in validation" in (home / "log").read_text(),
    ),
]
