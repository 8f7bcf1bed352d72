"""Block D: files that are not what they should be. Texts and labels come out as they stand there, or not at all."""

import json
import re
from functools import partial
from pathlib import Path

from datasets import load_dataset
from helpers import reviews, write_csv

from faults.fault import REFUSED, SURVIVED, Fault
from faults.ground import Ground
from faults.programs import OURS
from faults.shot import Ended, shoot
from sentiment_hf.cli import exit_code_of
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

Rows = list[tuple[str, str]]

# Enough of both classes for what comes with them.
USUAL = [(f"{text} {number}", label) for number, (text, label) in enumerate(reviews(40, seed=3))]
HEADER = "text,label\n"


def lines(rows: Rows) -> str:
    """Of a csv file; the texts need no quotes."""
    return "".join(f"{text},{label}\n" for text, label in rows)


def our_reader(argv: list[str]) -> int:
    """train.csv and test.csv by this project, to rows.json."""

    def work() -> None:
        files = {f"{part}_file": f"{argv[0]}/{part}.csv" for part in ("train", "validation", "test")}
        splits = load_splits(DataArguments(**files))
        names = splits.task.as_text
        dump(argv, splits.train.texts, names(splits.train.labels.tolist()), splits.notes["duplicates"])

    return exit_code_of(work)


def plain_reader(argv: list[str]) -> int:
    """The same by `load_dataset`."""
    files = {part: f"{argv[0]}/{part}.csv" for part in ("train", "validation", "test")}
    loaded = load_dataset("csv", data_files=files, cache_dir=f"{argv[0]}/cache")
    encoded = loaded.class_encode_column("label")
    names = encoded["train"].features["label"].int2str
    dump(argv, encoded["train"]["text"][:], [names(label) for label in encoded["train"]["label"]], None)
    return 0


def dump(argv: list[str], texts: list, labels: list, duplicates: dict | None) -> None:
    """To be looked at by the process that gives the verdict."""
    rows = list(zip(texts, labels, strict=True))
    Path(argv[0], "rows.json").write_text(json.dumps({"rows": rows, "duplicates": duplicates}))


def read(ground: Ground, home: Path, train: bytes, test: Rows) -> Ended:
    """By the program's own way."""
    for part, rows in (("validation", USUAL[:14]), ("test", test)):
        write_csv(home / f"{part}.csv", rows)
    (home / "train.csv").write_bytes(train)
    reader = our_reader if ground.program.name == OURS.name else plain_reader
    return shoot(reader, [str(home)], home / "log")


def kept(train: bytes, rows: Rows, ground: Ground, home: Path) -> list[str]:
    """Every text and label as it stands in the file."""
    ended = read(ground, home, train, USUAL[14:])
    if ended.code != 0:
        return [failed(ended)]
    found = json.loads((home / "rows.json").read_text())["rows"]
    return [SURVIVED if found == [list(row) for row in rows] else "WRONG: other texts or labels, in silence"]


def named(train: bytes, said: str, ground: Ground, home: Path, test: Rows | None = None) -> list[str]:
    """A line that says what is wrong, and where."""
    ended = read(ground, home, train, test or USUAL[14:])
    if ended.code == 0:
        return ["WRONG: taken in silence"]
    right = ended.code == 2 and re.search(said, ended.stderr.strip().splitlines()[-1])
    return [REFUSED if right else failed(ended)]


def failed(ended: Ended) -> str:
    """By the last line of its traceback."""
    return f"traceback: {ended.stderr.strip().splitlines()[-1].split(':')[0][:60]}" if ended.code else "exit code 0"


def duplicates_counted(ground: Ground, home: Path) -> list[str]:
    """Five rows of test stand in train: they are counted, in words and in the report."""
    ended = read(ground, home, (HEADER + lines(USUAL)).encode(), [*USUAL[:5], ("another text", "positive")])
    found = json.loads((home / "rows.json").read_text())["duplicates"]
    counted = ended.code == 0 and found is not None and found["test_in_train"] == 5
    return [SURVIVED if counted else "WRONG: not noticed"]


def survives(id: str, what: str, more: Rows, usual: Rows = USUAL) -> Fault:
    """Rows that a reader of tables may take for something else, behind usual ones or alone."""
    rows = usual + more
    return Fault(id, what, SURVIVED, partial(kept, (HEADER + lines(rows)).encode(), rows))


def refuses(id: str, what: str, train: bytes, said: str, test: Rows | None = None) -> Fault:
    """A file that cannot be right."""
    return Fault(id, what, REFUSED, partial(named, train, said, test=test))


USUAL_FILE = (HEADER + lines(USUAL)).encode()
BLANK = b"a,positive\nb,\nc,negative\n" * 20
TWICE = b"a,b,positive\nc,d,negative\n" * 20
MISSING = [(word, "positive") for word in ("null", "NA", "None", "nan")]
NUMBERS = [(str(number), "positive" if number % 2 else "negative") for number in range(40)]
UNSEEN = [("a fine film", "positive"), ("awful", "surprised")]

FAULTS = [
    survives("D01", "texts null, NA, None, nan", MISSING),
    survives("D02", "a class called NA", [("fine", "NA")] * 20),
    survives("D03", "texts that are numbers", NUMBERS, usual=[]),
    survives("D04", "labels 0 and 1 beside words", [("good film", "0"), ("bad film", "1")] * 20),
    survives("D05", "an empty text", [("", "positive")]),
    survives("D06", "a NUL inside a text", [("a\0b", "positive")]),
    Fault("D07", "a byte-order mark", SURVIVED, partial(kept, b"\xef\xbb\xbf" + USUAL_FILE, USUAL)),
    survives("D08", "a text =HYPERLINK(1)", [("=HYPERLINK(1)", "positive")]),
    survives("D09", "one word of 1 MB", [("x" * 10**6, "positive")]),
    survives("D10", "4-byte characters, bidi and zero-width marks", [("\U0001f600 \u202egood\u200b", "positive")]),
    Fault("D11", "rows of test in train", SURVIVED, duplicates_counted),
    refuses("D12", "three fields under two columns", USUAL_FILE + b"a,b,positive\n", "line 42: 3 fields"),
    refuses("D13", "a label is missing", HEADER.encode() + BLANK, "line 3: the label"),
    refuses("D14", "two columns called text", b"text,text,label\n" + TWICE, "line 1: .*'text'"),
    refuses("D15", "Latin-1", USUAL_FILE + b"caf\xe9,positive\n", "line 42: not UTF-8"),
    refuses("D16", "UTF-16", USUAL_FILE.decode().encode("utf-16"), "line 1: not UTF-8.*UTF-16"),
    refuses("D17", "a quote that is not closed", USUAL_FILE + b'"open,positive\n', "line 42: a quote"),
    refuses("D18", "an empty file", b"", "train.csv is empty"),
    refuses("D19", "a header and no rows", HEADER.encode(), "no rows"),
    refuses("D20", "a class in test that train has not", USUAL_FILE, "surprised", test=UNSEEN),
]
