"""Text stays text, every row can be named, nothing is split, mixed or dropped without saying so."""

import json
import logging
import socket
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from helpers import is_json
from launching import python

from sentiment_hf.common.errors import InputError
from sentiment_hf.data import unpacking
from sentiment_hf.data.carve import stratified
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.data.files import read_file
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

IMDB = Path(__file__).parents[3] / "shared/data/imdb"
WAIMAI = Path(__file__).parents[3] / "shared/data/waimai_10k"
ROWS = [(f"text number {row}", "pos" if row % 3 else "neg") for row in range(60)]
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")


def csv_text(rows, header="text,label"):
    return "\n".join([header, *(f'"{text}",{label}' for text, label in rows)]) + "\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def write_rows(path, rows=ROWS):
    """The rows in the format that the suffix of `path` names."""
    objects = [{"text": text, "label": label} for text, label in rows]
    if path.suffix == ".parquet":
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(objects).to_parquet(path)
        return str(path)
    content = {
        ".csv": csv_text(rows),
        ".tsv": "\n".join(["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]),
        ".json": json.dumps(objects),
        ".jsonl": "\n".join(map(json.dumps, objects)),
    }
    return write(path, content[path.suffix])


def class_dataset(rows=ROWS):
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    return Dataset.from_dict(columns, features=FEATURES)


def names(splits, part):
    return splits.task.as_text(getattr(splits, part).labels)


def pairs(splits, part):
    return list(zip(getattr(splits, part).texts, names(splits, part), strict=True))


# What is read


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_every_file_format_gives_the_same_rows_in_the_same_order(tmp_path, suffix):
    train, test = write_rows(tmp_path / f"reviews{suffix}"), write_rows(tmp_path / f"more{suffix}", ROWS[:7])
    splits = load_splits(DataArguments(train_file=train, validation_file=train, test_file=test))
    assert pairs(splits, "train") == pairs(splits, "validation") == ROWS
    assert pairs(splits, "test") == ROWS[:7]
    assert splits.task.labels == ("neg", "pos")
    assert splits.name == "reviews"
    assert splits.notes["validation"] == splits.notes["test"] == "given"


def test_csv_text_stays_text(tmp_path):
    cells = ["NA", "null", "None", "nan", "5", "1.0", "", " ", "=HYPERLINK(1)", "two\nlines", 'a "quote"', "a,b", "\0"]
    path = tmp_path / "odd.csv"
    quoted = ['"{}"'.format(cell.replace('"', '""')) for cell in cells]
    write(path, "\ufefftext,label\r\n" + "\r\n".join(f"{cell},NA" for cell in quoted) + "\r\n\r\n")
    table = read_csv_table(path)
    assert list(table.columns["text"]) == cells
    assert set(table.columns["label"]) == {"NA"}
    assert table.place(10).endswith("odd.csv, line 13")


def test_a_text_of_a_megabyte_is_read(tmp_path):
    long = "good " * 200_000
    assert read_csv_table(Path(write(tmp_path / "long.csv", f"text,label\n{long},1\n"))).columns["text"][:] == [long]


@pytest.mark.parametrize("content", ['{"data": [%s, %s]}', "[%s,\n %s]", "%s\n\n%s\n"])
def test_json_is_an_array_or_stands_under_data_or_is_lines(tmp_path, content):
    rows = ('{"text": "a", "label": 1}', '{"text": "b\\u2028c", "label": "0"}')
    table = read_file(Path(write(tmp_path / "x.json", content % rows)), "--train_file")
    assert {name: cells[:] for name, cells in table.columns.items()} == {"text": ["a", "b\u2028c"], "label": [1, "0"]}


def test_an_extracted_acl_imdb_is_read_by_number_with_neg_before_pos_and_without_unsup(tmp_path):
    for part in ("train", "test"):
        for number in (10, 9, 2, 1):
            for label in ("pos", "neg", "unsup"):
                write(
                    tmp_path / "aclImdb" / part / label / f"{number}_7.txt",
                    f"{part} {label} {number}<br />second line",
                )
        write(tmp_path / "aclImdb" / part / "labeledBow.feat", "9 0:1")
    write(tmp_path / "aclImdb/imdb.vocab", "the")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "aclImdb"), validation_size=0.25))
    assert splits.name == "aclImdb"
    assert list(splits.task.labels) == ["neg", "pos"]
    assert splits.test.texts == [f"test {c} {n}<br />second line" for c in ("neg", "pos") for n in (1, 2, 9, 10)]
    assert (len(splits.train), len(splits.validation)) == (6, 2)


def test_a_folder_of_class_folders_is_a_train_file(tmp_path):
    for row, (text, label) in enumerate(ROWS):
        write(tmp_path / "mine" / label / f"{row}.txt", text)
    splits = load_splits(DataArguments(train_file=str(tmp_path / "mine")))
    assert splits.notes["rows"] == {"train": 48, "validation": 6, "test": 6}


def test_a_save_to_disk_folder_keeps_its_classes_and_leaves_out_other_parts(tmp_path):
    parts = DatasetDict(
        train=class_dataset(), dev=class_dataset(ROWS[:9]), unsupervised=class_dataset(), test=class_dataset()
    )
    parts.save_to_disk(tmp_path / "saved")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))
    assert splits.notes["rows"] == {"train": 60, "validation": 9, "test": 60}
    class_dataset().save_to_disk(tmp_path / "one")
    assert load_splits(DataArguments(dataset_name=str(tmp_path / "one"))).notes["rows"]["test"] == 6


def test_a_parquet_folder_keeps_its_classes_and_leaves_out_other_parts(tmp_path):
    (tmp_path / "hub/data").mkdir(parents=True)
    for split in ("train", "test", "unsupervised"):
        class_dataset().to_parquet(tmp_path / f"hub/data/{split}-00000-of-00001.parquet")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "hub")))
    assert pairs(splits, "test") == ROWS
    assert splits.notes["rows"] == {"train": 54, "validation": 6, "test": 60}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_a_folder_of_files_named_after_splits_is_read_by_our_readers(tmp_path, suffix):
    odd = [("NA", "neg"), ("5", "pos"), ("007", "neg")]
    write_rows(tmp_path / f"folder/train{suffix}")
    write_rows(tmp_path / f"folder/val{suffix}", odd)
    write_rows(tmp_path / f"folder/test{suffix}", odd[:2])
    write(tmp_path / "folder/README.md", "# A folder")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "folder")))
    assert (pairs(splits, "validation"), pairs(splits, "test")) == (odd, odd[:2])
    assert pairs(splits, "train") == ROWS


def test_a_single_file_in_a_folder_is_all_train(tmp_path):
    write_rows(tmp_path / "folder/reviews_10k.csv")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "folder")))
    assert splits.notes["rows"] == {"train": 48, "validation": 6, "test": 6}
    assert splits.notes["test"] == "10 % of all rows, stratified, seed 42"


def test_an_edited_file_is_read_anew(tmp_path):
    for suffix in (".csv", ".parquet"):
        for rows in (ROWS, [(text.upper(), label) for text, label in ROWS]):
            write_rows(tmp_path / f"folder{suffix}/train{suffix}", rows)
            write_rows(tmp_path / f"folder{suffix}/test{suffix}", rows)
            splits = load_splits(DataArguments(dataset_name=str(tmp_path / f"folder{suffix}")))
            assert pairs(splits, "test") == rows


def test_the_configuration_of_a_folder_is_chosen_by_its_flag(tmp_path):
    card = "---\nconfigs:\n- config_name: one\n  data_files: a.csv\n- config_name: two\n  data_files: b.csv\n---\n"
    write(tmp_path / "set/README.md", card)
    write_rows(tmp_path / "set/a.csv", ROWS[:40])
    write_rows(tmp_path / "set/b.csv")
    splits = load_splits(DataArguments(dataset_name=str(tmp_path / "set"), dataset_config_name="two"))
    assert sum(splits.notes["rows"].values()) == len(ROWS)
    for config in (None, "three"):
        with pytest.raises(InputError, match="one, two") as error:
            load_splits(DataArguments(dataset_name=str(tmp_path / "set"), dataset_config_name=config))
        assert "--dataset_config_name" in str(error.value)


def test_the_built_in_sample_is_complete_and_needs_no_network():
    splits = load_splits(DataArguments(dataset_name="sample"))
    assert splits.name == "sample"
    assert splits.notes["validation"] == splits.notes["test"] == "given"
    assert all(
        len(set(Counter(part.labels.tolist()).values())) == 1
        for part in (splits.train, splits.validation, splits.test)
    )


@pytest.mark.skipif(not IMDB.exists(), reason=f"{IMDB} is not there")
def test_imdb_loads_whole_and_its_known_duplicates_are_counted():
    splits = load_splits(DataArguments(dataset_name=str(IMDB)))
    assert splits.name == "imdb"
    assert splits.notes["rows"] == {"train": 22_500, "validation": 2_500, "test": 25_000}
    assert splits.notes["duplicates"].items() >= {"test_in_train": 123, "train_in_test": 123, "removed": False}.items()
    assert list(splits.task.labels) == ["neg", "pos"]
    assert Counter(names(splits, "validation")) == {"neg": 1_250, "pos": 1_250}


@pytest.mark.skipif(not WAIMAI.exists(), reason=f"{WAIMAI} is not there")
def test_a_chinese_csv_without_splits_loads():
    splits = load_splits(DataArguments(dataset_name=str(WAIMAI)))
    assert sum(splits.notes["rows"].values()) == 11_987
    assert splits.notes["columns"] == {"text": ["review"], "label": "label"}


# Columns and classes


@pytest.mark.parametrize("header", ["review,sentiment", "Content,STARS", "id_text,label,text", "tweet,Category,lang"])
def test_the_usual_columns_are_found_by_themselves(tmp_path, header):
    cells = {"text": "text", "review": "text", "content": "text", "tweet": "text", "id_text": "id", "lang": "en"}
    lines = [
        ",".join(f"{cells[name]} {row}" if name in cells else str(row % 2) for name in header.lower().split(","))
        for row in range(40)
    ]
    splits = load_splits(DataArguments(train_file=write(tmp_path / "x.csv", "\n".join([header, *lines]))))
    assert all(text.startswith("text ") for text in splits.train.texts)
    assert list(splits.task.labels) == ["0", "1"]


def test_named_text_columns_are_joined(tmp_path):
    rows = "\n".join(f"title {row},body {row},{row % 2}" for row in range(40))
    path = write(tmp_path / "x.csv", f"title,body,y\n{rows}\n")
    flags = {"text_column_names": "title, body", "text_column_delimiter": " | ", "label_column_name": "y"}
    splits = load_splits(DataArguments(train_file=path, test_file=path, **flags))
    assert splits.test.texts[3] == "title 3 | body 3"
    assert splits.notes["columns"] == {"text": ["title", "body"], "label": "y"}


@pytest.mark.parametrize("name", ["subject, body", "a,b", " padded ", "Titre "])
def test_a_column_is_found_by_its_whole_name_with_its_commas_and_blanks(tmp_path, name):
    rows = "\n".join(f"one {row},two {row},{row % 2}" for row in range(40))
    path = write(tmp_path / "x.csv", f'"{name}",body,y\n{rows}\n')
    for given, texts in ((name, [name]), (name.strip(), [name]), (f"{name},body", [name, "body"])):
        flags = {"text_column_names": given, "label_column_name": "y"}
        assert load_splits(DataArguments(train_file=path, test_file=path, **flags)).notes["columns"]["text"] == texts


def test_a_label_map_gives_the_classes_of_every_part_their_names(tmp_path):
    train = write(
        tmp_path / "train.csv", csv_text([(f"text {row}", ["NEGATIVE", "POSITIVE"][row % 2]) for row in range(40)])
    )
    test = write(tmp_path / "test.csv", csv_text([(f"other {row}", ["neg", "pos"][row % 2]) for row in range(40)]))
    splits = load_splits(DataArguments(train_file=train, test_file=test, label_map="NEGATIVE=neg,POSITIVE=pos"))
    assert splits.task.labels == ("neg", "pos")
    assert splits.test.labels[:2].tolist() == splits.train.labels[:2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["pos", "neg"], ["neg", "pos"]),
        ([10, 9, 2], ["2", "9", "10"]),
        ([1.0, 0.0], ["0", "1"]),
        ([True, False], ["False", "True"]),
        (["10", "9"], ["9", "10"]),
        (["1.0", " 1 ", "0"], ["0", "1"]),
        (["1", "5+", "3"], ["1", "3", "5+"]),
        ([-1, 1], ["-1", "1"]),
    ],
)
def test_labels_may_be_numbers_or_names(tmp_path, labels, expected):
    rows = [(f"text {row}", labels[row % len(labels)]) for row in range(60)]
    splits = load_splits(DataArguments(train_file=write_rows(tmp_path / "x.jsonl", rows)))
    assert list(splits.task.labels) == expected


def test_classes_are_matched_by_name_across_files(tmp_path):
    class_dataset().to_parquet(tmp_path / "train.parquet")
    other = Features({"text": Value("string"), "label": ClassLabel(names=["pos", "neg"])})
    columns = {"text": ["a", "b"], "label": ["pos", "neg"]}
    Dataset.from_dict(columns, features=other).to_parquet(tmp_path / "validation.parquet")
    test = write_rows(tmp_path / "test.csv", [("a", "pos"), ("b", "neg")])
    train, validation = str(tmp_path / "train.parquet"), str(tmp_path / "validation.parquet")
    splits = load_splits(DataArguments(train_file=train, validation_file=validation, test_file=test))
    assert splits.test.labels.tolist() == splits.validation.labels.tolist() == [1, 0]


def test_the_class_order_that_a_dataset_brings_is_kept(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["worst", "best", "unused"])})
    Dataset.from_dict({"text": [text for text, _ in ROWS], "label": [0, 1] * 30}, features=features).to_parquet(
        tmp_path / "x.parquet"
    )
    splits = load_splits(DataArguments(train_file=str(tmp_path / "x.parquet")))
    assert splits.task.labels == ("worst", "best", "unused")
    assert splits.train.labels.max() == 1


def test_empty_texts_are_kept_counted_and_warned_of_once(tmp_path, caplog):
    rows = [("", "neg"), ("  ", "pos"), *ROWS]
    with caplog.at_level(logging.WARNING):
        train, test = write_rows(tmp_path / "train.csv", rows), write_rows(tmp_path / "test.csv")
        splits = load_splits(DataArguments(train_file=train, validation_file=test, test_file=test))
    assert splits.notes["empty_texts"] == {"train": 2, "validation": 0, "test": 0}
    assert pairs(splits, "train")[:2] == [("", "neg"), ("  ", "pos")]
    assert [record.name for record in caplog.records].count("sentiment_hf.data.splits") == 1


# Splits


def test_carved_parts_are_stratified_disjoint_complete_and_in_the_order_of_the_source(tmp_path):
    rows = [(f"{row:03}", "a" if row % 10 else "b") for row in range(200)]
    splits = load_splits(DataArguments(train_file=write_rows(tmp_path / "x.csv", rows), validation_size=0.2))
    parts = ["train", "validation", "test"]
    assert sorted(pair for part in parts for pair in pairs(splits, part)) == sorted(rows)
    assert all(pairs(splits, part) == sorted(pairs(splits, part)) for part in parts)
    assert [Counter(names(splits, part)) for part in parts] == [
        {"a": 126, "b": 14},
        {"a": 36, "b": 4},
        {"a": 18, "b": 2},
    ]
    assert splits.notes["validation"] == "20 % of all rows, stratified, seed 42"


def test_carving_is_what_train_test_split_gives_and_its_seed_decides(tmp_path):
    class_dataset().to_parquet(tmp_path / "x.parquet")
    flags = {"train_file": str(tmp_path / "x.parquet"), "test_file": str(tmp_path / "x.parquet")}
    first, again, other = (load_splits(DataArguments(**flags, split_seed=seed)).validation.texts for seed in (1, 1, 2))
    expected = class_dataset().train_test_split(0.1, stratify_by_column="label", seed=1)["test"]
    assert first == again
    assert first != other
    assert set(first) == set(expected["text"])


def test_test_is_never_used_for_validation(tmp_path):
    train = write_rows(tmp_path / "train.csv")
    test = write_rows(tmp_path / "test.csv", [(f"other {text}", label) for text, label in ROWS])
    splits = load_splits(DataArguments(train_file=train, test_file=test))
    assert not any(text.startswith("other") for text in [*splits.train.texts, *splits.validation.texts])
    assert len(splits.test) == 60


def test_samples_are_stratified_seeded_and_said(tmp_path):
    path = write_rows(tmp_path / "x.csv", [(f"{row:03}", "a" if row % 4 else "b") for row in range(100)])
    flags = {"max_train_samples": 40, "max_eval_samples": 12, "max_predict_samples": 10**6}
    arguments = DataArguments(train_file=path, validation_file=path, test_file=path, **flags)
    splits = load_splits(arguments)
    assert splits.notes["rows"] == {"train": 40, "validation": 12, "test": 100}
    assert splits.notes["sampled"] == {
        "train": "40 of 100 rows, stratified, seed 42",
        "validation": "12 of 100 rows, stratified, seed 42",
    }
    assert Counter(names(splits, "train")) == {"a": 30, "b": 10}
    assert Counter(names(splits, "validation")) == {"a": 9, "b": 3}
    assert splits.train.texts == sorted(splits.train.texts) == load_splits(arguments).train.texts


def test_a_smaller_sample_is_part_of_a_larger_one():
    labels = np.array([0] * 70 + [1] * 25 + [2] * 5)
    samples = [stratified(labels, count, seed=3) for count in range(1, 101)]
    assert [len(sample) for sample in samples] == list(range(1, 101))
    assert all(set(small) < set(large) for small, large in pairwise(samples))
    assert Counter(labels[samples[19]].tolist()) == {0: 14, 1: 5, 2: 1}


@pytest.mark.parametrize(("parts", "is_said"), [(["train", "dev", "Test"], True), (["first", "test", "train"], False)])
def test_a_column_with_the_part_of_each_row_is_said_since_all_rows_are_train(tmp_path, caplog, parts, is_said):
    rows = [f"text {row},{row % 2},{parts[row % 3]}" for row in range(60)]
    path = write(tmp_path / "all.csv", "\n".join(["text,label,split", *rows]))
    assert len(load_splits(DataArguments(train_file=str(path))).train) == 48
    assert ("'split' names parts (Test, dev, train)" in caplog.text) == is_said
    assert ("--test_file" in caplog.text) == is_said


def test_duplicates_between_test_and_train_are_counted_and_leave_train_on_request(tmp_path):
    train = write_rows(tmp_path / "train.csv", [*ROWS, ROWS[0]])
    test = write_rows(tmp_path / "test.csv", [ROWS[0], ROWS[1], ROWS[1], ("New", "pos"), ("TEXT number 2", "pos")])
    counted = load_splits(DataArguments(train_file=train, test_file=test))
    assert counted.notes["duplicates"].items() >= {"test_in_train": 3, "train_in_test": 3, "removed": False}.items()
    removed = load_splits(DataArguments(train_file=train, test_file=test, deduplicate=True))
    assert removed.notes["duplicates"].items() >= {"test_in_train": 3, "train_in_test": 3, "removed": True}.items()
    assert len(removed.train) + len(removed.validation) == 58
    assert not set(removed.test.texts) & {*removed.train.texts, *removed.validation.texts}


def test_the_notes_go_into_a_report(tmp_path):
    notes = load_splits(DataArguments(train_file=write_rows(tmp_path / "x.csv"))).notes
    assert notes
    assert is_json(notes)


# Bad input: a case is (file name, content, other flags, what the message has to say)

GOOD = csv_text(ROWS)
BAD_FILES = {
    "too many fields": ("x.csv", "text,label\na,1\nb,c,0\n", {}, ["x.csv, line 3", "3 fields", "2 columns"]),
    "too few fields": ("x.csv", 'text,label\n"a\nb",1\nb\n', {}, ["x.csv, line 4", "1 fields"]),
    "too many in tsv": ("x.tsv", "text\tlabel\na\tb\t1\n", {}, ["x.tsv, line 2"]),
    "unclosed quote": ("x.csv", 'text,label\na,1\n"b,0\nc,1\n', {}, ["x.csv, line 3", "quote"]),
    "text after a quote": ("x.csv", 'text,label\n"a" b,1\n', {}, ["x.csv, line 2", "quote"]),
    "column twice": ("x.csv", "text,text,label\na,b,1\n", {}, ["x.csv, line 1", "'text'", "more than once"]),
    "empty file": ("x.csv", "", {}, ["x.csv is empty"]),
    "header only": ("x.csv", "text,label\n", {}, ["x.csv", "no rows"]),
    "latin-1": ("x.csv", b"text,label\na,1\r\ncaf\xe9,0\n", {}, ["x.csv, line 3", "not UTF-8", "0xe9"]),
    "utf-16": ("x.csv", GOOD.encode("utf-16"), {}, ["x.csv, line 1", "UTF-16"]),
    "empty json": ("x.json", " ", {}, ["x.json is empty"]),
    "broken json": ("x.json", '[{"text": "a",\n "label" 1}]', {}, ["x.json, line 2", "not JSON"]),
    "json by the name of csv": (
        "x.csv",
        '{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n',
        {},
        ["mv ", "x.jsonl"],
    ),
    "csv by the name of json": ("x.json", GOOD, {}, ["x.json, line 1", "not JSON", ".csv"]),
    "objects of several lines": (
        "x.json",
        '{\n"text": "a"}\n{\n"text": "b"}\n',
        {},
        ["x.json, line 1", "array of objects"],
    ),
    "json of one number": ("x.json", "5", {}, ["x.json, row 1", "object"]),
    "broken line": ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b"\n', {}, ["x.jsonl, line 2", "not JSON"]),
    "line without object": ("x.jsonl", '{"text": "a", "label": 1}\n["b", 0]\n', {}, ["x.jsonl, line 2", "object"]),
    "null text": (
        *("x.jsonl", '{"text": "a", "label": 1}\n\n{"text": null, "label": 0}\n', {}),
        ["x.jsonl, line 3", "'text' is null", "--text_column_names"],
    ),
    "text is missing": ("x.json", '[{"text": "a", "label": 1}, {"label": 0}]', {}, ["x.json, row 2", "missing"]),
    "text is a number": (
        "x.json",
        '[{"text": 5, "label": 1}, {"text": "a", "label": 0}]',
        {},
        ["x.json, row 1", "5", "no text"],
    ),
    "half a character": (
        "x.json",
        '[{"text": "\\ud800", "label": 1}, {"text": "a", "label": 0}]',
        {},
        ["x.json, row 1", "surrogate"],
    ),
    "label is empty": ("x.csv", "text,label\na,1\nb, \n", {}, ["x.csv, line 3", "missing", "--label_column_name"]),
    "label is null": ("x.json", '[{"text": "a", "label": null}]', {}, ["x.json, row 1", "missing"]),
    "label is NaN": ("x.json", '[{"text": "a", "label": NaN}]', {}, ["x.json, row 1", "missing"]),
    "label is an object": ("x.json", '[{"text": "a", "label": {"a": 1}}]', {}, ["x.json, row 1", "a list of labels"]),
    "one class": ("x.csv", "text,label\na,1\nb,1\n", {}, ["x.csv", "'1'", "at least two"]),
    "no text column": ("x.csv", "foo,label\na,1\n", {}, ["x.csv", "foo, label", "--text_column_names"]),
    "no label column": ("x.csv", "text,foo\na,1\n", {}, ["x.csv", "text, foo", "--label_column_name"]),
    "two label columns": ("x.csv", "text,stars,class\na,1,b\n", {}, ["several", "stars", "--label_column_name"]),
    "two text columns": ("x.csv", "review,content,label\na,b,1\n", {}, ["several", "review", "--text_column_names"]),
    "unknown text column": (
        *("x.csv", GOOD, {"text_column_names": "txt"}),
        ["x.csv", "'txt'", "did you mean 'text'", "--text_column_names"],
    ),
    "unknown label column": ("x.csv", GOOD, {"label_column_name": "y"}, ["x.csv", "'y'", "--label_column_name"]),
    "text as label": ("x.csv", GOOD, {"label_column_name": "text"}, ["both text and label"]),
    "rare class": (
        *("x.csv", csv_text([*ROWS, ("a", "rare")]), {}),
        ["'rare'", "count of 1", "--test_file", "--test_size"],
    ),
    "fewer rows than classes": ("x.csv", csv_text(ROWS[:4]), {}, ["count of 2", "--test_size"]),
    "not a share": ("x.csv", GOOD, {"test_size": 1.0}, ["--test_size 1"]),
    "not a share of train": ("x.csv", GOOD, {"validation_size": 0.0}, ["--validation_size 0"]),
    "no sample": ("x.csv", GOOD, {"max_eval_samples": 0}, ["--max_eval_samples 0"]),
    "sample without a class": ("x.csv", GOOD, {"max_train_samples": 1}, ["--max_train_samples 1", "'neg'"]),
    "not parquet": ("x.parquet", GOOD, {}, ["x.parquet", "parquet"]),
    "unknown suffix": ("x.xlsx", GOOD, {}, ["--train_file", "x.xlsx", ".csv"]),
    "two data sets": ("x.csv", GOOD, {"dataset_name": "sample"}, ["--dataset sample", "--train_file"]),
    "no such test file": ("x.csv", GOOD, {"test_file": "nowhere.csv"}, ["--test_file nowhere.csv", "no such file"]),
}


@pytest.mark.parametrize(("file", "content", "flags", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_by_name_row_and_flag(tmp_path, file, content, flags, said):
    path = write(tmp_path / file, content)
    with pytest.raises(InputError) as error:
        load_splits(DataArguments(train_file=path, **flags))
    assert [part for part in said if part not in str(error.value)] == []


BAD_TESTS = {
    "unknown class": ("text,label\na,pos\nb,meh\n", ["test.csv, line 3", "'meh'", "test", "neg, pos"]),
    "other columns": ("review,label\na,pos\n", ["test.csv", "'text'", "review"]),
    "no label": ("text,label\na,pos\nb,\n", ["test.csv, line 3", "missing"]),
}


@pytest.mark.parametrize(("content", "said"), BAD_TESTS.values(), ids=BAD_TESTS)
def test_a_test_file_that_does_not_fit_train_is_refused(tmp_path, content, said):
    train, test = write_rows(tmp_path / "train.csv"), write(tmp_path / "test.csv", content)
    with pytest.raises(InputError) as error:
        load_splits(DataArguments(train_file=train, test_file=test))
    assert [part for part in said if part not in str(error.value)] == []


def test_a_null_text_in_parquet_is_refused_by_row(tmp_path):
    Dataset.from_dict({"text": ["a", None], "label": [0, 1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet, row 2: 'text' is null"):
        load_splits(DataArguments(train_file=str(tmp_path / "x.parquet")))


def test_a_part_without_labels_is_refused_with_advice(tmp_path):
    unlabelled = Dataset.from_dict({"text": ["a", "b"], "label": [0, -1]}, features=FEATURES)
    DatasetDict(train=class_dataset(), test=unlabelled).save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match=r"saved, test, row 2: 'label' is -1.*remove the row"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "saved")))


def test_a_non_utf8_text_file_is_named(tmp_path):
    write(tmp_path / "mine/pos/1.txt", "fine")
    write(tmp_path / "mine/neg/1.txt", b"caf\xe9")
    with pytest.raises(InputError, match=r"neg/1\.txt, line 1: not UTF-8"):
        load_splits(DataArguments(train_file=str(tmp_path / "mine")))


def test_deduplication_that_empties_a_class_is_refused(tmp_path):
    train = write_rows(tmp_path / "train.csv", [("only", "neg"), *(row for row in ROWS if row[1] == "pos")])
    test = write_rows(tmp_path / "test.csv", [("only", "neg")])
    with pytest.raises(InputError, match=r"--deduplicate .*'neg'"):
        load_splits(DataArguments(train_file=train, test_file=test, deduplicate=True))


BAD_NAMES = {
    "a file": ({"dataset_name": "here.csv"}, ["here.csv is a file", "--train_file here.csv"]),
    "no such file": ({"dataset_name": "nowhere.csv"}, ["nowhere.csv", "no such folder", "--train_file"]),
    "no such path": ({"dataset_name": "./nowhere"}, ["./nowhere", "no such folder"]),
    "no such parent": ({"dataset_name": "../nowhere/x"}, ["../nowhere/x", "no such folder"]),
    "no such root": ({"dataset_name": "/nowhere"}, ["/nowhere", "no such folder"]),
    "an empty folder": ({"dataset_name": "empty"}, ["--dataset empty", "data files"]),
    "texts in no class": ({"dataset_name": "texts"}, ["--dataset texts", "train/CLASS/*.txt"]),
    "no train part": ({"dataset_name": "only_test"}, ["only_test", "no part named train", "test"]),
    "two formats of train": ({"dataset_name": "mixed"}, ["mixed: train.csv, train.tsv", "in several formats"]),
    "test without train": ({"test_file": "here.csv"}, ["--test_file", "--train_file"]),
    "validation without train": ({"validation_file": "here.csv"}, ["--validation_file", "--train_file"]),
    "no class folders": ({"train_file": "empty"}, ["empty", "one folder of .txt files per class"]),
}


@pytest.mark.parametrize(("flags", "said"), BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_name_that_leads_nowhere_is_refused_without_asking_the_hub(tmp_path, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://the-hub-was-asked.invalid")
    write_rows(Path("here.csv"))
    write_rows(Path("only_test/test.csv"))
    write_rows(Path("mixed/train.csv"))
    write_rows(Path("mixed/train.tsv"))
    write(Path("texts/pos/a.txt"), "a")
    Path("empty").mkdir()
    with pytest.raises(InputError) as error:
        load_splits(DataArguments(**flags))
    assert [part for part in said if part not in str(error.value)] == []
    assert "the-hub-was-asked" not in str(error.value)


# The Hub


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize("name", ["imdb", "someone/reviews"])
def test_an_unreachable_hub_is_reported_after_one_probe_with_the_ways_on(monkeypatch, closed_port, name):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", closed_port)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(InputError) as error:
        load_splits(DataArguments(dataset_name=name))
    for part in (
        closed_port,
        "reviews" if "/" in name else "stanfordnlp/imdb",
        "--dataset sample",
        "--dataset FOLDER",
    ):
        assert part in str(error.value)
    assert "HF_HUB_OFFLINE=1" in str(error.value)


def test_a_hub_that_accepts_and_never_answers_is_given_up(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("sentiment_hf.common.hub_access.PROBE_SECONDS", 0.3)
        with pytest.raises(InputError, match="--dataset sample"):
            load_splits(DataArguments())


def test_offline_without_a_copy_is_said(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"no copy of it is in the cache.*--dataset sample"):
        load_splits(DataArguments(dataset_name="someone/reviews-that-nobody-has"))


def bomb(path: Path, as_text: bool) -> Path:
    """A few kilobytes that unpack to 1 GB, as a column of texts or as one of categories."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["good " * 200_000])
    labels = pa.array(["positive", "negative"] * 500)
    pq.write_table(pa.table({"text": texts, "label": labels}), path, compression="zstd", store_schema=not as_text)
    assert path.stat().st_size < 50_000
    return path


def test_files_that_unpack_to_more_than_is_allowed_are_refused_before_they_are_read(tmp_path):
    code = "import resource, sys; from sentiment_hf.cli import run_command; "
    code += "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); sys.exit(run_command(sys.argv[1:]))"
    path = tmp_path / "train.parquet"
    flags = ["--model", "custom-fc", "--output_dir", str(tmp_path / "run")]
    for as_text, named in ((True, ["--train_file", path]), (False, ["--dataset", tmp_path])):
        bomb(path, as_text)
        done = subprocess.run([python(), "-c", code, *flags, *map(str, named)], capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert f"{path}: with it the data take more than 1,000,000,000 bytes" in done.stderr
        assert "--max_data_bytes" in done.stderr


def test_the_limit_counts_all_files_and_no_honest_ones(tmp_path):
    parts = ("train", "validation", "test")
    rows = "text,label\n" + "good,1\nbad,0\n" * 50
    files = {f"{part}_file": write(tmp_path / f"{part}.csv", rows) for part in parts}
    assert len(load_splits(DataArguments(**files, max_data_bytes=1)).train) == 100
    texts = [f"{word} {'so ' * 30_000}" for word in ("good", "bad")] * 30
    table = pa.table({"text": texts, "label": [1, 0] * 30})
    for part in parts:
        pq.write_table(table, tmp_path / f"{part}.parquet", compression="zstd")
    size, files = table.nbytes, {f"{part}_file": str(tmp_path / f"{part}.parquet") for part in parts}
    assert len(load_splits(DataArguments(**files, max_data_bytes=int(3.1 * size))).train) == 60
    with pytest.raises(InputError, match=r"test.parquet: with it the data take more than"):
        load_splits(DataArguments(**files, max_data_bytes=int(2.9 * size)))


def test_a_large_parquet_file_is_unpacked_once_and_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGE", 1)
    class_dataset().to_parquet(tmp_path / "train.parquet")
    given = DataArguments(train_file=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    plain = load_splits(replace(given, no_cache=True))
    assert not (tmp_path / "cache").exists()
    for _ in range(2):
        splits = load_splits(given)
        assert pairs(splits, "train") == pairs(plain, "train")
        assert splits.task.labels == ("neg", "pos")
        # Once it is there, nothing unpacks it again.
        monkeypatch.setattr(unpacking, "unpack", None)
    class_dataset(ROWS[::-1]).to_parquet(tmp_path / "train.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(unpacking, "LARGE", 1)
    assert sorted(pairs(load_splits(given), "test")) != sorted(pairs(plain, "test"))
    assert len(list((tmp_path / "cache").iterdir())) == 2


# Prints how much larger its anonymous memory became while it unpacked a file.
UNPACKING = """
import sys, threading
from pathlib import Path
from sentiment_hf.data.unpacking import unpack

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

def look():
    while not done.wait(0.01):
        sizes.append(anonymous())

done, sizes = threading.Event(), [anonymous()]
looking = threading.Thread(target=look)
looking.start()
unpack(Path(sys.argv[1]), Path(sys.argv[2]), None)
done.set()
looking.join()
print(max(sizes) - sizes[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc/PID/status is read, which Linux has")
def test_a_parquet_file_is_unpacked_without_keeping_it_in_memory(tmp_path):
    chance, file = np.random.default_rng(0), tmp_path / "large.parquet"
    schema = pa.schema({"text": pa.string()})
    with pq.ParquetWriter(file, schema) as writer:
        for _ in range(60):
            writer.write_table(pa.table({"text": [chance.bytes(500).hex() for _ in range(2000)]}, schema=schema))
    command = [python(), "-c", UNPACKING, file, tmp_path / "large.arrow"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < file.stat().st_size
    assert pa.ipc.open_file(tmp_path / "large.arrow").read_all().equals(pq.read_table(file))


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    for name in ("train/neg/0.txt", "train/pos/0.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        write(tmp_path / "data" / name, "a film")
    (tmp_path / "data" / "train" / "pos" / "1.txt").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match=r"1.txt is a link to /etc/hostname, outside of"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "data")))
    with pytest.raises(InputError, match=r"1.txt is a link to /etc/hostname, outside of"):
        load_splits(DataArguments(train_file=str(tmp_path / "data" / "train")))


def link_to_train(home: Path) -> None:
    (home / "train").symlink_to(home.parent / "other" / "train")


def name_in_readme(home: Path) -> None:
    write(home / "README.md", "---\nconfigs:\n- config_name: default\n  data_files: ../other/train.csv\n---\n")


def name_in_state(home: Path) -> None:
    Dataset.from_dict({"text": [], "label": []}).save_to_disk(home)
    write(home / "state.json", json.dumps({"_data_files": [{"filename": "../other/data-00000-of-00001.arrow"}]}))


@pytest.mark.parametrize("leads_out", [link_to_train, name_in_readme, name_in_state])
def test_a_folder_whose_files_are_elsewhere_is_refused(tmp_path, leads_out):
    other, home = tmp_path / "other", tmp_path / "data"
    Dataset.from_dict({"text": [text for text, _ in ROWS], "label": [name for _, name in ROWS]}).save_to_disk(other)
    write(other / "train.csv", csv_text(ROWS))
    for row, (text, name) in enumerate(ROWS):
        write(other / "train" / name / f"{row}.txt", text)
    home.mkdir()
    leads_out(home)
    with pytest.raises(InputError, match=r"outside of"):
        load_splits(DataArguments(dataset_name=str(home)))


def test_a_link_that_leads_nowhere_is_no_file(tmp_path):
    write(tmp_path / "train.csv", csv_text(ROWS))
    (tmp_path / "gone.csv").symlink_to("nothing")
    (tmp_path / "round.csv").symlink_to("round.csv")
    assert len(load_splits(DataArguments(dataset_name=str(tmp_path))).train) > 40


def arrow_bomb(home: Path) -> None:
    schema = pa.schema([("text", pa.string()), ("label", pa.string())])
    Dataset.from_dict({"text": ["a"], "label": ["b"]}).save_to_disk(home)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    path = home / "data-00000-of-00001.arrow"
    with pa.ipc.new_stream(str(path), schema, options=options) as file:
        file.write_batch(pa.record_batch([["good " * 200_000] * 50, ["pos", "neg"] * 25], schema=schema))
    assert path.stat().st_size < 100_000


def value_larger_than_the_limit(home: Path) -> None:
    home.mkdir()
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["g" * 40_000_000])
    table = pa.table({"text": texts, "label": pa.array(["positive", "negative"] * 500)})
    pq.write_table(table, home / "train.parquet", compression="zstd", store_schema=False)


@pytest.mark.parametrize("make", [arrow_bomb, value_larger_than_the_limit])
def test_the_limit_counts_what_is_unpacked_in_whatever_file(tmp_path, make):
    make(tmp_path / "data")
    with pytest.raises(InputError, match=r"with it the data take more than 40,000,000 bytes"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "data"), max_data_bytes=4 * 10**7))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("deep.json", "[" * 200_000, "recursion"),
        ("digits.jsonl", '{"text": "a", "label": "b"}\n{"text": "a", "label": ' + "1" * 5000 + "}", "line 2.*digits"),
        ("label.jsonl", '{"text": "a", "label": "b"}\n{"text": "a", "label": "\\ud800"}', "line 2.*surrogate"),
    ],
)
def test_json_that_breaks_its_reader_is_refused(tmp_path, name, content, said):
    with pytest.raises(InputError, match=said):
        load_splits(DataArguments(train_file=write(tmp_path / name, content)))


def hostile_tables() -> dict[str, pa.Table]:
    texts, labels = pa.array([text for text, _ in ROWS]), pa.array([name for _, name in ROWS])
    good = pa.table({"text": texts, "label": labels})
    latin = pa.array([b"caf\xe9"] * len(ROWS), pa.binary())
    classes = json.dumps({"info": {"features": FEATURES.to_dict()}}).encode()
    numbered = pa.table({"text": texts, "label": pa.array([0, 9] * (len(ROWS) // 2))})
    return {
        "UTF8": pa.table({"text": pa.StringArray.from_buffers(len(ROWS), *latin.buffers()[1:]), "label": labels}),
        "no table": good.replace_schema_metadata({b"huggingface": b"no json"}),
        "'text' stands there more than once": pa.Table.from_arrays([texts, texts, labels], ["text", "text", "label"]),
        "row 2: 'label' is '9'": numbered.replace_schema_metadata({b"huggingface": classes}),
    }


@pytest.mark.parametrize("said", hostile_tables())
def test_a_parquet_file_that_is_no_table_of_texts_is_refused(tmp_path, said):
    pq.write_table(hostile_tables()[said], tmp_path / "train.parquet")
    with pytest.raises(InputError, match=rf"train.parquet.*{said}"):
        load_splits(DataArguments(train_file=str(tmp_path / "train.parquet")))


@pytest.mark.parametrize("state", ["[]", "{}", '{"_data_files": 1}'])
def test_a_saved_dataset_with_a_broken_state_is_refused(tmp_path, state):
    Dataset.from_dict({"text": ["a"], "label": ["b"]}).save_to_disk(tmp_path / "data")
    write(tmp_path / "data" / "state.json", state)
    with pytest.raises(InputError, match=r"a `save_to_disk` folder that cannot be read"):
        load_splits(DataArguments(dataset_name=str(tmp_path / "data")))
