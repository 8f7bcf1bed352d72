"""Folders of finished runs become one dictionary that says what each model is worth; other data is refused."""

import csv
import json
import shutil
import statistics
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from helpers import flags, is_json, read_report, run_baseline, run_flags, write_csv, write_data

from sentiment_hf.common.class_names import sorted_names
from sentiment_hf.common.errors import InputError
from sentiment_hf.comparison.statistics import rows as test_part
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.data.splits import load_splits, load_test_columns
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.settings.run_flags import parse_run

IMDB = Path(__file__).parents[2] / "results" / "imdb"
SCORES = ("accuracy", "f1_macro", "log_loss", "calibration_error")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Whose test rows have a place and a serial number too."""
    folder = write_data(tmp_path_factory.mktemp("data"))
    with (folder / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cells = [(row["text"], row["label"], "home" if i % 3 else "away", f"number {i}") for i, row in enumerate(rows)]
    write_csv(folder / "test.csv", cells, ("text", "label", "place", "serial"))
    return folder


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """Two models, two seeds each, and one seed of the first on a fifth of the training rows."""
    folder = tmp_path_factory.mktemp("out") / "tiny"
    for model in ("custom-fc", "custom-gru"):
        for seed in (0, 1):
            run_flags(data, folder / f"{model}-seed{seed}", "--seed", seed, "--learning_rate", 0.05, model=model)
    run_flags(
        data,
        folder / "custom-fc-few-seed0",
        "--seed",
        0,
        "--max_train_samples",
        8,
        "--learning_rate",
        0.05,
        model="custom-fc",
    )
    return sorted(folder.iterdir())


def rows_of(args: DataArguments, rows_file: str | None) -> test_part.TestRows:
    return test_part.test_rows(*load_test_columns(args, rows_file))


@pytest.fixture(scope="module")
def rows(data):
    """The test part as the flags of the runs name it."""
    return rows_of(parse_run(flags(data, data / "unused")).data, None)


@pytest.fixture(scope="module")
def compared(folders, rows):
    return compare(load_runs(folders), rows)


@pytest.fixture
def copies(folders, tmp_path):
    """Copies of the folders, to be changed."""
    return [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in folders]


def change_report(folder: Path, **changes) -> None:
    (folder / "report.json").write_text(json.dumps(read_report(folder) | changes))


def set_validation(folder: Path, accuracy: float) -> None:
    """A validation score without the predictions that it is from."""
    change_report(folder, validation=read_report(folder)["validation"] | {"accuracy": accuracy})
    (folder / "validation_predictions.parquet").unlink()


def test_seeds_of_a_model_are_one_row_and_a_sample_of_train_is_a_point_of_its_curve(compared):
    models = {model["name"]: model for model in compared["models"]}
    assert models.keys() == {"custom-fc", "custom-gru"}
    assert all(model["seeds"] == [0, 1] and not model["single_seed"] for model in models.values())
    assert models["custom-fc"]["folders"] == ["tiny/custom-fc-seed0", "tiny/custom-fc-seed1"]
    (curve,) = compared["learning_curve"]
    assert (curve["name"], curve["kind"]) == ("custom-fc", "scratch")
    assert [point["train_rows"] for point in curve["points"]] == [8, 40]
    assert curve["points"][1]["accuracy"] == models["custom-fc"]["accuracy"]


def test_the_numbers_are_those_of_the_reports(compared, folders):
    for model in compared["models"]:
        reports = [
            read_report(folder) for folder in folders if f"{folder.parent.name}/{folder.name}" in model["folders"]
        ]
        tests = [report["test"] for report in reports]
        assert model["accuracy_by_seed"] == pytest.approx([test["accuracy"] for test in tests])
        for name, saved in zip(SCORES[:3], ("accuracy", "f1_macro", "loss"), strict=True):
            assert model[name]["value"] == pytest.approx(sum(test[saved] for test in tests) / 2, rel=2e-3)
        validated = [report["validation"]["accuracy"] for report in reports]
        assert model["validation"]["value"] == pytest.approx(sum(validated) / 2)
        lower = min(range(2), key=validated.__getitem__)
        assert model["confusion"] == tests[lower]["confusion"]
        assert model["parameters"] == reports[0]["parameters"]
        assert model["train_minutes"] == pytest.approx(sum(report["total_seconds"] for report in reports) / 120)
        assert model["bytes_on_disk"] > (folders[0] / "model.safetensors").stat().st_size / 10
    assert compared["rows"] == {"train": 40, "validation": 14, "test": 22}
    assert compared["labels"] == ["negative", "positive"]


def test_a_seed_that_was_made_beside_others_marks_its_model_and_its_ensemble(copies, tmp_path):
    beside = next(folder for folder in copies if folder.name == "custom-fc-seed0")
    change_report(beside, side_by_side=3)
    found = compare(load_runs(copies), None)
    marks = {model["name"]: model.get("side_by_side") for model in found["models"]}
    assert marks == {"custom-fc": 3, "custom-gru": None}
    assert found["pareto"]["train_minutes"] == ["custom-gru"]
    members = [beside, beside.with_name("custom-gru-seed0")]
    assert make_ensemble(members, str(tmp_path / "both"), "mean", overwrite=False).side_by_side == 3


def test_every_interval_holds_its_value_and_all_is_json(compared):
    for model in compared["models"]:
        for name in SCORES:
            assert 0 <= model[name]["low"] <= model[name]["value"] <= model[name]["high"], name
    assert is_json(compared)


def test_the_curve_is_what_was_logged(compared):
    for model in compared["models"]:
        evaluated = [point for point in model["curve"] if point["validation_accuracy"] is not None]
        assert [point["step"] for point in evaluated] == [5, 10]
        assert all(point["validation_loss"] > 0 for point in evaluated)


def test_accuracy_by_length_and_by_column_covers_every_row(compared, rows):
    assert list(rows.columns) == ["place"], "a column with a value of its own per row groups nothing"
    for model in compared["models"]:
        assert sum(part["rows"] for part in model["by_length"]) == 22
        assert [(part["value"], part["rows"]) for part in model["by_column"]["place"]] == [("away", 8), ("home", 14)]
        right = sum(part["rows"] * part["accuracy"]["value"] for part in model["by_column"]["place"])
        assert right / 22 == pytest.approx(model["accuracy"]["value"])


def test_rows_are_shown_with_their_text_or_without_any(folders, rows, data, tmp_path):
    # Two that differ: a lexicon does not know all of the telling words, words by their counts tell all texts.
    names = ["baseline-lexicon", "baseline-nb-svm"]
    for name in names:
        run_baseline(data, tmp_path / f"{name}-seed0", name, "--seed", 0)
    runs = load_runs([*folders, *(tmp_path / f"{name}-seed0" for name in names)])
    with (data / "test.csv").open(newline="", encoding="utf-8") as file:
        texts = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    disagreements = compare(runs, rows)["disagreements"]
    assert disagreements
    for found in disagreements:
        assert (found["text"], found["label"]) == texts[found["row"]]
        assert len(set(found["predictions"].values())) == 2
    without = compare(runs, None)
    assert all(row["text"] is None for row in without["disagreements"] + without["label_errors"])
    assert all(model["by_length"] == [] and model["by_column"] == {} for model in without["models"])


def test_one_model_alone_is_described(folders):
    result = compare(load_runs(folders[-1:]), None)
    assert (result["pairs"], result["learning_curve"], result["disagreements"]) == ([],) * 3
    errors = result["label_errors"]
    assert len(errors) == round(result["rows"]["test"] * (1 - result["models"][0]["accuracy"]["value"]))
    assert [row["probability"] for row in errors] == sorted((row["probability"] for row in errors), reverse=True)
    assert result["groups"] == [["custom-gru"]]
    assert result["models"][0]["single_seed"]
    assert result["advice"][0].endswith("; the most frequent class has 50.0%.")


def test_a_model_beside_its_copy_cannot_be_told_apart(folders, tmp_path):
    copy = shutil.copytree(folders[-1], tmp_path / "other-gru")
    change_report(copy, truncation="tail")
    result = compare(load_runs([folders[-1], copy]), None)
    assert [model["name"] for model in result["models"]] == ["custom-gru", "other-gru"]
    (pair,) = result["pairs"]
    assert (pair["p"], pair["p_holm"], pair["f1_p"], pair["differs"]) == (1, 1, 1, False)
    assert result["groups"] == [["custom-gru", "other-gru"]]


def test_the_same_seed_twice_is_refused_whatever_the_folders_are_called(folders, tmp_path):
    for name in (folders[-1].name, "another-name"):
        twin = shutil.copytree(folders[-1], tmp_path / "elsewhere" / name)
        with pytest.raises(
            InputError, match=r"same model with the same seed, 1, and the same settings; leave one out"
        ):
            compare(load_runs([folders[-1], twin]), None)
    assert len(load_runs([folders[-1], folders[-1]])) == 1


def test_seeds_are_known_by_what_the_runs_say_and_not_by_their_folders(folders, tmp_path):
    first, second = (
        Path(shutil.copytree(folder, tmp_path / name)) for folder, name in zip(folders[-2:], "ab", strict=True)
    )
    (model,) = compare(load_runs([first, second]), None)["models"]
    assert model["seeds"] == [0, 1]
    change_report(second, flags=read_report(second)["flags"] | {"learning_rate": 0.1})
    assert len(compare(load_runs([first, second]), None)["models"]) == 2


def test_seeds_of_runs_before_the_flags_were_kept_are_known_by_their_commands(copies):
    first, second = copies[-2:]
    words = "sentiment-hf run --model custom-gru --dataset {data} --seed {seed} --output_dir out/{seed} {more}"
    for seed, folder in enumerate((first, second)):
        change_report(folder, flags=None, command=words.format(data=f"data{seed}", seed=seed, more=""))
    assert len(compare(load_runs([first, second]), None)["models"]) == 1
    change_report(second, command=words.format(data="data1", seed=1, more="--learning_rate=1"))
    assert len(compare(load_runs([first, second]), None)["models"]) == 2


def test_the_run_of_median_validation_stands_for_its_seeds_and_test_has_no_say(copies):
    first, second = copies[-2:]
    reports = [read_report(folder) for folder in (first, second)]
    set_validation(first, 0.9)
    set_validation(second, 0.8)
    (model,) = compare(load_runs([first, second]), None)["models"]
    assert model["confusion"] == reports[1]["test"]["confusion"]


def test_models_are_sorted_by_validation_and_those_without_come_last(copies):
    by_name = {path.name: path for path in copies}
    set_validation(by_name["custom-fc-seed0"], 0.5)
    set_validation(by_name["custom-gru-seed0"], 0.6)
    pair = [by_name["custom-fc-seed0"], by_name["custom-gru-seed0"]]
    assert [model["name"] for model in compare(load_runs(pair), None)["models"]] == ["custom-gru", "custom-fc"]
    change_report(by_name["custom-gru-seed0"], validation=None)
    found = compare(load_runs(pair), None)
    assert [model["name"] for model in found["models"]] == ["custom-fc", "custom-gru"]
    assert found["models"][1]["validation"] is None
    assert "custom-gru was not scored on validation" in found["advice"][-1]


def test_one_seed_of_a_model_makes_no_claim_about_its_method_and_one_of_a_baseline_does(folders, data, tmp_path):
    run_baseline(data, tmp_path / "lexicon", "baseline-lexicon", "--seed", 0)
    by_name = {folder.name: folder for folder in folders}
    seeds = [by_name[f"custom-gru-seed{seed}"] for seed in (0, 1)]
    found = compare(load_runs([by_name["custom-fc-seed0"], *seeds, tmp_path / "lexicon"]), None)
    claims = {frozenset((pair["a"], pair["b"])): pair["claim"] for pair in found["pairs"]}
    assert claims[frozenset(("custom-gru", "lexicon"))] == "methods"
    assert claims[frozenset(("custom-fc", "lexicon"))] == "trained models"
    for pair in found["pairs"]:
        if pair["claim"] == "trained models":
            assert pair["p"] == pair["mcnemar_p"]


def test_models_of_one_name_get_the_folder_above(copies, tmp_path):
    other = shutil.copytree(copies[-1], tmp_path / "longer" / copies[-1].name)
    change_report(other, max_seq_length=7)
    names = {model["name"] for model in compare(load_runs([copies[-1], other]), None)["models"]}
    assert names == {f"{tmp_path.name}/custom-gru", "longer/custom-gru"}


def test_speed_is_read_where_it_was_measured(copies):
    speed = {"texts_per_second_one_core": 120.0, "texts_per_second_all_cores": 200.0, "cores": 2}
    speed |= {"latency_p50_ms": 5.0, "latency_p95_ms": 9.0, "rows": 1000, "bytes_on_disk": 4321}
    (copies[-1] / "inference.json").write_text(json.dumps(speed))
    result = compare(load_runs(copies), None)
    assert {model["name"]: model["inference"] for model in result["models"]} == {
        "custom-gru": speed,
        "custom-fc": None,
    }
    assert result["pareto"]["inference"] == ["custom-gru"]
    assert {model["name"]: model["bytes_on_disk"] for model in result["models"]}["custom-gru"] == 4321


def test_classes_in_another_order_are_matched_by_name(folders, copies):
    path = copies[-1] / "predictions.parquet"
    table = pq.read_table(path).to_pydict()
    for name in ("label", "prediction"):
        table[name] = [1 - value for value in table[name]]
    pq.write_table(pa.table(table), path)
    change_report(copies[-1], labels=["positive", "negative"])
    first, second = load_runs([folders[-1], copies[-1]])
    assert first.classes == second.classes == ["negative", "positive"]
    for name in ("labels", "predictions", "probabilities"):
        assert getattr(first, name) == pytest.approx(getattr(second, name)), name


def drop_report(folder):
    (folder / "report.json").unlink()


def other_labels(folder):
    table = pq.read_table(folder / "predictions.parquet")
    flipped = pa.array([1 - value for value in table["label"].to_pylist()], pa.int16())
    pq.write_table(table.set_column(1, "label", flipped), folder / "predictions.parquet")


def note(**changes):
    def change(folder):
        change_report(folder, data=read_report(folder)["data"] | changes)

    return change


def report_key(name, value):
    return lambda folder: change_report(folder, **{name: value})


def without_test(folder):
    report = read_report(folder)
    del report["test"]
    (folder / "report.json").write_text(json.dumps(report))


BROKEN = {
    "unfinished": (drop_report, "no finished run in .*custom-gru-seed1"),
    "not scored": (without_test, r"custom-gru-seed1: this run did not score test.*--do_predict"),
    "half a report": (lambda folder: (folder / "report.json").write_text('{"model"'), r"report\.json is damaged"),
    "no table": (lambda folder: (folder / "predictions.parquet").write_bytes(b"PAR"), r"predictions\.parquet cannot"),
    "other classes": (report_key("labels", ["a", "b"]), "probability_a"),
    "other labels": (other_labels, "custom-gru-seed0.*custom-gru-seed1.*22 test rows have another label.*row 0"),
    "other columns": (note(columns={"text": ["title"], "label": "label"}), "columns: .*'text'.*'title'"),
    "other split": (note(validation="10 % of train, stratified, seed 1"), "validation: 'given' in the one.*seed 1"),
    "sampled test": (note(sampled={"test": "22 of 90 rows"}), "sample of test: None in the one, '22 of 90 rows'"),
}


@pytest.mark.parametrize(("broken", "said"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_compared_is_refused_by_folder_and_reason(copies, broken, said):
    broken(copies[-1])
    with pytest.raises(InputError, match=said):
        load_runs(copies[-2:])


def test_other_texts_are_seen_by_their_hash(copies):
    for folder in copies:
        change_report(folder, data_hash="same")
    assert compare(load_runs(copies), None)["data_hash"] == "same"
    change_report(copies[-1], data_hash="other")
    with pytest.raises(InputError, match=r"custom-gru-seed1 are not on the same data.*data_hash"):
        load_runs(copies)


def test_a_folder_of_runs_is_no_run_and_says_how_they_are_named(copies):
    home = copies[0].parent
    with pytest.raises(InputError, match=rf"is no run, and there are runs in it: name them, as in {home}/\*"):
        load_runs([home])


def test_scores_are_those_of_the_predictions_whatever_a_report_says(copies):
    before = compare(load_runs(copies[:1]), None)["models"][0]
    report = read_report(copies[0])
    change_report(copies[0], **{part: report[part] | {"accuracy": 0.987} for part in ("validation", "test")})
    assert compare(load_runs(copies[:1]), None)["models"][0] == before


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="nothing to compare"):
        load_runs([])


def test_rows_of_other_data_are_refused(folders, rows, data, tmp_path):
    write_data(tmp_path, test=24)
    other = rows_of(parse_run(flags(tmp_path, tmp_path / "unused")).data, None)
    with pytest.raises(InputError, match="24 test rows, not 22"):
        compare(load_runs(folders), other)
    swapped = replace(rows.part, labels=np.where(np.arange(22) == 3, 0, rows.part.labels))
    with pytest.raises(InputError, match="test row 3 is 'negative', not 'positive'"):
        compare(load_runs(folders), replace(rows, part=swapped))


# The further columns of the test rows


def table_of(count: int, offset: int = 0) -> list[tuple[str, str, str]]:
    return [(f"text {offset + i}", "good" if i % 2 else "bad", f"kind {(offset + i) % 5}") for i in range(count)]


def kinds(rows) -> list[str]:
    return [f"kind {int(text.split()[1]) % 5}" for text in rows.part]


def values(rows, column: str) -> list[str]:
    """The value of each row in a column."""
    groups = rows.columns[column]
    return [groups.values[code] for code in groups.codes]


HEADER = ("text", "label", "kind")


def test_columns_follow_their_rows_through_carving_and_sampling(tmp_path):
    train = write_csv(tmp_path / "train.csv", table_of(200), HEADER)
    carved = rows_of(DataArguments(train_file=str(train), test_size=0.2, max_predict_samples=20), None)
    assert len(carved.part) == 20
    assert (list(carved.columns), values(carved, "kind")) == (["kind"], kinds(carved))
    test = write_csv(tmp_path / "test.csv", table_of(60, offset=1000), HEADER)
    given = DataArguments(train_file=str(train), test_file=str(test), max_predict_samples=30)
    rows = rows_of(given, None)
    assert values(rows, "kind") == kinds(rows)


def test_columns_follow_their_rows_through_files_some_of_which_lack_them(tmp_path):
    """More rows than are read at a time, of classes with names in the one file."""
    train = write_csv(tmp_path / "train.csv", table_of(40), HEADER)
    (tmp_path / "test").mkdir()
    for part, kind in enumerate([ClassLabel(names=[f"kind {i}" for i in range(5)]), Value("string"), None]):
        rows = [row[: 3 if kind else 2] for row in table_of(1500, offset=1500 * part)]
        columns = dict(zip(HEADER, zip(*rows, strict=True), strict=False))
        features = Features({name: Value("string") for name in columns} | ({"kind": kind} if kind else {}))
        Dataset.from_dict(columns, features).to_parquet(tmp_path / "test" / f"{part}.parquet")
    args = DataArguments(train_file=str(train), test_file=str(tmp_path / "test"), max_predict_samples=4000)
    rows = rows_of(args, None)
    assert values(rows, "kind") == [
        kind if int(text.split()[1]) < 3000 else "" for text, kind in zip(rows.part, kinds(rows), strict=True)
    ]


def test_a_column_that_groups_no_rows_is_read_no_further():
    cells = iter(range(100))
    assert test_part.groups_of(cells) is None
    assert next(cells) == 21
    assert test_part.groups_of(["a", None, "a "]) is None
    assert test_part.groups_of([2, float("nan"), " 1", "2"]).values == ["", "2", "1"]
    assert len(test_part.groups_of(range(20)).values) == 21


def test_test_rows_take_few_bytes_beside_their_texts(tmp_path):
    count = 50_000
    train = write_csv(tmp_path / "train.csv", table_of(40), HEADER)
    columns = {name: pa.array(cells) for name, cells in zip(HEADER, zip(*table_of(count), strict=True), strict=True)}
    table = pa.table(columns | {"serial": pa.array(map(str, range(count)))})
    pq.write_table(table, tmp_path / "test.parquet")
    args = DataArguments(train_file=str(train), test_file=str(tmp_path / "test.parquet"))
    load_splits(args)
    tracemalloc.start()
    load_splits(args)
    most, peaks = tracemalloc.get_traced_memory()[1], []
    # Threads that read ahead add to some readings and not to others.
    for _ in range(3):
        rows = None
        tracemalloc.reset_peak()
        rows = rows_of(args, None)
        held, peak = tracemalloc.get_traced_memory()
        peaks.append(peak)
    tracemalloc.stop()
    assert len(rows.part) == count
    # Four numbers of 8 bytes, and 1 byte for the kind.
    assert held < 40 * count
    assert min(peaks) < 1.1 * most


def test_a_rows_file_adds_columns_line_by_line(tmp_path):
    train = write_csv(tmp_path / "train.csv", [row[:2] for row in table_of(40)])
    test = write_csv(tmp_path / "test.csv", [row[:2] for row in table_of(30)])
    stars = write_csv(tmp_path / "stars.csv", [(i % 11, i) for i in range(30)], ("stars", "number"))
    arguments = {"train_file": str(train), "test_file": str(test)}
    rows = rows_of(DataArguments(**arguments, max_predict_samples=24), str(stars))
    assert list(rows.columns) == ["stars"]
    assert values(rows, "stars") == [str(int(text.split()[1]) % 11) for text in rows.part]
    assert sorted_names({"10", "9", "0"}) == ["0", "9", "10"]
    short = write_csv(tmp_path / "short.csv", [(1,)] * 29, ("stars",))
    with pytest.raises(InputError, match=r"short\.csv has 29 rows.* has 30"):
        rows_of(DataArguments(**arguments), str(short))
    taken = write_csv(tmp_path / "taken.csv", [("x",)] * 30, ("label",))
    with pytest.raises(InputError, match="has a column 'label' already"):
        rows_of(DataArguments(**arguments), str(taken))


def test_the_sample_has_its_phenomena():
    rows = rows_of(DataArguments(dataset_name="sample"), None)
    assert list(rows.columns) == ["phenomenon"]
    assert (len(values(rows, "phenomenon")), len(set(values(rows, "phenomenon")))) == (200, 7)
    assert rows.characters.tolist() == [len(text) for text in rows.part]


# The committed runs


def test_the_committed_runs_are_compared():
    runs = load_runs([IMDB])
    assert len(runs) > 50
    result = compare(runs, None)
    models = {model["name"]: model for model in result["models"]}
    assert sorted(folder for model in models.values() for folder in model["folders"]) == [
        f"imdb/{run.name}" for run in runs
    ]
    for model in models.values():
        its_runs = [run for run in runs if f"imdb/{run.folder.name}" in model["folders"]]
        assert len({run.name.removesuffix(f"-seed{run.seed}") for run in its_runs}) == 1
        tests = [run.report.test for run in its_runs]
        for score in ("accuracy", "f1_macro"):
            assert model[score]["value"] == pytest.approx(statistics.fmean(test[score] for test in tests))
        if len(tests) == 1:
            interval = (model["accuracy"]["low"], model["accuracy"]["high"])
            assert interval == pytest.approx(tuple(tests[0]["accuracy_interval"]))
        # Saved in float16: as good as the logits to three digits, but for what is rounded to an impossible label.
        loss = statistics.fmean(test["loss"] for test in tests)
        assert model["log_loss"]["value"] <= loss * (1 + 1e-3)
        if all(run.probabilities[range(len(run.labels)), run.labels].all() for run in its_runs):
            assert model["log_loss"]["value"] == pytest.approx(loss, rel=1e-3)
    accuracies = [model["validation"]["value"] for model in result["models"]]
    assert accuracies == sorted(accuracies, reverse=True)
    for model in models.values():
        validated = [run.report.validation["accuracy"] for run in runs if f"imdb/{run.name}" in model["folders"]]
        assert model["validation"]["value"] == pytest.approx(statistics.fmean(validated))
    assert len(result["pairs"]) == len(models) * (len(models) - 1) / 2
    assert {name for group in result["groups"] for name in group} == models.keys()
    assert all(pair["p_holm"] >= pair["p"] for pair in result["pairs"])
    known = {name for name, model in models.items() if len(model["seeds"]) > 1 or model["kind"] == "baseline"}
    for pair in result["pairs"]:
        assert (pair["claim"] == "methods") == ({pair["a"], pair["b"]} <= known)
    assert len(result["disagreements"]) == len(result["label_errors"]) == 20
