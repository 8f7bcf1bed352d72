"""Baselines have the flags, splits and report of the models; what they save is read back, and nothing hostile is."""

import csv
import json
import math
import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import (
    OTHER,
    baseline_flags,
    contents,
    read_report,
    reviews,
    run_baseline,
    run_flags,
    write_csv,
    write_data,
)
from launching import ACCELERATE, ROOT, call
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops import io

from sentiment_hf.baselines import BASELINES, FOR_NUMBERS
from sentiment_hf.baselines.features import LogCountRatio, NGrams, Tokens, vader_analyzer
from sentiment_hf.baselines.storage import load_baseline
from sentiment_hf.cli import predict_command, push_command, run_command
from sentiment_hf.common.layout import BASELINE_FILE
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.tokenizers import train_tokenizer

TEXTS = ["a fine film", "", "so grim and dull", "the soup was [PAD] cold<br />again"]
CLASSIFIERS = [name for name in BASELINES if name not in FOR_NUMBERS]
COUNTING = [name for name in CLASSIFIERS if name not in ("baseline-majority", "baseline-lexicon")]
MIDDLING = ("average", "decent", "middling", "passable", "ordinary")

each_baseline = pytest.mark.parametrize("name", CLASSIFIERS)


def refusal(argv: list[str], capsys) -> str:
    """What is said to a command that ends with exit code 2."""
    assert run_command(argv) == 2
    return capsys.readouterr().err


def probabilities(folder: Path) -> np.ndarray:
    """(rows, classes) of predictions.parquet."""
    table = pq.read_table(folder / "predictions.parquet")
    columns = [name for name in table.column_names if name.startswith("probability_")]
    return np.stack([table[name].to_numpy() for name in columns], axis=1).astype(np.float64)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=120, validation=40, test=60)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> dict[str, Path]:
    """The folder of a finished run of every baseline; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    for name in CLASSIFIERS:
        run_baseline(data, folder / name, name)
    return {name: folder / name for name in CLASSIFIERS}


@pytest.fixture(scope="module")
def of_a_model(data, tmp_path_factory) -> dict:
    """The report of a custom model on the same files."""
    return run_flags(data, tmp_path_factory.mktemp("model") / "run")


@pytest.fixture(scope="module")
def three_classes(tmp_path_factory) -> Path:
    """train.csv, validation.csv and test.csv with a third class, whose words are its own."""
    folder = tmp_path_factory.mktemp("three")
    for seed, (split, rows) in enumerate({"train": 120, "validation": 40, "test": 60}.items()):
        chance = random.Random(seed)
        texts = [" ".join(chance.choices(OTHER, k=6) + chance.choices(MIDDLING, k=2)) for _ in range(rows // 2)]
        write_csv(folder / f"{split}.csv", reviews(rows, seed) + [(text, "so-so") for text in texts])
    return folder


@each_baseline
def test_the_report_has_the_keys_of_that_of_a_model_and_what_was_chosen(name, finished, of_a_model):
    report = read_report(finished[name])
    # Sigmoids take the place of temperatures.
    assert report.keys() == {*of_a_model, "chosen", "search"} - ({"calibration"} if "svm-" in name else set())
    assert report["validation"].keys() == report["test"].keys() == of_a_model["test"].keys()
    assert (report["model"], report["tuning"], report["processes"]) == (name, "baseline", 1)
    assert report["data"] == of_a_model["data"]
    assert report["parameters"] > 0
    assert report["train_tokens"] > 120
    assert report["train_tokens_per_second"] == report["train_tokens"] / report["train_seconds"]


@each_baseline
def test_a_baseline_learns_what_is_there_to_learn(name, finished):
    expected = {"baseline-majority": 0.5, "baseline-lexicon": 0.8}
    assert read_report(finished[name])["test"]["accuracy"] >= expected.get(name, 0.95)


@each_baseline
def test_probabilities_sum_to_one_and_their_largest_is_the_prediction(name, finished, three_classes, tmp_path):
    run_baseline(three_classes, tmp_path / name, name)
    for folder in (finished[name], tmp_path / name):
        assert probabilities(folder).sum(axis=1) == pytest.approx(1, abs=2e-3)
        estimator, task = load_baseline(ModelRef.parse(str(folder)))
        exact = estimator.predict_proba(TEXTS)
        assert exact.shape == (4, len(task.labels))
        assert exact.sum(axis=1) == pytest.approx(1, abs=1e-12)
        assert (exact >= 0).all()


@pytest.mark.parametrize("name", COUNTING)
def test_several_classes_are_learned(name, three_classes, tmp_path):
    report = run_baseline(three_classes, tmp_path / name, name)
    assert report["labels"] == ["negative", "positive", "so-so"]
    assert report["test"]["accuracy"] > 0.9
    assert min(scores["f1"] for scores in report["test"]["per_class"].values()) > 0.85


@each_baseline
def test_predict_gives_the_probabilities_of_the_run(name, finished, data, tmp_path):
    argv = [str(finished[name]), "--file", str(data / "test.csv"), "--output", str(tmp_path / "out.csv")]
    assert predict_command([*argv, "--batch_size", "7"]) == 0
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "label", "prediction", "probability_negative", "probability_positive"]
    assert np.array([row[3:] for row in rows], dtype=float) == pytest.approx(probabilities(finished[name]), abs=1e-3)
    right = [row[1] == row[2] for row in rows]
    assert sum(right) / len(rows) == read_report(finished[name])["test"]["accuracy"]


def test_texts_of_the_command_line_are_shown_as_by_a_model(finished, capsys):
    assert predict_command([str(finished["baseline-nb-svm"]), *TEXTS]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [text for _, _, text in lines] == TEXTS
    assert [label for label, _, _ in lines][::2] == ["positive", "negative"]
    assert all(scores.startswith("negative 0.") for _, scores, _ in lines)


@each_baseline
def test_the_same_command_on_a_finished_run_only_reports(name, finished, data, capsys):
    before = contents(finished[name])
    assert run_command(baseline_flags(data, finished[name], name)) == 0
    assert contents(finished[name]) == before
    assert f"{read_report(finished[name])['test']['accuracy']:.2%}" in capsys.readouterr().out


def test_another_run_or_other_data_is_refused_until_overwritten(data, tmp_path, capsys):
    folder, name = tmp_path / "run", "baseline-naive-bayes-bow"
    first = run_baseline(data, folder, name)
    before = contents(folder)
    assert "seed: 42 there, 7 here" in refusal(baseline_flags(data, folder, name, "--seed", 7), capsys)
    assert "another run" in refusal(baseline_flags(data, folder, "baseline-svm-bow"), capsys)
    other = write_data(tmp_path / "other", train=100, validation=40, test=60)
    assert "data:" in refusal(baseline_flags(other, folder, name), capsys)
    assert contents(folder) == before
    (folder / "notes.txt").write_text("mine")
    second = run_baseline(other, folder, name, "--overwrite")
    assert second["fingerprint"] != first["fingerprint"]
    assert read_report(folder)["data"]["rows"]["train"] == 100
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_is_no_run_is_refused_and_a_broken_off_one_is_done_anew(data, finished, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("all my work")
    assert "holds no run" in refusal(baseline_flags(data, tmp_path / "thesis", "baseline-majority"), capsys)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text((finished["baseline-svm-bow"] / "run.json").read_text())
    (broken / BASELINE_FILE).write_bytes(b"half a file")
    report = run_baseline(data, broken, "baseline-svm-bow")
    assert report["test"] == read_report(finished["baseline-svm-bow"])["test"]


@pytest.mark.parametrize(
    "words",
    [
        ["--learning_rate", "0.1"],
        ["--tuning", "lora"],
        ["--max_seq_length", "100"],
        ["--truncation", "tail"],
        ["--model_config", "hidden_size=8"],
        ["--vocab_size", "1000"],
        ["--min_frequency", "3"],
        ["--word_vectors", "x.txt"],
        ["--push_to_hub", "--hub_model_id", "me/x"],
        ["--do_predict"],
        ["--num-train-epochs", "3"],
        ["--tokenizer", "bpe"],
        ["--config", str(ROOT / "configs" / "custom-fc.yaml")],
    ],
    ids=lambda words: words[0],
)
def test_a_flag_that_a_baseline_cannot_obey_is_refused_by_its_name(words, data, tmp_path, capsys):
    said = refusal(baseline_flags(data, tmp_path / "run", "baseline-nb-svm", *words), capsys)
    flag = "--least_steps" if words[0] == "--config" else f"--{words[0].lstrip('-').replace('-', '_')}"
    assert flag in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["--tokenizer", "char"], ["--no_lowercase"]], ids=lambda words: words[0])
def test_the_lexicon_finds_its_words_itself(words, data, tmp_path, capsys):
    said = refusal(baseline_flags(data, tmp_path / "run", "baseline-lexicon", *words), capsys)
    assert "baseline-lexicon finds English words by itself" in said


def test_an_unknown_baseline_is_a_spelling_error_with_a_suggestion(capsys):
    said = refusal(["--model", "baseline-nbsvm", "--dataset", "sample"], capsys)
    assert "did you mean 'baseline-nb-svm'?" in said
    assert all(name in said for name in BASELINES)


def test_a_recipe_of_data_flags_names_the_default_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("tokenizer: char\nseed: 3\n")
    files = baseline_flags(data, tmp_path, "baseline-majority")[:8]
    assert run(parse_run([*files, "--config", "mine.yaml"])).recipe == "mine"
    assert run(parse_run(files)).recipe is None
    assert {path.parent.name for path in tmp_path.glob("out/*/*/report.json")} == {"mine", "baseline-majority"}


@pytest.mark.parametrize(("name", "module"), [("baseline-svm-bow", "skops"), ("baseline-lexicon", "vaderSentiment")])
def test_a_missing_extra_is_named_before_anything_is_written(name, module, data, tmp_path, capsys, monkeypatch):
    vader_analyzer.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    for part in [part for part in sys.modules if part.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, part)
    said = refusal(baseline_flags(data, tmp_path / "run", name), capsys)
    assert module in said
    assert "pip install 'sentiment-hf[baselines]'" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_several_processes_are_refused(data, tmp_path):
    launch = [*ACCELERATE, "--config_file", str(ROOT / "configs" / "accelerate" / "cpu-2.yaml")]
    done = call(launch, baseline_flags(data, tmp_path / "run", "baseline-majority", "--disable_tqdm", "true"))
    assert done.returncode != 0
    assert "fitted by one process, and 2 were started" in done.stderr
    assert not (tmp_path / "run").exists()


def test_chinese_is_read_character_by_character(tmp_path):
    """The telling characters are everywhere inside texts without a space, so that no text is a word of another."""
    neutral = "今天我们在这里吃饭看书走路喝茶听歌写字"
    for seed, (split, rows) in enumerate({"train": 200, "validation": 40, "test": 80}.items()):
        chance, table = random.Random(seed), []
        for index in range(rows):
            characters = [*chance.choices(neutral, k=12), "好" if index % 2 else "坏"]
            chance.shuffle(characters)
            table.append(("".join(characters), index % 2))
        write_csv(tmp_path / f"{split}.csv", table)
    for name, kind in [*((name, "char") for name in COUNTING), ("baseline-nb-svm", "word")]:
        report = run_baseline(tmp_path, tmp_path / f"{name}-{kind}", name, "--tokenizer", kind)
        assert report["test"]["accuracy"] > 0.95, name
        assert report["train_tokens"] == 200 * 13


def test_case_is_folded_unless_told_otherwise(tmp_path):
    rows = [("FINE" if index % 2 else "fine", index % 2) for index in range(40)]
    for split in ("train", "validation", "test"):
        write_csv(tmp_path / f"{split}.csv", rows)
    name = "baseline-logistic-regression-bow"
    assert run_baseline(tmp_path, tmp_path / "folded", name)["test"]["accuracy"] == 0.5
    assert run_baseline(tmp_path, tmp_path / "kept", name, "--lowercase", "false")["test"]["accuracy"] == 1


@pytest.mark.parametrize("kind", ["word", "char"])
def test_tokens_are_those_of_a_custom_model_and_none_is_cut(kind):
    texts = [text for text, _ in reviews(30, seed=1)] + ["Don’t cut <br /> this, ever! " * 200]
    tokenizer = train_tokenizer(texts, kind, vocab_size=9999, min_frequency=1, lowercase=True, model_max_length=99_999)
    tokens = Tokens(kind).fit(texts)
    expected = tokenizer(texts + TEXTS, add_special_tokens=False)["input_ids"]
    assert [ids.tolist() for ids in tokens.transform(texts + TEXTS)] == expected
    assert tokens.num_tokens_ == sum(map(len, expected[: len(texts)]))


@pytest.mark.parametrize(("longest", "min_texts"), [(1, 1), (2, 2), (3, 1)])
def test_n_grams_are_counted_as_scikit_learn_counts_words(longest, min_texts):
    train, other = ([text for text, _ in reviews(50, seed)] for seed in (1, 2))
    tokens = Tokens().fit(train)
    counts = make_pipeline(tokens, NGrams(longest, min_texts=min_texts)).fit(train).transform(other)
    words = {"ngram_range": (1, longest), "min_df": min_texts, "token_pattern": r"\S+"}
    expected = CountVectorizer(**words).fit(train).transform(other)
    assert counts.shape == expected.shape
    # The columns have another order: as columns without names they are the same ones.
    assert sorted(map(tuple, counts.T.toarray())) == sorted(map(tuple, expected.T.toarray()))
    binary = make_pipeline(tokens, NGrams(longest, binary=True, min_texts=min_texts)).fit(train).transform(other)
    assert (binary.toarray() == (counts.toarray() > 0)).all()


def test_the_log_count_ratio_is_that_of_a_hand_computed_example():
    """Features good, bad, film; with alpha 1 class 1 counts (3, 1, 2) of 6 and class 0 counts (1, 3, 3) of 7."""
    counts = csr_array(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 1]], dtype=float))
    weigh = LogCountRatio(alpha=1).fit(counts, np.array([1, 1, 0, 0]))
    expected = [math.log((3 / 6) / (1 / 7)), math.log((1 / 6) / (3 / 7)), math.log((2 / 6) / (3 / 7))]
    assert weigh.ratio_ == pytest.approx(expected)
    assert weigh.transform(counts[:1]).toarray()[0] == pytest.approx([expected[0], 0, expected[2]])


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "baseline-majority"])
def test_the_strength_is_the_one_with_the_best_validation_accuracy(name, finished):
    report = read_report(finished[name])
    best = max(tried["validation_accuracy"] for tried in report["search"])
    assert report["chosen"] == next(t["chosen"] for t in report["search"] if t["validation_accuracy"] == best)
    assert len({tuple(tried["chosen"].values()) for tried in report["search"]}) > 3


def test_the_test_part_has_no_say_in_what_is_learned(data, finished, tmp_path):
    other = tmp_path / "data"
    for split in ("train", "validation"):
        write_csv(other / f"{split}.csv", []).write_text((data / f"{split}.csv").read_text())
    wrong = {"positive": "negative", "negative": "positive"}
    write_csv(other / "test.csv", [(text, wrong[label]) for text, label in reviews(30, seed=99)])
    for name in ("baseline-svm-tfidf", "baseline-nb-svm"):
        report = run_baseline(other, tmp_path / name, name)
        assert report["test"]["accuracy"] < 0.1
        assert report["validation"] == read_report(finished[name])["validation"]
        first, second = (load_baseline(ModelRef.parse(str(folder)))[0] for folder in (tmp_path / name, finished[name]))
        assert (first.predict_proba(TEXTS) == second.predict_proba(TEXTS)).all()


def test_calibration_wants_every_class_in_validation(three_classes, data, tmp_path, capsys):
    argv = baseline_flags(three_classes, tmp_path / "run", "baseline-svm-bow")
    argv[argv.index("--validation_file") + 1] = str(data / "validation.csv")
    said = refusal(argv, capsys)
    assert "no row of the class 'so-so'" in said
    assert not (tmp_path / "run").exists()


def test_a_file_with_a_foreign_type_is_refused_and_nothing_of_it_runs(finished, tmp_path, capsys):
    folder, mark = tmp_path / "hostile", tmp_path / "ran"
    folder.mkdir()
    command = FunctionTransformer(os.system, inverse_func=None, kw_args={})
    io.dump(make_pipeline(command), folder / BASELINE_FILE)
    (folder / "labels.json").write_text(json.dumps({"labels": ["negative", "positive"]}))
    assert predict_command([str(folder), f"touch {mark}"]) == 2
    said = capsys.readouterr().err
    assert "system" in said
    assert "Traceback" not in said
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "said"), [(BASELINE_FILE, "cannot be loaded"), ("labels.json", "expected a JSON object")]
)
def test_a_damaged_file_is_refused(finished, tmp_path, capsys, name, said):
    folder = shutil.copytree(finished["baseline-nb-svm"], tmp_path / "damaged")
    (folder / name).write_bytes((folder / name).read_bytes()[:-40])
    assert predict_command([str(folder), "x"]) == 2
    assert said in capsys.readouterr().err


def test_a_baseline_is_not_pushed_for_a_reason(finished, capsys):
    for name in ("baseline-majority", "baseline-nb-svm"):
        assert push_command([str(finished[name]), "--hub_model_id", "me/x", "--dry_run"]) == 2
        assert "custom-ngram" in capsys.readouterr().err


def test_samples_are_as_large_as_asked_for(data, tmp_path):
    more = ["--max_train_samples", 60, "--max_eval_samples", 10, "--max_predict_samples", 12]
    report = run_baseline(data, tmp_path / "run", "baseline-svm-tfidf", *more)
    assert report["data"]["rows"] == {"train": 60, "validation": 10, "test": 12}
    assert report["test"]["rows"] == 12


@pytest.fixture(scope="module")
def skewed(tmp_path_factory) -> Path:
    """Nine in ten rows are positive in all parts, and every fifth row has a word of each class."""
    folder = tmp_path_factory.mktemp("skewed")
    for seed, (split, rows) in enumerate({"train": 200, "validation": 100, "test": 100}.items()):
        chance, table = random.Random(seed), []
        for index in range(rows):
            label = "negative" if index % 10 == 0 else "positive"
            words = chance.choices(OTHER, k=5) + ["fine" if label == "positive" else "grim"] * (chance.random() < 0.5)
            table.append((" ".join(chance.sample([*words, "so"], k=len(words) + 1)), label))
        write_csv(folder / f"{split}.csv", table)
    return folder


@pytest.mark.parametrize("metric", ["f1_macro", "eval_precision_macro", "recall_macro", "loss"])
@pytest.mark.parametrize("name", ["baseline-nb-svm", "baseline-svm-bow", "baseline-naive-bayes-bow"])
def test_the_strength_is_chosen_by_the_metric_of_the_flag(name, metric, skewed, tmp_path):
    report = run_baseline(skewed, tmp_path / "run", name, "--metric_for_best_model", metric, "--calibrate", "none")
    score = metric.removeprefix("eval_")
    tried = [one[f"validation_{score}"] for one in report["search"]]
    best = min(tried) if score == "loss" else max(tried)
    assert len(set(tried)) > 1
    assert report["chosen"] == report["search"][tried.index(best)]["chosen"]
    # precision and recall are not in the report; the reported scores are of the chosen classifier.
    assert report["validation"].get(score, best) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("name", COUNTING)
def test_class_weights_find_the_rare_class(name, skewed, tmp_path):
    """Texts without a telling word go to the frequent class, unless the classes weigh alike."""
    plain = run_baseline(skewed, tmp_path / "plain", name, "--metric_for_best_model", "loss")
    weighted = run_baseline(
        skewed, tmp_path / "weighted", name, "--metric_for_best_model", "loss", "--class_weights", "balanced"
    )
    recalls = [report["test"]["per_class"]["negative"]["recall"] for report in (plain, weighted)]
    assert recalls[1] > recalls[0]
    assert weighted["fingerprint"] != plain["fingerprint"]


def test_weighted_probabilities_sum_to_one_for_several_classes(three_classes, tmp_path):
    for name in ("baseline-nb-svm", "baseline-svm-tfidf"):
        report = run_baseline(three_classes, tmp_path / name, name, "--class_weights", "balanced")
        assert report["test"]["accuracy"] > 0.9
        assert probabilities(tmp_path / name).sum(axis=1) == pytest.approx(1, abs=2e-3)


def test_a_baseline_that_cannot_weigh_classes_says_so(data, tmp_path, capsys):
    said = refusal(baseline_flags(data, tmp_path / "run", "baseline-majority", "--class_weights", "balanced"), capsys)
    assert "--class_weights: baseline-majority predicts the most frequent class" in said
    said = refusal(baseline_flags(data, tmp_path / "run", "baseline-nb-svm", "--metric_for_best_model", "f1"), capsys)
    assert "--metric_for_best_model f1 is not logged" in said
    assert not (tmp_path / "run").exists()
