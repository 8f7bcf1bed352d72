"""A method is measured beside random words, and one that is not better than they are is not offered."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import run_baseline, run_flags, write_data

from sentiment_hf import api
from sentiment_hf.cli import compare_command, explain_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.explaining.explain import load_all, load_explainer
from sentiment_hf.explaining.faithfulness import SHARES, measure
from sentiment_hf.explaining.integrated_gradients import IncompleteError, incomplete
from sentiment_hf.explaining.measured import Faithfulness, read_measured, save_measured
from sentiment_hf.explaining.overview import overview
from sentiment_hf.explaining.words import without
from sentiment_hf.settings.model_ref import ModelRef

FEW = ("num_buckets=4096",)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def ngram(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "ngram"
    run_flags(data, folder, "--num_train_epochs", 10, "--learning_rate", 0.1, model="custom-ngram", settings=FEW)
    return folder


def test_the_figures_are_those_of_their_definition(ngram):
    explainer = load_all(ModelRef.in_folder(ngram))
    text = "the film was good so good it was dull here again and again"
    (found,) = explainer.explain([text])
    chosen = int(found.probabilities.argmax())
    order = np.argsort(-found.scores[:, chosen], kind="stable")

    def probability(gone: list[int]) -> float:
        """Of the chosen class, without some words."""
        left = without(text, found.words, np.isin(np.arange(len(found.words)), gone))
        return list(api.predict(ngram, [left])[0]["scores"].values())[chosen]

    counts = [max(1, round(share * len(order))) for share in SHARES]
    comprehensiveness = np.mean([probability([]) - probability(order[:count]) for count in counts])
    sufficiency = np.mean([probability([]) - probability(order[count:]) for count in counts])
    measured = measure(explainer, [text])
    assert measured.texts == 1
    assert measured.comprehensiveness == pytest.approx(comprehensiveness, abs=1e-5)
    assert measured.sufficiency == pytest.approx(sufficiency, abs=1e-5)
    random = measured.random_sufficiency - measured.random_comprehensiveness
    assert measured.gain == pytest.approx(comprehensiveness - sufficiency + random, abs=1e-5)


def test_a_method_that_goes_by_what_the_model_goes_by_is_better_than_random_and_kept(ngram, capsys):
    assert explain_command([str(ngram), "--measure", "--rows", "20"]) == 0
    out = capsys.readouterr().out
    assert "exact  better than random words: comprehensiveness" in out
    found = read_measured(ngram)
    assert list(found) == ["exact"]
    assert found["exact"].texts == 20
    assert found["exact"].gain_interval[0] > 0
    assert explain_command([str(ngram), "--measure", "--rows", "20", "--method", "deletion"]) == 0
    assert list(read_measured(ngram)) == ["exact", "deletion"]
    assert api.explain(ngram, ["a good film"])[0].method == "exact"


def test_a_model_that_goes_by_no_word_has_no_method_that_is_better_than_random(data, tmp_path, capsys):
    folder = tmp_path / "majority"
    run_baseline(data, folder, "baseline-majority")
    assert explain_command([str(folder), "a good film"]) == 0
    assert explain_command([str(folder), "--measure"]) == 0
    assert "deletion  not better than random words: comprehensiveness 0.000" in capsys.readouterr().out
    assert explain_command([str(folder), "a good film"]) == 2
    error = capsys.readouterr().err
    assert "--method deletion is not better than random words" in error
    assert (
        "gain 0.000 (0.000 to 0.000) on 22 test rows; no other method is left; measure it again by --measure" in error
    )
    # What was found is of the model that was there.
    run_baseline(data, folder, "baseline-majority", "--seed", 1, "--overwrite")
    assert explain_command([str(folder), "a good film"]) == 0


def test_of_several_methods_the_next_one_is_offered(ngram):
    ref = ModelRef.in_folder(ngram)
    before = read_measured(ngram)
    save_measured(ngram, {"exact": Faithfulness(20, 0.1, 0.1, 0.1, 0.1, 0.0, (-0.01, 0.01))})
    assert load_explainer(ref).method == "deletion"
    with pytest.raises(
        InputError, match=r"--method exact is not better .* give --method deletion, or measure it again"
    ):
        load_explainer(ref, "exact")
    (ngram / "faithfulness.json").write_text('{"methods": {"exact": {"texts": 1}}}')
    with pytest.raises(InputError, match=r"faithfulness\.json is damaged .* remove it, and measure again"):
        load_explainer(ref)
    (ngram / "faithfulness.json").unlink()
    save_measured(ngram, before)


def test_texts_that_are_not_explained_are_counted(ngram):
    explainer = load_all(ModelRef.in_folder(ngram))
    exact = explainer.methods["exact"]

    def some(row, text, words):
        if "dull" in text:
            raise incomplete(np.zeros(1), 1.0)
        return exact(row, text, words)

    explainer = replace(explainer, methods={"exact": some})
    texts = ["the film was good", "the soup was dull", "dull", "so fine"]
    found = measure(explainer, texts)
    assert (found.texts, found.refused) == (2, 2)
    assert "on 2 test rows, and 2 more that it does not explain" in str(found)
    seen = overview(explainer, texts)
    assert (seen.texts, seen.refused) == (2, 2)
    with pytest.raises(IncompleteError, match=r"text 2: integrated gradients fail.* give --method deletion"):
        explainer.explain(texts)
    with pytest.raises(InputError, match="none has two words and is explained by --method exact"):
        measure(explainer, ["dull", "good"])


def test_the_comparison_has_the_figures_beside_random_words(ngram, data, tmp_path, capsys):
    run_baseline(data, tmp_path / "majority", "baseline-majority")
    argv = [str(ngram), str(tmp_path / "majority"), "--explain", "--output_dir", str(tmp_path)]
    assert compare_command(argv) == 0
    results = json.loads((tmp_path / "comparison" / "results.json").read_text())
    found = {(one["name"], one["method"]): one for one in results["faithfulness"]}
    kept = read_measured(ngram)
    assert set(found) == {("majority", "deletion"), *(("ngram", method) for method in kept)}
    for (name, method), one in found.items():
        assert one["offered"] == (name == "ngram")
        if name == "ngram":
            assert one["gain"] == kept[method].gain
    page = (tmp_path / "comparison" / "report.html").read_text()
    assert "Do explanations name the words that count?" in page
    assert f"{found['ngram', 'exact']['comprehensiveness']:.3f}" in page
    assert "| majority | deletion | 0.000 |" in (tmp_path / "comparison" / "report.md").read_text()
    # What cannot be measured is said on the page, and in the exit code as after a run that failed.
    (tmp_path / "majority" / "faithfulness.json").unlink()
    report = json.loads((tmp_path / "majority" / "report.json").read_text())
    (tmp_path / "majority" / "report.json").write_text(json.dumps(report | {"command": None}))
    assert compare_command(argv) == 3
    assert "1 failed: explanations of majority" in capsys.readouterr().err
    assert compare_command([word for word in argv if word != "--explain"]) == 0
    assert "faithfulness" not in json.loads((tmp_path / "comparison" / "results.json").read_text())


@pytest.mark.parametrize("task", ["multi_label", "regression"])
def test_labels_and_numbers_are_measured_too(task, data, tmp_path):
    labels = {"multi_label": ("food|price", "place"), "regression": ("1200.5", "1350")}[task]
    flags = {"multi_label": ["--label_delimiter", "|"], "regression": ["--task", "regression"]}[task]
    for file in data.glob("*.csv"):
        text = file.read_text().replace("negative", labels[0]).replace("positive", labels[1])
        (tmp_path / file.name).write_text(text)
    name = {"multi_label": "baseline-logistic-regression-bow", "regression": "baseline-ridge-tfidf"}[task]
    run_baseline(tmp_path, tmp_path / "run", name, *flags)
    assert explain_command([str(tmp_path / "run"), "--measure"]) == 0
    found = read_measured(tmp_path / "run")["coefficients"]
    assert found.is_better_than_random
    assert found.unit == ("probability" if task == "multi_label" else "standard deviations")
    assert found.comprehensiveness > found.random_comprehensiveness
    assert found.sufficiency < found.random_sufficiency


def test_rows_that_are_not_there_any_more_are_named(data, tmp_path, capsys):
    for file in data.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    run_baseline(tmp_path, tmp_path / "run", "baseline-naive-bayes-bow")
    (tmp_path / "test.csv").unlink()
    assert explain_command([str(tmp_path / "run"), "--measure"]) == 2
    assert "its test rows cannot be read again" in capsys.readouterr().err
    assert not (tmp_path / "run" / "faithfulness.json").exists()
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    del report["command"]
    (tmp_path / "run" / "report.json").write_text(json.dumps(report))
    assert explain_command([str(tmp_path / "run"), "--overview"]) == 2
    assert "name a file with such texts by --file" in capsys.readouterr().err
