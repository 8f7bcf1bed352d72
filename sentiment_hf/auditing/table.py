"""The table of an audit: a row for each row with a problem, and three columns in which a person says what to do."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sentiment_hf.auditing.audit import Audit
from sentiment_hf.auditing.problems import LABEL, in_words
from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.data.reviewed import ACTIONS, KEY, SUGGESTED, fingerprint
from sentiment_hf.text.line_breaks import LINE_BREAK

# A cell of a spreadsheet takes 32 767 characters, and a longer text would become two rows.
EXCERPT = 2000
COLUMNS = (*ACTIONS, "label", SUGGESTED, "probability", "problems", "text", *KEY, "place")
# Control characters are shown by their pictures.
PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {127: "\u2421"}


def write_table(found: Audit, path: Path) -> None:
    """Write the table as csv with a byte-order mark, by which spreadsheets know that it is UTF-8."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        # All texts are quoted: a spreadsheet with another separator could split a text and find a formula in the rest.
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(COLUMNS)
        for row in review_order(found):
            writer.writerow([escape_formula(cell) for cell in cells_of(found, row)])


def review_order(found: Audit) -> list[int]:
    """The rows with a problem: first those with a likely label error, the least likely label first, then by group.

    The rows of test, which a review does not change, are the last.
    """
    rows, copies = found.rows, found.copies

    def key(row: int) -> tuple:
        is_wrong = row in found.problems[LABEL]
        group = int(copies.group[row])
        chance = found.judged.probability[row] if is_wrong else 0.0
        return rows.parts[row] == "test", not is_wrong, chance, group < 0, group, row

    return sorted({row for of_kind in found.problems.values() for row in of_kind}, key=key)


def problems_of(found: Audit, row: int) -> Iterator[str]:
    """Yield the problems of a row in words."""
    for kind, of_kind in found.problems.items():
        if row in of_kind:
            yield in_words(kind, row, of_kind[row], found.copies, lambda other: named(found, other))


def named(found: Audit, row: int) -> str:
    """The part, the label and the place of a row."""
    return f"{found.rows.parts[row]}, {found.rows.labels[row]}, {found.rows.place(row)}"


def cells_of(found: Audit, row: int) -> list[str | float | int]:
    """The cells of a row, in the order of `COLUMNS`."""
    rows, judged = found.rows, found.judged
    is_wrong = row in found.problems[LABEL]
    known = judged is not None and not np.isnan(judged.probability[row])
    return [
        *([""] * len(ACTIONS)),
        rows.labels[row],
        judged.suggested[row] if is_wrong else "",
        round(float(judged.probability[row]), 4) if known else "",
        "; ".join(problems_of(found, row)),
        "" if found.no_texts else excerpt_of(rows.texts[row]),
        rows.parts[row],
        int(rows.numbers[row]) + 1,
        fingerprint(rows.digests[row]),
        rows.place(row),
    ]


def excerpt_of(text: str, most: int = EXCERPT) -> str:
    """A text in one line, cut behind so many characters; control characters are pictures."""
    line = " ".join(re.sub(LINE_BREAK, " ", text).split()).translate(PICTURES)
    return line if len(line) <= most else f"{line[:most]} …"
