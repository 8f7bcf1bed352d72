"""Finished runs combined: as by hand, by weights that few rows do not bend, and by predict.py as in the file."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import TINY, contents, read_report, reviews, run_baseline, run_flags, save_bert, write_csv

from sentiment_hf.cli import ensemble_command, predict_command, push_command
from sentiment_hf.cli.ensemble import METHODS
from sentiment_hf.comparison.page.page import write_page
from sentiment_hf.comparison.statistics.results import compare
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.inference.evaluate_ensemble import cross_fitted_weights, learned_weights
from sentiment_hf.inference.make_ensemble import make_ensemble, validation_predictions
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.pooling import EQUAL, SUM_OF_ONE
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Predicted

ROOT = Path(__file__).parents[2]
FILES = {"validation": "validation_predictions.parquet", "test": "predictions.parquet"}
NAMES = ("negative", "positive")
TASK = SingleLabel(NAMES)
OTHER = {"positive": "negative", "negative": "positive"}
TEXTS = ["a fine film", "", "so grim and dull", "good bad good", "the soup was cold"]
# What float16 and its rescaling leave of a probability.
DIGITS = 2e-3

# What is learned on validation is scored there by other weights for each fold.
LEARNED = ("weights", "validation")

each_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Every seventh row has the wrong label, so that nobody is right always."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate({"train": 140, "validation": 50, "test": 70}.items()):
        rows = [(text, label if i % 7 else OTHER[label]) for i, (text, label) in enumerate(reviews(count, seed))]
        write_csv(folder / f"{split}.csv", rows)
    return folder


@pytest.fixture(scope="module")
def members(data, tmp_path_factory) -> list[Path]:
    """Two custom models, a baseline, and a checkpoint with the classes the other way round; not to be changed."""
    out = tmp_path_factory.mktemp("out")
    ids = {"id2label": {0: "positive", 1: "negative"}, "label2id": {"positive": 0, "negative": 1}}
    bert = save_bert(out / "start", data, initializer_range=0.3, **ids)
    more = ["--learning_rate", 0.05, "--warmup_steps", 0, "--num_train_epochs", 8]
    run_flags(data, out / "fc", *more, model="custom-fc", settings=(*TINY, "dropout=0", "embedding_dropout=0"))
    run_flags(data, out / "gru", *more, settings=(*TINY, "dropout=0", "embedding_dropout=0", "pooling=mean"))
    run_baseline(data, out / "nb-svm", "baseline-nb-svm")
    run_flags(data, out / "bert", *more, "--seed", 7, model=bert, settings=())
    assert [read_report(out / name)["labels"][0] for name in ("fc", "bert")] == ["negative", "positive"]
    return [out / name for name in ("fc", "gru", "nb-svm", "bert")]


@pytest.fixture(scope="module")
def ensembles(members) -> dict[str, Path]:
    """The folder of the ensemble of all members by each method; not to be changed."""
    folders = {method: members[0].parent / f"by-{method}" for method in METHODS}
    for method, folder in folders.items():
        make_ensemble(members, str(folder), method, overwrite=False)
    return folders


@pytest.fixture
def copies(members, tmp_path) -> list[Path]:
    """Copies of the members, to be changed."""
    return [Path(shutil.copytree(folder, tmp_path / "out" / folder.name)) for folder in members]


def columns(folder: Path, part: str) -> dict[str, np.ndarray]:
    """label and prediction by name, and (rows, classes) probabilities, of a file of predictions."""
    table, names = pq.read_table(folder / FILES[part]), np.array(read_report(folder)["labels"])
    found = {name: names[table[name].to_numpy()] for name in ("label", "prediction")}
    values = np.stack([table[f"probability_{name}"].to_numpy() for name in NAMES], axis=1).astype(np.float64)
    return found | {"probabilities": values}


def said(capsys, *words) -> str:
    """What is said to a command that is refused."""
    capsys.readouterr()
    assert ensemble_command([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def weights_of(folder: Path) -> list[float]:
    return [member["weight"] for member in read_report(folder)["members"]]


@pytest.mark.parametrize(
    ("method", "part"), [(method, part) for method in METHODS for part in FILES if (method, part) != LEARNED]
)
def test_the_file_is_the_combination_by_hand(ensembles, members, method, part):
    found, each = columns(ensembles[method], part), [columns(folder, part) for folder in members]
    weights = weights_of(ensembles[method])
    for row, probabilities in enumerate(found["probabilities"]):
        expected = sum(w * member["probabilities"][row] for w, member in zip(weights, each, strict=True))
        if method == "weights":
            # Of each class the product of the probabilities, raised to the weights; no member is surer than e^7.
            factors = [member["probabilities"][row].clip(2**-10) ** w for w, member in zip(weights, each, strict=True)]
            expected = np.prod(factors, axis=0) / np.prod(factors, axis=0).sum()
        if method == "vote":
            votes = Counter(member["prediction"][row] for member in each)
            expected = (np.array([votes[name] for name in NAMES]) + expected) / 5
        assert probabilities == pytest.approx(expected, abs=DIGITS)
        if abs(expected[0] - expected[1]) > DIGITS:
            assert found["prediction"][row] == NAMES[expected.argmax()]
    assert all((found["label"] == member["label"]).all() for member in each)
    accuracy = (found["label"] == found["prediction"]).mean()
    assert read_report(ensembles[method])[part]["accuracy"] == pytest.approx(accuracy)


def test_the_majority_wins_and_a_tie_goes_to_the_higher_mean_probability(ensembles, members):
    found, each = columns(ensembles["vote"], "test"), [columns(folder, "test") for folder in members]
    ties = 0
    for row, prediction in enumerate(found["prediction"]):
        votes = Counter(member["prediction"][row] for member in each)
        (first, most), *others = votes.most_common()
        tie = bool(others) and others[0][1] == most
        mean = np.mean([member["probabilities"][row] for member in each], axis=0)
        assert prediction == (NAMES[mean.argmax()] if tie else first)
        ties += tie
    assert 0 < ties < len(found["prediction"])


def test_members_of_mean_and_vote_count_alike(ensembles):
    assert weights_of(ensembles["mean"]) == weights_of(ensembles["vote"]) == [0.25] * 4


def log_loss(runs, weights) -> float:
    """Of the weighted sum of the logarithms of the probabilities; `weights` may be those of each row."""
    logs = np.stack([np.log(run.probabilities.clip(2**-10)) for run in runs])
    pooled = np.einsum("...m,m...c->...c", weights, logs)
    pooled -= np.log(np.exp(pooled).sum(axis=1, keepdims=True))
    return -pooled[every_row(runs[0]), runs[0].labels].mean()


def every_row(run) -> np.ndarray:
    return np.arange(len(run.labels))


def test_learned_weights_favour_the_better_members_and_are_better_than_the_mean_on_their_rows(ensembles, members):
    runs, weights = validation_predictions(load_runs(members)), weights_of(ensembles["weights"])
    assert 0 <= min(weights) < max(weights) < 0.95 * sum(weights), "there is something to combine"
    losses = [log_loss(runs, np.eye(4)[index]) for index in range(4)]
    assert np.argmin(losses) == np.argmax(weights)
    assert log_loss(runs, weights) < log_loss(runs, np.full(4, 0.25))


def test_no_row_of_validation_has_a_say_in_its_own_weights(ensembles, members):
    """The score of validation is out of sample: with another label, a row gets the same probabilities."""
    runs = validation_predictions(load_runs(members))
    weights = cross_fitted_weights(runs, TASK)
    assert read_report(ensembles["weights"])["validation"]["loss"] == pytest.approx(log_loss(runs, weights), abs=2e-3)
    assert log_loss(runs, weights) > log_loss(runs, weights_of(ensembles["weights"]))
    for row in range(0, 50, 7):
        labels = np.where(every_row(runs[0]) == row, 1 - runs[0].labels, runs[0].labels)
        changed = cross_fitted_weights([replace(run, labels=labels) for run in runs], TASK)
        assert changed[row] == pytest.approx(weights[row], abs=1e-9)
        assert abs(changed - weights).max() > 1e-3


def simulated(chance, rows: int, noises) -> list[Predicted]:
    """Members with equal information but for the noise in their logits; labels of two classes."""
    labels, truth = chance.integers(0, 2, rows), chance.normal(size=rows)
    found = []
    for noise in noises:
        right = 1 / (1 + np.exp(-(1.5 + 1.5 * truth + noise * chance.normal(size=rows))))
        both = np.stack([right, 1 - right], axis=1)[np.arange(rows)[:, None], labels[:, None] ^ [0, 1]]
        found.append(Predicted(labels, both.argmax(1), both))
    return found


@pytest.mark.parametrize(("noises", "gain"), [([1, 1], 0), ([1, 1, 1], 0), ([1] * 8, 0), ([0.3, 0.3, 2, 4, 6], 0.02)])
def test_weights_of_60_rows_are_no_worse_on_new_rows_than_the_mean(noises, gain):
    """On average over 60 validation parts; without the prior they are worse by 0.008 to 0.018 for equal members."""
    chance, differences = np.random.default_rng(0), []
    equal = np.full(len(noises), 1 / len(noises))
    for _ in range(60):
        weights = learned_weights(simulated(chance, 60, noises), TASK)
        new = simulated(chance, 2000, noises)
        differences.append(log_loss(new, weights) - log_loss(new, equal))
    assert np.mean(differences) < 2e-3 - gain


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_handful_of_rows_is_enough_for_weights(rows):
    runs = simulated(np.random.default_rng(1), rows, [1, 2, 3])
    assert learned_weights(runs, TASK) == pytest.approx(np.full(3, 1 / 3), abs=0.2)
    assert cross_fitted_weights(runs, TASK).sum(axis=1) == pytest.approx(np.ones(rows), abs=0.2)


def test_weights_are_learned_on_validation_alone(ensembles, copies):
    for folder in copies:
        table = pq.read_table(folder / FILES["test"])
        swapped = {f"probability_{name}": table[f"probability_{OTHER[name]}"] for name in NAMES}
        changed = {name: swapped.get(name, table[name]) for name in table.column_names}
        pq.write_table(pa.table(changed), folder / FILES["test"])
    make_ensemble(copies, str(copies[0].parent / "ensemble"), "weights", overwrite=False)
    assert weights_of(copies[0].parent / "ensemble") == weights_of(ensembles["weights"])


def test_a_useless_member_weighs_least_and_the_order_has_no_say(members):
    runs = validation_predictions(load_runs(members))
    of_wrong = np.where(runs[0].labels[:, None] == [0, 1], 0.01, 0.99)
    wrong = replace(runs[0], probabilities=of_wrong)
    weights = learned_weights([*runs, wrong], TASK)
    # What it says is always wrong, and no weight is negative.
    assert weights[-1] == 0
    assert weights == pytest.approx(learned_weights([wrong, *runs[::-1]], TASK)[::-1], abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_weights_are_better(seed):
    """The loss with the prior is convex, so it is least where no small step makes it smaller."""
    chance = np.random.default_rng(seed)
    rows, count = int(chance.integers(10, 2000)), int(chance.integers(2, 12))
    labels, truth = chance.integers(0, 2, rows), chance.normal(size=rows)
    runs = []
    for _ in range(count):
        right = truth + chance.normal(size=rows) * chance.uniform(0, 3) + chance.uniform(-1, 2)
        right = 1 / (1 + np.exp(-right * chance.uniform(0.2, 6)))
        # As far from the bounds as float16 knows.
        probabilities = np.stack([right, 1 - right], axis=1).clip(2**-24)[
            np.arange(rows)[:, None], labels[:, None] ^ [0, 1]
        ]
        runs.append(Predicted(labels, probabilities.argmax(1), probabilities))
    runs.append(runs[0])
    weights = learned_weights(runs, TASK)
    assert weights.min() >= 0

    def loss(some: np.ndarray) -> float:
        prior = EQUAL * len(some) * ((some - some.mean()) ** 2).sum() + SUM_OF_ONE * (some.sum() - 1) ** 2
        return rows * log_loss(runs, some) + prior

    best = loss(weights)
    for _ in range(50):
        step = weights + chance.normal(size=len(weights)) * 10 ** chance.uniform(-4, -1)
        assert loss(step.clip(0)) > best - 1e-6 * rows


def test_an_ensemble_of_an_older_version_weighs_probabilities(ensembles, members, tmp_path):
    saved = json.loads((ensembles["weights"] / "ensemble.json").read_text())
    assert saved.pop("weighted") == "logits"
    saved["weights"] = [0.4, 0.3, 0.2, 0.1]
    folder = ensembles["weights"].parent / "older"
    shutil.copytree(ensembles["weights"], folder)
    (folder / "ensemble.json").write_text(json.dumps(saved))
    found = load_scorer(ModelRef.in_folder(folder)).classify(TEXTS, 2)
    each = [load_scorer(ModelRef.in_folder(member)) for member in members]
    order = [[one.task.labels.index(name) for name in NAMES] for one in each]
    by_hand = sum(
        w * one.classify(TEXTS, 2)[:, ids] for w, one, ids in zip(saved["weights"], each, order, strict=True)
    )
    assert found == pytest.approx(by_hand, abs=1e-6)


@each_method
def test_predict_runs_it(ensembles, data, tmp_path, method):
    output = tmp_path / "labelled.csv"
    argv = [str(ensembles[method]), "--file", str(data / "test.csv"), "--output", str(output), "--batch_size", "7"]
    assert predict_command(argv) == 0
    rows, found = read_csv_table(output).columns, columns(ensembles[method], "test")
    assert list(rows) == ["text", "label", "prediction", "probability_negative", "probability_positive"]
    probabilities = np.array([rows[f"probability_{name}"] for name in NAMES], dtype=float).T
    assert probabilities == pytest.approx(found["probabilities"], abs=DIGITS)
    clear = abs(probabilities[:, 0] - probabilities[:, 1]) > DIGITS
    assert clear.sum() > 60
    assert (np.array(rows["prediction"])[clear] == found["prediction"][clear]).all()


def test_texts_of_the_command_line_are_labelled(ensembles, capsys):
    assert predict_command([str(ensembles["weights"]), *TEXTS]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [text for *_, text in lines] == TEXTS
    assert [lines[0][0], lines[2][0]] == ["positive", "negative"]


def test_the_folders_may_move_together_and_an_ensemble_may_be_a_member(members, ensembles, tmp_path, capsys):
    make_ensemble([ensembles["vote"], members[0]], str(members[0].parent / "twofold"), "mean", overwrite=False)
    assert predict_command([str(members[0].parent / "twofold"), *TEXTS]) == 0
    before = capsys.readouterr().out
    moved = shutil.copytree(members[0].parent, tmp_path / "elsewhere")
    # The base of the checkpoint is not needed: it was tuned as a whole.
    assert predict_command([str(moved / "twofold"), *TEXTS]) == 0
    assert capsys.readouterr().out == before


@each_method
def test_the_report_has_the_keys_of_that_of_a_model_and_the_members(ensembles, members, method):
    report, reports = read_report(ensembles[method]), [read_report(folder) for folder in members]
    assert report.keys() == {*reports[0], "members", "bytes_on_disk"} - {"calibration"}
    assert report["validation"].keys() == report["test"].keys() == reports[0]["test"].keys()
    assert (report["model"], report["tuning"], report["recipe"]) == ("ensemble", "ensemble", method)
    assert [member["folder"] for member in report["members"]] == ["../fc", "../gru", "../nb-svm", "../bert"]
    assert [member["name"] for member in report["members"]] == ["fc", "gru", "nb-svm", "bert"]
    for name in ("parameters", "trainable_parameters", "train_seconds", "train_tokens"):
        assert report[name] == sum(of_one[name] for of_one in reports), name
    assert report["peak_memory_bytes"] == max(of_one["peak_memory_bytes"] for of_one in reports)
    assert {name: report[name] for name in ("labels", "data", "data_hash")} == {
        name: reports[0][name] for name in ("labels", "data", "data_hash")
    }
    assert report["bytes_on_disk"] > sum((folder / "model.safetensors").stat().st_size for folder in members[:2])
    assert report["seed"] is None


def test_the_same_command_twice_is_done_once(members, tmp_path, capsys):
    argv = [*map(str, members), "--output_dir", str(tmp_path / "ensemble")]
    assert ensemble_command(argv) == 0
    first, before = capsys.readouterr().out, contents(tmp_path / "ensemble")
    assert ensemble_command(argv[:4][::-1] + argv[4:]) == 0
    assert capsys.readouterr().out == first
    assert contents(tmp_path / "ensemble") == before
    assert "accuracy" in first
    shown = {line.split()[1]: float(line.split()[0]) for line in first.splitlines()[-4:]}
    named = dict(zip(("fc", "gru", "nb-svm", "bert"), weights_of(tmp_path / "ensemble"), strict=True))
    assert shown == pytest.approx(named, abs=1e-3)


def test_another_ensemble_stays_unless_it_is_to_be_replaced(members, tmp_path, capsys):
    folder, two = tmp_path / "ensemble", members[:2]
    make_ensemble(two, str(folder), "weights", overwrite=False)
    (folder / "notes.txt").write_text("mine")
    (folder / "inference.json").write_text("{}")
    before = contents(folder)
    assert "holds another ensemble (by weights, of" in said(capsys, *two, "--output_dir", folder, "--method", "vote")
    assert "--overwrite" in said(capsys, *members, "--output_dir", folder)
    assert contents(folder) == before
    assert ensemble_command([*map(str, two), "--output_dir", str(folder), "--method", "vote", "--overwrite"]) == 0
    assert read_report(folder)["recipe"] == "vote"
    assert (folder / "notes.txt").is_file()
    assert not (folder / "inference.json").exists(), "it is of the other ensemble"


def test_one_that_was_not_finished_is_made_again(members, tmp_path):
    folder = tmp_path / "ensemble"
    made = make_ensemble(members, str(folder), "mean", overwrite=False)
    (folder / "report.json").unlink()
    again = make_ensemble(members, str(folder), "mean", overwrite=False)
    assert (again.test, again.fingerprint) == (made.test, made.fingerprint)


def touch_report(folder: Path, **changes) -> None:
    (folder / "report.json").write_text(json.dumps(read_report(folder) | changes))


def test_a_member_that_was_run_again_or_is_gone_is_refused_by_name(copies, tmp_path, capsys):
    folder = tmp_path / "out" / "ensemble"
    argv = [*map(str, copies), "--output_dir", str(folder)]
    assert ensemble_command(argv) == 0
    touch_report(copies[1], train_seconds=1.0)
    assert "before one of them was run again" in said(capsys, *argv)
    assert predict_command([str(folder), "good"]) == 2
    error = capsys.readouterr().err
    assert f"{copies[1]} was run again" in error
    assert "--overwrite" in error
    assert ensemble_command([*argv, "--overwrite"]) == 0
    assert predict_command([str(folder), "good"]) == 0
    shutil.rmtree(copies[2])
    capsys.readouterr()
    assert predict_command([str(folder), "good"]) == 2
    assert f"member {copies[2]}, which is not there" in capsys.readouterr().err


def without_report(folder):
    (folder / "report.json").unlink()


def without_validation(folder):
    (folder / FILES["validation"]).unlink()


def other_validation(folder):
    table = pq.read_table(folder / FILES["validation"])
    flipped = pa.array([1 - value for value in table["label"].to_pylist()], pa.int16())
    pq.write_table(table.set_column(1, "label", flipped), folder / FILES["validation"])


def damaged_validation(folder):
    (folder / FILES["validation"]).write_bytes(b"PAR")


def other_rows(folder):
    data = read_report(folder)["data"]
    touch_report(folder, data=data | {"rows": data["rows"] | {"train": 10}})


BROKEN = {
    "unfinished": (without_report, "no finished run in {}"),
    "without validation": (
        without_validation,
        "{} has no validation_predictions.parquet, which an ensemble needs; run it again with --overwrite",
    ),
    "damaged": (damaged_validation, "{}/validation_predictions.parquet cannot be read"),
    "other validation": (other_validation, "{} have other validation rows"),
    "other classes": (lambda folder: touch_report(folder, labels=["a", "b"]), "probability_a"),
    "other texts": (lambda folder: touch_report(folder, data_hash="0"), "{} are not on the same data"),
    "fewer rows": (other_rows, "{} on 10; combine runs on the same rows"),
}


@pytest.mark.parametrize(("broken", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_combined_is_refused_by_folder_and_reason(copies, tmp_path, capsys, broken, expected):
    broken(copies[1])
    folder = tmp_path / "ensemble"
    assert expected.format(copies[1]) in said(capsys, *copies, "--output_dir", folder)
    assert not folder.exists()


def test_wrong_words_are_refused(members, copies, tmp_path, capsys):
    one, two, *_ = copies
    assert "two finished runs or more, and only" in said(capsys, one)
    assert "two finished runs or more, and only" in said(capsys, one, one.parent / "." / one.name)
    assert f"--output_dir {two} is one of the members" in said(capsys, one, two, "--output_dir", two)
    assert f"--output_dir {two} is one of" in said(capsys, one, two, "--output_dir", two, "--overwrite")
    before = contents(copies[2])
    for more in ([], ["--overwrite"]):
        error = said(capsys, one, two, "--output_dir", copies[2], *more)
        assert f"--output_dir {copies[2]} is not empty and holds no ensemble" in error
    assert contents(copies[2]) == before
    assert "--method" in said(capsys, one, two, "--method", "median")
    assert "--metod" in said(capsys, one, two, "--metod", "vote")
    assert "FOLDER" in said(capsys)
    assert "no finished run in" in said(capsys, one, tmp_path / "nowhere")


def test_it_lies_beside_the_runs_of_its_data_set_unless_told_otherwise(members, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ensemble_command(["--method", "mean", *map(str, members[:2])]) == 0
    (report,) = tmp_path.rglob("report.json")
    dataset = read_report(members[0])["dataset"]
    assert report.relative_to(tmp_path) == Path("out", dataset, "ensemble", "report.json")
    assert (report.parent / read_report(report.parent)["members"][1]["folder"]).samefile(members[1])


def test_it_is_compared_with_its_members(members, ensembles, tmp_path):
    result = compare(load_runs([*members, *ensembles.values()]), None)
    models = {model["name"]: model for model in result["models"]}
    assert models.keys() == {folder.name for folder in [*members, *ensembles.values()]}
    for method, folder in ensembles.items():
        model, report = models[f"by-{method}"], read_report(folder)
        assert (model["kind"], model["tuning"], model["seeds"]) == ("ensemble", "ensemble", [None])
        assert model["accuracy"]["value"] == pytest.approx(report["test"]["accuracy"])
        assert model["log_loss"]["value"] == pytest.approx(report["test"]["loss"], rel=1e-2)
        assert model["train_minutes"] == pytest.approx(sum(models[folder.name]["train_minutes"] for folder in members))
        assert model["bytes_on_disk"] == sum(models[folder.name]["bytes_on_disk"] for folder in members)
    write_page(result, tmp_path, texts=False)
    assert "by-vote" in (tmp_path / "report.html").read_text(encoding="utf-8")
    table = read_csv_table(tmp_path / "results.csv").columns
    assert dict(zip(table["name"], table["seeds"], strict=True)) == {
        **{folder.name: str(read_report(folder)["seed"]) for folder in members},
        **{folder.name: "" for folder in ensembles.values()},
    }


def test_ensembles_of_the_seeds_of_their_members_are_seeds_of_one_model(data, members, tmp_path):
    for seed in (0, 1):
        pair = [tmp_path / f"{model}-seed{seed}" for model in ("custom-fc", "custom-gru")]
        for folder in pair:
            run_flags(data, folder, "--seed", seed, model=folder.name.split("-seed")[0])
        assert make_ensemble(pair, str(tmp_path / f"both-seed{seed}"), "mean", overwrite=False).seed == seed
    for name, (one, other) in {"mixed": (0, 1), "mixed-too": (1, 0)}.items():
        pair = [tmp_path / f"custom-fc-seed{one}", tmp_path / f"custom-gru-seed{other}"]
        make_ensemble(pair, str(tmp_path / name), "mean", overwrite=False)
    models = {
        model["name"]: model["seeds"] for model in compare(load_runs(sorted(tmp_path.iterdir())), None)["models"]
    }
    seeds = {"custom-fc": [0, 1], "custom-gru": [0, 1], "both": [0, 1]}
    assert models == seeds | {"mixed": [None], "mixed-too": [None]}


def test_an_ensemble_is_not_pushed_for_a_reason(ensembles, capsys):
    assert push_command([str(ensembles["vote"]), "--hub_model_id", "me/x", "--dry_run"]) == 2
    error = capsys.readouterr().err
    assert "holds an ensemble, which is no checkpoint" in error
    assert "members" in error


def test_the_script_tells_its_flags():
    script = [sys.executable, str(ROOT / "scripts/ensemble.py"), "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(script, capture_output=True, text=True, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    for flag in ("FOLDER", "--output_dir", "--method", "--overwrite", *METHODS):
        assert flag in done.stdout


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"method": "mean", "labels": ["bad", "good"], "members": {}, "weights": []},
        {"method": "mean", "labels": ["bad", "good"], "members": ["a"], "weights": [1.0]},
        {"method": "mean", "labels": ["bad", "good"], "members": {"a": "0"}, "weights": []},
    ],
    ids=["nothing", "none", "a list", "no weights"],
)
def test_an_ensemble_whose_file_lacks_its_members_is_refused(saved, tmp_path, capsys):
    (tmp_path / "ensemble.json").write_text(json.dumps(saved))
    assert predict_command([str(tmp_path), "good"]) == 2
    assert "ensemble.json is damaged" in capsys.readouterr().err
