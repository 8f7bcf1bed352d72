"""--language_column_name: validation and test are scored by language too, in the report, the card and the page."""

import csv
import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import read_report, reviews, run_baseline, run_flags, write_csv

from sentiment_hf.cli import compare_command, ensemble_command, run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.published import publish
from sentiment_hf.settings.arguments import DataArguments

CODES = ("en", "de", "", "fr")
NAMES = ("en", "de", "unknown", "fr")
FLAG = ("--language_column_name", "code")


def written(folder, codes=CODES):
    """The three parts, each with a column `code` in which `codes` take turns over pairs of rows."""
    for seed, (split, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        rows = [(*row, codes[index // 2 % len(codes)]) for index, row in enumerate(reviews(count, seed))]
        write_csv(folder / f"{split}.csv", rows, ("text", "label", "code"))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A neural model, a baseline, and the ensemble of both. Not to be changed."""
    home = tmp_path_factory.mktemp("languages")
    data, runs = written(home / "data"), [home / "out" / name for name in ("fc", "bayes", "both")]
    run_flags(data, runs[0], *FLAG, model="custom-fc")
    run_baseline(data, runs[1], "baseline-naive-bayes-bow", *FLAG)
    assert ensemble_command([*map(str, runs[:2]), "--output_dir", str(runs[2])]) == 0
    return runs


def test_every_row_counts_for_its_language(folders):
    for folder in folders:
        report = read_report(folder)
        for part, name in (("validation", "validation_predictions.parquet"), ("test", "predictions.parquet")):
            scores, table = report[part]["by_language"], pq.read_table(folder / name)
            rows = Counter(table["language"].to_pylist())
            assert {language: found["rows"] for language, found in scores.items()} == rows
            assert [found["rows"] for found in scores.values()] == sorted(rows.values(), reverse=True)
            assert set(rows) == set(NAMES)
            right = np.array(table["label"]) == np.array(table["prediction"])
            for language, found in scores.items():
                own = np.array(table["language"].to_pylist()) == language
                assert found["accuracy"] == pytest.approx(right[own].mean())
                assert "confusion" not in found


def test_the_languages_are_those_of_the_rows_also_where_parts_are_taken_from_train(tmp_path):
    data = written(tmp_path)
    flags = {"train_file": str(data / "train.csv"), "language_column_name": "code", "validation_size": 0.2}
    with (data / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    for more in ({}, {"max_eval_samples": 4, "max_predict_samples": 4}):
        splits = load_splits(DataArguments(**flags, **more))
        for part in ("validation", "test"):
            expected = [rows[row]["code"] or "unknown" for row in getattr(splits, part).rows]
            assert splits.languages[part].tolist() == expected


def test_the_card_and_the_screen_have_them(folders, capsys):
    card = (folders[0] / "README.md").read_text()
    assert "Test by language:" in card
    assert all(f"| {name} | " in card for name in NAMES)
    source = folders[0].parent.parent / "data"
    run_baseline(source, folders[1], "baseline-naive-bayes-bow", *FLAG)
    shown = read_report(folders[1])["test"]["by_language"]
    flags = [f"--{part}_file={source / part}.csv" for part in ("train", "validation", "test")]
    capsys.readouterr()
    assert run_command(["--model", "baseline-naive-bayes-bow", *flags, *FLAG, "--output_dir", str(folders[1])]) == 0
    out = capsys.readouterr().out
    assert all(f"{name}: accuracy {found['accuracy']:.2%}" in out for name, found in shown.items())


def test_the_page_has_them_without_the_data_and_of_published_runs_too(folders, tmp_path):
    publish(tmp_path / "published", folders)
    for name, sources in (("folders", folders), ("again", [tmp_path / "published"])):
        target = tmp_path / name
        assert compare_command([*map(str, sources), "--output_dir", str(target)]) == 0
        results = json.loads((target / "comparison" / "results.json").read_text())
        for model in results["models"]:
            found = {one["value"]: (one["rows"], one["accuracy"]["value"]) for one in model["by_column"]["code"]}
            by_language = read_report(folders[0].parent / model["name"])["test"]["by_language"]
            assert found == {name: (one["rows"], pytest.approx(one["accuracy"])) for name, one in by_language.items()}
        assert "column “code”" in (target / "comparison" / "report.html").read_text()
    own, kept = (load_runs(found)[0].languages for found in (folders, [tmp_path / "published"]))
    assert {part: list(rows) for part, rows in own.items()} == {part: list(rows) for part, rows in kept.items()}


def test_a_part_without_the_column_and_one_of_other_things_are_refused(tmp_path):
    data = written(tmp_path)
    files = {f"{part}_file": str(data / f"{part}.csv") for part in ("train", "validation", "test")}
    with pytest.raises(InputError, match=r"train\.csv has no column 'cod', did you mean 'code'.*see --language_col"):
        load_splits(DataArguments(**files | {"test_file": None, "validation_file": None}, language_column_name="cod"))
    write_csv(data / "test.csv", reviews(22, 2))
    with pytest.raises(InputError, match=r"test\.csv has no column 'code'"):
        load_splits(DataArguments(**files, language_column_name="code"))
    rows = [(text, label, str(index)) for index, (text, label) in enumerate(reviews(240, 2))]
    write_csv(data / "test.csv", rows, ("text", "label", "code"))
    with pytest.raises(InputError, match="240 different values there; expected at most 200 languages"):
        load_splits(DataArguments(**files, language_column_name="code"))
