"""Rows of train are drawn from its files on the Hub, of which one at a time is on the disk."""

import io
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from loopback_hub import USER

from sentiment_hf.common.errors import InputError
from sentiment_hf.data import row_pieces, unpacking
from sentiment_hf.data.sources import find_tables
from sentiment_hf.data.splits import load_splits
from sentiment_hf.data.streaming import shares_of
from sentiment_hf.settings.arguments import DataArguments

SHARDS = {"train-00000-of-00003": range(300), "train-00001-of-00003": range(300, 320)}
SHARDS |= {"train-00002-of-00003": range(320, 600)}
REST = {"validation-00000-of-00001": range(600, 640), "test-00000-of-00001": range(640, 680)}
NAMES = ["neg", "pos"]


def text(row):
    return f"text {row} " + "word " * (row % 7)


def csv_file(rows):
    return "".join(["text,label\n", *(f"{text(row)},{NAMES[row % 2]}\n" for row in rows)]).encode()


def jsonl_file(rows):
    return "".join(json.dumps({"text": text(row), "label": NAMES[row % 2]}) + "\n" for row in rows).encode()


def parquet_file(rows):
    file = io.BytesIO()
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    columns = {"text": [text(row) for row in rows], "label": [row % 2 for row in rows]}
    pq.write_table(pa.table(columns, features.arrow_schema), file)
    return file.getvalue()


KINDS = {"csv": csv_file, "jsonl": jsonl_file, "parquet": parquet_file}


def push(hub, name, kind="csv", shards=SHARDS, rest=REST, **more):
    files = {f"data/{part}.{kind}": KINDS[kind](rows) for part, rows in (shards | rest).items()}
    hub.add(f"{USER}/{name}", files | more, "dataset")


def flags(name, rows=60, **more):
    return DataArguments(dataset_name=f"{USER}/{name}", streaming=True, max_train_samples=rows, **more)


def asked_for_train(hub, since):
    return [
        path for method, path in hub.requests[since:] if method == "GET" and "/resolve/" in path and "train" in path
    ]


def files_below(folder):
    return [name for _, _, names in os.walk(folder) for name in names]


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_drawn_from_each_file_by_its_size(hub, cache, kind):
    push(hub, f"drawn-{kind}", kind)
    splits = load_splits(flags(f"drawn-{kind}", cache_dir=cache))
    assert splits.notes["rows"] == {"train": 60, "validation": 40, "test": 40}
    assert splits.notes["sampled"] == {"train": "60 rows, drawn from 3 of 3 files, seed 42"}
    assert splits.task.labels == ("neg", "pos")
    drawn = [int(found.split()[1]) for found in splits.train]
    assert drawn == sorted(set(drawn))
    assert list(splits.train) == [text(row) for row in drawn]
    assert [splits.task.labels[label] for label in splits.train.labels] == [NAMES[row % 2] for row in drawn]
    sizes = [len(KINDS[kind](rows)) for rows in SHARDS.values()]
    counts = [sum(row in rows for row in drawn) for rows in SHARDS.values()]
    assert all(abs(count - 60 * size / sum(sizes)) < 1 for count, size in zip(counts, sizes, strict=True))


def test_the_shares_add_up():
    for rows in (1, 2, 7, 60, 10**9):
        for sizes in ([5], [1, 1, 1], [10**15, 1, 3, 10**15 - 1], [0, 4, 0]):
            shares = shares_of(rows, sizes)
            assert sum(shares) == rows
            exact = [rows * size / sum(sizes) for size in sizes]
            assert all(abs(share - part) < 1.1 for share, part in zip(shares, exact, strict=True))


def test_the_same_flags_draw_the_same_rows_and_another_seed_others(hub, tmp_path):
    push(hub, "same")
    first, again = (load_splits(flags("same", cache_dir=str(tmp_path / name))) for name in "ab")
    in_memory = load_splits(flags("same", no_cache=True))
    other = load_splits(flags("same", cache_dir=str(tmp_path / "a"), split_seed=1))
    assert first.data_hash == again.data_hash == in_memory.data_hash != other.data_hash


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("no_cache", [False, True])
def test_one_file_of_train_at_a_time_is_on_the_disk(hub, tmp_path, monkeypatch, kind, no_cache):
    name = f"one-{kind}-{no_cache}"
    push(hub, name, kind)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    Path(tempfile.tempdir).mkdir()
    for module in (row_pieces, unpacking):
        # So that each file is unpacked to the disk.
        monkeypatch.setattr(module, "LARGE", 1)
    seen = []

    def answer(request, path, answer=hub.answer):
        names = [name for home in (tmp_path, constants.HF_HOME) for name in files_below(home)]
        seen.extend(name for name in names if name.startswith("train-0") and not name.endswith(".lock"))
        if Path("/proc/self/maps").exists():
            # A deleted file takes its room as long as it is mapped.
            seen.extend(line for line in Path("/proc/self/maps").read_text().splitlines() if "unpacked" in line)
        return answer(request, path)

    monkeypatch.setattr(hub, "answer", answer)
    since = len(hub.requests)
    load_splits(flags(name, cache_dir=str(tmp_path / "cache"), no_cache=no_cache))
    assert len(asked_for_train(hub, since)) == 3
    # A file is asked for when those before it are gone.
    assert not seen
    assert not files_below(tmp_path / "temporary")
    # Beside the drawn rows, the cache has the unpacked files of validation and test.
    drawn = [file for file in files_below(tmp_path / "cache") if file == "drawn.arrow"]
    assert len(drawn) == (0 if no_cache else 3)
    assert not list(tmp_path.rglob("unpacked"))
    assert not [file for file in files_below(constants.HF_HOME) if file.startswith("train-0")]


def test_a_second_start_fetches_nothing_of_train_and_works_offline(hub, cache, monkeypatch):
    push(hub, "again", rest={})
    first, since = load_splits(flags("again", cache_dir=cache)), len(hub.requests)
    assert load_splits(flags("again", cache_dir=cache)).data_hash == first.data_hash
    assert not asked_for_train(hub, since)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    since = len(hub.requests)
    assert load_splits(flags("again", cache_dir=cache)).data_hash == first.data_hash
    assert hub.requests[since:] == []
    with pytest.raises(InputError, match=rf"--dataset {USER}/again: no copy of it .*Unset HF_HUB_OFFLINE"):
        load_splits(flags("again", 61, cache_dir=cache))


def test_an_interrupted_draw_goes_on_with_the_next_file(hub, cache):
    push(hub, "broken")
    hub.fail("*", "train-00001", 404)
    with pytest.raises(InputError, match=f"{USER}/broken"):
        load_splits(flags("broken", cache_dir=cache))
    hub.recover()
    since = len(hub.requests)
    load_splits(flags("broken", cache_dir=cache))
    assert not any("train-00000" in path for path in asked_for_train(hub, since))


def test_what_a_killed_process_left_is_deleted(hub, cache):
    push(hub, "killed")
    left = Path(constants.HF_HUB_CACHE, ".locks", f"datasets--{USER}--killed", "streaming", "tmp", "train-00000.csv")
    left.parent.mkdir(parents=True)
    left.touch()
    load_splits(flags("killed", cache_dir=cache))
    assert not left.exists()


def test_two_that_draw_at_once_do_not_fetch_a_file_twice(hub, cache):
    push(hub, "both")
    since = len(hub.requests)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(find_tables, [flags("both", cache_dir=cache)] * 2))) == 2
    assert len(asked_for_train(hub, since)) == 3


def test_a_file_with_fewer_rows_than_its_share_gives_all_which_is_said(hub, cache, caplog):
    push(hub, "few", shards={"train-00000-of-00001": range(50)})
    assert load_splits(flags("few", 400, cache_dir=cache)).notes["rows"]["train"] == 50
    assert f"--max_train_samples 400: 50 rows came from {USER}/few" in caplog.text


def test_files_without_rows_are_said(hub, cache, caplog):
    push(hub, "empty", shards=SHARDS | {"train-00001-of-00003": range(0)})
    load_splits(flags("empty", 4000, cache_dir=cache))
    assert f"{USER}/empty: left out files without rows: 1 (data/train-00001-of-00003.csv)" in caplog.text
    push(hub, "nothing-in-it", shards={"train-00000-of-00001": range(0)})
    with pytest.raises(InputError, match="none of the 1 files of train has rows"):
        load_splits(flags("nothing-in-it", cache_dir=cache))


def test_a_file_of_which_no_row_is_drawn_is_not_fetched(hub, cache):
    push(hub, "one")
    since = len(hub.requests)
    source = find_tables(flags("one", 2, cache_dir=cache))
    assert source.drawn == "2 rows, drawn from 2 of 3 files, seed 42"
    assert len(asked_for_train(hub, since)) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_error_names_the_file_and_the_row_on_the_hub(hub, cache, kind):
    push(hub, f"place-{kind}", kind, shards={"train": range(100)})
    for _ in range(2):
        (table,) = find_tables(flags(f"place-{kind}", 30, cache_dir=cache)).tables["train"]
        assert table.source == f"{USER}/place-{kind}/data/train.{kind}"
        rows = [int(cell.split()[1]) for cell in table.columns["text"]]
        unit, first = {"csv": ("line", 2), "jsonl": ("line", 1), "parquet": ("row", 1)}[kind]
        assert [table.place(place) for place in range(30)] == [f"{table.source}, {unit} {row + first}" for row in rows]


def test_a_file_that_cannot_be_read_is_named_as_on_the_hub(hub, cache):
    hub.add(f"{USER}/damaged", {"train.csv": b"text,label\na,b\na,b,c\n"}, "dataset")
    with pytest.raises(InputError, match=rf"^{USER}/damaged/train.csv, line 3: "):
        load_splits(flags("damaged", cache_dir=cache))
    hub.add(f"{USER}/bomb", {"train.parquet": parquet_file([0] * 400_000)}, "dataset")
    with pytest.raises(InputError, match=rf"^{USER}/bomb/train.parquet: with it the data take more than 5 bytes"):
        load_splits(flags("bomb", cache_dir=cache, max_data_bytes=5))


def test_columns_of_any_type_are_as_in_the_whole_file(hub, tmp_path, monkeypatch):
    rows = [
        {"text": text(row), "label": (row % 2, str(row % 2))[row % 3 == 0], "place": [row, None], "number": {"a": row}}
        for row in range(90)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = pa.table(
        {"text": pa.array([text(row % 5) for row in range(90)]).dictionary_encode(), "label": [0, 1] * 45}
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=7)
    hub.add(f"{USER}/types", {"a/train.jsonl": lines}, "dataset")
    hub.add(f"{USER}/dictionaries", {"a/train.parquet": file.getvalue()}, "dataset")
    monkeypatch.setattr("sentiment_hf.data.streaming.BATCH_ROWS", 11)
    for name in ("types", "dictionaries"):
        (whole,) = find_tables(DataArguments(dataset_name=f"{USER}/{name}", no_cache=True)).tables["train"]
        for _ in range(2):
            (drawn,) = find_tables(flags(name, 90, cache_dir=str(tmp_path))).tables["train"]
            assert {column: cells[:] for column, cells in drawn.columns.items()} == {
                column: cells[:] for column, cells in whole.columns.items()
            }


def test_a_configuration_of_the_card_is_streamed(hub, cache):
    card = """---
configs:
- config_name: english
  sep: ";"
  data_files:
  - split: train
    path: en/part*.csv
  - split: test
    path: en/held.csv
- config_name: other
  data_files: other/*.csv
---
"""
    files = {
        f"en/part{n}.csv": csv_file(range(n * 50, n * 50 + 50)).replace(b",", b";").replace(b";label", b';"label"')
        for n in range(3)
    }
    files |= {
        "en/held.csv": b"text;label\na;neg\nb;pos\n",
        "other/x.csv": csv_file(range(9)),
        "README.md": card.encode(),
    }
    hub.add(f"{USER}/configured", files, "dataset")
    since = len(hub.requests)
    notes = load_splits(flags("configured", 40, cache_dir=cache, dataset_config_name="english")).notes
    assert (notes["rows"], notes["validation"][:4]) == ({"train": 36, "validation": 4, "test": 2}, "10 %")
    assert notes["csv"]["train"].startswith("delimiter ';'")
    assert not any("other" in path for _, path in hub.requests[since:])


def test_class_names_of_the_card_are_those_of_drawn_rows(hub, cache):
    card = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
          '1': good
---
"""
    file = "".join(json.dumps({"text": text(row), "label": row % 2}) + "\n" for row in range(80)).encode()
    hub.add(f"{USER}/named", {"train.jsonl": file, "README.md": card.encode()}, "dataset")
    assert load_splits(flags("named", cache_dir=cache)).task.labels == ("bad", "good")


def test_without_room_for_a_file_it_is_not_fetched(hub, cache, monkeypatch):
    push(hub, "room")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 3}))
    since = len(hub.requests)
    with pytest.raises(InputError, match=rf"--streaming: {USER}/room/data/train-0.* has room for 3; .* HF_HOME"):
        load_splits(flags("room", cache_dir=cache))
    assert not asked_for_train(hub, since)


def test_texts_in_folders_of_classes_are_refused(hub):
    texts = {f"train/{name}/{row}.txt": b"a text" for row in range(3) for name in NAMES}
    hub.add(f"{USER}/classed", texts, "dataset")
    with pytest.raises(InputError, match=rf"--streaming reads tables .* {USER}/classed is 6 files in folders"):
        load_splits(flags("classed"))


def test_other_data_and_an_open_number_are_refused(tmp_path):
    for named in ({"dataset_name": "sample"}, {"dataset_name": str(tmp_path)}, {"train_file": "x.csv"}):
        with pytest.raises(InputError, match=r"--streaming is for a data set of the Hub, and .* leave it out"):
            load_splits(DataArguments(streaming=True, max_train_samples=5, **named))
    with pytest.raises(InputError, match=r"--streaming .* add --max_train_samples N"):
        load_splits(DataArguments(streaming=True))


def sets_file(kind, rows):
    """Texts with lists of labels, a price, a country and a language."""
    sets = [[name for bit, name in enumerate(("a", "b", "c")) if row >> bit & 1] for row in rows]
    columns = {"text": [text(row) for row in rows], "label": sets, "price": [row / 2 for row in rows]}
    columns |= {
        "country": [("de", "fr", None)[row % 3] for row in rows],
        "lang": ["en" if row % 4 else "it" for row in rows],
    }
    if kind == "jsonl":
        lines = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()
    labels = datasets.List(datasets.ClassLabel(names=["a", "b", "c"]) if kind == "ids" else datasets.Value("string"))
    if kind == "ids":
        columns["label"] = [["abc".index(name) for name in found] for found in sets]
    kinds = {name: datasets.Value("string") for name in ("text", "country", "lang")}
    features = datasets.Features({**kinds, "label": labels, "price": datasets.Value("float64")})
    file = io.BytesIO()
    pq.write_table(datasets.Dataset.from_dict(columns, features).data.table, file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["jsonl", "names", "ids"])
def test_lists_of_labels_numbers_columns_and_languages_are_drawn_too(hub, cache, kind):
    name, suffix = f"sets-{kind}", "jsonl" if kind == "jsonl" else "parquet"
    hub.add(
        f"{USER}/{name}",
        {f"data/{part}.{suffix}": sets_file(kind, rows) for part, rows in (SHARDS | REST).items()},
        "dataset",
    )
    for _ in range(2):
        splits = load_splits(
            flags(name, cache_dir=cache, extra_column_names="price,country", language_column_name="lang")
        )
        assert (splits.task.name, splits.task.labels) == ("multi_label", ("a", "b", "c"))
        drawn = [int(found.split()[1]) for found in splits.train]
        assert splits.notes["rows"]["train"] == len(set(drawn)) == 60
        assert [sum(1 << bit for bit in range(3) if row[bit]) for row in splits.train.labels] == [
            row % 8 for row in drawn
        ]
        assert splits.train.extra.numbers[:, 0].tolist() == [row / 2 for row in drawn]
        assert splits.train.extra.categories[:, 0].tolist() == [(1, 2, 0)[row % 3] for row in drawn]
        assert splits.languages["test"].tolist() == ["en" if row % 4 else "it" for row in range(640, 680)]
    numbers = load_splits(flags(name, cache_dir=cache, task="regression", label_column_name="price"))
    assert numbers.train.labels.tolist() == [int(found.split()[1]) / 2 for found in numbers.train]
