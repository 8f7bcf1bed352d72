"""A folder of data is read whole whatever its name; what is no data is left out with a word."""

import json
import logging
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict
from helpers import reviews, write_csv

from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.settings.arguments import DataArguments

ROWS = [(f"text number {row}", "pos" if row % 2 else "neg") for row in range(60)]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.WARNING)


def texts_of(folder, rows=ROWS, suffix=".txt"):
    for number, (text, label) in enumerate(rows):
        Path(folder, label).mkdir(parents=True, exist_ok=True)
        Path(folder, label, f"{number}{suffix}").write_text(text)


def write(name, content=""):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content)


def load(**named):
    return load_splits(DataArguments(**named))


def count(splits):
    return sum(splits.notes["rows"].values())


def rows_of(**named):
    """How many rows are read from the folder `data` by --dataset."""
    return load(dataset_name="data", **named).notes["rows"]


# Folders of texts


@pytest.mark.parametrize("suffix", [".txt", ".TXT", ".text", ".md", "", ".49960"])
def test_a_text_may_have_any_usual_suffix(suffix):
    texts_of("texts", suffix=suffix)
    assert count(load(train_file="texts")) == 60


def test_all_suffixes_are_read_together_and_all_else_is_said(caplog):
    texts_of("texts", ROWS[:30])
    texts_of("texts", ROWS[30:], suffix=".TXT")
    for name in ("pos/picture.png", "neg/README.md", "notes.txt"):
        write(f"texts/{name}")
    splits = load(train_file="texts")
    assert count(splits) == 60
    assert (
        "texts: left out files that are no text of a class: 3 (neg/README.md, notes.txt, pos/picture.png)"
        in caplog.text
    )


def test_texts_in_deeper_folders_belong_to_the_class_and_are_said(caplog):
    texts_of("texts", ROWS[:40])
    for number, (text, label) in enumerate(ROWS[40:]):
        write(f"texts/{label}/2024/more/{number}.txt", text)
    splits = load(train_file="texts")
    assert (count(splits), splits.task.labels) == (60, ("neg", "pos"))
    assert "20 texts in folders below" in caplog.text


def test_texts_that_all_lie_deeper_are_refused_with_their_place():
    texts_of("texts/english")
    texts_of("texts/german")
    with pytest.raises(InputError, match=r"the texts lie deeper, as in english/neg/0.txt"):
        load(train_file="texts")


@pytest.mark.parametrize("part", ["train", "test"])
def test_hidden_files_and_litter_are_no_class_and_no_text(caplog, part):
    texts_of("data/train")
    texts_of("data/test")
    for name in (
        ".ipynb_checkpoints/1.txt",
        "__MACOSX/pos/._1.txt",
        "pos/._1.txt",
        "pos/.DS_Store",
        "neg/desktop.ini",
    ):
        write(f"data/{part}/{name}", "no text")
    splits = load(dataset_name="data")
    assert splits.task.labels == ("neg", "pos")
    assert (count(splits), len(splits.test)) == (120, 60)
    assert f"data: left out hidden files or folders: 1 ({part}/.ipynb_checkpoints)" in caplog.text


def test_a_data_set_of_parts_is_no_train_file():
    texts_of("texts/train")
    texts_of("texts/test")
    write_csv(Path("tables/train.csv"), ROWS)
    write_csv(Path("tables/test.csv"), ROWS)
    for folder in ("texts", "tables"):
        with pytest.raises(InputError, match=rf"--train_file {folder} has several parts \(test, train\).*--dataset"):
            load(train_file=folder)


# Output in the folder of the data


def test_the_output_of_runs_in_the_data_folder_is_no_data(tmp_path, monkeypatch, capsys):
    write_csv(tmp_path / "train.csv", reviews(60, 0))
    write_csv(tmp_path / "test.csv", reviews(20, 1))
    argv = ["--dataset", ".", "--max_steps", "2", "--disable_tqdm", "true", "--num_cpu_threads", "1", "--model"]
    assert run_command([*argv, "custom-fc"]) == 0
    first = capsys.readouterr().out
    (report,) = tmp_path.glob("out/*/custom-fc/report.json")
    # As after SIGKILL in the test phase.
    report.unlink()
    assert run_command([*argv, "custom-fc"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == first.splitlines()[-1]
    assert run_command([*argv, "custom-attention"]) == 0
    write("out/comparison/results.json", "{}")
    write("out/comparison/results.csv", "model\n")
    assert load(dataset_name=".").notes["rows"] == {"train": 54, "validation": 6, "test": 20}


# Names


@pytest.mark.parametrize(
    "name", ["[v2] final", "set[12]", "a*b", "what?", "{x}", "a::b", "50%20off", "c#", "a,b", "-x"]
)
def test_a_folder_may_have_any_name(name):
    write_csv(Path("set1/train.csv"), ROWS[:20])
    write_csv(Path(name, "train.csv"), ROWS)
    Path(name, "data").mkdir()
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["pos", "neg"]}), Path(name, "data/test.parquet").resolve())
    assert load(dataset_name=f"./{name}").notes["rows"] == {"train": 54, "validation": 6, "test": 2}


@pytest.mark.parametrize(
    "copy",
    ["train (1)", "train_old", "train - Copy", "train copy 2", "Copy of train", "train 2", "train.bak", "train-v2"],
)
def test_a_second_copy_is_left_out_with_a_word(caplog, copy):
    write_csv(Path("data/train.csv"), ROWS)
    write_csv(Path(f"data/{copy}.csv"), ROWS)
    assert sum(rows_of().values()) == 60
    assert "left out parts (--train_split" in caplog.text
    assert f"({copy.removesuffix(' 2') if 'copy' in copy else copy})" in caplog.text


@pytest.mark.parametrize("copy", ["reviews (1)", "reviews_old", "reviews - Copy", "Copy of reviews", "reviews 2"])
def test_a_second_copy_of_a_single_table_is_left_out_with_a_word(caplog, copy):
    write_csv(Path("data/reviews.csv"), ROWS)
    write_csv(Path(f"data/{copy}.csv"), ROWS)
    assert sum(rows_of().values()) == count(load(train_file="data")) == 60
    assert f"left out second copies of a file: 1 ({copy}.csv)" in caplog.text


def test_a_part_in_an_upper_folder_is_taken_and_those_below_are_said(caplog):
    write_csv(Path("data/train.csv"), ROWS)
    write_csv(Path("data/backup/train.csv"), ROWS[:10])
    assert sum(rows_of().values()) == 60
    assert "(backup/train)" in caplog.text


def test_a_part_of_another_folder_is_said(caplog):
    write_csv(Path("data/train.csv"), ROWS)
    write_csv(Path("data/more/test.csv"), ROWS[:10])
    assert rows_of()["test"] == 10
    assert "test is more/test, from another folder than train" in caplog.text


def test_parts_that_could_both_be_train_are_listed_with_the_flag():
    for language in ("de", "en"):
        write_csv(Path(f"data/{language}/train.csv"), ROWS)
        write_csv(Path(f"data/{language}/test.csv"), ROWS[:10])
    with pytest.raises(InputError, match=r"de/test, de/train, en/test, en/train. --train_split"):
        rows_of()
    assert rows_of(train_split_name="en/train", test_split_name="en/test")["test"] == 10


def test_numbered_files_are_one_table_and_said(caplog):
    for number in range(12):
        write_csv(Path(f"parts/part-{number}.csv"), ROWS[5 * number : 5 * number + 5])
    splits = load(train_file="parts", test_file="parts")
    assert splits.test.texts == [text for text, _ in ROWS]
    assert "parts is read from 12 files (part-0.csv, part-1.csv, part-2.csv, ...)" in caplog.text
    Path("data").mkdir()
    Path("parts").rename("data/train")
    assert sum(rows_of().values()) == 60


def test_a_missing_piece_of_a_part_is_said():
    for number in (0, 2):
        write_csv(Path(f"data/train-{number:05}-of-00003.csv"), ROWS)
    with pytest.raises(InputError, match=r"2 of the 3 files of the part train are there"):
        rows_of()


def test_a_test_in_a_format_that_is_not_read_is_said(caplog):
    write_csv(Path("data/train.csv"), ROWS)
    write("data/test.xlsx")
    assert sum(rows_of().values()) == 60
    assert "left out files named like a part but not read: 1 (test.xlsx)" in caplog.text


def test_parts_of_other_names_are_listed_and_taken_by_flags(caplog):
    names = {"train_sft": 60, "test_sft": 20, "train_gen": 4}
    DatasetDict(
        {name: Dataset.from_list([{"text": t, "label": c} for t, c in ROWS[:n]]) for name, n in names.items()}
    ).save_to_disk("data")
    with pytest.raises(
        InputError, match=r"^--dataset data has no part named train.*train_sft, test_sft, train_gen.*--train_split"
    ):
        rows_of()
    assert rows_of(train_split_name="train_sft", test_split_name="test_sft") == {
        "train": 54,
        "validation": 6,
        "test": 20,
    }
    assert "left out parts (--train_split" in caplog.text
    with pytest.raises(InputError, match=r"--validation_split_name dev: data has no such part; it has train_sft"):
        rows_of(train_split_name="train_sft", validation_split_name="dev")


def test_a_flag_for_a_part_is_refused_where_there_are_none():
    with pytest.raises(InputError, match=r"--train_split_name is for a folder or a data set of the Hub"):
        load(dataset_name="sample", train_split_name="train")


def test_the_names_of_parts_may_be_in_capitals():
    write_csv(Path("data/Train.csv"), ROWS)
    write_csv(Path("data/TEST.CSV"), ROWS[:10])
    assert rows_of()["test"] == 10


# Links


def snapshot(target):
    """A file of the Hub's cache: a link beside the blobs."""
    home = Path("cache/datasets--me--rev")
    (home / "blobs").mkdir(parents=True)
    (home / "snapshots/abc/data").mkdir(parents=True)
    write_csv(home / "blobs/0a1b", ROWS)
    write_csv(Path("elsewhere.csv"), ROWS)
    os.symlink(target, home / "snapshots/abc/data/train.csv")
    return home / "snapshots/abc"


@pytest.mark.parametrize("below", ["", "data"])
def test_a_folder_of_the_cache_of_the_hub_is_data(below):
    folder = snapshot("../../../blobs/0a1b")
    assert count(load(dataset_name=str(folder / below))) == 60


def test_a_link_out_of_the_cache_of_the_hub_is_refused():
    folder = snapshot("../../../../../elsewhere.csv")
    with pytest.raises(InputError, match="outside of"):
        load(dataset_name=str(folder))


def test_blobs_that_are_a_link_themselves_are_refused():
    folder = snapshot("../../../blobs/0a1b")
    blobs = folder.parent.parent / "blobs"
    blobs.rename("elsewhere")
    blobs.symlink_to(Path("elsewhere").resolve())
    with pytest.raises(InputError, match="outside of"):
        load(dataset_name=str(folder))


def test_links_between_folders_of_the_data_are_followed_once(caplog):
    texts_of("texts")
    Path("texts/pos/again").symlink_to("..", target_is_directory=True)
    Path("texts/gone.txt").symlink_to("nowhere")
    assert count(load(train_file="texts")) == 60
    assert "left out links that lead nowhere: 1 (gone.txt)" in caplog.text


# The card of a folder


def test_the_classes_and_files_of_a_card_are_those_of_the_folder():
    info = {"config_name": "default", "features": [{"name": "text", "dtype": "string"}]}
    info["features"].append({"name": "label", "dtype": {"class_label": {"names": {"0": "bad", "1": "good"}}}})
    configs = [{"config_name": "default", "data_files": [{"split": "train", "path": "all/*[0-9].parquet"}]}]
    write("[x]/README.md", f"---\n{json.dumps({'configs': configs, 'dataset_info': info})}\n---\n# A card\n")
    Path("[x]/all").mkdir()
    Dataset.from_dict({"text": [t for t, _ in ROWS], "label": [0, 1] * 30}).to_parquet("[x]/all/a1.parquet")
    splits = load(dataset_name="[x]")
    assert (splits.task.labels, count(splits)) == (("bad", "good"), 60)


@pytest.mark.parametrize("cells", [("0", "1"), ("bad", "good"), ("0", "good")])
def test_texts_in_a_csv_file_are_numbers_or_names_of_the_classes_in_its_card(cells):
    info = {"features": [{"name": "label", "dtype": {"class_label": {"names": {"0": "bad", "1": "good"}}}}]}
    write("data/README.md", f"---\n{json.dumps({'dataset_info': info})}\n---\n")
    write_csv(Path("data/train.csv"), [(text, cells[row % 2]) for row, (text, _) in enumerate(ROWS)])
    splits = load(dataset_name="data")
    assert (splits.task.labels, count(splits)) == (("bad", "good"), 60)
    write_csv(Path("data/train.csv"), [("a text", "2"), *ROWS])
    with pytest.raises(InputError, match=r"line 2: 'label' is '2', and the 2 classes are bad, good, or"):
        load(dataset_name="data")


@pytest.mark.parametrize("names", ["nothing.csv", "/etc/*.csv", "https://example.org/a.csv", "../*.csv"])
def test_a_card_that_names_other_files_is_refused(names):
    write_csv(Path("data/train.csv"), ROWS)
    write("data/README.md", f"---\nconfigs:\n- config_name: default\n  data_files: '{names}'\n---\n")
    with pytest.raises(InputError, match=r"README.md names "):
        rows_of()


def test_a_readme_that_is_no_card_is_not_read():
    write_csv(Path("data/train.csv"), ROWS)
    Path("data/README.md").write_bytes(b"Donn\xe9es")
    assert sum(rows_of().values()) == 60


def test_a_message_with_long_names_is_short():
    for number in range(40):
        write_csv(Path(f"data/{'a' * 100}{number}/train.csv"), ROWS[:2])
    with pytest.raises(InputError) as error:
        rows_of()
    assert len(str(error.value)) <= 500


# Identity


def test_the_same_rows_under_another_path_are_the_same_run(tmp_path, caplog):
    write_csv(tmp_path / "a/reviews.csv", reviews(60, 0))
    argv = ["--model", "baseline-majority", "--output_dir", "out"]
    assert run_command([*argv, "--train_file", "a/reviews.csv"]) == 0
    Path("a").rename("b")
    assert run_command([*argv, "--train_file", str(tmp_path / "b/reviews.csv")]) == 0
    assert "holds this run already" in caplog.text
    write_csv(tmp_path / "b/reviews.csv", reviews(60, 1))
    assert run_command([*argv, "--train_file", "b/reviews.csv"]) == 2


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_a_file_without_rows_among_the_files_of_a_table_is_left_out_and_said(caplog, content):
    write_csv(Path("parts/part-0.csv"), ROWS)
    write("parts/part-1.csv", content)
    assert count(load(train_file="parts")) == 60
    assert "left out files without rows: 1 (part-1.csv)" in caplog.text
    write("parts/part-0.csv", content)
    with pytest.raises(InputError, match="none of its 2 files has rows"):
        load(train_file="parts")


def test_a_packed_train_is_named_where_train_is_missing(caplog):
    write_csv(Path("data/test.csv"), ROWS)
    write("data/train.csv.gz", "packed")
    with pytest.raises(InputError, match="no part named train"):
        rows_of()
    assert "named like a part but not read: 1 (train.csv.gz)" in caplog.text
