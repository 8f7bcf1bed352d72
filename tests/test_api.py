"""The functions do what the commands do; importing the package costs nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import TINY, read_report, write_data
from launching import python
from loopback_hub import USER

import sentiment_hf
from sentiment_hf.api import words_of

ROOT = Path(__file__).parents[1]
TEXTS = ["good fine film", "bad dull soup", ""]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def data(home):
    write_data(home / "data")
    return {f"{part}_file": home / f"data/{part}.csv" for part in ("train", "validation", "test")}


@pytest.fixture(scope="module")
def reports(home, data):
    """Two finished runs by their names."""
    common = data | {"disable_tqdm": True}
    shape = dict(pair.split("=") for pair in TINY)
    return {
        "fc": sentiment_hf.run(model="custom-fc", max_steps=3, model_config=shape, output_dir=home / "fc", **common),
        "svm": sentiment_hf.run(model="baseline-svm-bow", output_dir=home / "svm", **common),
    }


def test_importing_the_package_imports_nothing_else():
    program = (
        "import sys, sentiment_hf; print(len([m for m in sys.modules if m in ('torch', 'numpy', 'transformers')]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    assert {"run", "compare", "load", "predict", "explain", "push", "InputError"} <= set(dir(sentiment_hf))
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        sentiment_hf.fit  # noqa: B018


def test_run_returns_the_report_that_it_writes_and_shows_its_table(home, reports):
    report = reports["fc"]
    assert json.loads(json.dumps(report.as_json())) == read_report(home / "fc")
    assert "test         accuracy" in str(report)
    assert "hidden_size=8" in report.command
    with pytest.raises(sentiment_hf.InputError, match="--max_stepz: no such flag"):
        sentiment_hf.run(model="custom-fc", max_stepz=3)


def test_compare_has_a_table_and_a_page_that_a_notebook_shows(home, reports):
    comparison = sentiment_hf.compare(home / "fc", home / "svm", output_dir=home)
    assert set(comparison.table["name"]) == {"fc", "svm"}
    assert comparison.results == json.loads(comparison.page.with_name("results.json").read_text())
    assert comparison._repr_html_().startswith("<iframe srcdoc=")
    with pytest.raises(sentiment_hf.InputError, match="no finished run"):
        sentiment_hf.compare(home / "data")


@pytest.mark.parametrize("name", ["fc", "svm"])
def test_predict_says_labels_and_probabilities_of_a_folder_or_a_loaded_model(home, reports, name):
    found = sentiment_hf.predict(sentiment_hf.load(home / name), TEXTS)
    assert found == sentiment_hf.predict(home / name, TEXTS)
    assert len(found) == len(TEXTS)
    for row in found:
        assert row["score"] == max(row["scores"].values()) == row["scores"][row["label"]]
        assert sum(row["scores"].values()) == pytest.approx(1)
    assert sentiment_hf.predict(home / name, []) == []
    for texts in ("one text", [3]):
        with pytest.raises(sentiment_hf.InputError, match="expected a list of strings"):
            sentiment_hf.predict(home / name, texts)


def test_explain_says_which_words_speak_for_an_answer(home, reports):
    found = sentiment_hf.explain(home / "fc", TEXTS)
    answers = sentiment_hf.predict(home / "fc", TEXTS)
    for one, text, answer in zip(found, TEXTS, answers, strict=True):
        assert (one.text, one.prediction) == (text, answer["label"])
        assert [text[start:end] for start, end in one.words] == text.split()
        assert one.scores.shape == (len(one.words), 2)
    assert sentiment_hf.explain(home / "svm", TEXTS[:1], "deletion")[0].method == "deletion"
    with pytest.raises(sentiment_hf.InputError, match="expected a list of strings, as in explain"):
        sentiment_hf.explain(home / "fc", "one text")
    with pytest.raises(sentiment_hf.InputError, match="--method exact does not apply"):
        sentiment_hf.explain(home / "fc", TEXTS, "exact")
    with pytest.raises(sentiment_hf.InputError, match="columns: the model reads the text alone"):
        sentiment_hf.explain(home / "fc", TEXTS, columns={"price": [1, 2, 3]})


def test_the_program_in_the_documentation_is_right(tmp_path):
    program = re.search(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text(encoding="utf-8"), re.S)[1]
    done = subprocess.run([python(), "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert (tmp_path / "out/sample/comparison/report.html").is_file()


def test_push_returns_the_address(home, reports, hub):
    assert sentiment_hf.push(home / "fc", f"{USER}/by-api", license="mit") == f"{hub.url}/{USER}/by-api"
    assert b"license: mit" in hub.files(f"{USER}/by-api")["README.md"]


def test_keywords_are_words_of_the_command_line():
    flags = {"bf16": True, "do_eval": False, "seed": None, "models": ["a", "b"], "model_config": {"x": 1}, "n": 3}
    words = ["--bf16", "--do_eval", "false", "--models", "a", "b", "--model_config", "x=1", "--n", "3"]
    assert words_of(flags) == words
