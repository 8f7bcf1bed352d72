"""Rows that belong together stay in one part, shares are of all rows, texts that stand twice are counted."""

import logging
from collections import Counter

import datasets
import numpy as np
import pytest
from datasets import Dataset

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.groups import choose_groups, share_with_partner, text_groups
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


def person(number):
    return "Q" + "".join(LETTERS[number // 26**place % 26] for place in range(4))


def reviews(films=100, each=4):
    """`each` reviews of every film, which name its director and two actors, with both classes in each film."""
    return [
        {
            "text": f"{person(film)} directs {person(9000 + film)} and {person(99000 + film)}, opinion {film} {one}",
            "label": ("neg", "pos")[one % 2],
            "film": f"film {film}",
        }
        for film in range(films)
        for one in range(each)
    ]


def written(folder, rows, name="train"):
    Dataset.from_list(rows).to_parquet(folder / f"{name}.parquet")
    return str(folder / f"{name}.parquet")


def films_of(part):
    return {text.split(",")[0] for text in part}


def test_texts_that_share_two_rare_names_are_a_group_in_any_of_three_scripts():
    texts = ["Fellini and Mastroianni", "by Fellini, Mastroianni plays", "Фильм Тарковский, Кайдановский"]
    texts += ["Тарковский снял, Кайдановский играл", "ο Αγγελόπουλος και ο Γκανς", "Γκανς: ο Αγγελόπουλος"]
    texts += ["Fellini alone", "nothing here", "and Nothing there"] + [f"filler {row}" for row in range(200)]
    groups = text_groups(texts, largest=10)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert groups[4] == groups[5]
    assert len(set(groups)) == len(texts) - 3
    assert share_with_partner(groups) == 6 / len(texts)


def test_a_component_that_is_too_large_stays_in_train():
    texts = ["Fellini Mastroianni Ekberg Magali Cuny"] * 12 + [f"filler {row}" for row in range(288)]
    groups = text_groups(texts, largest=10)
    assert set(groups[:12]) == {-1}
    chosen = choose_groups(np.zeros(300, dtype=int), groups, 0.1, seed=0)
    assert chosen.sum() == 30
    assert not chosen[:12].any()


def test_texts_without_words_have_no_partner():
    assert share_with_partner(text_groups(["", " ", "?"], largest=10)) == 0


@pytest.mark.parametrize(
    "flags", [{"validation_split": "group"}, {"validation_split": "auto"}, {"group_column_name": "film"}]
)
def test_no_group_is_parted_and_classes_keep_their_shares(tmp_path, flags):
    train = written(tmp_path, reviews())
    splits = load_splits(DataArguments(train_file=train, label_column_name="label", text_column_names="text", **flags))
    parts = (splits.train, splits.validation, splits.test)
    assert sum(len(films_of(part)) for part in parts) == 100
    assert [len(part) for part in parts] == [320, 40, 40]
    assert all(set(Counter(part.labels.tolist()).values()) == {len(part) // 2} for part in parts)
    assert "whole groups by" in splits.notes["validation"]
    assert splits.notes["groups"]["rows_with_partner"] == 1
    assert splits.notes["groups"]["count"] == 100


def test_groups_hang_on_the_seed_alone(tmp_path):
    train = written(tmp_path, reviews())
    one, again, other = (
        load_splits(
            DataArguments(train_file=train, group_column_name="film", text_column_names="text", split_seed=seed)
        )
        for seed in (1, 1, 2)
    )
    assert one.data_hash == again.data_hash != other.data_hash


def test_auto_takes_rows_at_random_where_few_have_a_partner(tmp_path):
    rows = [{"text": f"opinion {row}", "label": ("neg", "pos")[row % 2]} for row in range(300)]
    train = written(tmp_path, rows + reviews(films=10))
    random, auto = (
        load_splits(DataArguments(train_file=train, text_column_names="text", validation_split=how))
        for how in (None, "auto")
    )
    assert auto.data_hash == random.data_hash
    assert "stratified" in auto.notes["validation"]
    assert auto.notes["groups"]["rows_with_partner"] == pytest.approx(40 / 340)


def test_groups_that_given_parts_share_are_said(tmp_path, caplog):
    rows = reviews()
    train, validation = written(tmp_path, rows[:320]), written(tmp_path, rows[316:360], "validation")
    test = written(tmp_path, rows[360:], "test")
    files = {"train_file": train, "validation_file": validation, "test_file": test}
    with caplog.at_level(logging.WARNING):
        splits = load_splits(DataArguments(**files, group_column_name="film", text_column_names="text"))
    assert splits.notes["groups"]["shared"] == {"validation": 1, "test": 0}
    assert "1 groups of validation stand in train too" in caplog.text


def with_film(film):
    return [row | {"film": film(number)} for number, row in enumerate(reviews())]


@pytest.mark.parametrize(
    ("rows", "flags", "said"),
    [
        (reviews(), {"group_column_name": "movie"}, "movie"),
        (with_film(lambda row: " " if row == 7 else "a"), {"group_column_name": "film"}, "'film' is missing"),
        (with_film(lambda row: None if row == 7 else 1), {"group_column_name": "film"}, "'film' is missing"),
        (with_film(lambda row: "a"), {"group_column_name": "film"}, "groups are too large"),
        (with_film(lambda row: row % 2), {"group_column_name": "film"}, "groups are too large"),
        (reviews(), {"group_column_name": "film", "validation_split": "random"}, "drop one of them"),
    ],
)
def test_groups_that_cannot_stay_whole_are_refused(tmp_path, rows, flags, said):
    with pytest.raises(InputError) as error:
        load_splits(DataArguments(train_file=written(tmp_path, rows), text_column_names="text", **flags))
    assert said in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("how", ["random", "group"])
def test_a_tenth_and_a_tenth_of_a_thousand_rows_are_a_hundred_each(tmp_path, how):
    flags = {"text_column_names": "text", "label_column_name": "label", "validation_split": how}
    splits = load_splits(DataArguments(train_file=written(tmp_path, reviews(250)), **flags))
    assert splits.notes["rows"] == {"train": 800, "validation": 100, "test": 100}


def test_a_class_with_one_row_stays_in_train_and_is_said_if_test_is_given(tmp_path, caplog):
    rows = [{"text": row["text"], "label": row["label"]} for row in reviews()]
    train, test = written(tmp_path, [*rows, {"text": "so so", "label": "odd"}]), written(tmp_path, rows[:20], "test")
    with caplog.at_level(logging.WARNING):
        splits = load_splits(DataArguments(train_file=train, test_file=test))
    assert len(set(splits.train.labels.tolist())) == 3
    assert len(splits.validation) == 41
    assert "No row of odd is in validation" in caplog.text


def test_texts_that_stand_twice_are_counted_for_every_pair_of_parts_and_within_each(tmp_path):
    rows = [{"text": row["text"], "label": row["label"]} for row in reviews()]
    files = {
        "train_file": written(tmp_path, rows[:100]),
        "validation_file": written(tmp_path, [*rows[98:120], rows[119]], "validation"),
        "test_file": written(tmp_path, rows[117:140], "test"),
    }
    expected = {"train_in_validation": 2, "validation_in_train": 2, "train_in_test": 0, "test_in_train": 0}
    expected |= {"validation_in_test": 4, "test_in_validation": 3}
    expected |= {"within_train": 0, "within_validation": 1, "within_test": 0}
    counted, removed = (load_splits(DataArguments(**files, deduplicate=remove)) for remove in (False, True))
    assert counted.notes["duplicates"] == expected | {"removed": False}
    assert removed.notes["duplicates"] == expected | {"removed": True}
    assert len(counted.train) == 100
    assert len(removed.train) == 98
