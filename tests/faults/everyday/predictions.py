"""What predict reads and prints: E701 and on."""

import csv
from pathlib import Path

from helpers import baseline_flags, reviews, write_csv, write_data

from faults.everyday.trouble import refuses, survives
from sentiment_hf.cli import predict_command, run_command

TWO = ("subject", "body", "label")


def trained(home: Path) -> Path:
    """A baseline that was trained on a subject and a body; the class stands in the subject."""
    data = write_data(home / "data")
    for number, part in enumerate(("train", "validation", "test")):
        rows = [(text, "the film was here", label) for text, label in reviews(40, number)]
        write_csv(data / f"{part}.csv", rows, TWO)
    argv = baseline_flags(data, home / "run", "baseline-nb-svm", "--text_column_names", "subject,body")
    assert run_command(argv) == 0
    return home / "run"


def same_columns(home: Path) -> list[str]:
    """New rows with the columns of training, of which one has a usual name."""
    new = write_csv(home / "new.csv", [("good fine lovely", "the film"), ("bad dull awful", "the film")], TWO[:2])
    return [str(trained(home)), "--file", str(new), "--output", str(home / "out.csv")]


def both_classes(home: Path) -> bool:
    """Each row has the class of its subject."""
    with (home / "out.csv").open(newline="") as file:
        return [row["prediction"] for row in csv.DictReader(file)] == ["positive", "negative"]


def one_column(home: Path) -> list[str]:
    """Only the column with a usual name."""
    return [str(trained(home)), "--file", str(write_csv(home / "new.csv", [("a film",)], ("body",)))]


def with_codes(home: Path) -> list[str]:
    """A text that clears the screen, begins a column and turns the line."""
    return [str(trained(home)), "good \x1b[2J\tfilm\n\u202e so"]


def one_line_without_codes(home: Path) -> bool:
    """The last line has three columns and nothing that moves the cursor."""
    last = (home / "log").read_text().rstrip("\n").split("\n")[-1]
    return last.count("\t") == 2 and last.replace("\t", "").isprintable()


FAULTS = [
    survives("E701", "a file with the columns of training", same_columns, both_classes, predict_command),
    refuses("E702", "a file without a column of training", one_column, "no column 'subject'", predict_command),
    survives("E703", "ESC, tab and bidi marks in a text", with_codes, one_line_without_codes, predict_command),
]
