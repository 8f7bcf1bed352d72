"""`--redact` comes before all that is made of rows, whatever they are read from, and no cache has others."""

import datasets
import pandas as pd
import pytest
from loopback_hub import USER

from sentiment_hf.data import row_pieces, unpacking
from sentiment_hf.data.splits import load_splits, load_test_columns
from sentiment_hf.settings.arguments import DataArguments

SECRET = "zora@secretmail.example"
ROWS = pd.DataFrame(
    {
        "text": [f"text {number} by {SECRET}" for number in range(40)],
        "label": ["bad", "good"] * 20,
        "team": [f"team{number // 4}@secretmail.example" for number in range(40)],
        "tags": [[f"from {SECRET}", "late"]] * 40,
        "number": range(40),
    }
)
FLAT = ROWS.drop(columns="tags")


@pytest.fixture(autouse=True)
def no_file_is_too_small_for_the_cache(monkeypatch):
    monkeypatch.setattr(row_pieces, "LARGE", 0)
    monkeypatch.setattr(unpacking, "LARGE", 0)


def of_file(kind, folder):
    """A file of this kind, as a flag."""
    path = folder / f"train.{kind}"
    write = {"csv": FLAT.to_csv, "parquet": ROWS.to_parquet, "jsonl": ROWS.to_json}[kind]
    write(path, orient="records", lines=True) if kind == "jsonl" else write(path, index=False)
    return {"train_file": str(path)}


def of_classes(folder):
    """A folder of texts for each class."""
    for number, (text, label) in enumerate(zip(ROWS["text"], ROWS["label"], strict=True)):
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{number}.txt").write_text(text)
    return {"train_file": str(folder)}


def of_datasets(folder):
    """A folder by `save_to_disk`, whose files are mapped into memory."""
    datasets.Dataset.from_pandas(ROWS).save_to_disk(folder / "saved")
    return {"dataset_name": str(folder / "saved")}


SOURCES = {kind: lambda folder, kind=kind: of_file(kind, folder) for kind in ("csv", "parquet", "jsonl")}
SOURCES |= {"classes": of_classes, "datasets": of_datasets}


def secrets_below(folder):
    return [path.name for path in folder.rglob("*") if path.is_file() and b"secretmail" in path.read_bytes()]


@pytest.mark.parametrize("source", SOURCES)
def test_texts_are_redacted_whatever_they_are_read_from(source, tmp_path):
    home, cache = tmp_path / "data", tmp_path / "cache"
    home.mkdir()
    args = SOURCES[source](home) | {"cache_dir": str(cache)}
    if source in ("csv", "parquet", "jsonl"):
        # The control: the cache has the rows of a large file.
        load_splits(DataArguments(**args))
        assert secrets_below(cache)
        args["cache_dir"] = str(tmp_path / "other")
    splits = load_splits(DataArguments(**args, redact=True))
    texts = [text for part in (splits.train, splits.validation, splits.test) for text in part]
    assert sorted(text.split()[1] for text in texts) == sorted(map(str, range(40)))
    assert all(text.endswith(" by [EMAIL]") for text in texts)
    assert sum(found["EMAIL"] for found in splits.notes["redacted"].values()) == 40
    assert not secrets_below(tmp_path / "other")


def test_rows_drawn_from_the_hub_are_kept_in_no_cache(hub, tmp_path):
    name, content = f"{USER}/redacted", FLAT.to_csv(index=False).encode()
    hub.add(name, {"data/train-00000-of-00001.csv": content}, "dataset")
    args = {"dataset_name": name, "streaming": True, "max_train_samples": 30}
    load_splits(DataArguments(**args, cache_dir=str(tmp_path / "plain")))
    assert secrets_below(tmp_path / "plain")
    splits = load_splits(DataArguments(**args, cache_dir=str(tmp_path / "redacted"), redact=True))
    assert all(text.endswith(" by [EMAIL]") for text in splits.train)
    assert not secrets_below(tmp_path)[1:]
    assert not secrets_below(tmp_path / "redacted")


@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_texts_without_labels_are_redacted(suffix, tmp_path):
    args = of_file("csv", tmp_path)
    alone = tmp_path / f"alone.{suffix}"
    texts = [f"alone {number} by {SECRET}" for number in range(5)]
    # Twice the same, of which one is left out and not counted.
    alone.write_text("\n".join([*(["text"] if suffix == "csv" else []), *texts, texts[0], ""]))
    cache = {"cache_dir": str(tmp_path / "cache")}
    splits = load_splits(DataArguments(**args, **cache, unlabelled_file=str(alone), redact=True))
    assert splits.unlabelled.texts == [f"alone {number} by [EMAIL]" for number in range(5)]
    assert splits.notes["unlabelled"]["redacted"] == {"EMAIL": 5}
    assert not secrets_below(tmp_path / "cache")


def test_columns_that_group_test_rows_are_redacted_and_groups_are_not_shown(tmp_path):
    args = of_file("parquet", tmp_path) | {"no_cache": True, "redact": True}
    splits, columns = load_test_columns(DataArguments(**args), None)
    assert list(columns["team"]) == ["[EMAIL]"] * len(splits.test)
    assert list(columns["tags"]) == [["from [EMAIL]", "late"]] * len(splits.test)
    numbers = [int(text.split()[1]) for text in splits.test]
    assert list(columns["number"]) == numbers
    more = tmp_path / "more.csv"
    pd.DataFrame({"who": [SECRET] * 40}).to_csv(more, index=False)
    splits, columns = load_test_columns(DataArguments(**args, group_column_name="team"), str(more))
    assert list(columns["who"]) == ["[EMAIL]"] * len(splits.test)
    assert "team" not in columns


def test_equal_texts_are_those_that_are_equal_after_it(tmp_path):
    rows = [(f"write to {name}@example.com", label) for name in ("ann", "bob") for label in ("good", "bad")] * 5
    path = tmp_path / "train.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    args = {"train_file": str(path), "no_cache": True}
    plain, redacted = (load_splits(DataArguments(**args, redact=redact)) for redact in (False, True))
    assert len(set(plain.train.texts)) == 2
    assert set(redacted.train.texts) == {"write to [EMAIL]"}
    assert redacted.notes["duplicates"]["within_train"] == len(redacted.train) - 1
    assert plain.test_hash != redacted.test_hash
