"""Published runs are those of their folders, and the committed ones give every committed figure."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import published_rows, read_report, reviews, run_baseline, run_flags, save_bert, write_csv, write_data
from sklearn.metrics import confusion_matrix, f1_score

from sentiment_hf.cli import compare_command, ensemble_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.markdown import escape_markdown
from sentiment_hf.comparison.page.page import csv_table, render_template, task_of
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.inference.make_ensemble import make_ensemble, validation_predictions
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.published import publish, read_published
from sentiment_hf.tasks.task import Predicted

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
FILES = {"runs.jsonl", "predictions.parquet", "validation.parquet", "history.parquet"}
PUBLISHED = sorted(path.parent for path in RESULTS.rglob("runs.jsonl"))
PAGES = sorted(path.parent.name for path in ROOT.glob("docs/*/results.json"))
assert len(PUBLISHED) > 10
assert len(PAGES) > 3

SPEED = {"texts_per_second_one_core": 120.0, "texts_per_second_all_cores": 200.0, "cores": 2}
SPEED |= {"latency_p50_ms": 5.0, "latency_p95_ms": 9.0, "rows": 1000, "bytes_on_disk": 4321}

each_published = pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: str(path.relative_to(RESULTS)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory) -> list[Path]:
    """Two seeds of a model, one with its speed; a checkpoint with the classes the other way round; a baseline, which
    logs nothing; an ensemble. Not to be changed.
    """
    out = tmp_path_factory.mktemp("out") / "tiny"
    ids = {"id2label": {0: "positive", 1: "negative"}, "label2id": {"positive": 0, "negative": 1}}
    bert = save_bert(tmp_path_factory.mktemp("start"), data, **ids)
    for seed in (0, 1):
        run_flags(data, out / f"custom-fc-seed{seed}", "--seed", seed, "--learning_rate", 0.05, model="custom-fc")
    (out / "custom-fc-seed0" / "inference.json").write_text(json.dumps(SPEED))
    run_flags(data, out / "bert-seed0", "--seed", 0, model=bert, settings=())
    run_baseline(data, out / "baseline-majority-seed0", "baseline-majority", "--seed", 0)
    make_ensemble([out / "custom-fc-seed0", out / "bert-seed0"], str(out / "both-seed0"), "mean", overwrite=False)
    return sorted(out.iterdir())


@pytest.fixture
def copies(folders, tmp_path) -> list[Path]:
    """Copies of the folders, to be changed."""
    return [Path(shutil.copytree(folder, tmp_path / "tiny" / folder.name)) for folder in folders]


@pytest.fixture
def published(folders, tmp_path) -> Path:
    """All of them, to be changed."""
    publish(tmp_path / "kept" / "tiny", folders)
    return tmp_path / "kept" / "tiny"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same(one: Predicted, other: Predicted) -> None:
    for name in ("labels", "predictions", "probabilities"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def test_published_runs_are_those_of_their_folders(folders, published):
    assert contents(published).keys() == FILES
    found, expected = load_runs([published]), load_runs(folders)
    assert [run.name for run in found] == [folder.name for folder in folders]
    for one, other in zip(found, expected, strict=True):
        assert_same(one.test, other.test)
        assert_same(one.validation, other.validation)
        assert one.report.as_json() == other.report.as_json()
        for name in ("kind", "tuning", "seed", "task", "curve", "inference"):
            assert getattr(one, name) == getattr(other, name), name
    assert {run.name: bool(run.curve) for run in found}["baseline-majority-seed0"] is False
    assert {run.name: run.inference for run in found}["custom-fc-seed0"] == SPEED


def test_a_run_keeps_the_order_of_its_classes(published):
    table = pq.read_table(published / "predictions.parquet")
    assert set(table["label"].to_pylist()) == {"negative", "positive"}
    (bert,) = (kept for kept in read_published(published) if kept.name == "bert-seed0")
    assert bert.report["labels"] == ["positive", "negative"]
    scored = bert.parts["test"]
    assert np.array(bert.report["labels"])[scored.labels].tolist() == table["label"].to_pylist()
    logs = np.stack([table[f"bert-seed0/{label}"].to_numpy() for label in bert.report["labels"]], axis=1)
    assert logs.argmax(1).tolist() == scored.predictions.tolist()
    assert np.exp(logs) == pytest.approx(scored.probabilities, rel=1e-3)


def test_a_comparison_of_published_runs_is_that_of_their_folders(folders, published, tmp_path):
    results = compare(load_runs([published]), None), compare(load_runs(folders), None)
    for result in results:
        for model in result["models"]:
            assert model.pop("bytes_on_disk") or model["inference"] is None, "only a folder has a size"
    assert results[0] == results[1]
    assert compare_command([str(published), "--output_dir", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "comparison" / "results.json").read_text())["models"]) == 4


def test_published_runs_and_folders_are_compared_together(folders, tmp_path):
    publish(tmp_path / "tiny", folders[2:])
    together = load_runs([*folders[:2], tmp_path / "tiny"])
    assert [run.name for run in together] == [folder.name for folder in folders]
    with pytest.raises(InputError, match=r"both-seed0.*same model with the same seed"):
        compare(load_runs([*folders, tmp_path / "tiny"]), None)


def test_the_files_depend_on_the_runs_alone(folders, published, tmp_path):
    for folder in reversed(folders):
        publish(tmp_path / "one-by-one", [folder])
    publish(tmp_path / "one-by-one", folders[1:3])
    assert contents(tmp_path / "one-by-one") == contents(published)


def test_a_run_of_the_same_name_is_replaced_and_the_others_stay(published, copies):
    before = {kept.name: kept for kept in read_published(published)}
    shutil.rmtree(copies[-1])
    other = Path(shutil.copytree(copies[0], copies[-1]))
    publish(published, [other])
    after = {kept.name: kept for kept in read_published(published)}
    assert before.keys() == after.keys()
    assert after[other.name].report == read_report(copies[0])
    assert after[other.name].history == []
    for name in before.keys() - {other.name}:
        assert after[name].report == before[name].report
        assert after[name].history == before[name].history
        for part in ("validation", "test"):
            assert_same(after[name].parts[part], before[name].parts[part])


def test_a_file_for_which_there_is_nothing_is_not_there(copies, tmp_path):
    baseline, *others = copies
    publish(tmp_path / "kept", [baseline])
    assert contents(tmp_path / "kept").keys() == FILES - {"history.parquet"}
    (baseline / "validation_predictions.parquet").unlink()
    publish(tmp_path / "kept", [baseline])
    assert contents(tmp_path / "kept").keys() == {"runs.jsonl", "predictions.parquet"}
    publish(tmp_path / "kept", others)
    assert contents(tmp_path / "kept").keys() == FILES
    assert [run.name for run in load_runs([tmp_path / "kept"]) if run.validation is None] == [baseline.name]


def test_runs_on_other_rows_are_kept_together_and_not_compared(data, folders, tmp_path):
    write_csv(tmp_path / "data" / "test.csv", reviews(8, 5))
    shutil.copy(data / "train.csv", tmp_path / "data")
    write_csv(tmp_path / "data" / "validation.csv", reviews(30, 6))
    fewer = tmp_path / "fewer"
    run_baseline(tmp_path / "data", fewer, "baseline-majority")
    publish(tmp_path / "kept", [*folders, fewer])
    assert len(pq.read_table(tmp_path / "kept" / "predictions.parquet")) == 22 + 8
    found = {kept.name: kept for kept in read_published(tmp_path / "kept")}
    publish(tmp_path / "alone", [fewer])
    for part, rows in (("test", 8), ("validation", 30)):
        assert len(found["fewer"].parts[part].labels) == rows
        assert_same(found["fewer"].parts[part], read_published(tmp_path / "alone")[0].parts[part])
    with pytest.raises(InputError, match="not on the same data"):
        load_runs([tmp_path / "kept"])


def test_names_and_words_of_any_kind_come_back(copies, tmp_path):
    names, odd = ["negative", "positive"], ["very/bad", "gut\u2028 ü"]
    folder = copies[1]
    report = read_report(folder) | {"labels": odd[::-1], "command": "run 'a\u2028b\nc'"}
    assert report["model_type"] == "bert"
    (folder / "report.json").write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    for name in ("predictions.parquet", "validation_predictions.parquet"):
        table = pq.read_table(folder / name)
        columns = [c.replace(names[0], odd[0]).replace(names[1], odd[1]) for c in table.column_names]
        pq.write_table(table.rename_columns(columns), folder / name)
    expected = load_runs([folder])[0]
    publish(tmp_path / "kept", [folder])
    (found,) = load_runs([tmp_path / "kept"])
    assert (found.report.as_json(), found.classes) == (report, odd[::-1])
    assert_same(found.test, expected.test)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["custom-fc-seed1/positive"]), path)


def one_row_less(path: Path) -> None:
    pq.write_table(pq.read_table(path)[1:], path)


BROKEN = {
    "half a line": ("runs.jsonl", half, r"runs\.jsonl is damaged"),
    "half a table": ("predictions.parquet", half, r"predictions\.parquet cannot be read"),
    "half the validation": ("validation.parquet", half, r"validation\.parquet cannot be read"),
    "half the history": ("history.parquet", half, r"history\.parquet cannot be read"),
    "no table": ("predictions.parquet", Path.unlink, r"baseline-majority-seed0 has a report and no predictions"),
    "a class is gone": ("predictions.parquet", without_column, r"custom-fc-seed1/positive"),
    "a row is gone": ("predictions.parquet", one_row_less, r"baseline-majority-seed0.* has 21 rows.* says 22"),
}


@pytest.mark.parametrize(("name", "broken", "said"), BROKEN.values(), ids=BROKEN)
def test_what_is_damaged_is_refused_by_file_or_run(published, name, broken, said):
    broken(published / name)
    with pytest.raises(InputError, match=said):
        load_runs([published])


def test_runs_stay_readable_where_publishing_ends_in_the_middle(folders, tmp_path):
    publish(tmp_path / "kept", folders[:2])
    lines = (tmp_path / "kept" / "runs.jsonl").read_bytes()
    # What is written last cannot be written.
    (tmp_path / "kept" / "runs.jsonl.tmp").mkdir()
    with pytest.raises(IsADirectoryError):
        publish(tmp_path / "kept", folders[2:])
    assert (tmp_path / "kept" / "runs.jsonl").read_bytes() == lines
    assert [run.name for run in load_runs([tmp_path / "kept"])] == [folder.name for folder in folders[:2]]


def test_an_ensemble_of_published_runs_is_refused(published, tmp_path, capsys):
    assert ensemble_command([str(published), "--output_dir", str(tmp_path / "out")]) == 2
    assert "published without its weights" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_published_runs_have_what_weights_are_learned_on(folders, published):
    for one, other in zip(
        validation_predictions(load_runs([published])), validation_predictions(load_runs(folders)), strict=True
    ):
        assert_same(one, other)


def test_the_script_keeps_what_is_finished_and_names_the_rest(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import keep_results

    (tmp_path / "logs").mkdir()
    keep_results.main([str(tmp_path / "kept"), *map(str, [*folders, tmp_path / "logs"])])
    assert capsys.readouterr().err == f"{tmp_path / 'logs'}: no finished run, left out\n"
    assert len(load_runs([tmp_path / "kept"])) == len(folders)
    for words in ([], ["kept"], [str(tmp_path / "other"), str(tmp_path / "logs")]):
        with pytest.raises(InputError, match=r"expected where to keep|none of the folders"):
            keep_results.main(words)
    assert not (tmp_path / "other").exists()


# The committed runs


def test_a_comparison_is_four_files_at_most():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert len(files) <= 4 * len(PUBLISHED) + len(list((RESULTS / "faults").iterdir()))
    assert {path.name for path in files if path.parent.name != "faults"} == FILES


@each_published
def test_committed_predictions_have_the_scores_of_their_reports(folder):
    runs = read_published(folder)
    if runs[0].report.get("task") in ("regression", "multi_label"):
        for run in runs:
            for part, predicted in run.parts.items():
                of_predictions(predicted, run.report["task"], run.report[part])
        return
    assert {run["run"] for run, *_ in published_rows(folder)} == {run.name for run in runs}
    for part in ("test", "validation"):
        for run, labels, logs in published_rows(folder, part):
            predictions, expected = logs.argmax(1), run[part]
            assert len(labels) == expected["rows"]
            assert np.mean(predictions == labels) == pytest.approx(expected["accuracy"], abs=1e-12)
            confusion = confusion_matrix(labels, predictions, labels=range(len(run["labels"])))
            assert confusion.tolist() == expected["confusion"]


def of_predictions(predicted: Predicted, task: str, expected: dict) -> None:
    """The scores of numbers, or of several labels, counted anew."""
    labels, found = predicted.labels, predicted.predictions
    assert len(labels) == expected["rows"]
    if task == "regression":
        # Predictions are kept in float32.
        assert np.sqrt(np.mean((labels - found) ** 2)) == pytest.approx(expected["rmse"], rel=1e-5)
        assert np.abs(labels - found).mean() == pytest.approx(expected["mae"], rel=1e-5)
        return
    assert (labels == found).all(1).mean() == pytest.approx(expected["subset_accuracy"], abs=1e-3)
    assert f1_score(labels, found, average="macro", zero_division=0) == pytest.approx(expected["f1_macro"], abs=1e-3)


@each_published
def test_committed_histories_end_at_the_last_step_of_the_report(folder):
    logged = [run for run in read_published(folder) if run.history]
    assert logged
    for run in logged:
        assert run.history[-1]["step"] == run.report["steps"]


def flat(content: object, path: str = "") -> dict[str, object]:
    """Path to value of each number and word."""
    if isinstance(content, dict):
        return {name: value for key in content for name, value in flat(content[key], f"{path}/{key}").items()}
    if isinstance(content, list):
        return {name: value for key, item in enumerate(content) for name, value in flat(item, f"{path}/{key}").items()}
    return {path: content}


def assert_alike(found: object, expected: object) -> None:
    """The same words, and the same numbers to nine digits."""
    found, expected = flat(found), flat(expected)
    numbers = {path for path, value in expected.items() if isinstance(value, int | float)}
    assert len(numbers) > 50
    assert {p: v for p, v in found.items() if p not in numbers} == {
        p: v for p, v in expected.items() if p not in numbers
    }
    assert [found[p] for p in sorted(numbers)] == pytest.approx([expected[p] for p in sorted(numbers)], rel=1e-9)


def without_texts(comparison: dict) -> dict:
    """What a comparison says that needs no text of the test rows."""
    models = [model | {"by_length": [], "by_column": {}} for model in comparison["models"]]
    shown = {key: [row | {"text": None} for row in comparison[key]] for key in ("disagreements", "label_errors")}
    return comparison | shown | {"models": models}


def lines_of(table: str) -> list[dict]:
    """Those of a results.csv, with numbers as such."""
    lines = csv.DictReader(io.StringIO(table))
    words = ("name", "kind", "tuning", "seeds")
    return [{key: float(cell) if cell and key not in words else cell for key, cell in line.items()} for line in lines]


@pytest.mark.parametrize("name", PAGES)
def test_committed_pages_are_those_of_the_committed_runs(name):
    """To nine digits in results.json and results.csv, and to the last printed one in report.md.

    What needs the texts of the data set is taken from results.json.
    """
    remade = compare(load_runs([RESULTS / name]), None)
    page = json.loads((ROOT / "docs" / name / "results.json").read_text(encoding="utf-8"))
    assert_alike(remade, without_texts(page))
    table = (ROOT / "docs" / name / "results.csv").read_text(encoding="utf-8")
    assert_alike(lines_of(csv_table(remade["models"], task_of(remade))), lines_of(table))
    of_texts = [{key: model[key] for key in ("by_length", "by_column")} for model in page["models"]]
    remade["models"] = [model | more for model, more in zip(remade["models"], of_texts, strict=True)]
    shown = {key: page[key] for key in ("disagreements", "label_errors")}
    written = render_template("report.md.j2", remade | shown, {"finalize": escape_markdown})
    assert written == (ROOT / "docs" / name / "report.md").read_text(encoding="utf-8")


def test_a_report_of_an_older_version_counts_less_and_is_compared(copies):
    for folder, kept in ((copies[0], {"test_in_train"}), (copies[1], None)):
        report = read_report(folder)
        if kept:
            report["data"]["duplicates"] = {name: report["data"]["duplicates"][name] for name in kept}
        (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert len(load_runs(copies[:2])) == 2
    report["data"]["duplicates"]["test_in_train"] += 1
    (copies[1] / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with pytest.raises(InputError, match="duplicates, test_in_train"):
        load_runs(copies[:2])
