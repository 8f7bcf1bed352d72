"""The built-in reviews: as many as promised, balanced, and written one by one."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

SAMPLE = Path(__file__).parents[2] / "sentiment_hf" / "data" / "sample"
ROWS = {"train": 3388, "validation": 100, "test": 200}
PHENOMENA = {"plain", "negation", "contrast", "sarcasm", "comparison", "mixed", "understatement"}


def read(split: str) -> list[dict[str, str]]:
    with (SAMPLE / f"{split}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return ["".join(filter(str.isalnum, word)) for word in text.lower().replace("\u2019", "'").split()]


def runs(text: str, length: int = 5) -> set[tuple[str, ...]]:
    found = [word for word in words(text) if word]
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}


@pytest.fixture(scope="module")
def reviews() -> list[tuple[str, str]]:
    return [(split, row["text"]) for split in ROWS for row in read(split)]


@pytest.mark.parametrize("split", ROWS)
def test_a_part_has_its_rows_balanced_with_all_phenomena(split):
    rows = read(split)
    assert list(rows[0]) == ["text", "label", "phenomenon"]
    assert Counter(row["label"] for row in rows) == {"positive": ROWS[split] // 2, "negative": ROWS[split] // 2}
    assert {row["phenomenon"] for row in rows} == PHENOMENA


@pytest.mark.parametrize("split", ROWS)
def test_a_phenomenon_alone_does_not_tell_the_class(split):
    for phenomenon in PHENOMENA:
        labels = Counter(row["label"] for row in read(split) if row["phenomenon"] == phenomenon)
        assert set(labels) == {"positive", "negative"}, phenomenon


def test_a_review_has_8_to_70_words_in_train_3_and_no_space_around_it(reviews):
    for split, text in reviews:
        assert (3 if split == "train" else 8) <= len(text.split()) <= 70, text
        assert text == text.strip()


def test_no_two_reviews_are_alike(reviews):
    assert len({" ".join(words(text)) for _, text in reviews}) == len(reviews)
    openings = Counter(tuple(words(text)[:4]) for _, text in reviews)
    assert [opening for opening, count in openings.items() if count > 2] == []


def test_no_run_of_five_words_stands_in_more_than_two_reviews_or_in_train_and_test(reviews):
    where = defaultdict(list)
    for split, text in reviews:
        for run in runs(text):
            where[run].append(split)
    assert [" ".join(run) for run, splits in where.items() if len(splits) > 2] == []
    assert [" ".join(run) for run, splits in where.items() if {"train", "test"} <= set(splits)] == []


def test_the_pipeline_finds_its_parts_and_columns():
    splits = load_splits(DataArguments(dataset_name="sample"))
    assert {split: len(getattr(splits, split)) for split in ROWS} == ROWS
    assert list(splits.task.labels) == ["negative", "positive"]
    assert splits.notes["duplicates"]["test_in_train"] == 0
