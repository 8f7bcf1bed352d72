"""Each task goes the whole way with each model: run, predict, ensemble, and pipeline() without our packages."""

import ast
import csv
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers import OTHER, is_json, read_report, save_bert, weights, write_csv
from transformers import AutoModelForSequenceClassification

from sentiment_hf import api
from sentiment_hf.cli import compare_command, ensemble_command, predict_command, run_command
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.runs.finished import load_runs
from sentiment_hf.runs.published import publish
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run

STARS = ("awful", "bad", "fair", "good", "great")
ASPECTS = {"food": ("soup", "meal"), "service": ("waiter", "staff"), "price": ("cheap", "dear")}
FLAGS = {
    "multi_label": ["--label_delimiter", "|"],
    "regression": ["--task", "regression", "--label_column_name", "price"],
    "ordinal": ["--task", "ordinal", "--label_column_name", "stars"],
}
NEURAL = ("custom-ngram", "custom-gru", "full", "head", "lora")
BASELINES = dict.fromkeys(FLAGS, "baseline-logistic-regression-tfidf") | {"regression": "baseline-ridge-tfidf"}
RANKED = {"multi_label": "f1_macro", "regression": "rmse", "ordinal": "quadratic_kappa"}

# Classifies the texts by each folder and prints {folder: {label: score}} for each text.
PIPELINE = """
import json, sys
sys.modules["custom_models"] = sys.modules["sentiment_hf"] = None
from transformers import pipeline
found = {}
for folder in sys.argv[2:]:
    classify = pipeline("text-classification", folder, trust_remote_code=True, device="cpu")
    rows = classify(json.loads(sys.argv[1]), top_k=None)
    found[folder] = [{one["label"]: one["score"] for one in row} for row in rows]
print(json.dumps(found))
"""


def row_of(task: str, chance: random.Random) -> tuple[str, str]:
    """(text, label): some words that say nothing, and some that say the label."""
    words = chance.choices([word for word in OTHER if word != "soup"], k=chance.randint(2, 6))
    if task == "multi_label":
        label = [aspect for aspect in ASPECTS if chance.random() < 0.4]
        words += [chance.choice(ASPECTS[aspect]) for aspect in label]
        return " ".join(words), "|".join(label)
    stars = chance.randint(1, 5)
    words += [STARS[stars - 1]] * 2
    chance.shuffle(words)
    return " ".join(words), str(stars) if task == "ordinal" else f"{1000 + 25.5 * stars:g}"


@pytest.fixture(scope="module", params=FLAGS)
def made(request, tmp_path_factory) -> tuple[str, Path, Path]:
    """(task, folder of the data, folder of a run with each kind of model)."""
    task, home = request.param, tmp_path_factory.mktemp(request.param)
    column = {"multi_label": "label", "regression": "price", "ordinal": "stars"}[task]
    for seed, (split, rows) in enumerate({"train": 120, "validation": 40, "test": 50}.items()):
        chance = random.Random(seed)
        write_csv(home / "data" / f"{split}.csv", [row_of(task, chance) for _ in range(rows)], ("text", column))
    save_bert(home / "bert", home / "data", initializer_range=0.3, hidden_dropout_prob=0.0)
    for kind in NEURAL:
        run(parse_run(neural(task, home, kind)))
    run(parse_run([*files(task, home), "--model", BASELINES[task], "--output_dir", str(home / "baseline")]))
    members = [str(home / name) for name in ("custom-ngram", "custom-gru", "baseline")]
    assert ensemble_command([*members, "--output_dir", str(home / "ensemble")]) == 0
    return task, home / "data", home


def files(task: str, home: Path) -> list[str]:
    """The flags of the data."""
    parts = [
        word
        for split in ("train", "validation", "test")
        for word in (f"--{split}_file", str(home / "data" / f"{split}.csv"))
    ]
    return [*parts, *FLAGS[task], "--num_cpu_threads", "1", "--disable_tqdm", "true"]


def neural(task: str, home: Path, kind: str) -> list[str]:
    """The command line of a run with a custom model, or with a BERT by this tuning."""
    words = [*files(task, home), "--output_dir", str(home / kind), "--num_train_epochs", "6", "--warmup_steps", "0"]
    words += ["--learning_rate", "0.03", "--per_device_train_batch_size", "16"]
    if kind in ("full", "head", "lora", "classes"):
        how = ["--tuning", kind] if kind != "classes" else ["--ordinal_head", "classes"]
        return [*words, "--model", str(home / "bert"), *how]
    tiny = ["embedding_size=16", "hidden_size=16"] if kind == "custom-gru" else ["num_buckets=999"]
    return [*words, "--model", kind, "--min_frequency", "1", "--model_config", "dropout=0", *tiny]


def test_a_model_learns_and_its_report_says_of_what_task_it_is(made):
    task, _, home = made
    for kind in (*NEURAL, "baseline", "ensemble"):
        report = read_report(home / kind)
        assert report["task"] == task
        assert is_json(report)
        score = report["test"][RANKED[task]]
        if kind in ("custom-ngram", "custom-gru", "baseline", "ensemble"):
            assert score > 0.7 if task != "regression" else score < 20, (kind, score)


def test_predict_gives_what_the_run_has_scored(made):
    _, data, home = made
    texts = [text for text, _ in rows_of(data / "test.csv")]
    for kind in (*NEURAL, "baseline", "ensemble"):
        (known,) = load_runs([home / kind])
        scorer = load_scorer(ModelRef.in_folder(home / kind, trust_remote_code=True))
        assert scorer.task == known.task
        assert scorer.task.settings == known.task.settings
        scored = scorer.classify(texts, 16)
        # An ensemble is scored by the saved probabilities of its members, which have few digits near 1.
        near = 1e-2 if kind == "ensemble" else 2e-3
        assert scored == pytest.approx(known.test.probabilities, rel=near, abs=near), kind
        assert scorer.task.decide(scored) == pytest.approx(known.test.predictions, rel=1e-4), kind


def rows_of(path: Path) -> list[list[str]]:
    return [line.rsplit(",", 1) for line in path.read_text().splitlines()[1:]]


def test_predict_adds_the_columns_of_the_task_to_a_file(made, tmp_path, capsys):
    task, data, home = made
    columns = {
        "multi_label": ["prediction", "probability_cheap"],
        "regression": ["prediction"],
        "ordinal": ["prediction", "expected_value", *(f"probability_{star}" for star in range(1, 6))],
    }
    columns["multi_label"] = ["prediction", *(f"probability_{label}" for label in sorted(ASPECTS))]
    for kind in ("custom-gru", "lora", "baseline", "ensemble"):
        output = tmp_path / f"{kind}.parquet"
        words = [str(home / kind), "--file", str(data / "test.csv"), "--output", str(output), "--trust_remote_code"]
        assert predict_command(words) == 0
        table = pq.read_table(output)
        assert table.column_names[2:] == columns[task]
        assert str(table.schema.field("prediction").type) == ("double" if task == "regression" else "string")
        assert predict_command([str(home / kind), "the meal was great", "--trust_remote_code"]) == 0
        *answer, text = capsys.readouterr().out.rstrip("\n").split("\t")
        assert text == "the meal was great"
        assert len(answer) == {"multi_label": 2, "regression": 1, "ordinal": 3}[task]
        (one,) = api.predict(load_scorer(ModelRef.in_folder(home / kind, trust_remote_code=True)), [text])
        keys = {"multi_label": "labels scores", "regression": "value", "ordinal": "label score scores expected_value"}
        assert list(one) == keys[task].split()


def test_pipeline_gives_the_outputs_of_the_task_without_our_packages(made, tmp_path):
    _, data, home = made
    texts = [text for text, _ in rows_of(data / "test.csv")][:7]
    folders = [str(home / kind) for kind in NEURAL if (home / kind / "config.json").is_file()]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", PIPELINE, json.dumps(texts), *folders]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"HF_HOME": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for folder, rows in json.loads(done.stdout).items():
        scorer = load_scorer(ModelRef.in_folder(Path(folder), trust_remote_code=True))
        theirs = np.array([[row[label] for label in scorer.task.labels] for row in rows])
        assert theirs == pytest.approx(scorer.classify(texts, 7), rel=1e-5, abs=1e-5), folder


def test_a_card_says_the_scores_and_the_labels_of_its_task(made):
    task, _, home = made
    header = {"multi_label": "| label | threshold |", "regression": "| RMSE |", "ordinal": "| quadratic kappa |"}
    for kind in NEURAL:
        card = (home / kind / "README.md").read_text()
        assert header[task] in card


def test_the_code_of_a_card_gives_the_outputs_of_the_task(made, monkeypatch, capsys):
    task, _, home = made
    for kind in ("custom-gru", "full", "lora"):
        monkeypatch.chdir(home / kind)
        (code,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.S)
        capsys.readouterr()
        exec(code, {})
        printed = ast.literal_eval(capsys.readouterr().out.strip())
        labels = read_report(home / kind)["labels"]
        if kind == "lora" and task != "ordinal":
            kinds = {"multi_label": list, "regression": float, "ordinal": (int, str)}
            assert isinstance(printed, kinds[task])
        else:
            expected = set(labels) if task == "multi_label" else {printed[0]["label"]}
            assert {one["label"] for one in printed} == expected <= set(labels)


def test_a_comparison_says_the_scores_of_the_task_and_no_accuracy_where_there_is_none(made, tmp_path, capsys):
    task, _, home = made
    folders = [str(home / name) for name in ("custom-ngram", "custom-gru", "baseline", "ensemble")]
    parts = files(task, home)[:-4]
    assert compare_command([*folders, *parts, "--output_dir", str(tmp_path)]) == 0
    page = tmp_path / "comparison"
    html, markdown, results = ((page / f"report.{kind}").read_text() for kind in ("html", "md", "html"))
    results = json.loads((page / "results.json").read_text())
    assert results["task"] == task
    assert is_json(results)
    ranking = load_runs([folders[0]])[0].task.ranking
    table = next(csv.DictReader((page / "results.csv").open()))
    assert float(table[ranking.key]) == pytest.approx(results["models"][0][ranking.key]["value"])
    second = {"multi_label": "f1", "regression": "mae", "ordinal": "mae"}[task]
    exact = {"multi_label": "mcnemar", "regression": "paired", "ordinal": "paired"}[task]
    for pair in results["pairs"]:
        assert pair[f"{second}_difference"]["low"] <= pair[f"{second}_difference"]["value"]
        assert pair[f"{exact}_p_holm"] >= pair[f"{exact}_p"]
    for text in (html, markdown, *results["advice"], capsys.readouterr().out):
        assert ("ccuracy" in text) <= (task != "regression"), text[:200]
        assert "McNemar" not in text or task == "multi_label"
    assert ranking.name in results["advice"][1]
    sections = {
        "multi_label": "Label by label",
        "regression": "Predictions and errors",
        "ordinal": "Confusion matrices",
    }
    assert sections[task] in html
    assert len(results["disagreements"]) <= 20
    for row in results["disagreements"]:
        assert set(row["predictions"]) == {model["name"] for model in results["models"]}


@pytest.mark.slow
def test_a_learning_curve_is_one_of_the_score_of_the_task(made, tmp_path):
    task, _, home = made
    argv = ["--models", BASELINES[task], *files(task, home), "--seeds", "1", "--learning_curve", "0.5", "1"]
    assert compare_command([*argv, "--output_dir", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "comparison" / "results.json").read_text())
    (curve,) = results["learning_curve"]
    assert [point["train_rows"] for point in curve["points"]] == [60, 120]
    (model,) = results["models"]
    key = "subset_accuracy" if task == "multi_label" else RANKED[task]
    assert curve["points"][1][key] == model[key]


def test_one_model_has_a_page_of_its_own(made, tmp_path):
    task, _, home = made
    assert compare_command([str(home / "custom-gru"), "--output_dir", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "comparison" / "results.json").read_text())
    said = {"multi_label": "has the least F1", "regression": "R² is", "ordinal": "its MAE is"}
    assert said[task] in " ".join(results["advice"])


def test_published_runs_are_compared_as_the_runs_are(made, tmp_path):
    _, _, home = made
    folders = [home / name for name in ("baseline", "custom-gru", "custom-ngram")]
    publish(tmp_path / "kept", folders)
    for known, kept in zip(load_runs(folders), load_runs([tmp_path / "kept"]), strict=True):
        assert (kept.task, kept.name) == (known.task, known.name)
        for part in ("test", "validation"):
            a, b = getattr(known, part), getattr(kept, part)
            assert (a.labels == b.labels).all()
            assert (a.predictions == b.predictions).all()
            for score in known.task.compared:
                assert score.terms(b).mean() == pytest.approx(score.terms(a).mean(), abs=2e-3), score.key


def test_runs_of_two_tasks_are_not_compared(made, tmp_path, capsys):
    task, _, home = made
    words = [*files(task, home), "--output_dir", str(tmp_path / "other"), "--model", "baseline-majority"]
    if task == "multi_label":
        words = [word for word in words if word not in FLAGS[task]]
        for split in ("train", "validation", "test"):
            write_csv(tmp_path / f"{split}.csv", [("good", "a"), ("bad", "b")], ("text", "label"))
            words[words.index(f"--{split}_file") + 1] = str(tmp_path / f"{split}.csv")
    other = {"multi_label": [], "regression": ["--task", "ordinal"], "ordinal": ["--task", "single_label"]}[task]
    assert run_command([*words, *other]) == 0
    assert compare_command([str(home / "custom-gru"), str(tmp_path / "other"), "--output_dir", str(tmp_path)]) == 2
    assert "compare runs of one task" in capsys.readouterr().err


def test_a_finished_run_is_not_made_again_and_another_flag_of_the_task_is_another_run(made, caplog, capsys):
    task, _, home = made
    before = (home / "custom-gru" / "model.safetensors").stat().st_mtime_ns
    assert run_command(neural(task, home, "custom-gru")) == 0
    assert "holds this run already" in caplog.text + capsys.readouterr().err
    flag = {
        "multi_label": "pos_weight balanced",
        "regression": "regression_loss huber",
        "ordinal": "ordinal_head classes",
    }
    name, value = flag[task].split()
    assert run_command([*neural(task, home, "custom-gru"), f"--{name}", value]) == 2
    assert name in capsys.readouterr().err
    assert (home / "custom-gru" / "model.safetensors").stat().st_mtime_ns == before


def test_training_goes_on_from_a_model_of_the_same_task_with_its_head(made, tmp_path):
    task, _, home = made
    words = neural(task, home, "full")
    words[words.index("--model") + 1] = str(home / "full")
    words += ["--output_dir", str(tmp_path / "on"), "--learning_rate", "0", "--num_train_epochs", "1"]
    words += ["--calibrate", "none"]
    before, after = read_report(home / "full"), run(parse_run(words)).as_json()
    for name in ("loss", RANKED[task]):
        assert after["test"][name] == pytest.approx(before["test"][name], rel=1e-4), name


def test_a_model_is_scored_again_without_training(made, tmp_path, capsys):
    task, _, home = made
    words = [
        *files(task, home),
        "--do_predict",
        "--model",
        str(home / "full"),
        "--output_dir",
        str(tmp_path / "scored"),
    ]
    before, after = read_report(home / "full"), run(parse_run(words)).as_json()
    for name in ("loss", RANKED[task]):
        assert after["test"][name] == pytest.approx(before["test"][name], rel=1e-5), name


@pytest.mark.parametrize("made", ["ordinal"], indirect=True)
def test_ordered_classes_are_learned_by_the_own_head_of_a_checkpoint_or_by_one_that_knows_the_order(made, tmp_path):
    task, _, home = made
    run(parse_run([*neural(task, home, "classes"), "--output_dir", str(tmp_path / "classes")]))
    kinds = {"full": "wrapped-classifier", "lora": "wrapped-classifier", "head": "wrapped-classifier"}
    for kind, expected in kinds.items():
        config = json.loads((home / kind / "config.json").read_text())
        assert (config["model_type"], config["ordinal"]) == (expected, True)
    config = json.loads((tmp_path / "classes" / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert config["task_settings"] == {"task": "ordinal", "head": "classes"}
    # From one head to the other and back: what does not fit is made new, what fits goes on.
    words = neural(task, home, "full")
    words[words.index("--model") + 1] = str(tmp_path / "classes")
    run(parse_run([*words, "--output_dir", str(tmp_path / "corn"), "--num_train_epochs", "1"]))
    assert json.loads((tmp_path / "corn" / "config.json").read_text())["model_type"] == "wrapped-classifier"


def test_a_head_for_another_task_is_refused_by_what_it_is_for(made, tmp_path, capsys):
    task, _, home = made
    other = next(name for name in FLAGS if name != task)
    chance = random.Random(5)
    column = {"multi_label": "label", "regression": "price", "ordinal": "stars"}[other]
    for split in ("train", "validation", "test"):
        write_csv(tmp_path / "data" / f"{split}.csv", [row_of(other, chance) for _ in range(40)], ("text", column))
    words = [
        *files(other, tmp_path),
        "--do_predict",
        "--model",
        str(home / "full"),
        "--output_dir",
        str(tmp_path / "o"),
    ]
    assert run_command(words) == 2
    error = capsys.readouterr().err
    assert "its head is for" in error
    assert "train it with a new head" in error


@pytest.mark.parametrize("kind", ["custom-gru", pytest.param("full", marks=pytest.mark.slow)])
def test_small_batches_train_what_a_big_one_trains(made, tmp_path, kind):
    """The library's own losses of several labels and of numbers would grow with --gradient_accumulation_steps."""
    task, _, home = made
    found = []
    for batch in (16, 4):
        words = [*neural(task, home, kind), "--output_dir", str(tmp_path / str(batch)), "--num_train_epochs", "1"]
        words += ["--per_device_train_batch_size", str(batch), "--gradient_accumulation_steps", str(16 // batch)]
        words += ["--optim", "sgd", "--learning_rate", "0.1"]
        run(parse_run(words))
        found.append(weights(tmp_path / str(batch)))
    assert not torch.equal(found[0]["classifier.weight"], weights(home / kind)["classifier.weight"])
    for name, weight in found[0].items():
        torch.testing.assert_close(found[1][name], weight, rtol=1e-3, atol=1e-4, msg=name)


def test_the_config_of_a_model_names_its_task(made):
    task, _, home = made
    kinds = {"multi_label": "multi_label_classification", "regression": "regression"}
    for kind in NEURAL:
        folder = home / kind
        if kind == "lora" and task != "ordinal":
            saved = json.loads((folder / "labels.json").read_text())
            assert saved["task"] == task
            continue
        config = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).config
        assert config.problem_type == kinds.get(task, "single_label_classification")
        assert config.task_settings["task"] == task
