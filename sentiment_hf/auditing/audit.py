"""Looks through the rows of a data set for what may be wrong with them."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sentiment_hf.auditing import label_errors
from sentiment_hf.auditing.near_duplicates import Copies, find_copies
from sentiment_hf.auditing.problems import KINDS, LABEL, LANGUAGE, Found, alone, copies_found, odd_lengths
from sentiment_hf.auditing.rows import AuditedRows
from sentiment_hf.baselines.features import Tokens
from sentiment_hf.data.reviewed import WITH_CLASSES
from sentiment_hf.data.splits import PARTS, Splits
from sentiment_hf.text.languages import detect_languages, odd_languages

logger = logging.getLogger(__name__)

# Pairs of classes that are shown as confused.
CONFUSED = 20


@dataclass(frozen=True)
class Judged:
    """What the cheap model says of the labels.

    probability: (rows,) of the label; NaN for a row that is not judged.
    suggested: (rows,) the name of the class that the row more likely has, its label if there is none.
    accuracy: the share of the judged rows of train whose label is the likeliest class.
    confused: (label, likeliest class, rows of train) of the pairs with most rows.
    """

    probability: np.ndarray
    suggested: np.ndarray
    accuracy: float
    confused: list[tuple[str, str, int]]


@dataclass(frozen=True)
class Audit:
    """What was found.

    judged: None if labels could not be judged, for the reason `not_judged`.
    problems: kind -> its rows, each with the other row that shows it.
    no_texts: whether table and page are to name rows without their texts.
    languages: {language: {part: rows}}, most rows first. shares: {label: {part: rows}}.
    """

    name: str
    rows: AuditedRows
    copies: Copies
    judged: Judged | None
    not_judged: str | None
    problems: Mapping[str, Found]
    languages: Mapping[str, Mapping[str, int]]
    shares: Mapping[str, Mapping[str, int]]
    no_texts: bool = False

    def counted(self, kind: str) -> dict[str, int]:
        """{part: number of its rows with a problem of this kind}"""
        chosen = np.zeros(len(self.rows), bool)
        chosen[[*self.problems[kind]]] = True
        return self.rows.counted(chosen)

    @property
    def num_problems(self) -> int:
        """The number of rows with a problem."""
        return len({row for found in self.problems.values() for row in found})


def audit(splits: Splits, places: Mapping[str, Callable[[int], str]], folds: int, seed: int) -> Audit:
    """Audit all rows of `splits`; `places` are those of `load_with_places`. Raises InputError as `judge`."""
    rows = AuditedRows.of(splits, places)
    tokens = Tokens().fit_transform(rows.texts)
    copies = find_copies(tokens, rows.digests)
    languages, sure = detect_languages(rows.texts)
    judged, not_judged = None, None
    if splits.task.name in WITH_CLASSES:
        judged = judge_labels(splits, tokens, copies, folds, seed)
    else:
        not_judged = f"label errors are looked for where a text has one class, and the task is {splits.task.name}"
        logger.warning("%s", not_judged)
    wrong = judged.suggested != rows.labels if judged else np.zeros(len(rows), bool)
    problems = {LABEL: alone(wrong)} | copies_found(rows, copies) | odd_lengths(rows)
    problems |= {LANGUAGE: alone(odd_languages(languages, sure, rows.texts))}
    counts = Counter(languages.tolist()).most_common()
    found = {language: rows.counted(languages == language) for language, _ in counts}
    problems = {kind: problems[kind] for kind in KINDS}
    return Audit(splits.name, rows, copies, judged, not_judged, problems, found, class_shares(splits))


def judge_labels(splits: Splits, tokens: list[np.ndarray], copies: Copies, folds: int, seed: int) -> Judged:
    """What the cheap model says of the labels of all rows; it learns from train alone. Raises InputError."""
    train, task = len(splits.train), splits.task
    labels = np.concatenate([getattr(splits, part).labels for part in PARTS])
    # A row without a copy is a group of its own.
    groups = np.where(copies.group >= 0, copies.group, len(labels) + np.arange(len(labels)))
    inside, outside = label_errors.judge(
        tokens[:train],
        labels[:train],
        groups[:train],
        tokens[train:],
        classes=len(task.labels),
        folds=folds,
        seed=seed,
    )
    probabilities = np.concatenate([inside, outside])
    thresholds = label_errors.class_thresholds(inside, labels[:train])
    suggested = label_errors.suggested(probabilities, labels, thresholds, task.decide)
    judged = ~np.isnan(inside[:, 0])
    likeliest = task.decide(inside[judged])
    pairs = Counter(zip(task.as_text(labels[:train][judged]), task.as_text(likeliest), strict=True))
    return Judged(
        label_errors.of_labels(probabilities, labels),
        np.array(task.as_text(suggested), object),
        float(np.mean(likeliest == labels[:train][judged])),
        [(*pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]][:CONFUSED],
    )


def class_shares(splits: Splits) -> dict[str, dict[str, int]]:
    """{label, or range of labels: {part: its rows}}, in the order of train."""
    counts = {part: splits.task.counted(getattr(splits, part).labels) for part in PARTS}
    labels = dict.fromkeys(label for part in PARTS for label in counts[part])
    return {label: {part: counts[part].get(label, 0) for part in PARTS} for label in labels}
