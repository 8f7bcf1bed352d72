"""One class has one name, whatever wrote the file; names that only look alike are said."""

import logging
from decimal import Decimal

import numpy as np
import pytest

from sentiment_hf.common.class_names import canonical, look, parse_label_map
from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.class_names import MOST_DECIMALS
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.single_label import SingleLabel

COMPOSED, DECOMPOSED = "tr\u00e8s", "tre\u0300s"


def column(*cells, classes: list[str] | None = None, label_map: dict[str, str] | None = None) -> LabelColumn:
    return LabelColumn("y", cells, "data.csv", lambda row: f"data.csv, line {row + 2}", classes, label_map or {})


def read(*train, test: tuple = (), **more) -> tuple[list[str], dict[str, list[int]]]:
    task, ids = SingleLabel.read({"train": [column(*train, **more)], "test": [column(*(test or train), **more)]})
    return list(task.labels), {split: rows.tolist() for split, rows in ids.items()}


@pytest.mark.parametrize(
    "written",
    [
        ("0.5", "1.0", "1.5", "2"),
        ("0.50", "1", "1.500", " 2.0 "),
        (0.5, 1.0, 1.5, 2),
        (Decimal("0.50"), Decimal("1"), Decimal("1.5"), Decimal("2E+0")),
        tuple(float(np.float32(star)) for star in (0.5, 1, 1.5, 2)),
    ],
    ids=["text", "text with zeros", "numbers", "decimals", "float32"],
)
def test_half_stars_are_the_same_classes_in_every_format(written):
    labels, ids = read("0.5", 1, 1.5, "2", test=written)
    assert labels == ["0.5", "1", "1.5", "2"]
    assert ids["test"] == [0, 1, 2, 3]


def test_a_float32_has_the_name_of_the_decimal_next_to_it():
    assert read(float(np.float32(0.1)), 0.7)[0] == ["0.1", "0.7"]
    assert read(0.1 + 0.2, 1e-7)[0] == ["0.0000001", "0.30000000000000004"]


def test_a_number_and_its_text_are_one_class():
    assert read(0, "0", "0.0", Decimal("0"), 1, "1")[1]["train"] == [0, 0, 0, 0, 1, 1]
    assert read(-0.0, 1)[0] == ["0", "1"]


@pytest.mark.parametrize("test", [("TRUE", "FALSE"), ("true", "false"), (True, False), ("True", "fAlse")])
def test_truth_values_are_one_pair_of_classes_however_they_are_written(test):
    labels, ids = read("False", "True", test=test)
    assert (labels, ids["test"]) == (["False", "True"], [1, 0])


def test_true_beside_other_words_keeps_its_spelling():
    assert read("true", "false", "half-true")[0] == ["false", "half-true", "true"]


@pytest.mark.parametrize("number", [str, float, Decimal], ids=["text", "float", "decimal"])
def test_decimals_are_classes_up_to_a_number_of_them_and_then_a_regression(number):
    values = [number(f"{i}.5") for i in range(MOST_DECIMALS + 1)]
    assert len(read(*values[:-1])[0]) == MOST_DECIMALS == 20
    with pytest.raises(InputError, match=r"data.csv: 'y' holds 21 different numbers with decimals.* a regression"):
        read(*values)
    assert len(read(*range(150))[0]) == 150, "whole numbers are classes, however many"


def test_two_unicode_forms_are_one_class_and_that_is_said(caplog):
    labels, ids = read(COMPOSED, DECOMPOSED, "peu", test=(DECOMPOSED, "peu"))
    assert (labels, ids["train"], ids["test"]) == (["peu", COMPOSED], [1, 1, 0], [1, 0])
    assert "2 Unicode forms" in caplog.text
    assert read(1, 0, classes=[DECOMPOSED, "peu"], test=(1, 0))[0] == [COMPOSED, "peu"]
    assert read(0, 1, 2, classes=[DECOMPOSED, COMPOSED, "peu"])[1]["train"] == [0, 0, 1]


ALIKE = [("neg", "Neg"), ("very good", "verygood"), ("pos", "pos\u200b"), ("no", "\u202ano"), ("pos", "p\u043es")]
ALIKE_NUMBERS = [("1", "01"), ("1", "\uff11"), ("+1", "1")]


@pytest.mark.parametrize("pair", [*ALIKE, *ALIKE_NUMBERS])
def test_classes_that_look_alike_are_two_and_said(pair, caplog):
    assert len(read(*pair, "other")[0]) == 3
    assert "look alike" in caplog.text
    assert all(f"{name!a}" in caplog.text for name in pair)
    assert caplog.text.isascii(), "what cannot be seen is shown by its number"


def test_different_classes_look_different(caplog):
    read("good", "bad", "very good", "1", "10", "-1", "C", "C++", "c#", "0.5")
    read("\U0001f600", "\U0001f641", "好", "坏", "да", "нет")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_label_map_renames_and_merges_classes_in_text_and_in_class_labels():
    stars = {"1": "neg", "2": "neg", "4": "pos", "5": "pos"}
    assert read(1, "2", 4.0, "5", 3, label_map=stars) == (["3", "neg", "pos"], {s: [1, 1, 2, 2, 0] for s in PARTS})
    names = ["NEGATIVE", "POSITIVE"]
    labels, ids = read(0, 1, classes=names, label_map={"NEGATIVE": "neg", "POSITIVE": "pos"})
    assert (labels, ids["train"]) == (["neg", "pos"], [0, 1])


PARTS = ("train", "test")


def test_a_label_map_with_a_label_that_nobody_has_is_refused():
    with pytest.raises(InputError, match=r"--label_map names the label 'NEGATVE', .*did you mean 'NEGATIVE'"):
        read("NEGATIVE", "POSITIVE", label_map={"NEGATVE": "neg"})


def test_a_label_map_is_read_from_its_flag():
    assert parse_label_map("NEGATIVE=neg, POSITIVE = pos") == {"NEGATIVE": "neg", "POSITIVE": "pos"}
    assert parse_label_map("1.0=neg,a=b=c") == {"1": "neg", "a": "b=c"}
    assert parse_label_map(None) == {}
    for wrong in ("", "neg", "a=", "=b", "a=b,", "a=b,a=c"):
        with pytest.raises(InputError, match="--label_map"):
            parse_label_map(wrong)


@pytest.mark.parametrize("name", ["a", " a ", "1.0", "1.50", "tre\u0300s", "-0", "007", "1,5", "TRUE", "\uff11"])
def test_a_canonical_name_is_its_own_canonical_name_and_looks_the_same(name):
    assert canonical(canonical(name)) == canonical(name)
    assert look(canonical(name)) == look(name)
